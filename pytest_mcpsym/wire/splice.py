"""Byte-exact editing of JSON text: replace, delete, insert and read values without re-writing anything else.

What no edit names stays byte for byte: `-0`, `1e2`, long decimals, duplicate keys, escapes, whitespace and key order. Nothing here
recurses, so nesting of any depth is safe, and the cost is linear in the size of the text. Pinned by `tests/wire/test_splice.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pytest_mcpsym.wire.tokens import TokenKind, require_json, tokens

__all__ = ["Path", "SpliceError", "elements", "find", "pretty", "splice"]

Path = tuple[str | int, ...]
"""Where a value is: member names and array indexes, from the outside in; `()` is the whole document."""


class SpliceError(ValueError):
    """An edit that cannot be made.

    Attributes:
        path: The path that could not be edited; `()` where the data is no JSON.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot splice at {_path_text(path)}: {reason}")
        self.path = path


def find(data: bytes, path: Path) -> bytes | None:
    """Return the raw JSON text of a value, without the whitespace around it; `None` where there is none.

    Of duplicate keys the last one counts, as it does for parsers.

    Example:
        >>> find(b'{"params": {"n": -0, "n": 1e2}}', ("params", "n"))
        b'1e2'

    Raises:
        SpliceError: The data is no JSON.
    """
    levels, start, end = _walk(data, _tree([(path, b"")]))
    by_start = {level.start: level for level in levels}
    for _ in path:
        level = by_start.get(start)
        member = next((m for m in reversed(level.members) if m.node), None) if level else None
        if member is None:
            return None
        start, end = member.start, member.end
    return data[start:end]


def elements(data: bytes, path: Path) -> list[bytes]:
    """Return the raw JSON text of each element of an array; none where there is no array.

    Raises:
        SpliceError: The data is no JSON.
    """
    array = find(data, path)
    if array is None or not array.startswith(b"["):
        return []
    found: list[bytes] = []
    position = _end(_SPACE, array, 1)
    while array[position] != 0x5D:
        end = _skip(array, position)
        found.append(array[position:end])
        position = _end(_SPACE, array, end)
        if array[position] == 0x2C:
            position = _end(_SPACE, array, position + 1)
    return found


def splice(data: bytes, edits: Mapping[Path, bytes | None]) -> bytes:
    """Return the JSON text with the values at some paths replaced.

    A value of `None` deletes the member or element with its comma, and does nothing where there is none. A path whose last key is
    absent from an existing object inserts the member at the end of that object. A key that occurs twice is edited at all its
    occurrences; whether a path can be followed is judged by the last one, which is the one that counts for parsers. Indexes count elements as they were before the edits.

    Args:
        data: JSON in UTF-8.
        edits: Raw JSON text by path. It is written as it is and not checked.

    Raises:
        SpliceError: The data is no JSON, the parent of a path does not exist or is of the wrong kind, an index is past the end,
            one path lies below another, or the whole document is to be deleted.

    Example:
        >>> splice(b'{"id": 1, "n": -0}', {("id",): b'"s-1"', ("extra",): b"[]"})
        b'{"id": "s-1", "n": -0,"extra":[]}'
    """
    tree = _tree(edits.items())
    levels, start, end = _walk(data, tree)
    if tree.leaf:
        if tree.text is None:
            raise SpliceError((), "the whole document cannot be deleted")
        return data[:start] + tree.text + data[end:]
    if not levels and tree.wants is not None:
        raise SpliceError(tree.wants, "the document is neither an object nor an array")
    entered = {level.start for level in levels}
    counting = {start}
    changes: list[_Change] = []
    for level in levels:
        changes += _replacements(level)
        counts = level.start in counting
        if counts:
            counting.update({id(member.node): member.start for member in level.members if member.node}.values())
        changes += _insertions(level, _missing(level, entered, counts=counts))
    return _apply(data, changes)


# --- the tree of paths


@dataclass(slots=True, eq=False)
class _Node:
    """A place that at least one path goes through: the first `depth` keys of `full`.

    `wants` is a path at or below it that puts something there.
    """

    full: Path
    depth: int
    leaf: bool = False
    text: bytes | None = None
    wants: Path | None = None
    children: dict[bytes | int, _Node] = field(default_factory=dict["bytes | int", "_Node"])

    @property
    def path(self) -> Path:
        return self.full[: self.depth]


def _tree(edits: Iterable[tuple[Path, bytes | None]]) -> _Node:
    root = _Node((), 0)
    for path, text in edits:
        node = root
        if text is not None:
            node.wants = path
        for depth, key in enumerate(path, 1):
            if node.leaf:
                raise SpliceError(path, f"{_path_text(node.path)} is edited as a whole")
            name = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
            child = node.children.get(name)
            if child is None:
                child = node.children[name] = _Node(path, depth)
            node = child
            if text is not None:
                node.wants = path
        if node.children:
            raise SpliceError(next(iter(node.children.values())).path, f"{_path_text(path)} is edited as a whole")
        node.leaf, node.text = True, text
    return root


