"""Who waited for whom when the time was up: the requests in flight at one moment of a log, drawn as a tree.

A server waits for what it asked for, and each of its callees for what those asked for in turn; who was asked and waits for nobody owes the
answer. A peer that stands twice on the way down waits for itself. Pinned by `tests/wire/test_waiting.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from pytest_mcpsym.wire.exchange import Correlation, Exchange, correlate
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.route import HOST, ROUTED, Hop, Placements, place, routes
from pytest_mcpsym.wire.shape import draw

__all__ = ["waiting"]


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
