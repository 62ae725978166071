"""The random server over Streamable HTTP, on a port of this machine: one address for each performance.

Sessions, `GET` and `DELETE` exist in the handshake era alone. What a client has to send with its requests is judged by the checks, and
refused only where the server cannot know whom it serves. Pinned by `tests/explore/test_play_client.py`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self, cast

from anyio.from_thread import start_blocking_portal

from pytest_mcpsym.explore.clients.scene import QUIET, Connection, Scene
from pytest_mcpsym.explore.clients.turn import Said, members
from pytest_mcpsym.transport.asgi import Message, Receive, Scope, Send
from pytest_mcpsym.transport.asgi_body import whole
from pytest_mcpsym.transport.sockets import serve_on_loopback
from pytest_mcpsym.wire.frame import Envelope

__all__ = ["HttpStage"]

_SESSION: Final = "mcp-session-id"
_STREAM: Final = (b"content-type", b"text/event-stream")
_JSON: Final = (b"content-type", b"application/json")

Queue = asyncio.Queue["Said | None"]


class HttpStage:
    """Listens for clients. Use it in a `with` block."""

    def __init__(self) -> None:
        self._sites: dict[str, _Site] = {}
        self._stack = ExitStack()
        portal = self._stack.enter_context(start_blocking_portal())
        self._base = self._stack.enter_context(portal.wrap_async_context_manager(serve_on_loopback(self._app)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        self.leave()
        self._stack.close()

    def enter(self, scene: Scene) -> str:
        """Return the URL of the server in this performance."""
        word = secrets.token_hex(8)
        self._sites[word] = _Site(scene)
        return f"{self._base}/{word}/mcp"

    def leave(self) -> None:
        """End the performance: whatever is open is closed."""
        for site in self._sites.values():
            site.end()
        self._sites.clear()

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        word, _, rest = str(scope["path"]).removeprefix("/").partition("/")
        site = self._sites.get(word)
        if site is None or rest != "mcp":
            await _plain(send, 404)
        else:
            await site.serve(scope, receive, send)


class _Link:
    """One connection: a session, or all that is said without one."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.streams: dict[str, Queue] = {}
        self.own: Queue | None = None
        self.waiting: list[Said] = []

    def route(self, said: Iterable[Said]) -> None:
        """Put each message on its stream; what has none waits for the client to listen."""
        for each in said:
            queue = self.streams.get(each.on) if each.on is not None else self.own
            if queue is not None:
                queue.put_nowait(each)
            elif each.on is None:
                self.waiting.append(each)