def _path_text(path: Path) -> str:
    return ".".join(key if isinstance(key, str) and key.isidentifier() else json.dumps(key) for key in path) or "the document"


# --- the scanner, which knows that the text is JSON


class _Member(NamedTuple):
    """One member or element of a container that a path enters; `key` is where it begins, with its key."""

    key: int
    start: int
    end: int
    node: _Node | None


@dataclass(slots=True, eq=False)
class _Level:
    """One container that a path enters: from `start` (its bracket) on."""

    node: _Node
    start: int
    is_object: bool
    members: list[_Member] = field(default_factory=list[_Member])
    commas: list[int] = field(default_factory=list[int])


_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_SPACE: Final = re.compile(rb"[ \t\n\r]*+")
_KEY: Final = re.compile(rb"[ \t\n\r]*+(" + _STRING + rb")[ \t\n\r]*+:[ \t\n\r]*+")
_SCALAR: Final = re.compile(_STRING + rb"|[-+.0-9a-zA-Z]++")
_NEXT: Final = re.compile(rb"[ \t\n\r]*+([,\]}])")
_BRACKET: Final = re.compile(rb'[^"\[\]{}]*+(?:' + _STRING + rb'[^"\[\]{}]*+)*+([\[\]{}])', re.DOTALL)


def _walk(data: bytes, tree: _Node) -> tuple[list[_Level], int, int]:
    """Return the containers that paths enter, in the order they open, and where the document's value starts and ends."""
    try:
        require_json(data)
    except ValueError as error:
        raise SpliceError((), f"the data is no JSON: {error}") from None
    start = _end(_SPACE, data, 0)
    levels: list[_Level] = []
    if tree.leaf or data[start] not in b"{[":
        return levels, start, _skip(data, start)
    open_levels = [_open(data, tree, start, levels)]
    position = start + 1
    while open_levels:
        level = open_levels[-1]
        last = level.members[-1] if level.members else None
        if last is None or last.end >= 0:
            entry = _enter_member(data, level, position)
            if entry is None:
                position = _end(_SPACE, data, position) + 1
                open_levels.pop()
                continue
            key, start, node = entry
            if node is not None and not node.leaf and data[start] in b"{[":
                level.members.append(_Member(key, start, -1, node))
                open_levels.append(_open(data, node, start, levels))
                position = start + 1
                continue
            position = _skip(data, start)
            level.members.append(_Member(key, start, position, node))
        else:
            level.members[-1] = last._replace(end=position)
        found = _NEXT.match(data, position)
        assert found is not None, "the text was found to be JSON"
        position = found.start(1)
        if data[position] == 0x2C:
            level.commas.append(position)
            position += 1
    start = levels[0].start
    return levels, start, position


def _open(data: bytes, node: _Node, start: int, levels: list[_Level]) -> _Level:
    level = _Level(node, start, data[start] == 0x7B)
    levels.append(level)
    return level


def _enter_member(data: bytes, level: _Level, position: int) -> tuple[int, int, _Node | None] | None:
    """Return where the next member begins, where its value begins and the node of the tree it belongs to; `None` at the end."""
    if not level.is_object:
        start = _end(_SPACE, data, position)
        return None if data[start] == 0x5D else (start, start, level.node.children.get(len(level.members)))
    found = _KEY.match(data, position)
    if found is None or len(level.commas) < len(level.members):
        return None
    name = found[1][1:-1]
    if b"\\" in name:
        name = str(json.loads(found[1])).encode("utf-8", "surrogatepass")
    return found.start(1), found.end(), level.node.children.get(name)


def _skip(data: bytes, start: int) -> int:
    """Return the end of the value that starts there."""
    if data[start] not in b"{[":
        return _end(_SCALAR, data, start)
    depth, position = 1, start + 1
    while depth:
        position = _end(_BRACKET, data, position)
        depth += 1 if data[position - 1] in b"{[" else -1
    return position


def _end(pattern: re.Pattern[bytes], data: bytes, position: int) -> int:
    found = pattern.match(data, position)
    assert found is not None, "the text was found to be JSON"
    return found.end()


# --- changes


class _Change(NamedTuple):
    start: int
    end: int
    text: bytes


def _replacements(level: _Level) -> Iterator[_Change]:
    """Replace and delete what is there. A deleted member takes the comma to the kept member before it with it, else the next one."""
    kept = False
    for index, member in enumerate(level.members):
        node = member.node
        if node is None or not node.leaf or node.text is not None:
            kept = True
            if node is not None and node.leaf and node.text is not None:
                yield _Change(member.start, member.end, node.text)
        elif kept:
            yield _Change(level.commas[index - 1], member.end, b"")
        elif index + 1 < len(level.members):
            yield _Change(member.key, level.members[index + 1].key, b"")
        else:
            yield _Change(member.key, member.end, b"")


