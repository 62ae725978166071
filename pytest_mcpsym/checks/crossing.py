"""Checks that what is said because of one call is said for that call: by the words of its arguments.

Ids, tokens and causes cannot prove that a peer took one call for another, if it gives the wrong one a right number. What it says can:
text that only one call in flight brought, and that its peer was never sent or shown before, belongs to that call. Texts shorter than
`SHORTEST` prove nothing. Pinned by `tests/checks/test_crossing.py`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Final, Literal, cast

from pytest_mcpsym.checks.finding import Finding, Registry, View, check
from pytest_mcpsym.checks.wording import called
from pytest_mcpsym.wire.exchange import Exchange
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.placement import LINK_OWNED, ROUTED

__all__ = ["CROSSING", "wrong_answer", "wrong_call"]

SHORTEST: Final = 8
"""Characters of a text at least: what is shorter may be said by chance."""
_MANY: Final = 16
"""Calls in flight at the same time that are looked at, those with the same id first."""

_What = Literal["answer", "progress", "asked"]


@dataclass(frozen=True, slots=True)
class _Crossing:
    """A frame of a server with the words of another call than the one that it belongs to."""

    what: _What
    frame: Frame
    theirs: Exchange
    owner: Exchange | None


@dataclass(slots=True)
class _Reading:
    """Which calls are in flight while a log is read, and what was said until now."""

    frames: tuple[Frame, ...]
    open: dict[int, Exchange] = field(default_factory=dict[int, Exchange])
    by_id: dict[str, dict[int, Exchange]] = field(default_factory=lambda: defaultdict(dict[int, Exchange]))
    words: dict[int, tuple[bytes, ...]] = field(default_factory=dict[int, tuple[bytes, ...]])
    known: set[tuple[str, bytes]] = field(default_factory=set[tuple[str, bytes]])

    def begin(self, call: Exchange) -> None:
        self.open[call.request.seq] = self.by_id[call.id][call.request.seq] = call

    def finish(self, call: Exchange) -> None:
        self.open.pop(call.request.seq, None)
        self.by_id[call.id].pop(call.request.seq, None)

    def words_of(self, exchange: Exchange) -> tuple[bytes, ...]:
        seq = exchange.request.seq
        if seq not in self.words:
            self.words[seq] = tuple(_words(exchange.request.message.params.get("arguments")))
        return self.words[seq]

    def at_once(self, frame: Frame, owner: Exchange | None) -> list[Exchange]:
        """Return calls in flight on any link, but for the one that a frame belongs to: those with its id, and the oldest."""
        alike = self.by_id[owner.id].values() if owner is not None else ()
        found = {each.request.seq: each for each in islice(chain(alike, self.open.values()), _MANY)}
        for each in [each for each in found.values() if each.end is not None and each.end < frame.seq]:
            self.finish(each)
            del found[each.request.seq]
        return [each for each in found.values() if each is not owner]

    def strange(self, frame: Frame, theirs: Exchange, word: bytes) -> bool:
        """Whether a link had neither been sent a text, but for another's call, nor shown it before that call."""
        if (frame.link, word) in self.known:
            return False
        for each in self.frames:
            if each.seq >= frame.seq:
                break
            if each.link != frame.link:
                continue
            mine = each.direction == "to-server" and each.seq != theirs.request.seq
            if (mine or each.seq < theirs.request.seq) and word in each.data:
                self.known.add((frame.link, word))
                return False
        return True


