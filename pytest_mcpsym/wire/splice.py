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

from pytest_mcpsym.wire.tokens import require_json

__all__ = ["Path", "SpliceError", "elements", "find", "splice"]

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
    _require_json(data)
    if len(path) <= _SHORT:
        found = _locate(data, path)
        return None if found is None else data[found.start : found.end]
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
    _require_json(data)
    if len(edits) == 1:
        ((path, text),) = edits.items()
        found = None if text is None or len(path) > _SHORT else _locate(data, path)
        if text is not None and found is not None and found.alone:
            return data[: found.start] + text + data[found.end :]
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
_AFTER: Final = re.compile(rb"[ \t\n\r]*+,?[ \t\n\r]*+")
_NEXT: Final = re.compile(rb"[ \t\n\r]*+([,\]}])")
_BRACKET: Final = re.compile(rb'[^"\[\]{}]*+(?:' + _STRING + rb'[^"\[\]{}]*+)*+([\[\]{}])', re.DOTALL)


def _require_json(data: bytes) -> None:
    try:
        require_json(data)
    except ValueError as error:
        raise SpliceError((), f"the data is no JSON: {error}") from None


_SHORT: Final = 8
"""Keys of a path up to which a value is located level by level, which reads what is inside again for each of them."""


class _Place(NamedTuple):
    """Where a value is, and whether no other stands at the same path."""

    start: int
    end: int
    alone: bool


def _locate(data: bytes, path: Path) -> _Place | None:
    """Find the one value that counts for parsers: of duplicate keys the last."""
    for step in path:
        if isinstance(step, str) and step.encode("utf-8", "surrogatepass") not in data and b"\\" not in data:
            return None
    start = _end(_SPACE, data, 0)
    place = _Place(start, len(data.rstrip(b" \t\r\n")), alone=True)
    for step in path:
        found = _child(data, place.start, step)
        if found is None:
            return None
        place = found._replace(alone=place.alone and found.alone)
    return place


def _child(data: bytes, start: int, step: str | int) -> _Place | None:
    """Find a member or element of the value that starts there."""
    if data[start] != (0x7B if isinstance(step, str) else 0x5B):
        return None
    wanted = step.encode("utf-8", "surrogatepass") if isinstance(step, str) else step
    found: _Place | None = None
    position, index = _end(_SPACE, data, start + 1), 0
    while data[position] not in b"]}":
        name: bytes | int = index
        if isinstance(step, str):
            key = _KEY.match(data, position)
            assert key is not None, "the text was found to be JSON"
            name, position = _name(key), key.end()
        end = _skip(data, position)
        if name == wanted:
            found = _Place(position, end, alone=found is None)
        position = _end(_AFTER, data, end)
        index += 1
    return found


def _name(key: re.Match[bytes]) -> bytes:
    name = key[1][1:-1]
    return str(json.loads(key[1])).encode("utf-8", "surrogatepass") if b"\\" in name else name


def _walk(data: bytes, tree: _Node) -> tuple[list[_Level], int, int]:
    """Return the containers that paths enter, in the order they open, and where the document's value starts and ends."""
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
    return found.start(1), found.end(), level.node.children.get(_name(found))


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
