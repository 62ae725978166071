"""A queue for one reader that ends at both sides, as a pipe does. Pinned by `tests/transport/test_pipe.py` and `test_memory.py`."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, Protocol, TypeVar

import anyio
import anyio.lowlevel

__all__ = ["Pipe"]

_T = TypeVar("_T")


class _Signal(Protocol):
    """What one task waits for, once."""

    def set(self) -> object:
        """Let it go on."""
        ...

    async def wait(self) -> None:
        """Wait for that."""
        ...


class _Future:
    """A signal on asyncio: what an event has inside, without all that it has for any number of tasks."""

    __slots__ = ("_future",)

    def __init__(self) -> None:
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def set(self) -> None:
        if not self._future.done():  # The task may have been cancelled just now.
            self._future.set_result(None)

    async def wait(self) -> None:
        await self._future


def _signal() -> _Signal:
    try:
        return _Future() if asyncio.current_task() is not None else anyio.Event()
    except RuntimeError:
        return anyio.Event()


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
        self._arrived: list[_Signal] = []
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
            arrived = _signal()
            self._arrived.append(arrived)
            try:
                await arrived.wait()
            except BaseException:
                if arrived in self._arrived:
                    self._arrived.remove(arrived)
                raise
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
        while self._arrived:
            self._arrived.pop().set()
