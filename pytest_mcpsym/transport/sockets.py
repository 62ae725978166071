"""An ASGI app of this process on a loopback socket.

uvicorn runs in a thread of its own with an asyncio loop of its own, so this works under trio too, and an app that blocks does not
block the test. The socket is bound before the thread starts, so two servers never race for a port. Start and stop are bounded;
open event streams are cut after a short grace; thread, sockets and loop are gone when the block ends. What uvicorn logs below
`ERROR`, or while it stops, is dropped: for this thread only, other servers in the process keep their logs. Pinned by
`tests/transport/test_sockets.py`.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import socket
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast

import anyio
import anyio.to_thread
import uvicorn

from pytest_mcpsym.errors import McpsymError
from pytest_mcpsym.transport.asgi import STARTUP_TIMEOUT, ASGIApp, Message, Receive, Scope, Send, StartupError
from pytest_mcpsym.transport.owned import Owned

if TYPE_CHECKING:
    from uvicorn._types import ASGIApplication

__all__ = ["serve_on_loopback"]

_STREAM_GRACE: Final = 1
"""Whole seconds that requests in flight have after the stop was asked for, before they are cancelled."""

_STOP_TIMEOUT: Final = 10.0
"""Seconds for the thread to end before its tasks are cancelled, and again before the stop is given up."""

_TRIO_REFUSAL: Final = "must be called from async context"
_TRIO_HINT: Final = (
    """. It was made inside a trio test, and this server runs on asyncio: pass a function that makes it, and factory=True."""
)

_LOGGERS: Final = ("uvicorn.error", "uvicorn.asgi")


class _Server(uvicorn.Server):
    """A uvicorn that says when it is up, and why it is not."""

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        self.ready = threading.Event()
        self.refusal: str | None = None
        self._make = make
        self._app: ASGIApp
        config = uvicorn.Config(
            # uvicorn declares the scope as a union of typed dictionaries, of which an app's own declaration is no supertype.
            cast("ASGIApplication", self._watch_lifespan),
            log_config=None,
            access_log=False,
            loop="asyncio",
            http="h11",
            ws="none",
            interface="asgi3",
            timeout_graceful_shutdown=_STREAM_GRACE,
        )
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._app = self._make()
        await super().startup(sockets)
        self.ready.set()

    async def _watch_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watched(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                text = str(message.get("message", "")).strip()
                self.refusal = text.splitlines()[-1] if text else "it gave no reason"
            await send(message)

        await self._app(scope, receive, watched if scope["type"] == "lifespan" else send)


class _Thread(threading.Thread):
    """The thread with uvicorn's loop in it."""

    def __init__(self, make: Callable[[], ASGIApp], listener: socket.socket, owned: Owned | None) -> None:
        self.port = cast("int", listener.getsockname()[1])
        super().__init__(name=f"mcpsym-http-{self.port}", daemon=True)
        self.server = _Server(make)
        self.failure: BaseException | None = None
        self._listener = listener
        self._context = contextvars.Context() if owned is None else owned.context()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self) -> None:
        """Serve until asked to stop; a context of its own keeps the starter's context variables out."""
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self._loggable)
        try:
            self._context.run(self._serve)
        except BaseException as error:  # noqa: BLE001  # uvicorn leaves by SystemExit where the app refuses to start.
            self.failure = error
        finally:
            for name in _LOGGERS:
                logging.getLogger(name).removeFilter(self._loggable)
            self._listener.close()
            self.server.ready.set()

    def _serve(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self.server.serve(sockets=[self._listener]))

    def _loggable(self, record: logging.LogRecord) -> bool:
        return record.thread != self.ident or (record.levelno >= logging.ERROR and not self.server.should_exit)

    def cut(self) -> None:
        """Cancel everything on the thread's loop."""
        self.server.force_exit = True
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])


@asynccontextmanager
async def serve_on_loopback(
    app: ASGIApp | Callable[[], ASGIApp],
    *,
    factory: bool = False,
    startup_timeout: float = STARTUP_TIMEOUT,
    listener: socket.socket | None = None,
    owned: Owned | None = None,
) -> AsyncGenerator[str]:
    """Serve an ASGI app on an ephemeral port of 127.0.0.1.

    Args:
        app: The app; its lifespan runs on the server's own loop.
        factory: `app` is a function that makes the app, called on the server's own loop. That is needed inside a trio test: an
            app made there holds locks that only trio can use.
        startup_timeout: Seconds for its lifespan startup.
        listener: A bound TCP socket to serve on, closed at the end; default one on an ephemeral port.
        owned: What the app makes, for `pytest_mcpsym.transport.left`.

    Yields:
        The base URL, `http://127.0.0.1:PORT`.

    Raises:
        StartupError: The app's lifespan startup failed or took too long.
        McpsymError: The app blocks its thread and cannot be stopped.
    """
    if listener is None:
        listener = socket.socket(
            proto=socket.IPPROTO_TCP
        )  # asyncio sends small writes at once only where the protocol is named.
        listener.bind(("127.0.0.1", 0))
    thread = _Thread(cast("Callable[[], ASGIApp]", app) if factory else lambda: cast("ASGIApp", app), listener, owned)
    thread.start()
    try:
        await anyio.to_thread.run_sync(thread.server.ready.wait, startup_timeout, abandon_on_cancel=True)
        if thread.server.refusal is not None:
            hint = _TRIO_HINT if thread.server.refusal.endswith(_TRIO_REFUSAL) else ""
            raise StartupError(f"the ASGI app failed to start: {thread.server.refusal}{hint}")
        if not thread.server.ready.is_set():
            raise StartupError(f"the ASGI app did not finish its lifespan startup within {startup_timeout:g} s")
        if thread.failure is not None:
            raise StartupError(f"the HTTP server did not start: {thread.failure!r}") from thread.failure
        yield f"http://127.0.0.1:{thread.port}"
    finally:
        with anyio.CancelScope(shield=True):
            await _stop(thread)


async def _stop(thread: _Thread) -> None:
    """End the thread: politely, then by cancelling its tasks."""
    thread.server.should_exit = True
    if not thread.server.ready.is_set():
        thread.cut()
    for _ in range(2):
        await anyio.to_thread.run_sync(thread.join, _STOP_TIMEOUT)
        if not thread.is_alive():
            return
        thread.cut()
    raise McpsymError(f"the ASGI app blocks its thread {thread.name!r} and could not be stopped within {2 * _STOP_TIMEOUT:g} s")
