"""What a server reads on a pipe or in memory: lines from the wire, parsed in the reader's task.

`ServerReads` reads as the SDK's stdio server does: a line that is no message is an error in the stream, which the SDK's server meets
with silence. `StrictReads` answers such a line as `pytest_mcpsym.wire.strict` says, and the server never learns of it. Pinned by
`tests/transport/test_memory.py` and `tests/transport/test_exactness.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, cast

import anyio
import anyio.lowlevel
from anyio.abc import AsyncResource
from mcp.shared.message import SessionMessage
from mcp_types import (
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from pytest_mcpsym.transport.messages import read_message
from pytest_mcpsym.wire.strict import PARSE_ERROR, Refusal, refusal

__all__ = ["InFlight", "Lines", "Refusals", "ServerReads", "StrictReads"]


class Lines(Protocol):
    """Where the lines come from."""

    async def get(self) -> str | bytes:
        """Return the next line.

        Raises:
            anyio.EndOfStream: There are no more.
            anyio.ClosedResourceError: Reading was ended on this side.
        """
        ...

    def end_reading(self) -> None:
        """Stop reading: what is there is lost."""
        ...


class Refusals(Protocol):
    """Where the answers to broken lines go: the server's own output."""

    def send(self, item: SessionMessage, /) -> Awaitable[None]:
        """Write one message."""
        ...


class InFlight:
    """The requests that a server was asked and has not answered yet; what was cancelled is none of them."""

    __slots__ = ("_ids", "_settled")

    def __init__(self) -> None:
        self._ids: set[RequestId] = set()
        self._settled: anyio.Event | None = None

    def asked(self, message: JSONRPCMessage) -> None:
        """Take note of what the client said."""
        if isinstance(message, JSONRPCRequest):
            self._ids.add(message.id)
        elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            self._over(cast("RequestId", (message.params or {}).get("requestId")))

    def said(self, message: JSONRPCMessage) -> None:
        """Take note of what the server said."""
        if isinstance(message, (JSONRPCResponse, JSONRPCError)) and message.id is not None:
            self._over(message.id)

    async def settled(self) -> None:
        """Wait until all is answered."""
        while self._ids:
            self._settled = self._settled or anyio.Event()
            await self._settled.wait()

    def _over(self, ident: RequestId) -> None:
        self._ids.discard(ident)
        if not self._ids and self._settled is not None:
            self._settled.set()
            self._settled = None


class ServerReads(AsyncResource):
    """The server's input. It has no `last_context`, as a pipe has none.

    Args:
        lines: Where the lines come from.
        on_read: Told of each message before the server has it.
    """

    __slots__ = ("_lines", "_on_read")

    def __init__(self, lines: Lines, on_read: Callable[[JSONRPCMessage], None] | None = None) -> None:
        self._lines = lines
        self._on_read = on_read

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message, or the error of a line that is none.

        Raises:
            anyio.EndOfStream: The client's side was closed.
            anyio.ClosedResourceError: This stream was closed.
        """
        return self._told(_message(await self._lines.get()))

    def _told(self, item: SessionMessage | Exception) -> SessionMessage | Exception:
        if self._on_read is not None and not isinstance(item, Exception):
            self._on_read(item.message)
        return item

    def close(self) -> None:
        """Stop reading: the client's sends fail from now on."""
        self._lines.end_reading()

    async def aclose(self) -> None:
        """Stop reading: the client's sends fail from now on."""
        self._lines.end_reading()
        await anyio.lowlevel.checkpoint()

    def __aiter__(self) -> ServerReads:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None


class StrictReads(ServerReads):
    """Input of which only messages reach the server; an empty line is nothing at all."""

    __slots__ = ("_refusals",)

    def __init__(self, lines: Lines, refusals: Refusals, on_read: Callable[[JSONRPCMessage], None] | None = None) -> None:
        super().__init__(lines, on_read)
        self._refusals = refusals

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message; see `ServerReads.receive`."""
        while True:
            line = cast("bytes", await self._lines.get()).removesuffix(b"\r")
            if not line:
                continue
            refused = refusal(line)
            if refused is None:
                message = _message(line)
                if not isinstance(message, Exception):
                    return self._told(message)
                refused = Refusal(PARSE_ERROR, "Parse error: the server's own parser cannot read it")
            if refused.owed:
                error = ErrorData(code=refused.code, message=refused.message)
                await self._refusals.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=refused.id, error=error)))


def _message(line: str | bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(read_message(line.encode() if isinstance(line, str) else line))
    except Exception as error:  # noqa: BLE001 - the SDK's stdio server hands over any parse error, whatever its type
        return error
