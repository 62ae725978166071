"""The response to one HTTP request, with faults done to the messages in it. Pinned by `tests/cli/test_serve_fault_http.py`."""

from __future__ import annotations

import re
from typing import Final, Protocol, cast
from urllib.parse import parse_qs, urlsplit

import anyio
from anyio.abc import TaskGroup

from pytest_mcpsym.faults.active import Applied
from pytest_mcpsym.faults.alter import STRANGER
from pytest_mcpsym.faults.course import Course
from pytest_mcpsym.serving.faulty import ToldFaults
from pytest_mcpsym.transport.asgi import Message, Receive, Send
from pytest_mcpsym.transport.sse import EventCutter, event_data
from pytest_mcpsym.wire.frame import parse
from pytest_mcpsym.wire.log import WireLog

__all__ = ["FaultyResponse", "HangUp"]

_DATA: Final = re.compile(rb"^data:[^\r\n]*(?:\r\n|\n|\r)", re.MULTILINE)
_STREAM: Final = b"text/event-stream"
_JSON: Final = b"application/json"


class HangUp(Protocol):
    """Breaks a connection: at once, or when what was sent has left."""

    def __call__(self, *, at_once: bool) -> None:
        """Break it."""
        ...


class Owner(Protocol):
    """The app that a response is of."""

    log: WireLog
    faults: ToldFaults
    course: Course

    def die(self) -> None:
        """End the process as one that is killed."""
        ...


