"""An ASGI app of this process behind an `httpx2` client, streaming in both directions.

Response start and body chunks reach the client as the app sends them, so a tool that asks its caller something in mid-call works
(`httpx2.ASGITransport` collects the whole response first and deadlocks there). Lifespan startup and shutdown run in one task of
their own; every request runs in a task of its own; all of them start in an empty `contextvars` context, so that nothing of the
test reaches the app but what crossed the wire. All tasks end with the `asgi_transport` block. What the app sees follows uvicorn:
`http.disconnect` after the response or after an early close, and sends that nobody reads are dropped. Unlike uvicorn, an app that
goes on after a disconnect is cancelled when its grace has passed. An app that resists cancellation cannot be killed, because it
shares the process. Pinned by `tests/transport/test_asgi.py`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, cast

import anyio
import anyio.lowlevel
import httpx2
from anyio.abc import TaskGroup

from pytest_mcpsym.errors import McpsymError
from pytest_mcpsym.transport.left import context_of
from pytest_mcpsym.transport.owned import Owned

__all__ = [
    "CLOSE_GRACE",
    "STARTUP_TIMEOUT",
    "ASGIApp",
    "Message",
    "Scope",
    "StartupError",
    "StreamingASGITransport",
    "asgi_transport",
]

Message = MutableMapping[str, Any]
"""One ASGI event. `Any`, because ASGI types are invariant and the frameworks declare them so."""
Scope = MutableMapping[str, Any]
"""One ASGI scope."""
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI 3 application."""

CLOSE_GRACE: Final = 2.0
"""Seconds that an app has to end a request after the client left, and its lifespan after shutdown, before it is cancelled."""

STARTUP_TIMEOUT: Final = 30.0
"""Seconds that an app has for its lifespan startup."""

_BUFFERED_CHUNKS: Final = 64
"""Body chunks that wait unread before the app's `send` has to wait, as on a socket that is full."""

_log = logging.getLogger(__name__)


class StartupError(McpsymError):
    """The app's lifespan startup failed or did not end in time; the message has the app's own text."""


class _Exchange:
    """One request on its way through the app."""

    def __init__(self, request: httpx2.Request, grace: float) -> None:
        self.request = request
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.failure: BaseException | None = None
        self.answered = anyio.Event()  # the response has started, or never will
        self.over = anyio.Event()  # the response is complete, or nobody waits for it
        self.ended = anyio.Event()  # the app's task has ended
        self.complete = False
        self.left = False
        # The app learns of a cancelled client by `http.disconnect`, as over a socket, and not by being cancelled itself.
        self.scope = anyio.CancelScope(shield=True)
        self._grace = grace
        self._body = cast("httpx2.AsyncByteStream", request.stream).__aiter__()
        self._body_read = False
        self._chunks_in, self._chunks_out = anyio.create_memory_object_stream[bytes](_BUFFERED_CHUNKS)

    async def receive(self) -> Message:
        """ASGI `receive`: the request body chunk by chunk, then one wait for the end."""
        if self._body_read or self.over.is_set():
            await self.over.wait()
            return {"type": "http.disconnect"}
        try:
            return {"type": "http.request", "body": await self._body.__anext__(), "more_body": True}
        except StopAsyncIteration:
            self._body_read = True
            return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        """ASGI `send`: hand over at once, wait only for room."""
        if message["type"] == "http.response.start":
            if self.status is not None:
                raise RuntimeError("the ASGI app sent http.response.start twice")
            self.status = int(message["status"])
            self.headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
            self.answered.set()
        elif message["type"] == "http.response.body":
            if self.status is None:
                raise RuntimeError("the ASGI app sent http.response.body before http.response.start")
            await self._chunk(bytes(message.get("body", b"")))
            if not message.get("more_body", False):
                self.complete = True
                self._chunks_in.close()
                self.over.set()
        else:
            raise RuntimeError(f"the ASGI app sent {message['type']!r}, which is no event of a response")

    async def _chunk(self, body: bytes) -> None:
        if self.complete:
            raise RuntimeError("the ASGI app sent http.response.body after the response was complete")
        if body and self.request.method != "HEAD":
            try:
                await self._chunks_in.send(body)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                await anyio.lowlevel.checkpoint()  # nobody reads any more: dropped, as uvicorn does

    async def read(self) -> bytes:
        """Return the next chunk of the response.

        Raises:
            StopAsyncIteration: The response is complete.
            httpx2.RemoteProtocolError: The app ended before it was.
        """
        try:
            with _read_timeout(self.request):
                return await self._chunks_out.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            if self.complete or self.failure is None:
                raise StopAsyncIteration from None
            raise self.error("before its response was complete") from self.failure

    def leave(self) -> None:
        """Close the client's side: the app gets `http.disconnect`, and its grace begins."""
        self.left = True
        self._chunks_out.close()
        self.over.set()
        self.scope.deadline = min(self.scope.deadline, anyio.current_time() + self._grace)

    def end(self, failure: BaseException | None) -> None:
        """The app's task has ended."""
        if failure is not None and self.complete:
            _log.error("the ASGI app raised after its response was complete", exc_info=failure)
        self.failure = failure or EOFError("the ASGI app returned without completing its response")
        self._chunks_in.close()
        self.answered.set()
        self.over.set()
        self.ended.set()

    def error(self, when: str) -> httpx2.RemoteProtocolError:
        """The error that the client gets for an app that ended too early."""
        return httpx2.RemoteProtocolError(
            f"the ASGI app ended {when}: {type(self.failure).__name__}: {self.failure}", request=self.request
        )