def _words(value: object) -> Iterator[bytes]:
    """Yield the texts in arguments as JSON has them."""
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, str):
            if len(each) >= SHORTEST:
                plain = each.isascii() and each.isprintable() and '"' not in each and "\\" not in each
                yield each.encode() if plain else json.dumps(each, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")
        elif isinstance(each, dict):
            stack.extend(cast("Mapping[str, object]", each).values())
        elif isinstance(each, list):
            stack.extend(cast("list[object]", each))


def _crossings(view: View) -> tuple[_Crossing, ...]:
    """Return the frames of servers with the words of a call in flight that is not theirs, and none of the one that is."""
    reading = _Reading(view.log.frames)
    found: dict[tuple[int, str], _Crossing] = {}
    for frame in reading.frames:
        owner = view.correlation.owner(frame)
        if frame.direction == "to-server":
            if owner is not None and owner.request is frame and owner.method in ROUTED:
                reading.begin(owner)
            continue
        if owner is not None and owner.response is frame:
            reading.finish(owner)
        if not reading.open:
            continue
        what, mine = _belongs(view, frame, owner)
        own = () if mine is None else reading.words_of(mine)
        if what is None or any(word in frame.data for word in own):
            continue
        for theirs in reading.at_once(frame, mine):
            words = [word for word in reading.words_of(theirs) if word in frame.data]
            key = theirs.request.seq, frame.link
            if (
                not words
                or key in found
                or not _comparable(what, frame, mine, theirs)
                or (theirs.link == frame.link and not own)
            ):
                continue
            if any(reading.strange(frame, theirs, word) for word in words):
                found[key] = _Crossing(what, frame, theirs, mine)
    return tuple(found.values())


def _belongs(view: View, frame: Frame, owner: Exchange | None) -> tuple[_What | None, Exchange | None]:
    """Return what a server's frame is, if it is anything that belongs to a call, and that call."""
    message = frame.message
    if message.kind in ("result", "error"):
        return ("answer", owner) if owner is not None and owner.method in ROUTED else (None, None)
    if message.kind == "request":
        if message.method in LINK_OWNED:
            return None, None
        return "asked", view.placements.handling.get(frame.seq, (None, "ambiguous"))[0]
    return ("progress", owner) if owner is not None and message.method == "notifications/progress" else (None, None)


def _comparable(what: _What, frame: Frame, mine: Exchange | None, theirs: Exchange) -> bool:
    """Whether a call can have been taken for another: a call of the same thing, but for what a server asks."""
    if what == "asked":
        return mine is not None or theirs.link != frame.link
    assert mine is not None
    return mine.method == theirs.method and mine.request.message.params.get("name") == theirs.request.message.params.get("name")


@check(
    "routing:wrong-answer",
    severity="error",
    sentence="A call is told its own answer and its own progress, and not those of another call.",
    source="https://github.com/advisories/GHSA-345p-7cg4-v4c7; https://github.com/modelcontextprotocol/python-sdk/issues/3060",
)
def wrong_answer(view: View) -> Iterator[Finding]:
    """Find answers and progress with the words of another call in flight, of the same tool, and none of their own.

    Errors where that call had the same id, so that it was taken for the other; else warnings, because a server may tell one client
    what another has just said.
    """
    for each in view.once(_crossings):
        if each.what == "asked" or each.owner is None:
            continue
        text = (
            f"{each.frame.link}: the {each.what} of {called(each.owner)} says what {called(each.theirs)}{_on(each)} was asked, "
            f"and nothing of its own"
        )
        frames = sorted((each.owner.request, each.theirs.request, each.frame), key=lambda frame: frame.seq)
        severity = "error" if each.theirs.id == each.owner.id else "warning"
        yield wrong_answer.finding(text, frames, each.frame.link, view.route(each.owner), severity)


@check(
    "origin:wrong-call",
    severity="error",
    sentence="What a server asks for a call is asked on the link of that call, and for that call.",
    source="https://github.com/modelcontextprotocol/python-sdk/issues; https://github.com/jlowin/fastmcp/issues/1068",
)
def wrong_call(view: View) -> Iterator[Finding]:
    """Find requests of a server with the words of another call in flight: on another link, or (a warning) on the same."""
    for each in view.once(_crossings):
        if each.what != "asked":
            continue
        asked = view.correlation.owner(each.frame)
        assert asked is not None
        on = f" for {called(each.owner)}" if each.owner is not None else ""
        text = f"{each.frame.link}: the server sent {called(asked)}{on}, with the words of {called(each.theirs)}{_on(each)}"
        frames = sorted((each.theirs.request, each.frame), key=lambda frame: frame.seq)
        severity = "error" if each.theirs.link != each.frame.link else "warning"
        yield wrong_call.finding(text, frames, each.frame.link, view.route(asked), severity)


def _on(each: _Crossing) -> str:
    return f" on {each.theirs.link}" if each.theirs.link != each.frame.link else ""


CROSSING: Final = Registry((wrong_answer, wrong_call))
"""All checks of what is said for the wrong call."""
