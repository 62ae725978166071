"""Serve on standard input and output, exact: lines are bytes that end in a newline, and what is no message is answered.

As with the SDK's `stdio_server`, whose output this is, nothing that a server prints reaches the wire, and nothing that it reads
takes from it. When the input ends, the server learns of it once it has answered what it was asked, or after `GRACE` seconds: what is
piped into a server gets its answers. Pinned by `tests/transport/test_exactness.py`.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast

import anyio
import anyio.to_thread
from anyio.abc import AsyncResource
from mcp.server.stdio import stdio_server

from pytest_mcpsym.transport.lines import Lines
from pytest_mcpsym.transport.server_reads import InFlight, ServerReads, StrictReads

if TYPE_CHECKING:
    from mcp.shared._stream_protocols import WriteStream
    from mcp.shared.message import SessionMessage

__all__ = ["GRACE", "serve_stdio"]

GRACE: Final = 1.0
"""Seconds that a server has to answer what it was asked before its input ended."""

_CHUNK: Final = 65_536


@asynccontextmanager
async def serve_stdio(*, is_strict: bool = True) -> AsyncGenerator[tuple[ServerReads, WriteStream[SessionMessage]]]:
    """Yield the streams that a server runs over.

    Args:
        is_strict: Answer what is no message; else the server learns of it, as with the SDK's `stdio_server`.

    Example:
        async with serve_stdio() as (reads, writes):
            await server.run(reads, writes, server.create_initialization_options())
    """
    descriptor = sys.stdin.fileno()
    wire = os.dup(descriptor)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, descriptor)
    os.close(nothing)
    # The SDK takes its input to be text, whose lines end in other places too: it gets none, and only its output is used.
    try:
        async with stdio_server(stdin=cast("anyio.AsyncFile[str]", _Nothing())) as (unused, writes):
            await unused.aclose()
            in_flight = InFlight()
            answers = _Answers(writes, in_flight)
            lines = _Input(wire, in_flight)
            yield StrictReads(lines, answers, in_flight.asked) if is_strict else ServerReads(lines, in_flight.asked), answers
    finally:
        os.dup2(wire, descriptor)


class _Answers(AsyncResource):
    """The server's output, which tells what was answered."""

    def __init__(self, inner: WriteStream[SessionMessage], in_flight: InFlight) -> None:
        self._inner = inner
        self._in_flight = in_flight

    async def send(self, item: SessionMessage, /) -> None:
        """Write one message."""
        await self._inner.send(item)
        self._in_flight.said(item.message)

    async def aclose(self) -> None:
        """Write no more."""
        await self._inner.aclose()


class _Nothing:
    """A text that has ended."""

    def __aiter__(self) -> _Nothing:
        return self

    async def __anext__(self) -> str:
        raise StopAsyncIteration


class _Input:
    """The lines of a descriptor, which is never closed: a thread may still wait for it when nobody reads any more."""

    def __init__(self, descriptor: int, in_flight: InFlight) -> None:
        self._descriptor = descriptor
        self._in_flight = in_flight
        self._lines = Lines()
        self._ready: deque[bytes] = deque()
        self._ended = False

    async def get(self) -> bytes:
        """Return the next line; what comes after the last newline is one too."""
        while not self._ready:
            if self._ended:
                with anyio.move_on_after(GRACE):
                    await self._in_flight.settled()
                raise anyio.EndOfStream
            chunk = await anyio.to_thread.run_sync(os.read, self._descriptor, _CHUNK, abandon_on_cancel=True)
            if chunk:
                self._ready.extend(self._lines.feed(chunk))
            else:
                self._ended = True
                self._ready.append(self._lines.rest())
        return self._ready.popleft()

    def end_reading(self) -> None:
        """Give no more lines."""
        self._ended = True
        self._ready.clear()
