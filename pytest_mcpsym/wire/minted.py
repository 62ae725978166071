"""What a server makes up, and is another each time: recognised where two of its runs part, and carried from one run into the other.

Of two texts at one place of two frames these are minted, and so no difference:

* those where the protocol puts them (`pytest_mcpsym.wire.normalise.volatile`): cursors, `requestState`, task ids, times, …
* UUIDs and RFC 3339 times, wherever they stand in a text; one UUID stands for one other from then on
* placeholders of secrets, and what stands where they are

What is minted, and every other text that looks like an id (six characters or more without white space, a digit among them), is
remembered: where the client sends the recorded one, the server gets its own. JSON that stands as text is looked into. Pinned by
`tests/wire/test_minted.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Final, cast

from pytest_mcpsym.wire.frame import parse_json
from pytest_mcpsym.wire.sensitive import PLACEHOLDER
from pytest_mcpsym.wire.splice import Path, SpliceError, splice

__all__ = ["Minted", "erased"]

_UUID: Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_TIME: Final = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_MADE_UP: Final = re.compile(rf"(?P<uuid>{_UUID})|(?P<time>{_TIME})|(?P<secret>{PLACEHOLDER.pattern})")
_LIKE_AN_ID: Final = re.compile(r"(?=\S*\d)\S{6,200}")
_CONTAINER: Final = ("{", "[")


class Minted:
    """Knows which text of a live server stands for which recorded one."""

    def __init__(self) -> None:
        self._live: dict[str, str] = {}

    def same(self, recorded: str, live: str) -> bool:
        """Say whether two texts at one place differ in nothing but what was minted. Secrets of both are placeholders."""
        if recorded == live or self._live.get(recorded) == live:
            return True
        mine, theirs = list(_MADE_UP.finditer(recorded)), list(_MADE_UP.finditer(live))
        if not mine or erased(recorded) != erased(live):
            return False
        pairs = [(one[0], other[0]) for one, other in zip(mine, theirs, strict=True) if one.lastgroup == "uuid"]
        return all(self._live.setdefault(one, other) == other for one, other in pairs)

    def learn(self, recorded: object, live: object, paths: Collection[Path] = ()) -> None:
        """Remember what the live server made up where the recorded one had made up something else.

        Args:
            recorded: A value of a recorded frame.
            live: The value at the same place, secrets included.
            paths: Where in these values minted texts stand, whatever they look like.
        """
        for path, one, other in _texts(recorded, live):
            if one == other:
                continue
            if path in paths or _LIKE_AN_ID.fullmatch(one):
                self._live.setdefault(one, other)
            self._learn_inside(one, other)

    def _learn_inside(self, recorded: str, live: str) -> None:
        found = list(_MADE_UP.finditer(recorded))
        if found and len(recorded) < 10_000:
            ends = [0, *(end for each in found for end in each.span()), len(recorded)]
            outer = [re.escape(recorded[start:end]) for start, end in zip(ends[::2], ends[1::2], strict=True)]
            fitting = re.fullmatch("(.+?)".join(outer), live, re.DOTALL)
            for one, other in zip(found, fitting.groups() if fitting else (), strict=False):
                self._live.setdefault(one[0], other)
        elif recorded.lstrip().startswith(_CONTAINER):
            try:
                self.learn(parse_json(recorded.encode()), parse_json(live.encode()))
            except ValueError:
                return

    def carried(self, data: bytes) -> bytes:
        """Return a message of the client with what the live server made up in place of what was recorded."""
        if not self._live:
            return data
        edits: dict[Path, bytes | None] = {}
        message = cast("dict[str, object]", parse_json(data))
        for root in ("params", "result"):
            for path, text, _ in _texts(message.get(root), message.get(root)):
                new = self._live.get(text) or _MADE_UP.sub(lambda found: self._live.get(found[0], found[0]), text)
                if new != text and path[:1] != ("_meta",):
                    edits[root, *path] = json.dumps(new).encode()
        try:
            return splice(data, edits) if edits else data
        except SpliceError:  # one name twice in an object
            return data


def erased(text: str) -> str:
    """Return a text without what in it is made up."""
    return _MADE_UP.sub(lambda found: f"<{found.lastgroup}>", text)


def _texts(recorded: object, live: object) -> Iterator[tuple[Path, str, str]]:
    """Yield the texts that two values have at the same paths."""
    stack: list[tuple[Path, object, object]] = [((), recorded, live)]
    while stack:
        path, one, other = stack.pop()
        if isinstance(one, str) and isinstance(other, str):
            yield path, one, other
        elif isinstance(one, dict) and isinstance(other, dict):
            members, others = cast("dict[str, object]", one), cast("dict[str, object]", other)
            stack += [((*path, name), members[name], others[name]) for name in reversed(members) if name in others]
        elif isinstance(one, list) and isinstance(other, list):
            pairs = zip(cast("list[object]", one), cast("list[object]", other), strict=False)
            stack += reversed([((*path, index), *pair) for index, pair in enumerate(pairs)])
