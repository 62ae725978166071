"""A link to a server in this process, made of bytes: what passes here passes on a pipe.

Between the two sides travel bytes and nothing else. The server's side parses and serialises each message as the SDK's stdio
server does, refuses what that refuses, and starts in an empty `contextvars` context, so that nothing of the test reaches it but
what crossed the wire. One memory-stream hop per direction, no task per message. Pinned by `tests/transport/test_memory.py`; a
strict link, which answers what the SDK's stdio server is silent to, by `tests/transport/test_exactness.py`.

Two things differ from a pipe on purpose. A server message that cannot be serialised ends the server at once; a stdio server
notices only when its next input arrives, and its caller hangs until then. And a server that resists cancellation cannot be
killed, because it shares the process.
"""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Protocol, cast

import anyio
import anyio.lowlevel
from anyio.abc import AsyncResource
from mcp.shared.message import SessionMessage

from pytest_mcpsym.transport.left import context_of, watching
from pytest_mcpsym.transport.owned import Owned
from pytest_mcpsym.transport.pipe import Pipe
from pytest_mcpsym.transport.server_reads import ServerReads, StrictReads
from pytest_mcpsym.transport.tap import Channel, Tap
from pytest_mcpsym.wire.frame import Frame

if TYPE_CHECKING:
    from mcp.server.models import InitializationOptions

__all__ = ["BUFFERED_MESSAGES", "CLOSE_GRACE", "MemoryServer", "ServerReads", "ServerWrites", "open_memory"]

BUFFERED_MESSAGES: Final = 64
"""Messages that wait unread in one direction before the sender has to wait, as on a pipe that is full."""

CLOSE_GRACE: Final = 2.0
"""Seconds that a server has to end by itself after its input ended, before it is cancelled."""


class MemoryServer(Protocol):
    """What can be served in memory: the SDK's low-level `Server`, or anything with the same two methods."""

    def create_initialization_options(self) -> InitializationOptions:
        """Return what the server says of itself in the handshake."""
        ...

    async def run(
        self,
        read_stream: ServerReads,
        write_stream: ServerWrites,
        initialization_options: InitializationOptions,
        /,
    ) -> object:
        """Serve one connection until its input ends."""
        ...


class ServerWrites(AsyncResource):
    """The server's output: each message is serialised here and is on the wire, and in the log, once there is room for it."""

    __slots__ = ("_closed", "_link")

    def __init__(self, link: _MemoryLink) -> None:
        self._link = link
        self._closed = False

    async def send(self, item: SessionMessage, /) -> None:
        """Serialise one message and write it.

        Raises:
            anyio.ClosedResourceError: This stream was closed.
        """
        if self._closed:
            raise anyio.ClosedResourceError
        try:
            data = item.message.model_dump_json(by_alias=True, exclude_unset=True).encode()
        except Exception as error:  # noqa: BLE001 - whatever the serialiser raises ends a stdio server
            self._link.fail(f"a server message that cannot be serialised: {_sentence(error)}")
            await anyio.lowlevel.checkpoint()
            return
        await self._link.write(data)

    def close(self) -> None:
        """Stop writing. The client sees the end when the server's `run` has ended, as with a process."""
        self._closed = True

    async def aclose(self) -> None:
        """Stop writing. The client sees the end when the server's `run` has ended, as with a process."""
        self.close()
        await anyio.lowlevel.checkpoint()


