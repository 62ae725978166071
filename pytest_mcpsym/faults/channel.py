"""A channel that does faults to the messages of another one: between the client of a link and its transport.

The tap is below: what is logged is what the server got and what it sent, and each fault is a note beside it, logged before it is done. Faults
of bytes are the transports', which are given their orders here. Messages pass in the order in which they came: what is held back holds back
what is behind it. After the end that a fault made of the server, nothing more is heard of it. Pinned by `tests/faults/test_links.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Protocol, cast

import anyio
from anyio.abc import TaskGroup

from pytest_mcpsym.faults.active import Applied, Faults
from pytest_mcpsym.faults.alter import STRANGER
from pytest_mcpsym.faults.course import Course, Passed
from pytest_mcpsym.transport.tap import Channel, Undelivered
from pytest_mcpsym.wire.frame import Frame

__all__ = ["FaultyChannel"]


class _Breakable(Protocol):
    """What the channel of a pipe can do besides."""

    async def end_input(self) -> None:
        """End the server's input."""
        ...

    def kill(self) -> None:
        """End the server at once."""
        ...


class FaultyChannel:
    """See the module. Its `send` and `receive` are those of `Channel`.

    Args:
        inner: The channel of the transport.
        faults: What is done.
        tasks: Where what is held back waits.
    """

    def __init__(self, inner: Channel, faults: Faults, tasks: TaskGroup) -> None:
        self._inner = inner
        self._faults = faults
        self._tasks = tasks
        self._sending = anyio.Lock()
        self._ready: deque[Frame | Undelivered] = deque()
        self._held_in: Frame | None = None
        self._held_out: tuple[list[bytes], Mapping[str, str] | None] | None = None
        self._holding = 0.0
        self._course = Course(faults)
        self._ended = False
        self._killed = False

    async def send(self, data: bytes, headers: Mapping[str, str] | None = None) -> Frame | None:
        """Send a message, or what faults make of it: see `Channel.send`."""
        before = self._faults.before("to-server", data)
        if self._idle:
            return await self._inner.send(data, headers)
        seen = self._faults.see("to-server", data, before)
        if seen.sort == "answer" and STRANGER in str(seen.message.id):
            return None  # The answer to a request that the server did not make.
        async with self._sending:
            passed = await self._course.through(seen)
        frame: Frame | None = None
        for each in passed.now if passed.held is None else []:
            self._faults.orders = passed.orders
            sent = await self._inner.send(each, headers)
            frame = frame or sent
        if passed.held is not None:
            await self._hold_out(passed, headers)
        elif frame is not None:
            await self._let_go()
        if passed.ends is not None:
            await self._end(passed.ends)
        return frame

    async def receive(self) -> Frame | Undelivered:
        """Return the next message, or what faults make of it: see `Channel.receive`."""
        while not self._ready:
            item = await (self._inner.receive() if self._held_in is None else self._next())
            if item is None:
                continue
            if self._killed:
                continue  # It was on its way when the fault ended the server, and nobody is there to hear it.
            if isinstance(item, Undelivered):
                return item
            before = self._faults.before("to-client", item.data)
            if self._idle:
                return item
            seen = self._faults.see("to-client", item.data, before)
            if seen.sort == "answer" and STRANGER in str(seen.message.id):
                continue  # The answer to a request that the client did not make.
            held, self._held_in = self._held_in, None
            passed = await self._course.through(seen)
            frames = [item if each is item.data else replace(item, data=each) for each in passed.now]
            if passed.held is not None:
                self._held_in, self._holding = frames[0], passed.held.fault.number("seconds")
                frames = frames[1:]
            self._ready.extend(frames)
            if held is not None:
                self._ready.append(held)
            if passed.ends is not None:
                await self._end(passed.ends)
        return self._ready.popleft()

    @property
    def _idle(self) -> bool:
        """Whether nothing is to be done, and nothing was: messages pass unread, at no cost."""
        waiting = self._held_in is not None or self._held_out is not None or self._sending.locked()
        return not self._faults and not self._course.made and not waiting

    async def _end(self, applied: Applied) -> None:
        """End the server, or its input, once."""
        inner = cast("_Breakable", self._inner)
        if applied.fault.kind == "exit" and not self._killed:
            self._killed = True
            self._ready.clear()
            inner.kill()
        elif applied.fault.kind == "half-close" and not self._ended:
            self._ended = True
            await inner.end_input()

    async def _next(self) -> Frame | Undelivered | None:
        """Return what comes next; `None` if a message that is held back has waited long enough and is ready instead."""
        if self._held_in is None:
            return await self._inner.receive()
        with anyio.move_on_after(self._holding):
            return await self._inner.receive()
        self._ready.append(self._held_in)
        self._held_in = None
        return None

    async def _hold_out(self, passed: Passed, headers: Mapping[str, str] | None) -> None:
        assert passed.held is not None
        await self._let_go()
        held = self._held_out = (passed.now, headers)
        seconds = passed.held.fault.number("seconds")

        async def give_up() -> None:
            await anyio.sleep(seconds)
            if self._held_out is held:
                with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                    await self._let_go()

        self._tasks.start_soon(give_up)

    async def _let_go(self) -> None:
        """Send what was held back."""
        held, self._held_out = self._held_out, None
        if held is not None:
            for each in held[0]:
                await self._inner.send(each, held[1])