class _Site:
    """The server of one performance."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._links: dict[str, _Link] = {}
        self._numbers = itertools.count(1)
        self._ended = False

    def end(self) -> None:
        """Let every stream end."""
        self._ended = True

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        raw = cast("Iterable[tuple[bytes, bytes]]", scope["headers"])
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in raw)
        exchange = next(self._numbers)
        envelope = Envelope(exchange, headers)
        method = str(scope["method"])
        self._scene.tap.note(
            "http", exchange=exchange, event="request", method=method, headers=[list(each) for each in headers]
        )
        reply = _Reply(self._scene, exchange, send)
        if method == "POST":
            body, _ = await whole(receive)
            await self._post(envelope, body, receive, reply)
        elif self._scene.era == "modern" or method not in ("GET", "DELETE"):
            await reply.plain(405)
        elif method == "DELETE":
            found = self._links.pop(envelope.header(_SESSION) or "", None)
            if found is not None:
                found.connection.close("host")
            await reply.plain(404 if found is None else 200)
        else:
            await self._listen(envelope, receive, reply)

    async def _post(self, envelope: Envelope, body: bytes, receive: Receive, reply: _Reply) -> None:
        message = _parsed(body)
        link, opened = self._link(envelope, message)
        if link is None:
            await reply.plain(404 if envelope.header(_SESSION) else 400)
            return
        asks = "method" in message and "id" in message
        key = json.dumps(message.get("id"))
        if asks:
            link.streams[key] = asyncio.Queue()
        _, said = link.connection.heard(body, envelope)
        link.route(each for each in said if asks or each.on is not None or each.data.find(b'"id":null') < 0)
        if asks:
            try:
                await self._streamed(link, link.streams[key], reply, receive, opened)
            finally:
                link.streams.pop(key, None)
                if self._scene.era == "modern" and not reply.ended:
                    link.connection.tap.note("http", exchange=envelope.exchange, event="closed", by="host")
                    link.connection.actor.left(key)
        elif said and said[0].data.find(b'"id":null') >= 0:
            await reply.json(400, link.connection, said[0])
        else:
            await reply.plain(202)

    def _link(self, envelope: Envelope, message: dict[str, object]) -> tuple[_Link | None, list[tuple[bytes, bytes]]]:
        """Return the connection that a message belongs to, and headers that tell of a new one."""
        with_sessions = self._scene.era == "handshake" and self._scene.http.session
        if with_sessions and message.get("method") != "initialize":
            return self._links.get(envelope.header(_SESSION) or ""), []
        if not with_sessions and self._links and message.get("method") != "initialize":
            return self._links[""], []
        if not with_sessions and message.get("method") != "initialize" and self._scene.era == "handshake":
            return None, []
        word = secrets.token_hex(8) if with_sessions else ""
        self._links[word] = _Link(self._scene.connect("http"))
        return self._links[word], [(_SESSION.encode(), word.encode())] if word else []

    async def _streamed(
        self, link: _Link, queue: Queue, reply: _Reply, receive: Receive, opened: Sequence[tuple[bytes, bytes]]
    ) -> None:
        left = asyncio.create_task(_gone(receive))
        try:
            first = await self._next(link, queue, left)
            if first is not None and first.last and self._scene.http.json:
                await reply.json(200, link.connection, first, opened)
                return
            await reply.begin(opened)
            said = first
            while said is not None:
                await reply.event(link.connection, said, self._scene.http.before)
                if said.last:
                    break
                said = await self._next(link, queue, left)
            if not left.done():
                await reply.end()
        finally:
            left.cancel()

    async def _listen(self, envelope: Envelope, receive: Receive, reply: _Reply) -> None:
        link = self._links.get((envelope.header(_SESSION) or "") if self._scene.http.session else "")
        if link is None:
            await reply.plain(404)
            return
        if not self._scene.http.listens:
            await reply.plain(405)
            return
        queue: Queue = asyncio.Queue()
        link.own = queue
        waiting, link.waiting = link.waiting, []
        link.route(waiting)
        left = asyncio.create_task(_gone(receive))
        await reply.begin(())
        try:
            while (said := await self._next(link, queue, left)) is not None:
                await reply.event(link.connection, said, self._scene.http.before)
            if not left.done():
                await reply.end()
        finally:
            left.cancel()
            if link.own is queue:
                link.own = None

    async def _next(self, link: _Link, queue: Queue, left: asyncio.Task[None]) -> Said | None:
        """Return what comes next on a stream; `None` at its end."""
        while not left.done() and not self._ended:
            try:
                return await asyncio.wait_for(queue.get(), QUIET)
            except TimeoutError:
                link.route(link.connection.quiet())
        return None


class _Reply:
    """The response to one HTTP request."""

    def __init__(self, scene: Scene, exchange: int, send: Send) -> None:
        self.ended = False
        self._scene = scene
        self._exchange = exchange
        self._send = send

    async def plain(self, status: int) -> None:
        """Answer with a status alone."""
        await self._start(status, ())
        await self.end()

    async def json(self, status: int, connection: Connection, said: Said, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        """Answer with one message."""
        await self._start(status, (_JSON, *headers))
        connection.say(said, Envelope(self._exchange, _text(headers), status=status))
        await self._send({"type": "http.response.body", "body": said.data, "more_body": True})
        await self.end()

    async def begin(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Begin an event stream."""
        await self._start(200, (_STREAM, (b"cache-control", b"no-cache"), *headers))

    async def event(self, connection: Connection, said: Said, before: str) -> None:
        """Send one message on the stream."""
        connection.say(said, Envelope(self._exchange, status=200))
        data = before.encode() + b"event: message\ndata: " + said.data + b"\n\n"
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """End it."""
        self.ended = True
        await self._send({"type": "http.response.body", "body": b""})

    async def _start(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self._scene.touch()
        self._scene.tap.note("http", exchange=self._exchange, event="response", status=status)
        await self._send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def _plain(send: Callable[[Message], Awaitable[None]], status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _parsed(body: bytes) -> dict[str, object]:
    try:
        return members(json.loads(body))
    except (ValueError, RecursionError):
        return {}


def _text(headers: Sequence[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode(), value.decode()) for name, value in headers)