@contextmanager
def _read_timeout(request: httpx2.Request) -> Generator[None]:
    """Bound one wait by the request's own read timeout, `None` for none."""
    seconds = cast("dict[str, float | None]", request.extensions.get("timeout", {})).get("read")
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError:
        raise httpx2.ReadTimeout(f"the ASGI app sent nothing for {seconds:g} s", request=request) from None


class _ResponseBody(httpx2.AsyncByteStream):
    """The response as the client reads it. An iterator and no generator, so that nothing is left to a garbage collector."""

    def __init__(self, exchange: _Exchange, transport: StreamingASGITransport) -> None:
        self._exchange = exchange
        self._transport = transport

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return await self._exchange.read()

    async def aclose(self) -> None:
        self._transport.drop(self._exchange)


class StreamingASGITransport(httpx2.AsyncBaseTransport):
    """What `asgi_transport` yields. Several clients may share it; closing a client leaves it open."""

    def __init__(self, app: ASGIApp, tasks: TaskGroup, *, grace: float = CLOSE_GRACE, owned: Owned | None = None) -> None:
        self._app = app
        self._tasks = tasks
        self._owned = owned
        self._grace = grace
        self._live: set[_Exchange] = set()  # requests whose client side or app side is open
        self._closed = False
        self._lifespan = _Lifespan(app)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Start the app on one request and return when its response has started.

        Raises:
            httpx2.ConnectError: The transport was closed.
            httpx2.ReadTimeout: The request's read timeout passed.
            httpx2.RemoteProtocolError: The app ended without a response; its exception is the cause.
        """
        if self._closed:
            raise httpx2.ConnectError("the in-process ASGI transport is closed", request=request)
        exchange = _Exchange(request, self._grace)
        self._live.add(exchange)
        context_of(self._owned).run(self._tasks.start_soon, self._serve, exchange)
        try:
            with _read_timeout(request):
                await exchange.answered.wait()
            if exchange.status is None:
                raise exchange.error("without a response") from exchange.failure
        except BaseException:
            self.drop(exchange)
            raise
        return httpx2.Response(exchange.status, headers=exchange.headers, stream=_ResponseBody(exchange, self))

    def drop(self, exchange: _Exchange) -> None:
        """Close the client's side of one request."""
        exchange.leave()
        if exchange.ended.is_set():
            self._live.discard(exchange)

    async def startup(self, timeout: float) -> None:
        """Run the app's lifespan startup.

        Raises:
            StartupError: It failed or took longer than `timeout` seconds.
        """
        context_of(self._owned).run(self._tasks.start_soon, self._lifespan.run)
        with anyio.move_on_after(timeout):
            await self._lifespan.started.wait()
        if not self._lifespan.started.is_set():
            raise StartupError(f"the ASGI app did not finish its lifespan startup within {timeout:g} s")
        if self._lifespan.failure is not None:
            raise StartupError(f"the ASGI app failed to start: {self._lifespan.failure}") from self._lifespan.error

    async def shutdown(self) -> None:
        """Disconnect every client, wait for the app's tasks within their grace, then run the lifespan shutdown within its."""
        self._closed = True
        live = list(self._live)
        for exchange in live:
            exchange.leave()
        for exchange in live:
            await exchange.ended.wait()
        self._live.clear()
        await self._lifespan.stop(self._grace)

    async def _serve(self, exchange: _Exchange) -> None:
        failure: BaseException | None = None
        try:
            with exchange.scope:
                await self._app(self._scope(exchange.request), exchange.receive, exchange.send)
            if exchange.scope.cancelled_caught:
                late = f"went on for {self._grace:g} s after its client had left"
                failure = TimeoutError(f"cancelled: it {late}")
                if self._owned is not None:
                    request = exchange.request
                    self._owned.overdue.append(("streams", f"answer to {request.method} {request.url.path}", late))
        except (Exception, SystemExit) as error:  # noqa: BLE001  # Behind a socket, neither would reach the client's process.
            failure = error
        exchange.end(failure)
        if exchange.left:
            self._live.discard(exchange)

    def _scope(self, request: httpx2.Request) -> Scope:
        url = request.url
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.partition(b"?")[0],
            "query_string": url.query,
            "server": (url.host, url.port or (443 if url.scheme == "https" else 80)),
            "client": ("127.0.0.1", 1),
            "root_path": "",
            "state": dict(self._lifespan.state),
        }


