"""How a client is held: it talks to a healthy server that does much which is legal and surprises, and every message is logged.

The log is that of a link whose host is the client: in memory it runs beside the server, on standard input and output as a process that
is started here, and over HTTP it posts to the server's ASGI app. What the server does on purpose is no bug: progress with a token of
nobody, progress after the answer, five changes of a list at once, and a ping with an id of its own, from 0, before each answer. Pinned
by `tests/fakes/test_mutants.py`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from pytest_mcpsym.checks import DEFAULT, Registry, select
from pytest_mcpsym.switchboard.target import Era
from pytest_mcpsym.wire.frame import Envelope
from pytest_mcpsym.wire.log import WireLog

from .calls import Call, Client, JsonObject
from .carriers import SESSION, Carried, Event
from .clients import Caller
from .peer import Peer
from .session import Way

__all__ = ["CHECKS", "Surprising", "conversed"]

CHECKS: Final[Registry] = select(DEFAULT, ["-progress:*"])
"""What a client is judged by: all checks but those of the progress that the server sends on purpose."""
PATIENCE: Final = 3.0
"""Seconds that a client may take; a healthy one needs a hundredth of it in memory, and as a process the time to start."""
START: Final = 10.0
LINK: Final = "caller"


class Surprising(Peer):
    """A healthy server that does as much as it may while it handles a request."""

    def __init__(self) -> None:
        super().__init__()
        self._pings = 0

    async def outcome(self, call: Call) -> JsonObject:
        """Send what else may come before the answer; in the middle of a handshake that is a ping."""
        body = await super().outcome(call)
        if not call.modern:
            await call.send(self.text({"jsonrpc": "2.0", "id": self._pings, "method": "ping"}))
            self._pings += 1
        if call.method != "initialize":
            await self.tell(call, "notifications/progress", {"progressToken": "of nobody", "progress": 1})
            for _ in range(0 if call.modern else 5):
                await self.tell(call, "notifications/tools/list_changed", {})
        return body

    async def answer(self, call: Call, body: JsonObject) -> None:
        """Tell progress once more after the answer."""
        await super().answer(call, body)
        await self.progress(call, 99, 99)


@dataclass(slots=True)
class _Server:
    """The server, and the log of what is said to it and by it."""

    log: WireLog
    tasks: TaskGroup
    peer: Peer = field(default_factory=Surprising)

    def hear(self, client: Client, data: bytes) -> None:
        """Take a message of a client that has one connection."""
        self.log.frame(LINK, "to-server", data)
        self.tasks.start_soon(self.peer.hear, client, data, client.send)

    def say(self, data: bytes, number: int | None = None) -> None:
        """Log what goes to the client."""
        self.log.frame(LINK, "to-client", data, None if number is None else Envelope(number))


class _Inbox:
    """Where a client in this process finds what comes for it."""

    def __init__(self) -> None:
        streams: tuple[MemoryObjectSendStream[bytes], MemoryObjectReceiveStream[bytes]]
        streams = anyio.create_memory_object_stream[bytes](1000)
        self.put, self._get = streams

    async def receive(self) -> bytes | None:
        try:
            return await self._get.receive()
        except anyio.EndOfStream:
            return None

    def close(self) -> None:
        self.put.close()
        self._get.close()


class _Memory(_Inbox):
    """A connection in memory."""

    def __init__(self, server: _Server) -> None:
        super().__init__()
        self._server = server
        self._client = server.peer.join(Client(self._told))

    async def send(self, data: bytes, /) -> None:
        self._server.hear(self._client, data)

    async def _told(self, data: bytes) -> None:
        self._server.say(data)
        await self.put.send(data)


class _Http(_Inbox):
    """Posts each message to the server's app, and reads the streams that it answers with."""

    def __init__(self, server: _Server) -> None:
        super().__init__()
        self._server = server
        self._app = Carried(server.peer).app
        self._posts = 0
        self._session: list[tuple[bytes, bytes]] = []

    async def send(self, data: bytes, /) -> None:
        self._posts += 1
        self._server.log.frame(LINK, "to-server", data, Envelope(self._posts))
        self._server.tasks.start_soon(self._post, data, self._posts)

    async def _post(self, data: bytes, number: int) -> None:
        bodies: list[Event] = [{"type": "http.request", "body": data}]

        async def receive() -> Event:
            if not bodies:
                await anyio.sleep_forever()
            return bodies.pop()

        async def send(event: Event) -> None:
            if event["type"] == "http.response.start":
                headers = cast("list[tuple[bytes, bytes]]", event["headers"])
                self._session = [pair for pair in headers if pair[0] == SESSION] or self._session
            for line in cast("bytes", event.get("body", b"")).splitlines():
                if line.startswith(b"data: "):
                    self._server.say(line[6:], number)
                    await self.put.send(line[6:])

        await self._app({"type": "http", "method": "POST", "headers": self._session}, receive, send)


async def conversed(make: Callable[[], Caller], era: Era, way: Way) -> WireLog:
    """Let a client talk to the server, and return the log.

    Args:
        make: Makes the client; a process is told its name.
        era: The era that it speaks.
        way: How it reaches the server.
    """
    log = WireLog()
    log.note(LINK, "open", transport=way, era=era, target=make.__name__)
    status: int | None = None
    with anyio.move_on_after(START if way == "stdio" else PATIENCE):
        async with anyio.create_task_group() as tasks:
            server = _Server(log, tasks)
            status = await (_process if way == "stdio" else _here)(make, era, way, server)
            tasks.cancel_scope.cancel()
    if status:
        log.note(LINK, "quit", status=status)
    log.note(LINK, "close", by="host")
    return log


async def _here(make: Callable[[], Caller], era: Era, way: Way, server: _Server) -> int:
    """Run a client in this process, and return 0, or 1 if it broke."""
    caller = make()
    caller.era = era
    wire = _Http(server) if way == "http" else _Memory(server)
    status = 0
    try:
        await caller.run(wire)
    except* (LookupError, RuntimeError):
        status = 1
    wire.close()
    return status


async def _process(make: Callable[[], Caller], era: Era, way: Way, server: _Server) -> int:
    """Run a client as a process, and return its exit status."""
    del way
    command = [sys.executable, str(Path(__file__).parent / "__main__.py"), make.__name__, era]
    async with await anyio.open_process(command, stderr=subprocess.DEVNULL) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        async def told(data: bytes) -> None:
            server.say(data)
            try:
                await stdin.send(data + b"\n")
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

        client = server.peer.join(Client(told))
        rest = b""
        try:
            async for chunk in stdout:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    server.hear(client, line)
            return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
