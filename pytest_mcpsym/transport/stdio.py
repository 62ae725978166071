"""A link to a server that is a process: newline-delimited messages over its standard input and output.

The link owns the process and its bytes. Standard error is always drained, each line a `stderr` note; the end of the process is
an `exit` note; when the link closes, the whole process group has ended, also when the body raised or was cancelled, and every
wait on the way is bounded. Pinned by `tests/transport/test_stdio.py`.

How it closes is the sequence of https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#shutdown: close the
input, wait, SIGTERM, wait, SIGKILL. A process that left the group (a daemon) escapes by design, and cannot hold up the close.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, Final

import anyio
from anyio.abc import AsyncResource, ByteReceiveStream, ByteSendStream, Process
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from pytest_mcpsym.transport.descendants import MARK, note_left
from pytest_mcpsym.transport.lines import Lines
from pytest_mcpsym.transport.process import POLL, StdioParameters, close_transport, end_tree, group_runs, start_process
from pytest_mcpsym.transport.tap import Channel, Tap
from pytest_mcpsym.wire.frame import Frame

if TYPE_CHECKING:
    from pytest_mcpsym.faults.active import Applied, Faults

__all__ = ["BUFFERED_MESSAGES", "Patience", "open_stdio"]

BUFFERED_MESSAGES: Final = 64
"""Messages that wait unread before the process has to wait."""
_CHUNK: Final = 65_536
_STDERR_LINE: Final = 65_536
"""Bytes of standard error after which a line without end is cut."""
_IDLE_POLL: Final = 0.1


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each step may take, in seconds.

    Attributes:
        exit: From the end of the input until SIGTERM.
        kill: From SIGTERM until SIGKILL, and from SIGKILL until the process is given up.
        flush: For messages that were sent but not yet taken by the process, before its input is closed.
        quiet: How long the pipes of a process that has ended may stay silent, where a child of it holds them open.
        status: How long the end of the stream waits for exit status and last standard error, so that both are in the log.
    """

    exit: float = 2.0
    kill: float = 2.0
    flush: float = 0.5
    quiet: float = 0.25
    status: float = 1.0


@asynccontextmanager
async def open_stdio(
    params: StdioParameters, tap: Tap, *, patience: Patience = Patience(), faults: Faults | None = None
) -> AsyncGenerator[Channel]:
    """Start a server and yield the channel to it.

    Args:
        params: Command, arguments, working directory, and what to add to the SDK's default environment.
        tap: Where frames and `stderr`, `exit`, `failure` and `close` notes go.
        patience: Bounds of the waits.
        faults: What is done to the bytes on purpose.

    Raises:
        LinkError: `not-found` or `not-started`, with the nearest command that exists.
    """
    # No await from here until the `try`: a cancellation delivered in between would leak the process.
    mark = token_hex(8)
    link = _StdioLink(await start_process(params, tap, {MARK: mark}), tap, patience, faults, mark)
    body: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(link.run)
        try:
            yield link
        except Exception as error:  # noqa: BLE001 - raised again below, outside of the task group, which would wrap it
            body = error
        finally:
            with anyio.CancelScope(shield=True):
                await link.close()
    if body is not None:
        raise body


@dataclass(slots=True, eq=False)
class _Write:
    """One message on its way into the process.

    Attributes:
        data: Its line.
        fault: The `split` that is done to it.
        joined: Seconds that it waits for the next message, to be written together with it.
    """

    data: bytes
    fault: Applied | None = None
    joined: float = 0
    done: anyio.Event = field(default_factory=anyio.Event)
    written: bool = False


