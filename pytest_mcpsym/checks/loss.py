"""What software loses of JSON by accident when it hands it on: a copy is compared with what it was made of.

`loss` says what a copy has lost, and nothing of a value that is no copy: all else must be alike. Pinned by `tests/checks/test_payload.py`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from pytest_mcpsym.checks.wording import shown

__all__ = ["Loss", "loss", "lost_in_answer"]

_LONE: Final = re.compile("[\ud800-\udfff]")
_STANDS_IN: Final = re.compile("[?\ufffd\ud800-\udfff]")
"""What comes where a lone surrogate could not be written; several of them for its three bytes."""

_JsonObject = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Loss:
    """What a copy has lost.

    Attributes:
        what: In words, with the path of the member.
        slight: Whether software means it no harm, as that the order of members changed.
    """

    what: str
    slight: bool = False


class _NoCopyError(Exception):
    """Two values are not a source and its copy."""


def loss(source: object, copy: object, *, routed: bool) -> Loss | None:
    """Return what a copy lost of a source, or of an object inside it; `None` if it lost nothing or is no copy.

    Args:
        source: Arguments of a call.
        copy: What was made of them.
        routed: Whether they went on to another server, so that also a `null`, an order or many digits count.
    """
    if not isinstance(copy, dict) or not copy or (not routed and source == copy):
        return None
    found: list[Loss] = []
    for candidate in _objects(source):
        try:
            lost = next(_compared(candidate, cast("_JsonObject", copy), "", routed=routed), None)
        except _NoCopyError:
            continue
        if lost is None:
            return None
        found.append(lost)
    return found[0] if found else None


def _objects(source: object) -> Iterator[_JsonObject]:
    stack = [source]
    while stack:
        each = stack.pop()
        if isinstance(each, dict):
            members = cast("_JsonObject", each)
            yield members
            stack.extend(members.values())
        elif isinstance(each, list):
            stack.extend(cast("list[object]", each))


def _compared(source: object, copy: object, path: str, *, routed: bool) -> Iterator[Loss]:
    """Yield what was lost, in all of it; whatever else differs proves that it is no copy."""
    return iter(list(_losses(source, copy, path, routed=routed)))


def _losses(source: object, copy: object, path: str, *, routed: bool) -> Iterator[Loss]:
    if isinstance(source, dict) and isinstance(copy, dict):
        yield from _of_members(cast("_JsonObject", source), cast("_JsonObject", copy), path, routed=routed)
    elif isinstance(source, list) and isinstance(copy, list):
        left, right = cast("list[object]", source), cast("list[object]", copy)
        if len(left) != len(right):
            raise _NoCopyError
        for index, (one, other) in enumerate(zip(left, right, strict=True)):
            yield from _losses(one, other, f"{path}[{index}]", routed=routed)
    else:
        yield from _of_value(cast("object", source), copy, path, routed=routed)


def _of_members(source: _JsonObject, copy: _JsonObject, path: str, *, routed: bool) -> Iterator[Loss]:
    gone = [name for name in source if name not in copy]
    if any(name not in source for name in copy) or (
        gone and not (routed and copy and all(source[name] is None for name in gone))
    ):
        raise _NoCopyError
    for name, value in copy.items():
        yield from _losses(source[name], value, f"{path}.{name}" if path else name, routed=routed)
    if gone:
        yield Loss(f"`{shown(gone[0])}`, which was null, is gone", slight=True)
    if routed and [name for name in source if name in copy] != list(copy):
        yield Loss(f"the members of `{shown(path) or 'arguments'}` changed their order", slight=True)


def _of_value(source: object, copy: object, path: str, *, routed: bool) -> Iterator[Loss]:
    if source == copy and isinstance(source, bool) is isinstance(copy, bool):
        return
    if isinstance(source, str) and isinstance(copy, str):
        yield _of_text(source, copy, path)
    else:
        yield _of_number(source, copy, path, routed=routed)


def _of_text(source: str, copy: str, path: str) -> Loss:
    if _LONE.search(source) and _STANDS_IN.sub("", copy) == _STANDS_IN.sub("", source):
        return Loss(f"a lone surrogate of `{shown(path)}` became something else")
    if unicodedata.normalize("NFC", source) == unicodedata.normalize("NFC", copy):
        return Loss(f"the letters of `{shown(path)}` were composed otherwise")
    raise _NoCopyError


def _of_number(source: object, copy: object, path: str, *, routed: bool) -> Loss:
    if not isinstance(source, float) or isinstance(copy, bool):
        raise _NoCopyError
    if copy is None and not math.isfinite(source):
        return Loss(f"`{shown(path)}` was {source} and became null")
    if not isinstance(copy, (int, float)) or not math.isclose(source, copy, rel_tol=1e-2 if routed else 1e-6):
        raise _NoCopyError
    return Loss(f"{source!r} of `{shown(path)}` became {copy!r}")


_KNOWN_BY: Final = ("text", "data", "uri")
"""Members of content blocks that tell which is which."""


def lost_in_answer(came: _JsonObject, told: _JsonObject) -> Loss | None:
    """Return what content blocks lost on their way through a peer: one with the same content, without some of its fields."""
    left, right = came.get("content"), told.get("content")
    if not isinstance(left, list) or not isinstance(right, list) or left == right:
        return None
    for theirs in _blocks(cast("list[object]", left)):
        for mine in _blocks(cast("list[object]", right)):
            same = [name for name in _KNOWN_BY if name in theirs and theirs[name] == mine.get(name) != ""]
            gone = [name for name in theirs if name not in mine and theirs[name] is not None]
            if same and gone and mine.get("type") == theirs.get("type"):
                return Loss(f"`{shown(gone[0])}` of a content block is gone", slight=True)
    return None


def _blocks(content: Sequence[object]) -> Iterator[_JsonObject]:
    return (cast("_JsonObject", each) for each in content if isinstance(each, dict))