class _Lifespan:
    """The app's lifespan, all of it in one task: what it opens at startup (cancel scopes too) it closes at shutdown."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.state: dict[str, object] = {}
        self.started = anyio.Event()
        self.failure: str | None = None
        self.error: BaseException | None = None
        self._asked = False
        self._stopping = anyio.Event()
        self._ended = anyio.Event()
        self._scope = anyio.CancelScope(shield=True)

    async def run(self) -> None:
        """Serve the lifespan scope to the app until `stop`; an app that knows no such scope is fine."""
        try:
            with self._scope:
                scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
                await self._app(scope, self._receive, self._send)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # An app without lifespan support raises here, and that is allowed.
            self.error = error
            if self.started.is_set() and self.failure is None:
                _log.error("the ASGI app raised in its lifespan", exc_info=error)
        finally:
            self._ended.set()
            self.started.set()

    async def stop(self, grace: float) -> None:
        """Ask the app to shut down and wait; cancel it after `grace` seconds."""
        self._stopping.set()
        if not self.started.is_set():
            self._scope.cancel()
        with anyio.move_on_after(grace):
            await self._ended.wait()
        self._scope.cancel()
        await self._ended.wait()

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        await self._stopping.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "lifespan.startup.failed":
            # Frameworks send a whole traceback here; its last line names the error.
            text = str(message.get("message", "")).strip()
            self.failure = text.splitlines()[-1] if text else "it gave no reason"
            self.started.set()
        elif message["type"] == "lifespan.startup.complete":
            self.started.set()
        elif message["type"] == "lifespan.shutdown.failed":
            _log.error("the ASGI app failed to shut down: %s", message.get("message", ""))


@asynccontextmanager
async def asgi_transport(
    app: ASGIApp, *, startup_timeout: float = STARTUP_TIMEOUT, grace: float = CLOSE_GRACE, owned: Owned | None = None
) -> AsyncGenerator[StreamingASGITransport]:
    """Run an ASGI app in this process and yield the `httpx2` transport to it.

    Args:
        app: The app; its lifespan is started before the first request and shut down at the end.
        startup_timeout: Seconds for its lifespan startup.
        grace: Seconds that the app has to end each request after its client left, and its lifespan after shutdown.
        owned: What the app makes, for `pytest_mcpsym.transport.left`.

    Raises:
        StartupError: The app's lifespan startup failed.
    """
    body: Exception | None = None
    async with anyio.create_task_group() as tasks:
        transport = StreamingASGITransport(app, tasks, grace=grace, owned=owned)
        try:
            await transport.startup(startup_timeout)
            yield transport
        except Exception as error:  # noqa: BLE001  # Raised again below, outside of the task group, which would wrap it.
            body = error
        finally:
            with anyio.CancelScope(shield=True):
                await transport.shutdown()
    if body is not None:
        raise body
