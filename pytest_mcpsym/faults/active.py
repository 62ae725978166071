"""The faults of one link while it is open: which are done to which message, decided by counts and a seed, each with a note on the log.

Pinned by `tests/faults/test_links.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from random import Random
from types import TracebackType
from typing import Final, Self

from pytest_mcpsym.errors import UsageError
from pytest_mcpsym.faults.alter import told, touches
from pytest_mcpsym.faults.fault import Fault, unfit
from pytest_mcpsym.faults.pieces import pieces
from pytest_mcpsym.faults.seen import Seen, see
from pytest_mcpsym.transport.tap import Tap

__all__ = ["RECUT", "Applied", "Faults"]

RECUT: Final = ("split", "coalesce")
"""The kinds that leave a message as it is, and change how its bytes come."""


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

    def due(self, seen: Seen) -> bool:
        """Say whether it is done to a message, and take note of it."""
        fault = self.fault
        if not fault.meets(seen.direction, seen.method, seen.sort, seen.message.id) or not touches(fault, seen):
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

    def pieces(self, data: bytes) -> list[bytes]:
        """Cut the bytes of a message as the fault wants it."""
        return pieces(self.fault, data)

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

    Attributes:
        orders: What a transport is to do to the bytes of the message that it is handed next.

    Raises:
        UsageError: One of them does not fit.
    """

    def __init__(self, tap: Tap, transport: str, given: Iterable[Fault] = ()) -> None:
        self.orders: Sequence[Applied] = ()
        self._tap = tap
        self._transport = "http" if transport == "sockets" else transport
        self._applied: list[Applied] = []
        self._added = 0
        self._last = {"to-server": b"", "to-client": b""}
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
        applied = Applied(self, fault, f"{self._tap.link}/{self._added}")
        self._added += 1
        self._applied.append(applied)
        return applied

    def remove(self, applied: Applied) -> None:
        """Take a fault out of force; twice changes nothing."""
        if applied in self._applied:
            self._applied.remove(applied)

    def before(self, direction: str, data: bytes) -> bytes:
        """Return the message with an id before this one, and keep this one, if it has one; nothing is parsed."""
        before = self._last[direction]
        if b'"id"' in data:
            self._last[direction] = data
        return before

    def see(self, direction: str, data: bytes, before: bytes = b"", *, link: str | None = None) -> Seen:
        """Return what is known of a message; `link` is under which name the log has those of its connection, if not the link's own."""
        return see(self._tap.log, link or self._tap.link, direction, data, before)

    def due(self, seen: Seen, kinds: Iterable[str]) -> Iterator[Applied]:
        """Yield the faults of some kinds that are done to a message, each counted when it is asked for."""
        for each in tuple(self._applied):
            if each.fault.kind in kinds and each.due(seen):
                yield each

    def recut(self, data: bytes, kinds: Iterable[str] = RECUT, *, link: str | None = None) -> list[Applied]:
        """Return what a transport is to do to the bytes of a message to the client, each noted."""
        if not any(each.fault.kind in kinds and each.fault.direction == "to-client" for each in self._applied):
            return []
        seen = self.see("to-client", data, link=link)
        due = list(self.due(seen, kinds))
        for applied in due:
            self.note(applied, seen, told(applied.fault, data, data))
        return due

    def take(self) -> Sequence[Applied]:
        """Return what a transport is to do to the message that it was just handed."""
        orders, self.orders = self.orders, ()
        return orders

    def note(self, applied: Applied, seen: Seen, did: str, became: str | None = None, *, meant: bool = False) -> None:
        """Log that a fault was done to a message.

        Args:
            applied: The fault.
            seen: What it was done to, as it was sent.
            did: What became of it, in words.
            became: Its id, as JSON text, where the fault gave it another.
            meant: Whether the log will not show it as it was sent.
        """
        fault = applied.fault
        data: dict[str, object] = {
            "fault": str(fault),
            "kind": fault.kind,
            "direction": fault.direction,
            "method": seen.method,
            "what": seen.sort,
            "id": seen.message.id,
            "became": became,
            "names": seen.names,
            "did": did,
        }
        if meant:
            data["meant"] = seen.data.decode(errors="replace")
        self._tap.note("fault", **data)
