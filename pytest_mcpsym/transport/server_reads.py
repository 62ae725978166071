"""What a server reads on a pipe or in memory: lines from the wire, parsed in the reader's task.

`ServerReads` reads as the SDK's stdio server does: a line that is no message is an error in the stream, which the SDK's server meets
with silence. `StrictReads` answers such a line as `pytest_mcpsym.wire.strict` says, and the server never learns of it. Pinned by
`tests/transport/test_memory.py` and `tests/transport/test_exactness.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable
from types import TracebackType
from typing import Protocol, Self, cast

import anyio
import anyio.lowlevel
from mcp.shared.message import SessionMessage
from mcp_types import ErrorData, JSONRPCError, jsonrpc_message_adapter

from pytest_mcpsym.wire.strict import PARSE_ERROR, Refusal, refusal

__all__ = ["Lines", "Refusals", "ServerReads", "StrictReads"]


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


class ServerReads:
    """The server's input. It has no `last_context`, as a pipe has none."""

    __slots__ = ("_lines",)

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message, or the error of a line that is none.

        Raises:
            anyio.EndOfStream: The client's side was closed.
            anyio.ClosedResourceError: This stream was closed.
        """
        return _message(await self._lines.get())

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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()


class StrictReads(ServerReads):
    """Input of which only messages reach the server; an empty line is nothing at all."""

    __slots__ = ("_refusals",)

    def __init__(self, lines: Lines, refusals: Refusals) -> None:
        super().__init__(lines)
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
                    return message
                refused = Refusal(PARSE_ERROR, "Parse error: the server's own parser cannot read it")
            if refused.owed:
                error = ErrorData(code=refused.code, message=refused.message)
                await self._refusals.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=refused.id, error=error)))


def _message(line: str | bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except Exception as error:  # noqa: BLE001 - the SDK's stdio server hands over any parse error, whatever its type
        return error
