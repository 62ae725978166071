"""The text of routes: who called whom, as a forest of names, its grammar, its drawing and its nearest difference.

    routes   = [ tree { separator tree } ]          separator: ";" or a new line
    tree     = caller [ ">" callees ]               caller: a name; trees of one caller are merged
    callees  = callee | "(" callee { "," callee } ")" [ count ]
    callee   = name [ ">" callees ] | name count | "(" callee { "," callee } ")" [ count ]
    count    = ( "x" | "*" ) digits                 identical siblings in a row

`→` is another way to write `>`, the multiplication sign one to write `x`. White space means nothing, except that outside
parentheses a new line before a name begins a tree. Nothing here recurses, so depth has no limit. Pinned by
`tests/wire/test_route.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Forest", "RouteSyntaxError", "Runs", "Shapes", "difference", "draw", "parse_forest", "text"]

Runs = tuple[tuple[int, int], ...]
"""Siblings in order: pairs of a shape's number and how often it comes in a row."""

Forest = tuple[tuple[str, Runs], ...]
"""Callers in order of their first root, each with those it called."""

_NAME: Final = re.compile(r"[\w.\-]+")
_COUNT: Final = re.compile(r"[^\S\n]*[x*\u00d7]\s*([0-9]+)(?![\w.\-])")
_SPACE: Final = re.compile(r"\s*")
_MOST: Final = 100_000
"""How many siblings a count may make of a group, so that a typing error cannot fill the memory."""


class RouteSyntaxError(ValueError):
    """A route text that cannot be read.

    Attributes:
        text: The whole text.
        position: Index of the character that does not fit.
        expected: What was expected there.
    """

    def __init__(self, text: str, position: int, expected: str) -> None:
        found = repr(text[position]) if position < len(text) else "the end"
        super().__init__(f"route text {text!r}, position {position}: expected {expected}, found {found}")
        self.text = text
        self.position = position
        self.expected = expected


@dataclass(slots=True)
class Shapes:
    """Numbers for trees of names: equal trees get equal numbers, so that comparing them takes no recursion."""

    nodes: list[tuple[str, Runs]] = field(default_factory=list[tuple[str, Runs]])
    _numbers: dict[tuple[str, Runs], int] = field(default_factory=dict[tuple[str, Runs], int])

    def number(self, name: str, children: Runs) -> int:
        """Return the number of the tree with that root and those children."""
        key = (name, children)
        if key not in self._numbers:
            self._numbers[key] = len(self.nodes)
            self.nodes.append(key)
        return self._numbers[key]


def merged(siblings: Iterable[tuple[int, int]]) -> Runs:
    """Join neighbours of one shape."""
    runs: list[tuple[int, int]] = []
    for shape, count in siblings:
        if runs and runs[-1][0] == shape:
            runs[-1] = (shape, runs[-1][1] + count)
        else:
            runs.append((shape, count))
    return tuple(runs)


class _Parser:
    """Reads one route text from left to right."""

    def __init__(self, source: str, shapes: Shapes) -> None:
        self.source = source
        self.shapes = shapes
        self.at = 0

    def forest(self) -> list[tuple[str, Runs]]:
        trees: list[tuple[str, Runs]] = []
        self._skip()
        while self.at < len(self.source):
            caller = self._name("the name of a caller")
            trees.append((caller, self._callees() if self._take(">→") else ()))
            newline = "\n" in self._skip()
            if self._take(";"):
                while self._take(";"):
                    continue
                self._skip()
            elif self.at < len(self.source) and not (newline and _NAME.match(self.source, self.at)):
                raise self._error("`>`, a count, `;`, a new line or the end (several siblings need parentheses)")
        return trees

    def _callees(self) -> Runs:
        """Read what follows a `>`. The stack holds names that wait for their callees, and open parentheses."""
        stack: list[str | list[tuple[int, int]]] = []
        while True:
            if self._take("("):
                stack.append([])
                continue
            name = self._name("the name of a callee or `(`")
            if self._take(">→"):
                stack.append(name)
                continue
            value = ((self.shapes.number(name, ()), self._count()),)
            if value[0][1] > 1 and self._take(">→"):
                self.at -= 1
                raise self._error("no `>` after a count: write `(name > callee) x2`")
            done = self._close(stack, value)
            if done is not None:
                return done

    def _close(self, stack: list[str | list[tuple[int, int]]], value: Runs) -> Runs | None:
        """Hand a finished value to what waits for it; return it if nothing does, `None` if another callee must follow."""
        while stack:
            top = stack[-1]
            if isinstance(top, str):
                stack.pop()
                value = ((self.shapes.number(top, value), 1),)
                continue
            top.extend(value)
            if self._take(","):
                return None
            if not self._take(")"):
                raise self._error("`,` or `)`")
            stack.pop()
            value = self._repeated(merged(top), self._count())
        return value

    def _repeated(self, runs: Runs, count: int) -> Runs:
        if len(runs) == 1:
            return ((runs[0][0], runs[0][1] * count),)
        if len(runs) * count > _MOST:
            raise self._error(f"at most {_MOST} siblings before this")
        return merged(runs * count)

    def _count(self) -> int:
        found = _COUNT.match(self.source, self.at)
        if found is None:
            return 1
        if len(found[1]) > 9 or not int(found[1]):
            raise self._error("a count from 1 to 999999999")
        self.at = found.end()
        return int(found[1])

    def _name(self, expected: str) -> str:
        self._skip()
        found = _NAME.match(self.source, self.at)
        if found is None:
            raise self._error(expected)
        self.at = found.end()
        return found[0]

    def _take(self, characters: str) -> bool:
        """Step over one of the characters if it comes next, white space aside; else stay before the white space."""
        start = self.at
        self._skip()
        if self.at < len(self.source) and self.source[self.at] in characters:
            self.at += 1
            return True
        self.at = start
        return False

    def _skip(self) -> str:
        found = _SPACE.match(self.source, self.at)
        skipped = found[0] if found else ""
        self.at += len(skipped)
        return skipped

    def _error(self, expected: str) -> RouteSyntaxError:
        self._skip()
        return RouteSyntaxError(self.source, self.at, expected)


