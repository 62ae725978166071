"""An ASGI app with faults between it and its clients: what `mcpsym serve --http --fault` serves, over Streamable HTTP and over HTTP with SSE.

A message that a client posts, and each that a response brings, goes its way through the faults; the rest of HTTP passes as it is. What a
client has lost by a fault it waits for, as it would for a server that is silent; a notification that is lost is accepted. A response in JSON
that has to hold another number of messages than one becomes an event stream. Pinned by `tests/cli/test_serve_fault_http.py`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Final, cast
from urllib.parse import parse_qs

import anyio

from pytest_mcpsym.faults.active import Applied
from pytest_mcpsym.faults.alter import STRANGER
from pytest_mcpsym.faults.course import Course, Passed
from pytest_mcpsym.faults.fault import Fault
from pytest_mcpsym.faults.kinds import SERVED_HTTP
from pytest_mcpsym.faults.seen import Seen
from pytest_mcpsym.serving.faulty import ToldFaults
from pytest_mcpsym.serving.faulty_response import FaultyResponse, HangUp
from pytest_mcpsym.transport.asgi import ASGIApp, Message, Receive, Scope, Send
from pytest_mcpsym.transport.asgi_body import whole
from pytest_mcpsym.transport.tap import Tap
from pytest_mcpsym.wire.log import WireLog

__all__ = ["HANG_UP", "FaultyApp"]

HANG_UP: Final = "mcpsym.hang-up"
"""Where the scope of a request has what breaks its connection; see `pytest_mcpsym.serving.process`."""

_SESSION: Final = b"mcp-session-id"
_SENT_ON: Final = b"sent-on-by-fault=1"


class FaultyApp:
    """See the module.

    Args:
        app: The app behind the faults.
        faults: What is done, to all clients together.

    Raises:
        UsageError: One of them cannot be done over HTTP.
    """

    def __init__(self, app: ASGIApp, faults: Iterable[Fault]) -> None:
        self.log = WireLog()
        self.faults = ToldFaults(Tap(self.log, "client"), SERVED_HTTP, faults)
        self.course = Course(self.faults)
        self._app = app
        self._exchanges = 0
        self._next_post = anyio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] not in ("POST", "GET"):
            await self._app(scope, receive, send)
            return
        self._exchanges += 1
        connection = _connection(scope) or f"exchange {self._exchanges}"
        async with anyio.create_task_group() as tasks:
            response = FaultyResponse(self, connection, receive, send, tasks, hang_up=cast("HangUp", scope.get(HANG_UP, _stay)))
            if scope["method"] == "POST":
                await self._post(scope, receive, response)
            else:
                await self._app(scope, receive, response.send)
                await response.finish()
            tasks.cancel_scope.cancel()

    def die(self) -> None:
        """End this process as one that is killed."""
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    async def _post(self, scope: Scope, receive: Receive, response: FaultyResponse) -> None:
        """Take a message that a client posts through the faults, and the app's response too."""
        data, _ = await whole(receive)
        before = self.faults.before("to-server", data)
        seen = self.faults.see("to-server", data, before, link=response.connection)
        self.log.frame(response.connection, "to-server", data)
        if seen.sort == "answer" and STRANGER in str(seen.message.id):
            await _plain(response.raw, 202)
            return
        # Who was sent on comes again with the same message, which has met its faults.
        passed = Passed([data]) if _SENT_ON in scope["query_string"] else await self.course.through(seen)
        if not await self._instead(passed, _address(scope), response):
            await self._handed_on(scope, receive, response, seen, passed)

    async def _instead(self, passed: Passed, path: str, response: FaultyResponse) -> bool:
        """Answer in place of the app, where a fault wants that."""
        for applied in passed.orders:
            match applied.fault.kind:
                case "status" | "redirect":
                    await _refuse(applied, path, response.raw)
                case "reset":
                    response.hang_up(at_once=True)
                case "stall":
                    response.stall = applied.fault.number("seconds")
                    continue
                case "cut":
                    response.events_left = int(applied.fault.number("events"))
                    continue
                case _:
                    continue
            return True
        return False

    async def _handed_on(self, scope: Scope, receive: Receive, response: FaultyResponse, seen: Seen, passed: Passed) -> None:
        if passed.held is not None:
            with anyio.move_on_after(passed.held.fault.number("seconds")):
                await self._next_post.wait()
        if not passed.now:
            await (response.left() if seen.sort == "request" else _plain(response.raw, 202))
            return
        first, *others = passed.now

        def read() -> None:
            self._next_post.set()
            self._next_post = anyio.Event()
            if passed.ends is not None:
                self.die()

        await self._run(scope, _Replay(first, receive, read), response.send)
        for other in others:
            await self._run(scope, _Replay(other, receive, lambda: None), _unheard)
        await response.finish()

    async def _run(self, scope: Scope, replay: _Replay, send: Send) -> None:
        length = [(b"content-length", str(len(replay.data)).encode())]
        headers = cast("list[tuple[bytes, bytes]]", scope["headers"])
        kept = [(name, value) for name, value in headers if name.lower() != b"content-length"]
        await self._app({**scope, "headers": kept + length}, replay.receive, send)


class _Replay:
    """A body that was read, to be read again by the app, and then whatever comes from the client."""

    def __init__(self, data: bytes, receive: Receive, read: Callable[[], None]) -> None:
        self.data = data
        self._receive = receive
        self._read = read
        self._is_read = False

    async def receive(self) -> Message:
        """ASGI's `receive`."""
        if self._is_read:
            return await self._receive()
        self._is_read = True
        self._read()
        return {"type": "http.request", "body": self.data, "more_body": False}


def _connection(scope: Scope) -> str:
    """What names the connection that a request belongs to: its session."""
    headers = dict(cast("list[tuple[bytes, bytes]]", scope["headers"]))
    query = parse_qs(cast("bytes", scope["query_string"]).decode())
    return headers.get(_SESSION, b"").decode("latin-1") or next(iter(query.get("session_id", [])), "")


def _address(scope: Scope) -> str:
    """Where a client is sent on to: to the same path, so that it can be told from one that was not."""
    query = cast("bytes", scope["query_string"])
    return f"{scope['path']}?{b'&'.join([query, _SENT_ON] if query else [_SENT_ON]).decode()}"


def _stay(*, at_once: bool) -> None:
    """Break no connection, where it is not known how."""
    del at_once


async def _unheard(_event: Message) -> None:
    """Take the response to a message that nobody posted."""


async def _refuse(applied: Applied, path: str, send: Send) -> None:
    """Answer with a status that says whose doing it is."""
    fault = applied.fault
    headers = [(b"location", (fault.text("location") or path).encode())] if fault.kind == "redirect" else []
    await _plain(send, int(fault.number("code")), f"done on purpose: {fault}\n".encode(), headers)


async def _plain(send: Send, status: int, body: bytes = b"", headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    known = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*known, *headers]})
    await send({"type": "http.response.body", "body": body})
