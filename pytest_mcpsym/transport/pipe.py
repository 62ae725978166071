"""A queue for one reader that ends at both sides, as a pipe does. Pinned by `tests/transport/test_pipe.py` and `test_memory.py`."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import anyio
import anyio.lowlevel

__all__ = ["Pipe"]

_T = TypeVar("_T")


class Pipe(Generic[_T]):
    """One direction, for one reader and any number of writers, who get their turns in the order they came.

    A reader that has to wait makes no other checkpoint, unlike that of a memory object stream: waiting is one already, and each costs
    a turn of the event loop.

    Args:
        capacity: Items that wait unread before a writer has to wait in `room`; `None` for any number.
    """

    __slots__ = ("_arrived", "_capacity", "_items", "_promised", "_reading", "_waiting", "_writing")

    def __init__(self, capacity: int | None = None) -> None:
        self._capacity = capacity
        self._items: deque[_T] = deque()
        self._arrived: anyio.Event | None = None
        self._waiting: deque[anyio.Event] = deque()
        self._promised = 0
        self._reading = True
        self._writing = True

    async def room(self) -> None:
        """Wait until there is room for one more item, or nobody reads any more; then `put` it without waiting for anything else."""
        if not self._reading or self._capacity is None or len(self._items) + self._promised < self._capacity:
            return
        turn = anyio.Event()
        self._waiting.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self._promised -= 1
                self._promise()
            else:
                self._waiting.remove(turn)
            raise
        self._promised -= 1

    def put(self, item: _T) -> None:
        """Hand over an item for which there is room.

        Raises:
            anyio.ClosedResourceError: The writing end was closed.
            anyio.BrokenResourceError: The reading end was closed.
        """
        if not self._writing:
            raise anyio.ClosedResourceError
        if not self._reading:
            raise anyio.BrokenResourceError
        self._items.append(item)
        self._wake()

    async def get(self) -> _T:
        """Return the next item.

        Raises:
            anyio.EndOfStream: The writing end was closed, and everything was read.
            anyio.ClosedResourceError: The reading end was closed.
        """
        if self._items:
            await anyio.lowlevel.checkpoint()
        while not self._items:
            if not self._reading:
                raise anyio.ClosedResourceError
            if not self._writing:
                raise anyio.EndOfStream
            self._arrived = self._arrived or anyio.Event()
            await self._arrived.wait()
        item = self._items.popleft()
        self._promise()
        return item

    def end_writing(self) -> None:
        """Close the writing end: what is there can still be read."""
        self._writing = False
        self._wake()

    def end_reading(self) -> None:
        """Close the reading end: what is there is lost."""
        self._reading = False
        self._wake()
        while self._waiting:
            self._promise()

    def _promise(self) -> None:
        """Give the place that is free to the writer who has waited longest: only that one is woken, however many wait."""
        if self._waiting:
            self._promised += 1
            self._waiting.popleft().set()

    def _wake(self) -> None:
        if self._arrived is not None:
            self._arrived.set()
            self._arrived = None
