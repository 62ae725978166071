"""The faults of one link while it is open: which are done to which message, decided by counts and a seed, each with a note on the log.

Pinned by `tests/faults/test_links.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from types import TracebackType
from typing import Self

from pytest_mcpsym.errors import UsageError
from pytest_mcpsym.faults.fault import Fault, unfit
from pytest_mcpsym.transport.tap import Tap
from pytest_mcpsym.wire.frame import Message

__all__ = ["Applied", "Faults"]


class Applied:
    """A fault that is in force; leaving its block, or `stop`, ends it.

    Attributes:
        fault: What it does.
        count: To how many messages it was done so far.
    """

    def __init__(self, faults: Faults, fault: Fault, place: str) -> None:
        self.fault = fault
        self.count = 0
        self.random = Random(f"{int(fault.number('seed'))}/{place}/{fault}")  # noqa: S311 - it has to be the same in every run
        self._faults = faults
        self._met = 0

    def due(self, direction: str, method: str) -> bool:
        """Say whether it is done to a message, and take note of it."""
        fault = self.fault
        if not fault.meets(direction, method):
            return False
        self._met += 1
        nth, times = fault.number("nth"), fault.number("times")
        chosen = self._met == nth if nth else self._met % int(fault.number("every")) == 0
        if not chosen or (times and self.count >= times):
            return False
        if fault.number("chance") < 1 and self.random.random() >= fault.number("chance"):
            return False
        self.count += 1
        return True

    def stop(self) -> None:
        """Do it to no more messages."""
        self._faults.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        self.stop()


class Faults:
    """The faults of one link.

    Args:
        tap: Where each that is done is noted.
        transport: What the link is, so that a fault which does not fit is refused.
        given: Those in force from the start.

    Raises:
        UsageError: One of them does not fit.
    """

    def __init__(self, tap: Tap, transport: str, given: Iterable[Fault] = ()) -> None:
        self._tap = tap
        self._transport = "http" if transport == "sockets" else transport
        self._applied: list[Applied] = []
        for each in given:
            self.add(each)

    def __bool__(self) -> bool:
        return bool(self._applied)

    def add(self, fault: Fault) -> Applied:
        """Put a fault in force.

        Raises:
            UsageError: It does not fit the link.
        """
        wrong = unfit(fault, self._transport)
        if wrong:
            raise UsageError(f"link {self._tap.link!r}: {wrong}")
        applied = Applied(self, fault, f"{self._tap.link}/{len(self._applied)}")
        self._applied.append(applied)
        return applied

    def remove(self, applied: Applied) -> None:
        """Take a fault out of force; twice changes nothing."""
        if applied in self._applied:
            self._applied.remove(applied)

    def due(self, direction: str, method: str, *kinds: str) -> Iterator[Applied]:
        """Yield the faults of some kinds (of all, if none is named) that are done to a message, each counted."""
        for each in tuple(self._applied):
            if (not kinds or each.fault.kind in kinds) and each.due(direction, method):
                yield each

    def note(self, applied: Applied, message: Message, method: str, became: str | None = None) -> None:
        """Log that a fault was done to a message.

        Args:
            applied: The fault.
            message: What it was done to, as it was sent.
            method: Its method, or that of the request it answers.
            became: Its id, as JSON text, where the fault gave it another.
        """
        fault = applied.fault
        told = {"kind": fault.kind, "direction": fault.direction, "method": method, "id": message.id, "became": became}
        self._tap.note("fault", fault=str(fault), **told)
