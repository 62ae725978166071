"""The canonical order of a log: by route and link, so that it does not depend on how links were interleaved.

1. The notes that opened the links, in that order: it is the order of the links. Links that were never opened follow by name.
2. Each link's own section. First what the host sent that belongs to no route, each request with what belongs to it. Then what
   the server sent that belongs to no routed exchange: notifications, `ping` and `roots/list` (always), and requests whose cause
   is not known.
3. The routes, by link and then by arrival on that link, depth first. What a frame caused follows at once. What belongs to an
   exchange follows its request in order of arrival: progress, cancellations, notifications with evidence `meta` or `stream`,
   requests that its server sent meanwhile with what belongs to them, further legs, and its answer. A routed request of a server
   whose cause is ambiguous is a route of its own.

A call of an HTTP API follows the request for which it was made, before what else belongs to it: its notes, and a cause record that
says how that is known. Calls for which that is not known follow what the host sent that belongs to no route, under the API's link.

Only the order of arrival on one link decides anything; orders across links never do, not even for two calls of the host,
because nothing in a log tells concurrency from sequence. Each cause record stays behind the frame that it explains. Where the
evidence for a frame would be another in the canonical order than it was in the log (a sole request in flight may not be the
only one any more), a cause record says what it was. All other notes are left out. Nothing here recurses. Pinned by
`tests/wire/test_order.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pytest_mcpsym.wire.exchange import Correlation, Exchange, correlate
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import Cause, Entry, Evidence, Note
from pytest_mcpsym.wire.placement import ROUTED, InFlight, Placements, cause_id, place
from pytest_mcpsym.wire.upstream import UpstreamCall, upstream_calls

__all__ = ["Canonical", "canonical"]


@dataclass(frozen=True, slots=True)
class Canonical:
    """A log in canonical order.

    Attributes:
        entries: Opening notes, frames, cause records and the notes of calls of HTTP APIs with the `seq` that they have in the log. Records that the log does not
            hold have the `seq` -1.
        correlation: Exchanges and anomalies of the log.
        upstream: What each call of an HTTP API was made for, by `seq` of the note of its request.
        named: For each frame whose `_meta` names a request of its link as its cause: that request's exchange, by `seq`.
    """

    entries: tuple[Entry, ...]
    correlation: Correlation
    named: Mapping[int, Exchange]
    upstream: Mapping[int, tuple[Exchange | None, Evidence]]


class Identities:
    """Which exchange an id of a request to a server means, at any place of the log."""

    def __init__(self, correlation: Correlation) -> None:
        self._by_id: dict[tuple[str, str], list[Exchange]] = defaultdict(list)
        for exchange in correlation.exchanges:
            if exchange.direction == "to-server":
                self._by_id[exchange.link, exchange.id].append(exchange)

    def find(self, link: str, ident: str, seq: int) -> Exchange | None:
        """Return the newest exchange with that id before that place, else the first one after it."""
        holders = self._by_id.get((link, ident))
        if holders is None:
            return None
        before = bisect_left(holders, seq, key=_seq)
        return holders[max(before - 1, 0)]


def _seq(exchange: Exchange) -> int:
    return exchange.request.seq


@dataclass(slots=True)
class _Slots:
    """Where each frame goes. Lists are in order of arrival.

    Attributes:
        host: What the host sent that belongs to no route, by link.
        server: What the server sent that belongs to no routed exchange, by link.
        heads: First frames of routes.
        below: What belongs to an exchange, by `seq` of its request.
        caused: Requests that were forwarded because of a frame, by its `seq`.
        upstream: Calls of HTTP APIs that were made for a request, by its `seq`; `-1` for those of which it is not known.
    """

    host: dict[str, list[Frame]] = field(default_factory=lambda: defaultdict(list))
    server: dict[str, list[Frame]] = field(default_factory=lambda: defaultdict(list))
    heads: list[Frame] = field(default_factory=list[Frame])
    below: dict[int, list[Frame]] = field(default_factory=lambda: defaultdict(list))
    caused: dict[int, list[Frame]] = field(default_factory=lambda: defaultdict(list))
    upstream: dict[int, list[UpstreamCall]] = field(default_factory=lambda: defaultdict(list))

    def alone(self, frame: Frame) -> None:
        (self.host if frame.direction == "to-server" else self.server)[frame.link].append(frame)


def _sorted_in(frames: Iterable[Frame], correlation: Correlation, placements: Placements) -> _Slots:
    """Give each frame its one place."""
    slots = _Slots()
    for frame in frames:
        owner = correlation.owner(frame)
        if owner is not None and owner.request.seq != frame.seq:
            slots.below[owner.request.seq].append(frame)
            continue
        during, _ = placements.handling.get(frame.seq, (None, "ambiguous"))
        routed, by = during or placements.legs.get(frame.seq), placements.forwarded.get(frame.seq)
        if routed is not None:
            slots.below[routed.request.seq].append(frame)
        elif owner is not None and by is not None:
            slots.caused[by.seq].append(frame)
        elif owner is not None and owner.method in ROUTED:
            slots.heads.append(frame)
        else:
            slots.alone(frame)
    return slots


class _Writer:
    """Writes frames in canonical order, with the cause records that belong behind them."""

    def __init__(self, entries: Iterable[Entry], slots: _Slots, placements: Placements, canonical: Canonical) -> None:
        self.out: list[Entry] = []
        self._slots = slots
        self._placements = placements
        self._correlation = canonical.correlation
        self._named = canonical.named
        self._flying = InFlight()
        self._records: dict[int, list[Cause]] = defaultdict(list)
        frames = {entry.seq for entry in entries if isinstance(entry, Frame)}
        for entry in entries:
            if isinstance(entry, Cause) and {entry.frame, entry.by} <= frames:
                self._records[entry.frame].append(entry)

    def write(self, heads: Iterable[Frame]) -> None:
        """Write frames with all that is below them and all that they caused."""
        stack = list(heads)[::-1]
        while stack:
            frame = stack.pop()
            self.out.append(frame)
            self._explain(frame)
            self._track(frame)
            self.call_upstream(self._slots.upstream.pop(frame.seq, []))
            stack.extend(reversed(self._slots.below.pop(frame.seq, [])))
            stack.extend(reversed(self._slots.caused.pop(frame.seq, [])))

    def call_upstream(self, calls: Iterable[UpstreamCall]) -> None:
        """Write calls of HTTP APIs, each with a record of what it was made for."""
        for call in calls:
            parent, evidence = self._placements.upstream[call.request.seq]
            self.out.append(call.request)
            if parent is not None:
                self.out.append(Cause(-1, 0.0, call.request.seq, parent.request.seq, evidence))
            self.out.extend(call.notes[1:])

    def _explain(self, frame: Frame) -> None:
        """Write the records of a frame, and one more if its place could not be derived from the canonical order alone."""
        kind, owner = frame.message.kind, self._correlation.owner(frame)
        asks = frame.direction == "to-client" and (kind == "request" or (kind == "notification" and owner is None))
        counting = self._placements.records.get(frame.seq)
        if counting is not None:
            self.out.append(counting)
        elif not asks and kind != "request":
            self.out.extend(self._records[frame.seq])
        if not asks or counting is not None:
            return
        named = self._named.get(frame.seq)
        derived = self._flying.cause(frame, None if named is None else str(named.request.seq))
        known = self._placements.handling[frame.seq]
        if not _same(derived, known):
            by = frame.seq if known[0] is None else known[0].request.seq
            self.out.append(Cause(-1, 0.0, frame.seq, by, known[1]))

    def _track(self, frame: Frame) -> None:
        owner = self._correlation.owner(frame)
        if owner is None:
            return
        if owner.request.seq != frame.seq:
            if frame.message.method != "notifications/progress":
                self._flying.finish(owner)
            return
        leg = self._placements.legs.get(frame.seq)
        if owner.direction == "to-server" and (owner.method in ROUTED or leg is not None):
            self._flying.begin(owner, str(frame.seq), leg)


def _same(one: tuple[Exchange | None, str], other: tuple[Exchange | None, str]) -> bool:
    return one[1] == other[1] and (one[0] is other[0] or (one[0] is not None and one[0] == other[0]))


def _ranks(entries: Iterable[Entry]) -> Mapping[str, int]:
    """Return the links with their places: in order of opening, and those never opened by name."""
    opened = dict.fromkeys(entry.link for entry in entries if isinstance(entry, Note) and entry.channel == "open")
    others = sorted({entry.link for entry in entries if isinstance(entry, (Frame, Note))} - set(opened))
    return {link: rank for rank, link in enumerate([*opened, *others])}


def canonical(log: Iterable[Entry], correlation: Correlation | None = None) -> Canonical:
    """Bring a log into canonical order.

    Args:
        log: A `WireLog`, or entries in the order in which they were logged.
        correlation: What `correlate` gives for it, if it is at hand.
    """
    entries = tuple(log)
    known = correlate(entries) if correlation is None else correlation
    placements = place(entries, known)
    ranks, identities = _ranks(entries), Identities(known)
    named: dict[int, Exchange] = {}
    frames = [entry for entry in entries if isinstance(entry, Frame)]
    for frame in frames:
        ident = cause_id(frame)
        holder = None if ident is None else identities.find(frame.link, ident, frame.seq)
        if holder is not None:
            named[frame.seq] = holder
    slots = _sorted_in(frames, known, placements)

    def by_link(frame: Frame) -> tuple[int, int]:
        return ranks[frame.link], frame.seq

    for caused in slots.caused.values():
        caused.sort(key=by_link)
    for call in sorted(upstream_calls(entries), key=lambda call: (ranks[call.link], call.request.seq)):
        parent, _ = placements.upstream[call.request.seq]
        slots.upstream[-1 if parent is None else parent.request.seq].append(call)
    opening = [entry for entry in entries if isinstance(entry, Note) and entry.channel == "open"]
    opening.sort(key=lambda note: (ranks[note.link], note.seq))
    writer = _Writer(entries, slots, placements, Canonical((), known, named, placements.upstream))
    writer.out.extend(opening)
    for link in ranks:
        writer.write(slots.host.get(link, []))
        writer.call_upstream(call for call in slots.upstream[-1] if call.link == link)
        writer.write(slots.server.get(link, []))
    writer.write(sorted(slots.heads, key=by_link))
    return Canonical(tuple(writer.out), known, named, placements.upstream)