def _missing(level: _Level, entered: set[int], *, counts: bool) -> list[_Node]:
    """Return the nodes that are to be inserted at the end of a container.

    Raises:
        SpliceError: Something is wanted where it cannot be, in a container that no later duplicate replaces.
    """
    last = {id(member.node): member for member in level.members}
    missing: list[_Node] = []
    for name, node in level.node.children.items():
        if node.wants is None:
            continue
        member = last.get(id(node))
        if member is None and node.leaf and level.is_object and isinstance(name, bytes):
            missing.append(node)
        elif counts and not (member and (node.leaf or member.start in entered)):
            raise SpliceError(node.wants, _obstacle(level, node, name, member))
    return missing


def _obstacle(level: _Level, node: _Node, name: bytes | int, member: _Member | None) -> str:
    if member is not None:
        return f"{_path_text(node.path)} is neither an object nor an array"
    if level.is_object and isinstance(name, int):
        return f"{_path_text(level.node.path)} is an object, and its keys are strings"
    if not level.is_object and isinstance(name, bytes):
        return f"{_path_text(level.node.path)} is an array"
    return f"{_path_text(node.path)} does not exist" if level.is_object else "there is no such index"


def _insertions(level: _Level, missing: list[_Node]) -> Iterator[_Change]:
    if not missing:
        return
    text = b",".join(json.dumps(node.full[node.depth - 1]).encode() + b":" + (node.text or b"") for node in missing)
    stays = any(not (m.node and m.node.leaf and m.node.text is None) for m in level.members)
    position = level.members[-1].end if level.members else level.start + 1
    yield _Change(position, position, b"," + text if stays else text)


def _apply(data: bytes, changes: list[_Change]) -> bytes:
    pieces: list[bytes] = []
    position = 0
    for change in sorted(changes):
        pieces += (data[position : change.start], change.text)
        position = change.end
    pieces.append(data[position:])
    return b"".join(pieces)


# --- for people


_DEEPEST: Final = 40
"""Containers below this depth stay on one line: indentation would grow with the square of the depth."""

_Parts = list[tuple[TokenKind, str]]
"""The tokens of a text, spelled as they will be written."""


def pretty(data: bytes, indent: str = "  ", width: int = 100) -> str:
    r"""Return JSON text on several lines, as a person would write it.

    Spelling of numbers, order of keys and duplicate keys stay; objects and arrays that fit the width stay on one line. Escapes of
    printable characters are decoded, all other characters are escaped. The result parses back to the same value. Data that is no
    JSON becomes one line of text: `not JSON: 'garbage\x00'`, or `not JSON: b'\xff'` where it is not even UTF-8.

    Args:
        data: JSON in UTF-8.
        indent: What one level is indented by.
        width: Characters per line that short containers may use.
    """
    try:
        text = data.decode("utf-8")
        parts: _Parts = [(token.kind, _readable(text[token.start : token.end])) for token in tokens(text)]
    except UnicodeDecodeError:
        return f"not JSON: {data!r}"
    except ValueError:
        return f"not JSON: {data.decode('utf-8')!r}"
    return _layout(parts, indent, width)


def _layout(parts: _Parts, indent: str, width: int) -> str:
    closes = _closings(parts)
    lines: list[str] = []
    line, depth, index = "", 0, 0
    while index < len(parts):
        kind, text = parts[index]
        close = closes.get(index)
        if close is not None:
            end, size = close
            room = width - len(line) - 1
            if size <= room or depth >= _DEEPEST or end == index + 1:
                line += _one_line(parts, index, end)
                index = end
            else:
                lines.append(line + text)
                depth += 1
                line = indent * depth
        elif kind in ("}", "]"):
            lines.append(line)
            depth -= 1
            line = indent * depth + text
        elif kind == ",":
            lines.append(line + ",")
            line = indent * depth
        else:
            line += text + (" " if kind == ":" else "")
        index += 1
    return "\n".join([*lines, line])


def _closings(parts: _Parts) -> dict[int, tuple[int, int]]:
    """Map each opening bracket to its closing one, and to the characters that all between them takes on one line."""
    found: dict[int, tuple[int, int]] = {}
    stack: list[tuple[int, int]] = []
    size = 0
    for index, (kind, text) in enumerate(parts):
        if kind in ("{", "["):
            stack.append((index, size))
        size += len(text) + (kind in (",", ":"))
        if kind in ("}", "]"):
            start, before = stack.pop()
            found[start] = (index, size - before)
    return found


def _one_line(parts: _Parts, start: int, end: int) -> str:
    return "".join(text + " " if kind in (",", ":") else text for kind, text in parts[start : end + 1])


_SHORT_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _readable(token: str) -> str:
    """Spell a string token with as few escapes as can be read without doubt; other tokens stay."""
    if not token.startswith('"') or ("\\" not in token and token.isprintable()):
        return token
    return '"' + "".join(_character(c) for c in str(json.loads(token))) + '"'


def _character(character: str) -> str:
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    return character if character.isprintable() else json.dumps(character)[1:-1]