class _MemoryLink:
    """Both ends of the wire; its `send` and `receive` are the client's `Channel`."""

    __slots__ = ("_ended", "_frames", "_is_half_closed", "_is_strict", "_lines", "_owned", "_scope", "_shut", "_tap")

    def __init__(self, tap: Tap, owned: Owned, *, is_strict: bool) -> None:
        self._tap = tap
        self._owned = owned
        self._is_strict = is_strict
        self._is_half_closed = False
        self._lines = Pipe[str | bytes](BUFFERED_MESSAGES)
        self._frames = Pipe[Frame](BUFFERED_MESSAGES)
        # The server is cancelled by `close` alone: a process does not share the fate of the task that started it either.
        self._scope = anyio.CancelScope(shield=True)
        self._ended = anyio.Event()
        self._shut = False

    async def send(self, data: bytes, headers: Mapping[str, str] | None = None) -> Frame:
        """Log and write one message: see `Channel.send`."""
        if self._shut:
            raise anyio.ClosedResourceError
        if self._ended.is_set() or self._is_half_closed:
            raise anyio.BrokenResourceError
        frame = self._tap.sent(data)
        if self._is_strict:
            for line in data.split(b"\n"):
                await self._lines.room()
                self._lines.put(line)
        elif b"\n" in data or b"\r" in data:
            for line in io.StringIO(data.decode(errors="replace") + "\n", newline=None):
                await self._lines.room()
                self._lines.put(line)
        else:
            await self._lines.room()
            self._lines.put(data if data.isascii() else data.decode(errors="replace"))
        return frame

    async def receive(self) -> Frame:
        """Return the next frame: see `Channel.receive`."""
        try:
            return await self._frames.get()
        except anyio.ClosedResourceError:
            raise anyio.EndOfStream from None

    async def write(self, data: bytes) -> None:
        """Log one message of the server and hand it over, as soon as there is room."""
        await self._frames.room()
        if self._ended.is_set():
            raise anyio.BrokenResourceError
        self._frames.put(self._tap.received(data))

    def fail(self, reason: str) -> None:
        """End the server because of something that would have ended its process."""
        self._tap.note("failure", reason=reason)
        self._scope.cancel()

    async def end_input(self) -> None:
        """End the server's input: see `pytest_mcpsym.faults.channel`."""
        self._is_half_closed = True
        self._lines.end_writing()

    def kill(self) -> None:
        """End the server at once, as a process that is killed."""
        self.fail("killed by a fault of the link")

    async def serve(self, server: MemoryServer) -> None:
        """Run the server until it ends; never raises what the server raised."""
        try:
            with self._scope:
                writes = ServerWrites(self)
                reads = StrictReads(self._lines, writes) if self._is_strict else ServerReads(self._lines)
                await server.run(reads, writes, server.create_initialization_options())
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - on a pipe, SystemExit too ends only the server's process
            self._tap.note("failure", reason=_sentence(error))
        finally:
            self._ended.set()
            self._tap.note("close", by="host" if self._shut else "peer")
            self._lines.end_reading()
            self._frames.end_writing()

    async def close(self, grace: float) -> None:
        """End the server's input, read on until it has ended, cancel it after the grace period."""
        self._shut = True
        self._lines.end_writing()
        with anyio.move_on_after(grace) as limit:
            # A server that waits for room to write must be read to its end before it can see the end of its input.
            while not self._ended.is_set():
                try:
                    await self.receive()
                except anyio.EndOfStream:
                    break
        if limit.cancelled_caught:
            self._owned.overdue.append(("tasks", "the server itself", f"went on for {grace:g} s after its input had ended"))
        self._scope.cancel()
        await self._ended.wait()
        self._frames.end_reading()


@asynccontextmanager
async def open_memory(
    server: MemoryServer, tap: Tap, *, grace: float = CLOSE_GRACE, is_strict: bool = False
) -> AsyncGenerator[Channel]:
    """Serve a server of this process and yield the channel to it.

    Args:
        server: An SDK low-level server (`MCPServer` and FastMCP servers have one inside).
        tap: Where frames, `failure` and `close` notes go.
        grace: Seconds that the server has to end by itself after its input ended, before it is cancelled.
        is_strict: Answer what is no message as JSON-RPC asks, which the SDK's stdio server meets with silence.

    Yields:
        The channel. A server that raises gives a `failure` note and the end of the stream, and leaves the caller alone.
    """
    body: Exception | None = None
    async with watching(tap) as owned, anyio.create_task_group() as tasks:
        link = _MemoryLink(tap, owned, is_strict=is_strict)
        context_of(owned).run(tasks.start_soon, link.serve, server)
        try:
            yield link
        except Exception as error:  # noqa: BLE001 - raised again below, outside of the task group, which would wrap it
            body = error
        finally:
            with anyio.CancelScope(shield=True):
                await link.close(grace)
    if body is not None:
        raise body


def _sentence(error: BaseException) -> str:
    """Return type and text of an error; of a group, those of the errors inside."""
    if isinstance(error, BaseExceptionGroup):
        inner = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return "; ".join(map(_sentence, inner))
    return f"{type(error).__name__}: {error}"
