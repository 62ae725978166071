"""What faults of a link make of one HTTP exchange: a response in place of the server's, less of the server's, or the same in other pieces.

What is to be done to a message that is posted was decided when the channel was handed it; what is to be done to those of a response is
decided as they come. Pinned by `tests/faults/test_bytes.py` and
`tests/faults/test_matrix.py`.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import anyio
import httpx2
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from pytest_mcpsym.transport.sse import EventCutter, event_data

if TYPE_CHECKING:
    from pytest_mcpsym.faults.active import Applied, Faults

__all__ = ["recut", "respond"]


async def respond(
    orders: Sequence[Applied], request: httpx2.Request, send: Callable[[], Awaitable[httpx2.Response]]
) -> httpx2.Response:
    """Return the response to a request, as faults leave it.

    Args:
        orders: The faults that are done to the message that is posted.
        request: What is sent.
        send: Sends it to the server.

    Raises:
        httpx2.ReadError: A fault broke the connection.
    """
    response: httpx2.Response | None = None
    for applied in orders:
        fault = applied.fault
        match fault.kind:
            case "status":
                response = httpx2.Response(int(fault.number("code")), request=request)
            case "redirect":
                response = _redirect(request, int(fault.number("code")), fault.text("location"))
            case "reset":
                raise httpx2.ReadError("a fault of the link broke the connection", request=request)
            case "stall":
                response = response or await send()
                response.stream = _Stalled(response.stream, fault.number("seconds"))
            case "cut":
                response = response or await send()
                response.stream = _Cut(response.stream, int(fault.number("events")))
            case _:
                pass  # `split` is done to the body of the request.
    return await send() if response is None else response


def recut(faults: Faults, response: httpx2.Response, tasks: TaskGroup) -> None:
    """Let the messages of a response come as faults of their bytes want it, those too that begin while it is read."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if "content-encoding" not in response.headers and kind in ("text/event-stream", "application/json"):
        response.stream = _Recut(response.stream, faults, tasks, is_stream=kind == "text/event-stream")


def _redirect(request: httpx2.Request, code: int, location: str) -> httpx2.Response:
    target = location or str(request.url)
    response = httpx2.Response(code, headers={"location": target}, request=request)
    response.next_request = httpx2.Request(request.method, target, headers=request.headers, content=request.content)
    return response


class _Changed(httpx2.AsyncByteStream):
    """The body of a response, changed on its way."""

    def __init__(self, inner: object) -> None:
        assert isinstance(inner, httpx2.AsyncByteStream)
        self.inner = inner

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self.inner.aclose()


class _Stalled(_Changed):
    """Nothing comes for a while."""

    def __init__(self, inner: object, seconds: float) -> None:
        super().__init__(inner)
        self._seconds = seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await anyio.sleep(self._seconds)
        async for chunk in self.inner:
            yield chunk


class _Cut(_Changed):
    """The stream breaks off after some events."""

    def __init__(self, inner: object, events: int) -> None:
        super().__init__(inner)
        self._left = events

    async def __aiter__(self) -> AsyncIterator[bytes]:
        cutter = EventCutter()
        async for chunk in self.inner:
            for event in cutter.feed(chunk):
                if self._left == 0:
                    break
                self._left -= b"data:" in event
                yield event
            if self._left == 0:
                break
        raise httpx2.ReadError("a fault of the link cut the response")


class _Recut(_Changed):
    """The same bytes, in other pieces."""

    def __init__(self, inner: object, faults: Faults, tasks: TaskGroup, *, is_stream: bool) -> None:
        super().__init__(inner)
        self._faults = faults
        self._is_stream = is_stream
        self._chunks = _Chunks(self.inner, tasks)
        self._kept = b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        cutter = EventCutter()
        while (chunk := await self._chunks.next()) != b"":
            if chunk is None:
                yield self._release()
            elif not self._faults and not self._kept:
                yield cutter.rest() + chunk
            else:
                whole = cutter.feed(chunk) if self._is_stream else cutter.hold(chunk)
                for event in whole:
                    async for piece in self._pieces(event, event_data(event), ("split", "coalesce")):
                        yield piece
        if rest := cutter.rest():
            async for piece in self._pieces(rest, b"" if self._is_stream else rest, ("split",)):
                yield piece
        elif self._kept:
            yield self._release()

    def _release(self) -> bytes:
        kept, self._kept, self._chunks.patience = self._kept, b"", math.inf
        return kept

    async def _pieces(self, data: bytes, message: bytes, kinds: tuple[str, ...]) -> AsyncIterator[bytes]:
        """Yield a message, with what frames it, in pieces; or nothing, if it waits for the next one."""
        orders = self._faults.recut(message, kinds) if message else []
        data = self._release() + data
        for applied in orders:
            if applied.fault.kind == "coalesce":
                self._kept, self._chunks.patience = data, applied.fault.number("seconds")
                return
        for applied in orders[-1:]:
            first, *others = applied.pieces(data)
            yield first
            for part in others:
                await anyio.sleep(applied.fault.number("seconds"))
                yield part
        if not orders:
            yield data

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._chunks.aclose()
        await super().aclose()


class _Chunks:
    """The chunks of a body. They are read by a task of its own as soon as waiting for one may be given up, which its reader would not survive.

    Attributes:
        patience: How many seconds the next one is waited for.
    """

    def __init__(self, body: httpx2.AsyncByteStream, tasks: TaskGroup) -> None:
        self.patience = math.inf
        self._body = body.__aiter__()
        self._tasks = tasks
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        self._failure: httpx2.HTTPError | None = None
        self._ahead: MemoryObjectReceiveStream[bytes] | None = None

    async def next(self) -> bytes | None:
        """Return the next chunk that is not empty, nothing at the end; `None` if none came in time."""
        if self._ahead is None:
            if self.patience == math.inf:
                return await self._read()
            inbox, self._ahead = anyio.create_memory_object_stream[bytes](0)
            self._tasks.start_soon(self._read_on, inbox)
        with anyio.move_on_after(self.patience):
            try:
                return await self._ahead.receive()
            except anyio.EndOfStream:
                if self._failure is not None:
                    raise self._failure from None
                return b""
        return None

    async def _read(self) -> bytes:
        while (chunk := await anext(self._body, None)) == b"":
            pass
        return chunk or b""

    async def _read_on(self, inbox: MemoryObjectSendStream[bytes]) -> None:
        try:
            with self._scope, inbox:
                while chunk := await self._read():
                    await inbox.send(chunk)
        except httpx2.HTTPError as error:
            self._failure = error
        finally:
            self._ended.set()

    async def aclose(self) -> None:
        """Read no more."""
        if self._ahead is not None:
            self._scope.cancel()
            with anyio.CancelScope(shield=True):
                await self._ended.wait()
            self._ahead.close()
