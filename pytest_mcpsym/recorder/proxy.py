"""The recorder of a server behind a URL: a port on this machine whose every connection is one connection to the server.

Bytes are passed on as they come, in both directions, so an event stream arrives event by event, a stream that a client leaves is left at
the server too, and what the server refuses is refused. Which bytes are changed, `observed.py` says. A message is kept before its last
byte is passed on. Pinned by `tests/recorder/test_proxy.py`.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final
from urllib.parse import urlsplit

from pytest_mcpsym.recorder.file import GrowingFile
from pytest_mcpsym.recorder.observed import Names, Observed

__all__ = ["HOST", "record_url"]

HOST: Final = "127.0.0.1"
"""Where a recorder listens."""
_CHUNK: Final = 65_536


def record_url(url: str, listener: socket.socket, file: GrowingFile) -> int:
    """Record until SIGINT or SIGTERM, and return the exit status that belongs to the signal.

    Args:
        url: The server's URL.
        listener: Where the recorder listens.
        file: The recording; it is closed at the end.
    """
    return asyncio.run(_Proxy(url, listener, file).run())


class _Proxy:
    def __init__(self, url: str, listener: socket.socket, file: GrowingFile) -> None:
        parts = urlsplit(url)
        authority = parts.netloc.rpartition("@")[2]
        port = listener.getsockname()[1]
        spelled = [f"{host}:{port}" for host in (HOST, "localhost")] + ([HOST, "localhost"] if port == 80 else [])
        self._names = Names(frozenset(spelled), parts.scheme, authority)
        self._host = parts.hostname or HOST
        self._tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._listener = listener
        self._file = file
        self._numbers = itertools.count(1)
        self._connections: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[int] = loop.create_future()

        def end(number: int) -> None:
            if not ended.done():
                ended.set_result(number)

        def caught(number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(end, number)

        before = {each: signal.signal(each, caught) for each in (signal.SIGINT, signal.SIGTERM)}
        server = await asyncio.start_server(self._accept, sock=self._listener)
        try:
            number = await ended
        finally:
            server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            for each, handler in before.items():
                signal.signal(each, handler)
            self._file.note("close", by="host")
            self._file.close()
        return 128 + number

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream = await asyncio.open_connection(self._host, self._port, ssl=self._tls or None, limit=_CHUNK)
        except OSError as error:
            self._file.note("failure", reason=f"cannot reach the server: {error}")
            sys.stderr.write(f"mcpsym record: cannot reach the server: {error}\n")
            return
        observed = Observed(self._file, self._names, lambda: next(self._numbers))
        by: list[str] = []
        asks = asyncio.create_task(_pass_on(reader, upstream[1], observed.from_client, lambda: by.append("host")))

        def answered(data: bytes) -> bytes:
            observed.from_server(data)
            return data

        def left() -> None:
            by.append("peer")
            observed.from_server(b"")

        answers = asyncio.create_task(_pass_on(upstream[0], writer, answered, left))
        try:
            await asyncio.wait((asks, answers), return_when=asyncio.FIRST_COMPLETED)
            if not answers.done() and asks.exception() is None:
                await asyncio.wait((answers,))  # a client may end its side and still wait for the answer
            if answers.done() and answers.exception() is None:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
        finally:
            for task in (asks, answers):
                task.cancel()
            await asyncio.gather(asks, answers, return_exceptions=True)
            observed.end(by[0] if by else "host")
            upstream[1].transport.abort()


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, observe: Callable[[bytes], bytes], ended: Callable[[], None]
) -> None:
    """Pass one direction on until its end, which ends it on the other side too."""
    while data := await reader.read(_CHUNK):
        if passed := observe(data):
            writer.write(passed)
            await writer.drain()
    ended()
    if writer.can_write_eof():
        writer.write_eof()
    else:
        writer.close()
