"""One HTTP exchange of a Streamable HTTP link: its request, its redirects, its response, and the `http` notes about them.

Redirects are followed where they keep method, body and origin (307 and 308 alone), because headers and body were meant for one
endpoint. Pinned by `tests/transport/test_http.py` and `tests/transport/test_http_odd.py`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import httpx2
from anyio.abc import TaskGroup

from pytest_mcpsym.transport.http_faults import recut, respond
from pytest_mcpsym.transport.tap import Tap

if TYPE_CHECKING:
    from pytest_mcpsym.faults.active import Applied, Faults

__all__ = ["LINGER", "Body", "Endpoint", "Exchange", "header_pairs", "sentence"]

_REDIRECTS: Final = 5
"""Redirects that one request follows."""

LINGER: Final = 1.0
"""Seconds that a stream is read on after its answer: a server that says more than it may is worth seeing."""


@dataclass(slots=True, eq=False)
class Exchange:
    """One HTTP request of a link, with whatever takes its place after a break.

    Attributes:
        number: Its number on the link.
        id: Id of the JSON-RPC request in it that waits for an answer.
        modern: The message was sent in the modern era, where closing the stream is the cancellation.
        initialize: It is the handshake, whose answer names the session.
        answered: Its request has its answer, or the reason why none comes.
        given_up: Nobody waits for its answer any more, so that its stream is closed: the modern cancellation.
        timed_out: That is because the answer did not come in time.
        written: Set when the body was written, or never will be.
        accepted: Set when response headers came, or never will.
        done: Set when its task has ended.
        last_event_id: Where a broken stream can be resumed.
        retry: Seconds to wait before that.
        failure: Why no response came.
        scope: Cancelled to close its response.
        orders: Faults that are done to the message that is posted.
    """

    number: int
    id: str | None = None
    modern: bool = False
    initialize: bool = False
    answered: bool = False
    given_up: bool = False
    timed_out: bool = False
    last_event_id: str | None = None
    retry: float | None = None
    failure: str | None = None
    orders: Sequence[Applied] = ()
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    written: anyio.Event = field(default_factory=anyio.Event)
    accepted: anyio.Event = field(default_factory=anyio.Event)
    done: anyio.Event = field(default_factory=anyio.Event)


class Body(httpx2.AsyncByteStream):
    """A request body that says when it was taken; it can be sent again after a redirect.

    Args:
        data: The body.
        written: Set when it was taken.
        orders: Faults that are done to it.
    """

    def __init__(self, data: bytes, written: anyio.Event, orders: Sequence[Applied] = ()) -> None:
        self._pieces = [data]
        self._seconds = 0.0
        self._written = written
        for applied in orders:
            if applied.fault.kind == "split":
                self._pieces, self._seconds = applied.pieces(data), applied.fault.number("seconds")

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _BodyIterator(self._pieces, self._seconds, self._written)


class _BodyIterator:
    """No generator, so that nothing is left to a garbage collector when the server stops reading."""

    __slots__ = ("_left", "_seconds", "_started", "_written")

    def __init__(self, pieces: list[bytes], seconds: float, written: anyio.Event) -> None:
        self._left = iter(pieces)
        self._seconds = seconds
        self._started = False
        self._written = written

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = next(self._left, None)
        if piece is None:
            self._written.set()
            raise StopAsyncIteration
        if self._started:
            await anyio.sleep(self._seconds)
        self._started = True
        return piece


class Endpoint:
    """Where the HTTP requests of one link go, and the notes about them."""

    def __init__(self, client: httpx2.AsyncClient, url: str, tap: Tap, tasks: TaskGroup, faults: Faults | None = None) -> None:
        self.client = client
        self.url = url
        self._tap = tap
        self._tasks = tasks
        self._faults = faults

    @asynccontextmanager
    async def open(self, exchange: Exchange, request: httpx2.Request) -> AsyncGenerator[httpx2.Response]:
        """Send one HTTP request, follow the redirects that may be followed, and note how the exchange began and ended."""
        url = self.url
        response = await self._start(exchange, request, url, exchange.orders)
        for _ in range(_REDIRECTS):
            target = _redirect_target(response)
            if target is None:
                break
            await self._finish(exchange, response)
            url = str(target.url)
            response = await self._start(exchange, target, url)
        exchange.accepted.set()
        exchange.written.set()
        failure: BaseException | None = None
        try:
            yield response
        except BaseException as error:
            failure = error
            raise
        finally:
            await self._finish(exchange, response, failure)

    async def _start(
        self, exchange: Exchange, request: httpx2.Request, url: str, orders: Sequence[Applied] = ()
    ) -> httpx2.Response:
        """Send one HTTP request and return its response, of which only the head has been read."""
        headers = [list(pair) for pair in header_pairs(request.headers)]
        self._tap.note("http", exchange=exchange.number, event="request", method=request.method, url=url, headers=headers)
        try:
            send = partial(self.client.send, request, stream=True, follow_redirects=False)
            response = await (respond(orders, request, send) if orders else send())
        except httpx2.HTTPError as error:
            self._tap.note("http", exchange=exchange.number, event="closed", by="peer", reason=sentence(error))
            raise
        except BaseException:
            self._tap.note("http", exchange=exchange.number, event="closed", by="host", **_why(exchange))
            raise
        if self._faults is not None:
            recut(self._faults, response, self._tasks)
        headers = [list(pair) for pair in header_pairs(response.headers)]
        self._tap.note("http", exchange=exchange.number, event="response", status=response.status_code, headers=headers)
        return response

    async def _finish(self, exchange: Exchange, response: httpx2.Response, failure: BaseException | None = None) -> None:
        """Close one response; a body that nobody wanted is read for a moment, so that the connection can be used again."""
        try:
            if failure is None and not response.is_stream_consumed:
                with anyio.move_on_after(LINGER):
                    async for _ in response.aiter_raw():
                        pass
        except httpx2.HTTPError as error:
            failure = error
        finally:
            reason = {"reason": sentence(failure)} if isinstance(failure, httpx2.HTTPError) else {}
            # A response is closed by itself where it was read to its end, and also where reading was cancelled.
            by = "peer" if reason or (failure is None and response.is_closed) else "host"
            why = _why(exchange) if by == "host" else reason
            self._tap.note("http", exchange=exchange.number, event="closed", by=by, **why)
            await response.aclose()


def _why(exchange: Exchange) -> dict[str, bool]:
    """Return what the note on a stream that the host closed says beside that: only of a call that was given up it says more."""
    said = {"given_up": exchange.given_up, "timed_out": exchange.given_up and exchange.timed_out}
    return {name: True for name, is_so in said.items() if is_so}


def header_pairs(headers: httpx2.Headers) -> tuple[tuple[str, str], ...]:
    """Return headers as they cross the wire, in order; HTTP's octets are Latin-1."""
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw)


def _redirect_target(response: httpx2.Response) -> httpx2.Request | None:
    """Return the request that a redirect asks for, if it keeps method, body and origin and brings no credentials of its own."""
    target = response.next_request
    if target is None or response.status_code not in (307, 308):
        return None
    sent = response.request.url
    same_origin = (target.url.scheme, target.url.host, target.url.port) == (sent.scheme, sent.host, sent.port)
    return target if same_origin and target.url.userinfo in (b"", sent.userinfo) else None


def sentence(error: BaseException) -> str:
    """Return type and text of an error."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
