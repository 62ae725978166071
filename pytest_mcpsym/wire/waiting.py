"""Who waited for whom when the time was up: the requests in flight at one moment of a log, drawn as a tree.

A server waits for what it asked for, and each of its callees for what those asked for in turn; who was asked and waits for nobody owes the
answer. A peer that stands twice on the way down waits for itself. Pinned by `tests/wire/test_waiting.py`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping

from pytest_mcpsym.wire.exchange import Correlation, Exchange, correlate
from pytest_mcpsym.wire.log import Note, WireLog
from pytest_mcpsym.wire.placement import ROUTED, Placements, place
from pytest_mcpsym.wire.route import HOST, Hop, routes
from pytest_mcpsym.wire.shape import draw

__all__ = ["given_up", "last_legs", "unanswered", "waiting"]


def waiting(log: WireLog, frame: int) -> list[str]:
    """Draw who waited for whom just before something was given up.

    Args:
        log: The log, as it is after that.
        frame: `seq` of what was given up: a request that was not answered in time, or an answer that was to be gone on with.

    Returns:
        The lines of the tree; none where it says no more than that one server did not answer the host.
    """
    known = correlate(log)
    placements = place(log, known)
    flight = _InFlight(known, placements, _moment(known, frame))
    rows = [row for root in routes(log, known, placements) for row in flight.rows(root)]
    return draw([(0, HOST), *rows]) if len(rows) > 1 else []


def given_up(log: WireLog) -> list[str]:
    """Draw the calls of the host that nobody answered: who waited for whom when each was given up, whatever gave it up.

    Args:
        log: The log, as it is after that.

    Returns:
        The lines of the tree; none where every call was answered.
    """
    # When the board closes, the servers answer what they had not answered.
    entries = list(itertools.takewhile(lambda entry: not (isinstance(entry, Note) and entry.channel == "closing"), log))
    known = correlate(entries)
    placements = place(entries, known)
    last = last_legs(known, placements)
    rows: list[tuple[int, str]] = []
    for root in routes(WireLog(entries), known, placements):
        if root.caller == HOST and root.exchange.request.seq in unanswered(placements, root, last):
            legs = (last.get(hop.exchange.request.seq, hop.exchange) for hop in root.walk())
            ends = (leg.end for leg in legs if leg.response is None and leg.end is not None)
            rows += _InFlight(known, placements, min(ends, default=math.inf)).rows(root)
    return draw([(0, HOST), *rows]) if rows else []


def last_legs(known: Correlation, placements: Placements) -> dict[int, Exchange]:
    """Return the last leg of each call that has several, by `seq` of its first request."""
    legs = placements.legs
    if not legs:
        return {}
    return {legs[each.request.seq].request.seq: each for each in known.exchanges if each.request.seq in legs}


def unanswered(placements: Placements, root: Hop, last: Mapping[int, Exchange]) -> dict[int, list[Hop]]:
    """Return the hops of a route that were never concluded, by `seq` of their requests, each with those that it waits for."""
    waits: dict[int, list[Hop]] = {}
    for hop in reversed(list(root.walk())):
        if hop.callee is None:
            continue
        seq = hop.exchange.request.seq
        leg = last.get(seq, hop.exchange)
        below = [each for each in hop.children if each.exchange.request.seq in waits and _needs(placements, leg, each)]
        if below or leg.response is None:
            waits[seq] = below
    return waits


def _needs(placements: Placements, leg: Exchange, child: Hop) -> bool:
    """Whether the last leg of a call cannot be answered, or gone on from, without what it caused."""
    if child.evidence != "continuation":
        return leg.response is None
    claim = placements.forwarded.get(child.exchange.request.seq)
    return claim is not None and leg.response is not None and claim.seq == leg.response.seq


def _moment(known: Correlation, frame: int) -> float:
    """Return the `seq` at which it was given up: where its exchange was cancelled, else the first cancellation after it."""
    owner = next((each for each in known.exchanges if each.request.seq == frame), None)
    if owner is not None and owner.end is not None:
        return owner.end
    ends = (each.end for each in known.exchanges if each.state == "cancelled" and each.end is not None and each.end > frame)
    return min(ends, default=math.inf)


class _InFlight:
    """What was in flight at one moment."""

    def __init__(self, known: Correlation, placements: Placements, moment: float) -> None:
        self._open = {each.request.seq for each in known.exchanges if _was_open(each, moment)}
        self._legs = {first.request.seq for seq, first in placements.legs.items() if seq in self._open}
        self._asked: dict[int, list[Exchange]] = {}
        for each in known.exchanges:
            if each.direction == "to-client" and each.method not in ROUTED and each.request.seq in self._open:
                owner, _ = placements.handling.get(each.request.seq, (None, "ambiguous"))
                if owner is not None:
                    self._asked.setdefault(owner.request.seq, []).append(each)

    def rows(self, root: Hop) -> Iterator[tuple[int, str]]:
        """Yield depth and text of each hop in flight, and of what its server asked of the host."""
        below: dict[int, list[Hop]] = {}
        busy: set[int] = set()
        for hop in reversed(list(root.walk())):
            seq = hop.exchange.request.seq
            below[seq] = [child for child in hop.children if child.exchange.request.seq in busy]
            if below[seq] or seq in self._open or seq in self._legs:
                busy.add(seq)
        stack: list[tuple[Hop, tuple[str, ...]]] = [(root, (root.caller,))] if root.exchange.request.seq in busy else []
        while stack:
            hop, path = stack.pop()
            seq, name = hop.exchange.request.seq, hop.callee or HOST
            asked = self._asked.get(seq, [])
            yield len(path), f"{name}  {hop.method} {hop.target} (frame {seq}){_debt(name, path, bool(below[seq] or asked))}"
            for each in asked:
                yield len(path) + 1, f"{HOST}  {each.method} (frame {each.request.seq}): owes the answer"
            stack.extend((child, (*path, name)) for child in reversed(below[seq]))


def _was_open(exchange: Exchange, moment: float) -> bool:
    return exchange.request.seq < moment and (exchange.end is None or exchange.end >= moment)


def _debt(name: str, path: tuple[str, ...], waits: bool) -> str:
    if waits:
        return ""
    if name in path:
        return f": owes the answer, and waits for itself: {' > '.join((*path[path.index(name) :], name))}"
    return ": owes the answer"