class _StdioLink:
    """A running process with the tasks that serve its pipes; its `send` and `receive` are the `Channel`."""

    def __init__(self, process: Process, tap: Tap, patience: Patience, faults: Faults | None, mark: str) -> None:
        self._process = process
        self._mark = mark
        self._tap = tap
        self._patience = patience
        self._faults = faults
        self._outbox: MemoryObjectSendStream[_Write]
        self._writes: MemoryObjectReceiveStream[_Write]
        self._outbox, self._writes = anyio.create_memory_object_stream[_Write](float("inf"))
        self._last_write: _Write | None = None
        # Unbounded by itself: `_room` bounds it, so that a frame is logged and delivered in one step.
        self._inbox: MemoryObjectSendStream[Frame]
        self._frames: MemoryObjectReceiveStream[Frame]
        self._inbox, self._frames = anyio.create_memory_object_stream[Frame](float("inf"))
        self._room = anyio.Semaphore(BUFFERED_MESSAGES, fast_acquire=True)
        # The pipes are served until `close` is through, whatever is cancelled around it.
        self._scope = anyio.CancelScope(shield=True)
        self._writing = anyio.CancelScope()
        self._reading: set[anyio.CancelScope] = set()
        self._kept: list[bytes] = []
        self._keeping = math.inf
        self._shut = False
        self._asked = False
        self._leftovers = True
        self._hasten = anyio.Event()
        self._stdout_done = anyio.Event()
        self._stderr_done = anyio.Event()
        self._exited = anyio.Event()
        self._exit_noted = anyio.Event()
        self._ended = anyio.Event()

    async def send(self, data: bytes, headers: Mapping[str, str] | None = None) -> Frame:
        """Log and write one message: see `Channel.send`. Once it is logged, a cancellation cannot tear it apart."""
        if self._shut:
            raise anyio.ClosedResourceError
        if self._writing.cancel_called:
            raise anyio.BrokenResourceError
        frame = self._tap.sent(data)
        write = self._last_write = self._as_faults_want(_Write(data + b"\n"))
        self._outbox.send_nowait(write)
        if write.joined:
            return frame
        await write.done.wait()
        if not write.written:
            raise anyio.BrokenResourceError
        return frame

    async def receive(self) -> Frame:
        """Return the next frame: see `Channel.receive`."""
        try:
            frame = await self._frames.receive()
        except anyio.ClosedResourceError:
            raise anyio.EndOfStream from None
        self._room.release()
        return frame

    async def run(self) -> None:
        """Serve the pipes until the process has ended and they are empty, or `close` is through."""
        with self._scope:
            async with anyio.create_task_group() as tasks:
                for serve in (self._write, self._watch, self._read_stderr):
                    tasks.start_soon(serve)
                await self._read_stdout()
                self._hasten.set()
                with anyio.move_on_after(self._patience.status):
                    await self._exit_noted.wait()
                    await self._stderr_done.wait()
                self._end()

    def _end(self) -> None:
        """Log the close and end the stream, once."""
        if not self._ended.is_set():
            self._ended.set()
            self._tap.note("close", by="host" if self._shut else "peer")
            self._inbox.close()

    async def _write(self) -> None:
        """Write message after message, whole, however their senders fare; cancelled when the process is gone."""
        stdin = self._process.stdin
        assert stdin is not None
        with self._writing, suppress(OSError, RuntimeError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                batch = [await self._writes.receive()]
                try:
                    if batch[0].joined:
                        with anyio.move_on_after(batch[0].joined):
                            while batch[-1].joined:
                                batch.append(await self._writes.receive())
                    await _put(stdin, b"".join(each.data for each in batch), batch[0].fault)
                    for each in batch:
                        each.written = True
                finally:
                    for each in batch:
                        each.done.set()
        self._writing.cancel()
        with suppress(anyio.WouldBlock):
            while True:
                self._writes.receive_nowait().done.set()

    def _as_faults_want(self, write: _Write) -> _Write:
        """Say how the bytes of a message are written, where a fault of the link has a say in it."""
        for applied in self._faults.take() if self._faults is not None else ():
            if applied.fault.kind == "coalesce":
                write.joined = applied.fault.number("seconds")
            elif applied.fault.kind == "split":
                write.fault = applied
        return write

    async def end_input(self) -> None:
        """End the server's input: see `pytest_mcpsym.faults.channel`."""
        self._writing.cancel()
        await _close_pipe(self._process.stdin)

    def kill(self) -> None:
        """End the process at once."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def _read_stdout(self) -> None:
        """Turn each line of standard output into a frame."""
        assert self._process.stdout is not None
        lines = Lines()
        while True:
            chunk: bytes | None = None
            with anyio.move_on_after(self._keeping):
                chunk = await self._chunk(self._process.stdout)
            if chunk == b"":
                break
            if chunk is None:
                await self._let_go()
            else:
                for line in lines.feed(chunk):
                    await self._arrive(line)
        await self._let_go()
        await self._deliver(lines.rest())
        self._stdout_done.set()

    async def _arrive(self, line: bytes) -> None:
        """Deliver one line as the faults of the link want it: read piece by piece, or together with the next one."""
        seconds = 0.0
        for applied in self._faults.recut(line) if self._faults and line else ():
            if applied.fault.kind == "coalesce":
                seconds = applied.fault.number("seconds")
            else:
                [line] = [whole async for whole in _read_slowly(applied, line + b"\n")]
        if seconds:
            self._kept.append(line)
            self._keeping = seconds
        else:
            await self._let_go()
            await self._deliver(line)

    async def _let_go(self) -> None:
        """Deliver what was kept for the next line."""
        kept, self._kept, self._keeping = self._kept, [], math.inf
        for line in kept:
            await self._deliver(line)

    async def _deliver(self, line: bytes) -> None:
        """Log one line and hand it over, as soon as there is room; an empty line is no message."""
        if line:
            if not self._shut:
                await self._room.acquire()
            self._inbox.send_nowait(self._tap.received(line))

    async def _read_stderr(self) -> None:
        """Log each line of standard error."""
        assert self._process.stderr is not None
        lines = Lines(_STDERR_LINE)
        while chunk := await self._chunk(self._process.stderr):
            for line in lines.feed(chunk):
                self._tap.note("stderr", text=line.decode(errors="replace"))
        if rest := lines.rest():
            self._tap.note("stderr", text=rest.decode(errors="replace"))
        self._stderr_done.set()

    async def _chunk(self, stream: ByteReceiveStream) -> bytes:
        """Return what comes next, nothing at the end; silence after the end of the process is an end too."""
        with anyio.CancelScope() as scope:
            if self._exited.is_set():
                scope.deadline = anyio.current_time() + self._patience.quiet
            self._reading.add(scope)
            try:
                return await stream.receive(_CHUNK)
            except (OSError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return b""
            finally:
                self._reading.discard(scope)
        return b""

    async def _watch(self) -> None:
        """Wait for the end of the process, and log it after what the process wrote before."""
        # Not `Process.wait()`: with older anyio on asyncio it also waits for the end of pipes, which a child may hold open.
        while (status := self._process.returncode) is None:
            if self._hasten.is_set():
                await anyio.sleep(POLL)
            else:
                with anyio.move_on_after(_IDLE_POLL):
                    await self._hasten.wait()
        # An empty group's number may be given to strangers, who must not get its signals.
        self._leftovers = group_runs(self._process.pid)
        self._exited.set()
        self._writing.cancel()
        for scope in self._reading:
            scope.deadline = anyio.current_time() + self._patience.quiet
        with anyio.move_on_after(self._patience.status):
            await self._stdout_done.wait()
            await self._stderr_done.wait()
        self._tap.note("exit", status=status, asked=self._asked)
        self._exit_noted.set()

    async def close(self) -> None:
        """End the process with all its children, log what it wrote on the way, and let go of its pipes."""
        self._shut = True
        self._hasten.set()
        self._room.release()  # From here on there is always room, so that a server that waits to write can end.
        if self._last_write is not None:
            with anyio.move_on_after(self._patience.flush):
                await self._last_write.done.wait()
        self._writing.cancel()
        self._asked = not self._exited.is_set()
        await _close_pipe(self._process.stdin)
        with anyio.move_on_after(self._patience.exit):
            await self._exited.wait()
        if self._exited.is_set():
            await note_left(self._tap, self._process.pid, self._mark, self._patience.quiet, has_group=self._leftovers)
        await end_tree(self._process, self._leftovers, self._patience.kill)
        with anyio.move_on_after(self._patience.kill + self._patience.status):
            await self._exit_noted.wait()
            await self._ended.wait()
        if not self._exited.is_set():
            self._tap.note("failure", reason=f"process {self._process.pid} is still alive after SIGKILL; it was given up")
        self._scope.cancel()
        self._end()
        self._frames.close()
        self._outbox.close()
        self._writes.close()
        for pipe in (self._process.stdout, self._process.stderr):
            await _close_pipe(pipe)
        close_transport(self._process)


async def _read_slowly(split: Applied, data: bytes) -> AsyncIterator[bytes]:
    """Read lines as they are when they come in pieces."""
    lines = Lines()
    for place, piece in enumerate(split.pieces(data)):
        if place:
            await anyio.sleep(split.fault.number("seconds"))
        for line in lines.feed(piece):
            yield line


async def _put(stdin: ByteSendStream, data: bytes, split: Applied | None) -> None:
    """Write some bytes, in as many pieces as a fault wants."""
    for place, piece in enumerate([data] if split is None else split.pieces(data)):
        if place and split is not None:
            await anyio.sleep(split.fault.number("seconds"))
        await stdin.send(piece)


async def _close_pipe(pipe: AsyncResource | None) -> None:
    """Close one end of a pipe, which may be closed or broken already."""
    if pipe is not None:
        with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            await pipe.aclose()
