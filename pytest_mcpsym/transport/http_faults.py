"""What faults of a link make of one HTTP exchange: a response in place of the server's, or less of the server's.

Pinned by `tests/faults/test_http.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import anyio
import httpx2

from pytest_mcpsym.wire.frame import parse

if TYPE_CHECKING:
    from pytest_mcpsym.faults.active import Faults

__all__ = ["respond"]

_KINDS = ("status", "redirect", "stall", "cut", "reset")


async def respond(faults: Faults, request: httpx2.Request, send: Callable[[], Awaitable[httpx2.Response]]) -> httpx2.Response:
    """Return the response to a request, as the faults of the link leave it.

    Args:
        faults: Those of the link; only a posted message can meet one.
        request: What is sent.
        send: Sends it to the server.

    Raises:
        httpx2.ReadError: A fault broke the connection.
    """
    if request.method != "POST":
        return await send()
    message = parse(request.content)
    method = message.method or ""
    response: httpx2.Response | None = None
    for applied in faults.due("to-server", method, *_KINDS):
        faults.note(applied, message, method)
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
            case _:
                response = response or await send()
                response.stream = _Cut(response.stream, int(fault.number("events")))
    return await send() if response is None else response


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
        rest = b""
        async for chunk in self.inner:
            *whole, rest = (rest + chunk).replace(b"\r\n", b"\n").split(b"\n\n")
            for event in whole:
                if self._left == 0:
                    break
                self._left -= b"data:" in event
                yield event + b"\n\n"
            if self._left == 0:
                break
        raise httpx2.ReadError("a fault of the link cut the event stream")
