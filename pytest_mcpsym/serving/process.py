"""Run a server as this process: on its standard streams, or on a socket that listens, until the input ends or a signal comes.

A signal ends the server as the end of its input does: what it has opened is closed, for at most `GRACE` seconds; a second signal ends it
at once. Pinned by `tests/cli/test_serve.py`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Final, cast

import anyio

from pytest_mcpsym.transport.strict_stdio import serve_stdio

if TYPE_CHECKING:
    from pytest_mcpsym.faults.fault import Fault
    from pytest_mcpsym.serving.served import Served
    from pytest_mcpsym.transport.asgi import ASGIApp, Receive, Scope, Send

__all__ = ["GRACE", "on_socket", "on_stdio"]

GRACE: Final = 1
"""Whole seconds that a server has to end after a signal."""


def on_stdio(served: Served, faults: Sequence[Fault] = ()) -> int:
    """Serve on standard input and output and return the exit status. The process must end after it: a thread may still wait for input.

    Args:
        served: The server.
        faults: What is done on purpose to what its client sends and gets.
    """
    caught: list[int] = []

    async def serve() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_end_on_signal, caught, tasks.cancel_scope)
            if faults:
                from pytest_mcpsym.serving.faulty import serve_faulty

                await serve_faulty(served, faults)
            else:
                async with serve_stdio(is_strict=served.is_strict) as (reads, writes):
                    await served.run(reads, writes)
            tasks.cancel_scope.cancel()

    try:
        anyio.run(serve)
    except* BrokenPipeError:  # the client has gone, which ends a server as the end of its input does
        pass
    return 128 + caught[0] if caught else 0


async def _end_on_signal(caught: list[int], scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            if caught:
                os._exit(128 + number)
            caught.append(number)
            late = threading.Timer(GRACE, os._exit, [128 + number])
            late.daemon = True
            late.start()
            scope.cancel()


def on_socket(app: ASGIApp, listener: socket.socket, *, is_breakable: bool = False) -> int:
    """Serve on a socket that listens until a signal comes, and return the exit status.

    Args:
        app: What is served.
        listener: The socket.
        is_breakable: Let the app break connections.
    """
    import uvicorn

    caught: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        caught.append(number)

    # uvicorn ends politely on a signal and then raises it again for the handler that was there before.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, remember)
    config = uvicorn.Config(
        cast("Callable[..., object]", app),
        http=_breakable() if is_breakable else "auto",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=GRACE,
    )
    uvicorn.Server(config).run(sockets=[listener])
    return 128 + caught[0] if caught else 0


def _breakable() -> type[asyncio.Protocol]:
    """Return a protocol of uvicorn that puts into the scope of each request what breaks its connection."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    from pytest_mcpsym.serving.faulty_app import HANG_UP

    class Breakable(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] - uvicorn narrows the argument too
            super().connection_made(transport)
            inner = self.app

            async def app(scope: Scope, receive: Receive, send: Send) -> None:
                await cast("ASGIApp", inner)({**scope, HANG_UP: partial(_hang_up, transport)}, receive, send)

            self.app = cast("object", app)

    return Breakable


def _hang_up(transport: asyncio.Transport, *, at_once: bool) -> None:
    """Break a connection: with a reset, or when what was sent has left."""
    if not at_once:
        transport.close()
        return
    found = cast("socket.socket | None", transport.get_extra_info("socket"))
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
