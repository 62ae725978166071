"""What carries a `Peer`: a link in memory, standard input and output, and Streamable HTTP as an ASGI app.

Each is the least that the protocol's transports ask for, and none is an SDK's. Pinned by `tests/fakes/test_mutants.py`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Final, Protocol, cast

import anyio
import anyio.to_thread

from .calls import Client, JsonObject, members
from .clients import Caller
from .peer import Peer

__all__ = ["SESSION", "Carried", "Event", "call_stdio", "serve_stdio"]

Event = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Event]]
Emit = Callable[[Event], Awaitable[None]]

CREDENTIAL: Final = "MCPSYM_CANARY"
"""Variable with the credential of a process; the host gives each one of its own."""
SESSION: Final = b"mcp-session-id"


class _Model(Protocol):
    def model_dump_json(self, *, by_alias: bool, exclude_unset: bool) -> str: ...


class _Reads(Protocol):
    def __aiter__(self) -> _Reads: ...
    async def __anext__(self) -> object: ...


class _Writes(Protocol):
    async def send(self, item: object, /) -> None: ...


@dataclass(frozen=True, slots=True)
class _Raw:
    """Bytes where a link in memory expects a message of the SDK."""

    data: bytes

    @property
    def message(self) -> _Raw:
        return self

    def model_dump_json(self, *, by_alias: bool, exclude_unset: bool) -> str:
        del by_alias, exclude_unset
        return self.data.decode()


class Carried:
    """A peer as what a link is made from: a server in memory, and with `app` over HTTP.

    Args:
        peer: One for all clients.
    """

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.name = type(peer).__name__
        self._sessions: dict[str, Client] = {}
        self._principals: dict[str, Client] = {}

    # In memory.

    def create_initialization_options(self) -> None:
        """A peer says what it is by itself."""

    async def run(self, reads: _Reads, writes: _Writes, options: object, /) -> None:
        """Serve one connection in memory until its input ends."""
        del options

        async def send(data: bytes) -> None:
            await writes.send(_Raw(data))

        client = self.peer.join(Client(send))
        try:
            async with anyio.create_task_group() as tasks:
                async for item in reads:
                    message = cast("_Model | None", getattr(item, "message", None))
                    # What is no message arrives as an error, without its bytes.
                    text = "" if message is None else message.model_dump_json(by_alias=True, exclude_unset=True)
                    tasks.start_soon(self.peer.hear, client, text.encode(), send)
                tasks.cancel_scope.cancel()
        finally:
            self.peer.leave(client)

    # Streamable HTTP.

    async def app(self, scope: Event, receive: Receive, send: Emit) -> None:
        """Serve one HTTP request: an ASGI app."""
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        headers = dict(cast("list[tuple[bytes, bytes]]", scope["headers"]))
        if scope["method"] == "DELETE":
            self._sessions.pop(headers.get(SESSION, b"").decode(), None)
            await _plain(send, 204)
        elif scope["method"] != "POST":
            await _plain(send, 405)
        else:
            await self._post(headers, await _body(receive), receive, send)

    async def _post(self, headers: dict[bytes, bytes], body: bytes, receive: Receive, send: Emit) -> None:
        secret = headers.get(b"authorization", b"").decode()
        try:
            message = members(json.loads(body))
        except ValueError:
            message = cast("JsonObject", {})
        opened: list[tuple[bytes, bytes]] = []
        if message.get("method") == "initialize":
            client = self.peer.join(Client(_nowhere, secret))
            ident = self.peer.session_id()
            self._sessions[ident] = client
            opened = [(SESSION, ident.encode())]
        elif SESSION in headers:
            found = self.peer.admitted(self._sessions.get(headers[SESSION].decode()), secret)
            if found is None:
                await _plain(send, 404)
                return
            client = found
        else:
            client = self._principals.get(secret) or self.peer.join(Client(_nowhere, secret))
            self._principals[secret] = client
        stream = _Stream(send, opened)
        if "method" in message and "id" in message:
            await self._streamed(client, body, stream, receive, modern=SESSION not in headers and not opened)
        else:
            await self.peer.hear(client, body, stream.plain)
            if not stream.begun:
                await _plain(send, 202)

    async def _streamed(self, client: Client, body: bytes, stream: _Stream, receive: Receive, *, modern: bool) -> None:
        """Answer on an event stream; a modern client cancels by closing it."""

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            if modern:
                await self.peer.cancel(client, members(json.loads(body)).get("id"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            await stream.begin()
            await self.peer.hear(client, body, stream.event)
            await stream.end()
            tasks.cancel_scope.cancel()


class _Stream:
    """The response to one POST."""

    def __init__(self, send: Emit, headers: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._headers = headers
        self.begun = False

    async def begin(self) -> None:
        """Begin an event stream."""
        self.begun = True
        kind = (b"content-type", b"text/event-stream")
        await self._send({"type": "http.response.start", "status": 200, "headers": [kind, *self._headers]})

    async def event(self, data: bytes) -> None:
        """Send one message on it."""
        await self._send({"type": "http.response.body", "body": b"event: message\ndata: " + data + b"\n\n", "more_body": True})

    async def end(self) -> None:
        """End it."""
        await self._send({"type": "http.response.body", "body": b""})

    async def plain(self, data: bytes) -> None:
        """Answer what is no request with one message: an error is one of HTTP too."""
        self.begun = True
        status = 400 if "error" in members(json.loads(data)) else 200
        kind = (b"content-type", b"application/json")
        await self._send({"type": "http.response.start", "status": status, "headers": [kind]})
        await self._send({"type": "http.response.body", "body": data})


async def _nowhere(_data: bytes) -> None:
    """Over HTTP nothing can be sent that belongs to no request: there is no standing stream."""


async def _plain(send: Emit, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        event = await receive()
        parts.append(cast("bytes", event.get("body", b"")))
        if not event.get("more_body", False):
            return b"".join(parts)


class _Lines:
    """A client's end of standard input and output."""

    async def send(self, data: bytes, /) -> None:
        sys.stdout.buffer.write(data + b"\n")
        sys.stdout.buffer.flush()

    async def receive(self) -> bytes | None:
        line = await anyio.to_thread.run_sync(sys.stdin.buffer.readline, abandon_on_cancel=True)
        return line or None


async def call_stdio(caller: Caller, era: str) -> None:
    """Talk to a server on standard input and output, and end the process: a thread may still wait for a line."""
    caller.era = era
    status = 1
    try:
        await caller.run(_Lines())
        status = 0
    finally:
        os._exit(status)


async def serve_stdio(peer: Peer) -> None:
    """Serve one client on standard input and output until the input ends."""

    async def send(data: bytes) -> None:
        sys.stdout.buffer.write(data + b"\n")
        sys.stdout.buffer.flush()

    peer.process = True
    client = peer.join(Client(send, os.environ.get(CREDENTIAL, "")))
    async with anyio.create_task_group() as tasks, anyio.wrap_file(sys.stdin.buffer) as lines:
        async for line in lines:
            tasks.start_soon(peer.hear, client, line, send)
        tasks.cancel_scope.cancel()
    peer.leave(client)
