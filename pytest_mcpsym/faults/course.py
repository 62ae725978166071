"""The way of one message through the faults that are done to it, whatever carries it: a link's channel, or a server of this process.

Each is noted before it is done. Pinned by `tests/faults/test_links.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import anyio

from pytest_mcpsym.faults.active import Applied, Faults
from pytest_mcpsym.faults.alter import altered, injected, told
from pytest_mcpsym.faults.kinds import KINDS
from pytest_mcpsym.faults.seen import Seen
from pytest_mcpsym.wire.frame import parse

__all__ = ["Course", "Passed"]

_ORDERED: Final = frozenset({"split", "coalesce", "status", "redirect", "stall", "cut", "reset"})
"""The kinds that transports do."""
_ENDS: Final = frozenset(kind for kind, about in KINDS.items() if about.ends)
_TO_SERVER: Final = frozenset(KINDS)
_TO_CLIENT: Final = _TO_SERVER - _ORDERED
"""What a transport does to the bytes of an answer it does by itself: it has them first."""


@dataclass(slots=True)
class Passed:
    """What faults made of a message.

    Attributes:
        now: What comes in its place, in order.
        held: The fault that makes it wait for the next one.
        ends: The fault that ends the connection.
        orders: What the transport is to do.
    """

    now: list[bytes]
    held: Applied | None = None
    ends: Applied | None = None
    orders: list[Applied] = field(default_factory=list[Applied])


class Course:
    """See the module.

    Args:
        faults: What is done.

    Attributes:
        made: How many messages were made up.
    """

    def __init__(self, faults: Faults) -> None:
        self.made = 0
        self._faults = faults
        self._has_ended = False

    async def through(self, seen: Seen) -> Passed:
        """Take a message through the faults that are done to it; what one has lost meets no other."""
        passed = Passed([seen.data])
        extra: list[bytes] = []
        kinds = _TO_SERVER if seen.direction == "to-server" else _TO_CLIENT
        for applied in self._faults.due(seen, kinds - _ENDS if self._has_ended else kinds):
            fault = applied.fault
            kind, met = fault.kind, passed.now[0]
            made = injected(fault, self.made + 1, seen.token)
            if made is None:
                passed.now = [altered(fault, seen, each, applied.random) for each in passed.now]
            changed = passed.now[0] if made is None else made
            became = parse(changed).id if kind in ("id-type", "id-reused") else None
            is_gone = kind == "drop" or (kind == "exit" and seen.direction == "to-client")
            self._faults.note(
                applied,
                seen,
                told(fault, met, changed),
                became,
                meant=seen.direction == "to-server" and (is_gone or (made is None and changed != met)),
            )
            if made is not None:
                self.made += 1
                extra.append(made)
                continue
            await self._wait(applied, met)
            if kind == "duplicate":
                passed.now = passed.now * int(fault.number("count"))
            elif kind in _ENDS:
                passed.ends = applied
                self._has_ended = True
                passed.orders.append(applied)
            elif kind == "reorder":
                passed.held = applied
            elif kind in _ORDERED:
                passed.orders.append(applied)
            if is_gone:
                return Passed(extra, ends=passed.ends)
        passed.now += extra
        return passed

    async def _wait(self, applied: Applied, data: bytes) -> None:
        fault = applied.fault
        if fault.kind == "delay":
            await anyio.sleep(fault.number("seconds"))
        elif fault.kind == "slow":
            await anyio.sleep(len(data) / fault.number("rate"))