def parse_forest(sources: Sequence[str], shapes: Shapes) -> Forest:
    """Read route texts as one forest: equal callers are merged, callers that call nobody left out.

    Raises:
        RouteSyntaxError: A text does not follow the grammar.
    """
    trees: dict[str, list[tuple[int, int]]] = {}
    for source in sources:
        for caller, runs in _Parser(source, shapes).forest():
            if runs:
                trees.setdefault(caller, []).extend(runs)
    return tuple((caller, merged(siblings)) for caller, siblings in trees.items())


def text(forest: Forest, shapes: Shapes) -> str:
    """Write a forest in its shortest form."""
    return "; ".join(f"{caller} > {_siblings_text(runs, shapes)}" for caller, runs in forest)


def _siblings_text(runs: Runs, shapes: Shapes) -> str:
    parts: list[str] = []
    stack: list[str | Runs] = [runs]
    while stack:
        top = stack.pop()
        if isinstance(top, str):
            parts.append(top)
            continue
        pieces: list[str | Runs] = []
        for index, (shape, count) in enumerate(top):
            name, children = shapes.nodes[shape]
            times = f" x{count}" if count > 1 else ""
            wrapped = bool(times and children)
            pieces.append((", " if index else "") + ("(" if wrapped else "") + name)
            if children:
                pieces += [" > ", children]
            pieces.append((")" if wrapped else "") + times)
        if len(top) > 1:
            pieces = ["(", *pieces, ")"]
        stack.extend(reversed(pieces))
    return "".join(parts)


def draw(rows: Iterable[tuple[int, str]], *, lines: int = 200, depth: int = 40) -> list[str]:
    """Draw a tree with box characters.

    Args:
        rows: Depth and label of each node, in depth-first order; depth 0 is a root.
        lines: How many lines to draw at most.
        depth: How deep to draw at most. What is left out is counted in the last line.
    """
    all_rows = list(rows)
    kept = [(level, label) for level, label in all_rows if level <= depth][:lines]
    drawn: list[str] = []
    open_below: list[bool] = [False] * (depth + 2)
    for level, label in reversed(kept):
        if level:
            stem = "".join("│  " if open_below[above] else "   " for above in range(1, level))
            drawn.append(f"{stem}{'├─ ' if open_below[level] else '└─ '}{label}")
        else:
            drawn.append(label)
        open_below[level] = True
        open_below[level + 1 :] = [False] * (len(open_below) - level - 1)
    drawn.reverse()
    if len(kept) < len(all_rows):
        drawn.append(f"… {len(all_rows) - len(kept)} more")
    return drawn


def rows(forest: Forest, shapes: Shapes) -> Iterable[tuple[int, str]]:
    """Yield depth and label of each name of a forest, depth first, for `draw`."""
    for caller, runs in forest:
        yield 0, caller
        stack = [(1, run) for run in reversed(runs)]
        while stack:
            level, (shape, count) = stack.pop()
            name, children = shapes.nodes[shape]
            yield level, _times(name, count)
            stack.extend((level + 1, run) for run in reversed(children))


def _times(name: str, count: int) -> str:
    return f"{name} x{count}" if count > 1 else name


def difference(expected: Forest, got: Forest, shapes: Shapes) -> str | None:
    """Return the first place where two forests part, in one sentence; `None` if they are equal."""
    left = tuple((shapes.number(caller, runs), 1) for caller, runs in expected)
    right = tuple((shapes.number(caller, runs), 1) for caller, runs in got)
    path: list[str] = []
    while left != right:
        start = next(
            (i for i, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), min(len(left), len(right))
        )
        end = 0
        while end < min(len(left), len(right)) - start and left[-1 - end] == right[-1 - end]:
            end += 1
        wanted, found = left[start : len(left) - end], right[start : len(right) - end]
        if wanted and found and wanted[0][0] != found[0][0]:
            (name, below), (other, under) = shapes.nodes[wanted[0][0]], shapes.nodes[found[0][0]]
            if name == other:
                path.append(name)
                left, right = below, under
                continue
        where = f"under {_path(path)}" if path else "at the top"
        return f"{where}: expected {_first(wanted, shapes)}, got {_first(found, shapes)}"
    return None


def _first(runs: Runs, shapes: Shapes) -> str:
    return _times(shapes.nodes[runs[0][0]][0], runs[0][1]) if runs else "nothing more"


def _path(names: list[str]) -> str:
    return " > ".join(names if len(names) <= 12 else [*names[:6], "…", *names[-6:]])
