"""A channel that does faults to the messages of another one: between the client of a link and its transport.

The tap is below: what is logged is what the server got and what it sent, and each fault is a note beside it. Faults of bytes are the
transports'. Pinned by `tests/faults/test_links.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol, cast

import anyio
from anyio.abc import TaskGroup

from pytest_mcpsym.faults.active import Applied, Faults
from pytest_mcpsym.faults.alter import STRANGER, altered, injected
from pytest_mcpsym.transport.tap import Channel, Undelivered
from pytest_mcpsym.wire.frame import Frame, Message, parse

__all__ = ["FaultyChannel"]

_HERE: Final = (
    "delay",
    "slow",
    "drop",
    "duplicate",
    "reorder",
    "truncate",
    "corrupt",
    "half-close",
    "exit",
    "stderr-flood",
    "id-type",
    "id-reused",
    "unknown-notification",
    "unsolicited-request",
    "late-progress",
    "wrong-token",
)
"""The kinds that are done here."""


class _Breakable(Protocol):
    """What the channel of a pipe can do besides."""

    async def end_input(self) -> None:
        """End the server's input."""
        ...

    def kill(self) -> None:
        """End the server at once."""
        ...


@dataclass(slots=True)
class _Asked:
    """What is remembered of a request until it is answered."""

    method: str
    token: object


class FaultyChannel:
    """See the module. Its `send` and `receive` are those of `Channel`.

    An answer has the method of its request if that was sent while there was a fault.

    Args:
        inner: The channel of the transport.
        faults: What is done.
        tasks: Where what is held back waits.
    """

    def __init__(self, inner: Channel, faults: Faults, tasks: TaskGroup) -> None:
        self._inner = inner
        self._faults = faults
        self._tasks = tasks
        self._asked: dict[tuple[str, str], _Asked] = {}
        self._last: dict[str, bytes] = {"to-server": b"", "to-client": b""}
        self._ready: deque[Frame | Undelivered] = deque()
        self._held_in: Frame | None = None
        self._held_out: tuple[bytes, Mapping[str, str] | None] | None = None
        self._holding = 0.0
        self._made = 0

    async def send(self, data: bytes, headers: Mapping[str, str] | None = None) -> Frame | None:
        """Send a message, or what faults make of it: see `Channel.send`."""
        before = self._identified("to-server", data)
        if self._idle:
            return await self._inner.send(data, headers)
        message = parse(data)
        method, token = self._known("to-server", message)
        if message.id is not None and STRANGER in message.id:
            return None  # The answer to a request that the server did not make.
        due = list(self._faults.due("to-server", method, *_HERE))
        self._remember("to-server", message)
        frame: Frame | None = None
        for each in await self._out(due, data, before):
            frame = await self._inner.send(each, headers)
        if self._held_out is not None and frame is not None:
            await self._let_go()
        for applied in due:
            if applied.fault.kind == "reorder":
                await self._hold_out(applied, data, headers)
            became = None if frame is None or frame.message.id == message.id else frame.message.id
            self._faults.note(applied, message, method, became)
            made = injected(applied.fault, self._made + 1, token)
            if made is not None:
                self._made += 1
                await self._inner.send(made, headers)
            if applied.fault.kind == "half-close":
                await cast("_Breakable", self._inner).end_input()
            elif applied.fault.kind == "exit":
                cast("_Breakable", self._inner).kill()
        return frame

    async def receive(self) -> Frame | Undelivered:
        """Return the next message, or what faults make of it: see `Channel.receive`."""
        while not self._ready:
            item = await self._next()
            if item is None:
                continue
            if isinstance(item, Undelivered):
                return item
            before = self._identified("to-client", item.data)
            if self._idle:
                return item
            method, token = self._known("to-client", item.message)
            if item.message.kind in ("result", "error") and STRANGER in str(item.message.id):
                continue  # The answer to a request that the client did not make.
            held, self._held_in = self._held_in, None
            due = list(self._faults.due("to-client", method, *_HERE))
            self._ready.extend(await self._in(due, item, method, token, before))
            if held is not None:
                self._ready.append(held)
            self._remember("to-client", item.message)
        return self._ready.popleft()

    @property
    def _idle(self) -> bool:
        """Whether nothing is to be done, and nothing was: messages pass unread, at no cost."""
        return not self._faults and not self._made and self._held_in is None and self._held_out is None

    async def _next(self) -> Frame | Undelivered | None:
        """Return what comes next; `None` if a message that is held back has waited long enough and is ready instead."""
        if self._held_in is None:
            return await self._inner.receive()
        with anyio.move_on_after(self._holding):
            return await self._inner.receive()
        self._ready.append(self._held_in)
        self._held_in = None
        return None

    async def _out(self, due: list[Applied], data: bytes, before: bytes) -> list[bytes]:
        """What is sent now in place of a message."""
        sent = [data]
        for applied in due:
            fault = applied.fault
            await self._wait(applied, data)
            if fault.kind in ("drop", "reorder"):
                return []
            if fault.kind == "duplicate":
                sent = sent * int(fault.number("count"))
            sent = [altered(fault, each, applied.random, before) for each in sent]
        return sent

    async def _in(self, due: list[Applied], frame: Frame, method: str, token: object, before: bytes) -> list[Frame]:
        """What the client gets in place of a message."""
        got = [frame]
        for applied in due:
            fault = applied.fault
            self._faults.note(applied, frame.message, method)
            await self._wait(applied, frame.data)
            if fault.kind == "exit":
                cast("_Breakable", self._inner).kill()
            if fault.kind == "reorder":
                self._held_in, self._holding = frame, fault.number("seconds")
            if fault.kind in ("drop", "exit", "reorder"):
                return []
            if fault.kind == "duplicate":
                got = got * int(fault.number("count"))
            got = [replace(each, data=altered(fault, each.data, applied.random, before)) for each in got]
            made = injected(fault, self._made + 1, token)
            if made is not None:
                self._made += 1
                got.append(replace(frame, data=made))
        return got

    async def _wait(self, applied: Applied, data: bytes) -> None:
        fault = applied.fault
        if fault.kind == "delay":
            await anyio.sleep(fault.number("seconds"))
        elif fault.kind == "slow":
            await anyio.sleep(len(data) / fault.number("rate"))

    async def _hold_out(self, applied: Applied, data: bytes, headers: Mapping[str, str] | None) -> None:
        await self._let_go()
        held = self._held_out = (data, headers)

        async def give_up() -> None:
            await anyio.sleep(applied.fault.number("seconds"))
            if self._held_out is held:
                await self._let_go()

        self._tasks.start_soon(give_up)

    async def _let_go(self) -> None:
        """Send what was held back."""
        held, self._held_out = self._held_out, None
        if held is not None:
            await self._inner.send(*held)

    def _identified(self, direction: str, data: bytes) -> bytes:
        """Return the message with an id before this one, and keep this one, if it has one; nothing is parsed."""
        before = self._last[direction]
        if b'"id"' in data:
            self._last[direction] = data
        return before

    def _known(self, direction: str, message: Message) -> tuple[str, object]:
        """Return the method that a message has, or its request had, and the progress token of that."""
        if message.method is not None:
            return message.method, message.meta.get("progressToken")
        other = "to-client" if direction == "to-server" else "to-server"
        asked = self._asked.pop((other, message.id or ""), None)
        return ("", None) if asked is None else (asked.method, asked.token)

    def _remember(self, direction: str, message: Message) -> None:
        if message.id is not None and message.kind == "request":
            self._asked[direction, message.id] = _Asked(str(message.method), message.meta.get("progressToken"))
