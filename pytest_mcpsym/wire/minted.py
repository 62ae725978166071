"""What a server makes up, and is another each time: recognised where two of its runs part, and carried from one run into the other.

Of two values at one place of two frames these are minted, and so no difference:

* texts where the protocol puts them (`pytest_mcpsym.wire.normalise.volatile`): cursors, `requestState`, task ids, times, …
* UUIDs and RFC 3339 times, wherever they stand in a text; one UUID stands for one other from then on
* placeholders of secrets, and what stands where they are
* numbers, also within a text, that are the time of their run in seconds or parts of it
* whatever the client sends back, since that is how an id is told from an answer; what it had said before the server did is its own

What may be sent back is remembered, and the live server then gets its own: the value as a whole; a word with a digit in a text that is
the same otherwise, as `17` in `kept as 17`; JSON that stands as text is looked into. Short numbers mean too much to be taken for an id
wherever they stand: they are carried only to a place whose name is like the one they came from, or from a text or a place that names an
id to one that does. Pinned by
`tests/wire/test_minted.py`.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple, cast

from pytest_mcpsym.wire.frame import parse_json
from pytest_mcpsym.wire.sensitive import PLACEHOLDER
from pytest_mcpsym.wire.splice import Path, SpliceError, splice

__all__ = ["Clocks", "Minted", "erased"]

_UUID: Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_TIME: Final = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_MADE_UP: Final = re.compile(rf"(?P<uuid>{_UUID})|(?P<time>{_TIME})|(?P<secret>{PLACEHOLDER.pattern})")
_LIKE_AN_ID: Final = re.compile(r"(?=\S*\d)\S{6,200}|(?=\S*[a-z])(?=\S*[A-Z])[\w-]{16,200}")
_WORD: Final = re.compile(r"[A-Za-z0-9_-]*\d[A-Za-z0-9_-]*")
"""What of a text may be an id by itself; `_MADE_UP` is looked for first."""

_SHORT: Final = re.compile(r".{0,3}", re.DOTALL)
_NAMES_AN_ID: Final = re.compile(r"id(ent(ifier)?)?|.*_id|.*[a-z]Id|number|key|ref|handle|port|uri|url|session|job|ticket")
_CONTAINER: Final = ("{", "[")
_LONGEST: Final = 10_000
_UNITS: Final = (1.0, 1e3, 1e6, 1e9)
_NEAR: Final = 2 * 86_400.0

_Scalar = str | int | float


class Clocks(NamedTuple):
    """When the two runs were, in seconds of the epoch; a day more or less does not matter."""

    recorded: float
    live: float

    def are_read_by(self, recorded: str, live: str) -> bool:
        """Say whether two numbers are the times of their runs."""
        try:
            pair = float(recorded), float(live)
        except ValueError:
            return False
        return any(all(abs(n / unit - now) < _NEAR for n, now in zip(pair, self, strict=True)) for unit in _UNITS)


class _Own(NamedTuple):
    """What the live server made up in place of a recorded value, and the names of the places where it was."""

    live: str
    names: set[str]


class Minted:
    """Knows which value of a live server stands for which recorded one.

    Args:
        clocks: When the two runs were; `None` takes no number for a time.
    """

    def __init__(self, clocks: Clocks | None = None) -> None:
        self._clocks = clocks
        self._live: dict[str, str] = {}
        self._own: dict[str, _Own] = {}
        self._sent_back: defaultdict[str, set[str]] = defaultdict(set)
        self._of_the_client: set[str] = set()

    def same(self, recorded: str, live: str) -> bool:
        """Say whether two texts at one place differ in nothing but what was minted. Secrets of both are placeholders."""
        if recorded == live or self._live.get(recorded) == live:
            return True
        mine, theirs = list(_MADE_UP.finditer(recorded)), list(_MADE_UP.finditer(live))
        if not mine or erased(recorded) != erased(live):
            return False
        pairs = [(one[0], other[0]) for one, other in zip(mine, theirs, strict=True) if one.lastgroup == "uuid"]
        return all(self._live.setdefault(one, other) == other for one, other in pairs)

    def explained(self, recorded: object, live: object) -> bool:
        """Say whether two values that differ are minted, by all that was sent back so far."""
        if not (_is_scalar(recorded) and _is_scalar(live)) or isinstance(recorded, str) is not isinstance(live, str):
            return False
        one, other = _spelled(recorded), _spelled(live)
        if self._known(one, other):
            return True
        words = _words(erased(one), erased(other)) if isinstance(recorded, str) else None
        return bool(words) and all(self._known(*pair) for pair in words)

    def _known(self, recorded: str, live: str) -> bool:
        return live in self._sent_back.get(recorded, ()) or (
            self._clocks is not None and self._clocks.are_read_by(recorded, live)
        )

    def learn(self, recorded: object, live: object, paths: Collection[Path] = ()) -> None:
        """Remember what the live server made up where the recorded one had made up something else.

        Args:
            recorded: A value of a recorded frame.
            live: The value at the same place, secrets included.
            paths: Where in these values minted texts stand, whatever they look like.
        """
        for path, one, other in _scalars(recorded, live):
            if one == other or isinstance(one, str) is not isinstance(other, str):
                continue
            if not (isinstance(one, str) and isinstance(other, str)):
                self._may_be_sent_back(_spelled(one), _spelled(other), _name(path))
                continue
            if path in paths or (_LIKE_AN_ID.fullmatch(one) and one not in self._of_the_client):
                self._live.setdefault(one, other)
            self._learn_inside(one, other)

    def _may_be_sent_back(self, recorded: str, live: str, name: str) -> None:
        if recorded not in self._of_the_client:
            self._own.setdefault(recorded, _Own(live, set())).names.add(name)

    def _learn_inside(self, recorded: str, live: str) -> None:
        if recorded.lstrip().startswith(_CONTAINER):
            try:
                return self.learn(parse_json(recorded.encode()), parse_json(live.encode()))
            except ValueError:
                pass
        if len(recorded) >= _LONGEST:
            return None
        found = list(_MADE_UP.finditer(recorded))
        if found:
            ends = [0, *(end for each in found for end in each.span()), len(recorded)]
            outer = [re.escape(recorded[start:end]) for start, end in zip(ends[::2], ends[1::2], strict=True)]
            fitting = re.fullmatch("(.+?)".join(outer), live, re.DOTALL)
            for one, other in zip(found, fitting.groups() if fitting else (), strict=False):
                self._live.setdefault(one[0], other)
        for one, other in _words(erased(recorded), erased(live)) or ():
            if one != recorded or not _SHORT.fullmatch(one):
                self._may_be_sent_back(one, other, "")
        return None

    def carried(self, data: bytes) -> bytes:
        """Return a message of the client with what the live server made up in place of what was recorded."""
        edits: dict[Path, bytes | None] = {}
        message = cast("dict[str, object]", parse_json(data))
        for root in ("params", "result"):
            for path, value, _ in _scalars(message.get(root), message.get(root)):
                self._of_the_client.update((_spelled(value), *_WORD.findall(_spelled(value)[:_LONGEST])))
                new = value if path[:1] == ("_meta",) else self._given_back(value, _name(path))
                if new != value:
                    edits[root, *path] = json.dumps(new).encode()
        try:
            return splice(data, edits) if edits else data
        except SpliceError:  # one name twice in an object
            return data

    def _given_back(self, value: _Scalar, name: str) -> _Scalar:
        """Return what the live server is sent for a value of the client, and remember that it was sent back."""
        text = _spelled(value)
        own = self._own.get(text)
        if isinstance(value, str) and text in self._live:
            self._sent_back[text].add(self._live[text])
            return self._live[text]
        if own is not None and _may_stand(text, own.names, name):
            self._sent_back[text].add(own.live)
            number = None if isinstance(value, str) else _number(own.live)
            return own.live if number is None else number
        if not isinstance(value, str):
            return value
        text = _MADE_UP.sub(lambda found: self._live.get(found[0], found[0]), text)
        return _WORD.sub(lambda found: self._word(found[0], name), text)

    def _word(self, word: str, name: str) -> str:
        own = self._own.get(word)
        if own is None or (_SHORT.fullmatch(word) and (name != "uri" or not _may_stand(word, own.names, name))):
            return word
        self._sent_back[word].add(own.live)
        return own.live


def erased(text: str) -> str:
    """Return a text without what in it is made up."""
    return _MADE_UP.sub(lambda found: f"<{found.lastgroup}>", text)


def _words(recorded: str, live: str) -> list[tuple[str, str]] | None:
    """Return the words with a digit in which two texts differ; `None` if they differ elsewhere too."""
    if len(recorded) >= _LONGEST or _WORD.sub("\0", recorded) != _WORD.sub("\0", live):
        return None
    return [pair for pair in zip(_WORD.findall(recorded), _WORD.findall(live), strict=True) if pair[0] != pair[1]]


def _may_stand(value: str, names: Collection[str], name: str) -> bool:
    """Say whether a value that came from places of some names may be the same thing at a place of this name."""
    if not _SHORT.fullmatch(value):
        return True
    plain = name.lower().replace("_", "")
    came = [each.lower().replace("_", "") for each in names if each]
    if any(plain == each or plain.endswith(each) or each.endswith(plain) for each in came if plain):
        return True
    return _NAMES_AN_ID.fullmatch(name) is not None and any(not each or _NAMES_AN_ID.fullmatch(each) for each in names)


def _name(path: Path) -> str:
    """Return the name of the member that a place is of."""
    return next((step for step in reversed(path) if isinstance(step, str)), "")


def _is_scalar(value: object) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool) and value not in (math.inf, -math.inf)


def _spelled(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _number(text: str) -> int | float | None:
    try:
        value: object = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, (int, float)) and _is_scalar(value) else None


def _scalars(recorded: object, live: object) -> Iterator[tuple[Path, _Scalar, _Scalar]]:
    """Yield the texts and numbers that two values have at the same paths."""
    stack: list[tuple[Path, object, object]] = [((), recorded, live)]
    while stack:
        path, one, other = stack.pop()
        if _is_scalar(one) and _is_scalar(other):
            yield path, cast("_Scalar", one), cast("_Scalar", other)
        elif isinstance(one, dict) and isinstance(other, dict):
            members, others = cast("dict[str, object]", one), cast("dict[str, object]", other)
            stack += [((*path, name), members[name], others[name]) for name in reversed(members) if name in others]
        elif isinstance(one, list) and isinstance(other, list):
            pairs = zip(cast("list[object]", one), cast("list[object]", other), strict=False)
            stack += reversed([((*path, index), *pair) for index, pair in enumerate(pairs)])
