"""The shape in which the SDK's `Client` takes a link: a transport with a read and a write stream over three functions.

The streams carry no sender's context (the SDK looks for `last_context`): what the peer learns, it learns from the bytes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

import anyio
from mcp.shared.message import SessionMessage

__all__ = ["LinkTransport"]

Read = Callable[[], Awaitable[SessionMessage | Exception]]
Write = Callable[[SessionMessage], Awaitable[None]]


class _Stream:
    """What both directions share: closing is the transport's business."""

    async def aclose(self) -> None:
        return

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> bool | None:
        return None


class _Reads(_Stream):
    def __init__(self, read: Read) -> None:
        self._read = read

    async def receive(self) -> SessionMessage | Exception:
        return await self._read()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self._read()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self


class _Writes(_Stream):
    def __init__(self, write: Write) -> None:
        self._write = write

    async def send(self, item: SessionMessage, /) -> None:
        await self._write(item)

    async def __aenter__(self) -> Self:
        return self


class LinkTransport:
    """A transport for `mcp.Client`.

    Args:
        opened: Context manager that holds the connection open.
        read: Returns the next message, raises `anyio.EndOfStream` at the end.
        write: Sends one message.
    """

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[None]], read: Read, write: Write) -> None:
        self._opened = opened()
        self._streams = (_Reads(read), _Writes(write))

    async def __aenter__(self) -> tuple[_Reads, _Writes]:
        await self._opened.__aenter__()
        return self._streams

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> bool | None:
        return await self._opened.__aexit__(exc_type, exc_val, exc_tb)