class FaultyResponse:
    """See the module.

    Args:
        owner: The app.
        connection: What the messages belong to.
        receive: ASGI's, from the client, once it has sent its body.
        send: ASGI's, to the client.
        tasks: Where what is held back waits.
        hang_up: Breaks the connection: at once, or when what was sent has left.

    Attributes:
        stall: Seconds for which the body does not come.
        events_left: After how many events it breaks off, if it does.
    """

    def __init__(
        self, owner: Owner, connection: str, receive: Receive, send: Send, tasks: TaskGroup, *, hang_up: HangUp
    ) -> None:
        self.connection = connection
        self.raw = send
        self._receive = receive
        self.hang_up = hang_up
        self.stall = 0.0
        self.events_left: int | None = None
        self._owner = owner
        self._tasks = tasks
        self._start: Message = {}
        self._kind = b""
        self._cutter = EventCutter()
        self._held = b""
        self._is_behind = False
        self._lock = anyio.Lock()
        self._has_lost = False
        self._is_over = False

    async def send(self, event: Message) -> None:
        """ASGI's `send`, for the app."""
        async with self._lock:
            if self._is_over:
                return
            if event["type"] == "http.response.start":
                await self._begin(event)
                return
            chunk, more = cast("bytes", event.get("body", b"")), bool(event.get("more_body", False))
            if self._kind == _STREAM:
                for each in self._cutter.feed(chunk):
                    await self._event(each)
                if not more:
                    await self._end(self._release() + self._cutter.rest())
            elif self._kind == _JSON:
                self._cutter.hold(chunk)
                if not more:
                    await self._json(self._cutter.rest())
            else:
                self._is_over = not more
                await self.raw(event)

    async def finish(self) -> None:
        """Let the client wait for what it has lost, once the app says no more."""
        if self._has_lost and not self._is_over:
            await self.left()

    async def left(self) -> None:
        """Wait until the client is gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _begin(self, event: Message) -> None:
        self._start = event
        headers = cast("list[tuple[bytes, bytes]]", event["headers"])
        kinds = [value for name, value in headers if name.lower() == b"content-type"]
        self._kind = kinds[0].partition(b";")[0].strip().lower() if kinds else b""
        if self._kind != _JSON:
            await self._head([])

    async def _head(self, changed: list[tuple[bytes, bytes]]) -> None:
        """Send the head of the response, with some headers changed, and what may come with it."""
        names = {name for name, _ in changed}
        kept = [pair for pair in cast("list[tuple[bytes, bytes]]", self._start["headers"]) if pair[0].lower() not in names]
        await self.raw({**self._start, "headers": kept + [pair for pair in changed if pair[1]]})
        if self.stall:
            with anyio.move_on_after(self.stall):
                await self.left()
                self._is_over = True
        self._cut_off()

    async def _json(self, body: bytes) -> None:
        """Let a response that is one message come, or as many as faults made of it."""
        now, orders, seconds = await self._passed(body)
        await anyio.sleep(seconds or 0)
        if not now and self._has_lost:
            return
        if len(now) == 1:
            await self._head([(b"content-length", str(len(now[0])).encode())])
            await self._put(now[0], orders)
        else:
            await self._head([(b"content-length", b""), (b"content-type", _STREAM)])
            await self._put(b"".join(_framed(b"data: \n\n", each) for each in now), orders)
        await self._end(b"")

    async def _event(self, event: bytes) -> None:
        """Let one event of a stream come, as faults want it."""
        data = event_data(event)
        if event.startswith(b"event: endpoint"):
            self.connection = next(iter(parse_qs(urlsplit(data.decode()).query).get("session_id", [])), self.connection)
        if parse(data).kind in ("not-json", "invalid"):
            await self._put(event, [])
            return
        now, orders, seconds = await self._passed(data)
        is_behind, held = self._is_behind, self._release()
        framed = b"".join(_framed(event, each) for each in now)
        whole = framed + held if is_behind else held + framed
        joined = next((each for each in orders if each.fault.kind == "coalesce"), None)
        if seconds is not None:
            self._hold(framed, seconds, is_behind=True)
            await self._put(held, [])
        elif joined is not None:
            self._hold(whole, joined.fault.number("seconds"), is_behind=False)
        else:
            await self._put(whole, orders)
        if self.events_left is not None:
            self.events_left -= 1
            self._cut_off()

    async def _passed(self, data: bytes) -> tuple[list[bytes], list[Applied], float | None]:
        """Take a message through the faults: what comes now, how its bytes come, and how long it waits for the next one."""
        faults = self._owner.faults
        seen = faults.see("to-client", data, faults.before("to-client", data), link=self.connection)
        self._owner.log.frame(self.connection, "to-client", data)
        if seen.sort == "answer" and STRANGER in str(seen.message.id):
            return [], [], None
        passed = await self._owner.course.through(seen)
        if passed.ends is not None:
            self._owner.die()
        self._has_lost = self._has_lost or (not passed.now and seen.sort == "answer")
        orders = faults.recut(data, link=self.connection) if passed.now else []
        return passed.now, orders, None if passed.held is None else passed.held.fault.number("seconds")

    def _hold(self, data: bytes, seconds: float, *, is_behind: bool) -> None:
        """Keep bytes for what comes next, before it or behind it, for some seconds."""
        self._held, self._is_behind = data, is_behind

        async def give_up() -> None:
            await anyio.sleep(seconds)
            async with self._lock:
                if self._held is data:
                    await self._put(self._release(), [])

        self._tasks.start_soon(give_up)

    def _release(self) -> bytes:
        held, self._held, self._is_behind = self._held, b"", False
        return held

    async def _put(self, data: bytes, orders: list[Applied]) -> None:
        """Send bytes of the body, in as many pieces as a fault wants."""
        pieces = orders[-1].pieces(data) if orders and orders[-1].fault.kind == "split" else [data]
        for place, piece in enumerate(pieces if data else []):
            if place:
                await anyio.sleep(orders[-1].fault.number("seconds"))
            await self.raw({"type": "http.response.body", "body": piece, "more_body": True})

    async def _end(self, data: bytes) -> None:
        await self._put(data, [])
        if not self._has_lost:
            self._is_over = True
            await self.raw({"type": "http.response.body", "body": b"", "more_body": False})

    def _cut_off(self) -> None:
        if self.events_left is not None and self.events_left <= 0:
            self._is_over = True
            self.hang_up(at_once=False)


def _framed(event: bytes, data: bytes) -> bytes:
    """An event with other data."""
    end = b"\r\n" if b"\r\n" in event else b"\n"
    rest = _DATA.sub(b"", event).strip(b"\r\n")
    return (rest + end if rest else b"") + b"data: " + data + end + end
