"""Run a server as this process on its standard streams, and do faults to what its client sends and gets.

Bytes pass as they come, but for what a fault does to them; each that is done is one line on standard error. Pinned by
`tests/cli/test_serve_fault.py`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, cast

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream

from pytest_mcpsym.faults.active import Applied, Faults
from pytest_mcpsym.faults.channel import FaultyChannel
from pytest_mcpsym.faults.fault import Fault
from pytest_mcpsym.faults.kinds import SERVED
from pytest_mcpsym.faults.seen import Seen
from pytest_mcpsym.transport.memory import CLOSE_GRACE, MemoryServer, open_memory
from pytest_mcpsym.transport.tap import Channel, Tap, Undelivered
from pytest_mcpsym.wire.log import WireLog

if TYPE_CHECKING:
    from pytest_mcpsym.serving.served import Reads, Served, Writes

__all__ = ["ToldFaults", "serve_faulty"]


class ToldFaults(Faults):
    """Faults that are told of on standard error, which one of them fills."""

    def note(self, applied: Applied, seen: Seen, did: str, became: str | None = None, *, meant: bool = False) -> None:
        """Write what was done, and to what."""
        super().note(applied, seen, did, became, meant=meant)
        if applied.fault.kind == "stderr-flood":
            _flood(int(applied.fault.number("bytes")))
        ident = "" if seen.message.id is None else f" (id {seen.message.id})"
        sys.stderr.write(ascii(f"fault: {applied.fault}: {seen.method or 'message'}{ident}: {did}")[1:-1] + "\n")
        sys.stderr.flush()


def _flood(size: int) -> None:
    """Fill standard error as programs do: whoever started them has to read it, or they stand still."""
    line = "x" * 1023 + "\n"
    sys.stderr.write((line * (size // len(line) + 1))[-size:])


class _Inside:
    """A served object as a link in memory wants it."""

    def __init__(self, served: Served) -> None:
        self._served = served

    def create_initialization_options(self) -> None:
        """What is served knows by itself."""

    async def run(self, reads: object, writes: object, options: object, /) -> None:
        """Serve one connection."""
        del options
        await self._served.run(cast("Reads", reads), cast("Writes", writes))


async def serve_faulty(served: Served, faults: Iterable[Fault]) -> None:
    """Serve until the input ends, or a fault ends the server."""
    tap = Tap(WireLog(), "client")
    server = cast("MemoryServer", _Inside(served))
    async with open_memory(server, tap, is_strict=served.is_strict) as inner, anyio.create_task_group() as tasks:
        faulted = ToldFaults(tap, SERVED, faults)
        channel = FaultyChannel(inner, faulted, tasks)
        inbox, outbox = anyio.create_memory_object_stream[bytes](0)
        tasks.start_soon(_in, channel, cast("_Ending", inner), tasks.cancel_scope)
        async with outbox, anyio.create_task_group() as writing:
            writing.start_soon(_out, outbox, faulted)
            async with inbox:
                while True:
                    try:
                        item = await channel.receive()
                    except anyio.EndOfStream:
                        break
                    if not isinstance(item, Undelivered):
                        await inbox.send(item.data)
        tasks.cancel_scope.cancel()


async def _out(messages: MemoryObjectReceiveStream[bytes], faults: Faults) -> None:
    """Write each message as a line, in pieces or together with the next one where a fault wants it; at the end, what waits for a next one."""
    kept, patience = b"", math.inf
    try:
        while True:
            data: bytes | None = None
            with anyio.move_on_after(patience):
                data = await messages.receive()
            orders = [] if data is None else faults.recut(data)
            line = kept + (b"" if data is None else data + b"\n")
            kept, patience = b"", math.inf
            joined = next((each for each in orders if each.fault.kind == "coalesce"), None)
            if joined is not None:
                kept, patience = line, joined.fault.number("seconds")
            else:
                await _write(line, orders)
    except anyio.EndOfStream:
        pass
    finally:
        sys.stdout.buffer.write(kept)
        sys.stdout.buffer.flush()


async def _write(line: bytes, orders: Sequence[Applied]) -> None:
    for place, piece in enumerate(orders[-1].pieces(line) if orders else [line]):
        if place:
            await anyio.sleep(orders[-1].fault.number("seconds"))
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


class _Ending(Protocol):
    """What the channel of a link in memory can do besides."""

    async def end_input(self) -> None:
        """End the server's input."""
        ...


async def _in(channel: Channel, inner: _Ending, scope: anyio.CancelScope) -> None:
    """Hand over each line of the input until it ends or the server has ended; then give the server a moment to end by itself."""
    try:
        # A thread that waits for input cannot be woken: it is left behind, and the process ends.
        while line := await anyio.to_thread.run_sync(sys.stdin.buffer.readline, abandon_on_cancel=True):
            if data := line.rstrip(b"\r\n"):
                await channel.send(data)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return
    await inner.end_input()
    await anyio.sleep(CLOSE_GRACE)
    scope.cancel()
