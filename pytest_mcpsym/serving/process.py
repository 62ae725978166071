"""Run a server as this process: on its standard streams, or on a socket that listens, until the input ends or a signal comes.

A signal ends the server as the end of its input does: what it has opened is closed, for at most `GRACE` seconds; a second signal ends it
at once. Pinned by `tests/cli/test_serve.py`.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from types import FrameType
from typing import TYPE_CHECKING, Final, Protocol, TextIO, cast

import anyio
import anyio.to_thread
from mcp.server.stdio import stdio_server

if TYPE_CHECKING:
    from anyio import AsyncFile

    from pytest_mcpsym.serving.served import Served
    from pytest_mcpsym.transport.asgi import ASGIApp

__all__ = ["GRACE", "Input", "Output", "on_socket", "on_stdio"]

GRACE: Final = 1
"""Whole seconds that a server has to end after a signal."""


class Input(Protocol):
    """Lines from the client, each with its end."""

    def __aiter__(self) -> AsyncIterator[str]: ...


class Output(Protocol):
    """Text to the client: whole lines."""

    async def write(self, data: str, /) -> object:
        """Write a text."""
        ...

    async def flush(self) -> object:
        """Send what is written."""
        ...


def on_stdio(served: Served) -> int:
    """Serve on standard input and output and return the exit status. The process must end after it: a thread may still wait for input.

    What the server or its children print goes to standard error.
    """
    reads, writes = _claimed()
    caught: list[int] = []

    async def serve() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_end_on_signal, caught, tasks.cancel_scope)
            await _serve_lines(served, _Lines(reads), _Text(writes))
            tasks.cancel_scope.cancel()

    try:
        anyio.run(serve)
    except* BrokenPipeError:  # the client has gone, which ends a server as the end of its input does
        pass
    return 128 + caught[0] if caught else 0


async def _serve_lines(served: Served, lines: Input, text: Output) -> None:
    # The SDK reads and writes a file of anyio's by these methods only.
    async with stdio_server(cast("AsyncFile[str]", lines), cast("AsyncFile[str]", text)) as (reads, writes):
        await served.run(reads, writes)


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


def _claimed() -> tuple[TextIO, TextIO]:
    """Return the client's two streams, and leave standard input empty and standard output on standard error."""
    reads = os.fdopen(os.dup(0), "r", encoding="utf-8", errors="replace", newline="\n")
    writes = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return reads, writes


class _Lines:
    """A text file whose reader can be cancelled; its thread is left to wait."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    async def __aiter__(self) -> AsyncIterator[str]:
        while line := await anyio.to_thread.run_sync(self._file.readline, abandon_on_cancel=True):
            yield line


class _Text:
    """A text file that is written in a thread."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    async def write(self, data: str, /) -> object:
        return await anyio.to_thread.run_sync(self._file.write, data)

    async def flush(self) -> object:
        return await anyio.to_thread.run_sync(self._file.flush)


def on_socket(app: ASGIApp, listener: socket.socket) -> int:
    """Serve on a socket that listens until a signal comes, and return the exit status."""
    import uvicorn

    caught: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        caught.append(number)

    # uvicorn ends politely on a signal and then raises it again for the handler that was there before.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, remember)
    config = uvicorn.Config(
        cast("Callable[..., object]", app), log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE
    )
    uvicorn.Server(config).run(sockets=[listener])
    return 128 + caught[0] if caught else 0
