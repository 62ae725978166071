"""Streamable HTTP, in bytes: the client side of revisions 2025-03-26 to 2026-07-28.

What is sent is posted byte for byte; every message of a response, JSON body or event stream, is one frame with the number of the
HTTP request that it belongs to. A stream that breaks before its answer is resumed where the server gave event ids, and its frames
keep the original number. A request whose answer can never come ends with one `Undelivered`. Every HTTP exchange leaves `http`
notes: `request`, `response` and `closed`, with a `reason` where it failed.

`send` returns when a request was written, or when a notification or response was accepted, so what is sent in sequence arrives in
sequence; answers are never waited for. Inbound messages wait in an unbounded buffer, because a reader that also sends must not be
able to deadlock. After `notifications/initialized` the standalone event stream is opened, and `send` waits for it for a moment, so
that nothing the server announces next is lost. All tasks end with the `open_http` block. Pinned by `tests/transport/test_http.py`
and `tests/transport/test_http_odd.py`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import anyio
import httpx2
from anyio.abc import TaskGroup
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR

from pytest_mcpsym.transport.http_exchange import LINGER, Body, Endpoint, Exchange, header_pairs, sentence
from pytest_mcpsym.transport.sse import EventDecoder
from pytest_mcpsym.transport.tap import UNASKED, Tap, Undelivered
from pytest_mcpsym.wire.exchange import TIMED_OUT
from pytest_mcpsym.wire.frame import Envelope, Frame, Message, id_text, parse
from pytest_mcpsym.wire.redact import Redactor

if TYPE_CHECKING:
    from pytest_mcpsym.faults.active import Faults

__all__ = ["CLOSE_TIMEOUT", "RETRY_DELAY", "TIMEOUT", "HTTPChannel", "open_http"]

TIMEOUT: Final = 30.0
"""Seconds to connect, to write a message, and for a notification to be accepted. Answers have no limit here."""

RETRY_DELAY: Final = 1.0
"""Seconds before a broken stream is opened again, where the server did not say."""

CLOSE_TIMEOUT: Final = 2.0
"""Seconds for the server to end the session at the close."""

_ATTEMPTS: Final = 3
"""Attempts in a row to resume a stream without anything new from it."""

_STANDALONE_WAIT: Final = 1.0
"""Seconds that the send of `notifications/initialized` waits for the standalone stream: some servers send no headers until
they have an event."""

_MODERN: Final = "2026-07-28"
_VERSION_HEADER: Final = "mcp-protocol-version"
_SESSION_HEADER: Final = "mcp-session-id"
_VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


def _redact_urls(record: logging.LogRecord) -> bool:
    """Take credentials out of the URLs that httpx2 logs at INFO; drops nothing."""
    if isinstance(record.args, tuple):
        record.args = tuple(Redactor().text(str(value)) if isinstance(value, httpx2.URL) else value for value in record.args)
    return True


class HTTPChannel:
    """What `open_http` yields: see `pytest_mcpsym.transport.tap.Channel`."""

    def __init__(
        self,
        endpoint: Endpoint,
        tap: Tap,
        tasks: TaskGroup,
        *,
        headers: Mapping[str, str],
        timeout: float,
        retry_delay: float,
        faults: Faults | None = None,
    ) -> None:
        self._faults = faults
        self._endpoint = endpoint
        self._tap = tap
        self._tasks = tasks
        self._headers = dict(headers)
        self._timeout = timeout
        self._retry_delay = retry_delay
        self._exchanges = 0
        self._session: str | None = None
        self._version: str | None = None
        self._in_flight: dict[str, Exchange] = {}
        self._running: set[Exchange] = set()
        self._standalone: Exchange | None = None
        self._closed = False
        self._inbox, self._outbox = anyio.create_memory_object_stream[Frame | Undelivered](math.inf)

    async def send(self, data: bytes, headers: Mapping[str, str] | None = None) -> Frame | None:
        """Log one message and post it.

        A request returns when it was written, a notification or response when the server took it. In the modern era
        `notifications/cancelled` never crosses the wire: it closes the response stream of the request that it names, for which
        nothing more is received.

        Args:
            data: The message, posted as it is.
            headers: HTTP headers for this message alone. The last `mcp-protocol-version` seen here goes with everything after
                it that has none of its own, until the next `initialize`.

        Returns:
            The logged frame; `None` for a modern cancellation.

        Raises:
            anyio.BrokenResourceError: A notification or response did not reach the server.
            anyio.ClosedResourceError: The channel was closed.
        """
        if self._closed:
            raise anyio.ClosedResourceError
        orders = self._faults.take() if self._faults is not None else ()
        message = parse(data)
        extra = httpx2.Headers(dict(headers or {}))
        if message.method == "notifications/cancelled" and await self._cancel(message, extra):
            return None
        exchange = self._begin(message, extra)
        exchange.orders = orders
        request = self._request("POST", exchange, extra, data)
        frame = self._tap.sent(data, Envelope(exchange.number, header_pairs(request.headers)))
        self._running.add(exchange)
        self._tasks.start_soon(self._run, exchange, partial(self._post, request=request))
        if message.kind in ("notification", "result", "error"):
            await self._accepted(exchange)
        else:
            with anyio.move_on_after(self._timeout):
                await exchange.written.wait()
        if message.method == "notifications/initialized" and not exchange.modern:
            await self._open_standalone()
        return frame

    async def receive(self) -> Frame | Undelivered:
        """Return the next message from the server, already logged, or the end of a request that has none.

        Raises:
            anyio.EndOfStream: The channel was closed.
        """
        try:
            return await self._outbox.receive()
        except anyio.ClosedResourceError:
            raise anyio.EndOfStream from None

    async def aclose(self, timeout: float) -> None:
        """End what is in flight, then the session within `timeout` seconds; readers see the end."""
        self._closed = True
        running = list(self._running)
        for exchange in running:
            exchange.scope.cancel()
        for exchange in running:
            await exchange.done.wait()
        with anyio.move_on_after(timeout):
            await self._end_session()
        self._inbox.close()
        self._outbox.close()
        self._tap.note("close", by="host")

    async def _end_session(self) -> None:
        """Ask the server to forget the session; whatever it answers is in the log and changes nothing."""
        if self._session is not None:
            exchange = self._next_exchange()
            try:
                async with self._endpoint.open(exchange, self._request("DELETE", exchange, httpx2.Headers())) as response:
                    await response.aread()
            except httpx2.HTTPError:
                return

    def _next_exchange(self) -> Exchange:
        self._exchanges += 1
        return Exchange(self._exchanges)

    def _begin(self, message: Message, extra: httpx2.Headers) -> Exchange:
        """Number one message and take note of what it changes for those after it."""
        exchange = self._next_exchange()
        exchange.initialize = message.method == "initialize"
        if exchange.initialize:
            self._version = self._session = None
            if self._standalone is not None:
                self._standalone.scope.cancel()
        self._version = extra.get(_VERSION_HEADER, self._version) if not exchange.initialize else None
        exchange.modern = self._is_modern(message, extra)
        if message.kind == "request" or (message.kind == "invalid" and message.method is not None and message.id is not None):
            exchange.id = message.id
            self._in_flight[exchange.id or ""] = exchange
        return exchange

    def _is_modern(self, message: Message, extra: httpx2.Headers) -> bool:
        version = extra.get(_VERSION_HEADER) or self._version or ""
        return message.method != "initialize" and (version >= _MODERN or _VERSION_KEY in message.meta)

    def _request(self, method: str, exchange: Exchange, extra: httpx2.Headers, data: bytes | None = None) -> httpx2.Request:
        """Build one HTTP request: the channel's headers, then the user's, then the session's, then the message's own."""
        if data is None:
            merged = httpx2.Headers({"accept": "text/event-stream", "cache-control": "no-store"} if method == "GET" else {})
        else:
            merged = httpx2.Headers({"accept": "application/json, text/event-stream", "content-type": "application/json"})
        merged.update(self._headers)
        if self._session is not None and not exchange.modern:
            merged[_SESSION_HEADER] = self._session
        if self._version is not None:
            merged[_VERSION_HEADER] = self._version
        if method == "GET" and exchange.last_event_id is not None:
            merged["last-event-id"] = exchange.last_event_id
        merged.update(extra)
        request = self._endpoint.client.build_request(method, self._endpoint.url, content=data, headers=merged)
        if data is not None:
            request.stream = Body(data, exchange.written, exchange.orders)
        return request

    async def _cancel(self, message: Message, extra: httpx2.Headers) -> bool:
        """Close the stream that a modern cancellation names; return whether the message must not be posted."""
        exchange = self._in_flight.get(id_text(message.params.get("requestId")))
        if exchange is None:
            return self._is_modern(message, extra)  # Too late: the answer has come, and the era knows no such message.
        if not exchange.modern:
            return False
        exchange.given_up = True
        exchange.timed_out = str(message.params.get("reason")).startswith(TIMED_OUT)
        exchange.scope.cancel()
        with anyio.move_on_after(self._timeout):
            await exchange.done.wait()
        return True

    async def _accepted(self, exchange: Exchange) -> None:
        with anyio.move_on_after(self._timeout):
            await exchange.accepted.wait()
        if not exchange.accepted.is_set():
            raise anyio.BrokenResourceError(f"the server did not accept the message within {self._timeout:g} s")
        if exchange.failure is not None:
            raise anyio.BrokenResourceError(exchange.failure)

    async def _run(self, exchange: Exchange, work: Callable[[Exchange], Awaitable[None]]) -> None:
        """Do the work of one exchange in its own scope; never raises."""
        try:
            with exchange.scope:
                await work(exchange)
        except Exception as error:  # noqa: BLE001  # One bad exchange, whatever is wrong with it, must not end the others.
            exchange.failure = f"the HTTP exchange failed: {sentence(error)}"
            self._tap.note("failure", reason=exchange.failure)
            self._undeliver(exchange, INTERNAL_ERROR, exchange.failure)
        finally:
            self._forget(exchange)
            self._running.discard(exchange)
            exchange.written.set()
            exchange.accepted.set()
            exchange.done.set()

    async def _post(self, exchange: Exchange, request: httpx2.Request) -> None:
        broken: str | None = None
        try:
            async with self._endpoint.open(exchange, request) as response:
                broken = await self._read(exchange, response)
        except httpx2.HTTPError as error:
            broken = f"the response broke off before the answer: {sentence(error)}"
            if not exchange.accepted.is_set():
                exchange.failure = f"no response from {self._endpoint.url}: {sentence(error)}"
                self._undeliver(exchange, CONNECTION_CLOSED, exchange.failure)
        if broken is not None and exchange.id is not None and not exchange.answered:
            await self._resume(exchange, broken)

    async def _read(self, exchange: Exchange, response: httpx2.Response) -> str | None:
        """Read one response to a POST by its status and content type; return what ended a stream that can perhaps be resumed."""
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if exchange.initialize and response.is_success:
            self._session = response.headers.get(_SESSION_HEADER)
        if response.status_code >= 400:
            await self._read_refusal(exchange, response, kind)
        elif response.next_request is not None:
            location = response.next_request.url.copy_with(userinfo=b"", query=None, fragment=None)
            self._undeliver(exchange, INVALID_REQUEST, f"redirect to {location} not followed; use that URL if it is the server")
        elif response.status_code == 202:
            self._undeliver(exchange, INVALID_REQUEST, "the server answered a request with 202 Accepted, so no answer can come")
        elif kind == "application/json":
            await self._read_json(exchange, response)
        elif kind == "text/event-stream":
            await self._read_events(exchange, response)
            return "the event stream ended without an answer"
        else:
            self._undeliver(exchange, INVALID_REQUEST, f"unexpected content type of the answer: {kind or 'none'}")
        return None

    async def _read_refusal(self, exchange: Exchange, response: httpx2.Response, kind: str) -> None:
        body = await response.aread()
        if kind == "application/json" and parse(body).kind in ("result", "error"):
            self._deliver(exchange, body, response)
        status = f"HTTP {response.status_code} {response.reason_phrase}".rstrip()
        if response.status_code != 404:
            self._undeliver(exchange, INTERNAL_ERROR, f"the server refused the request: {status}")
        elif _SESSION_HEADER in response.request.headers:
            self._undeliver(exchange, INVALID_REQUEST, "Session terminated")
        else:
            self._undeliver(exchange, METHOD_NOT_FOUND, "Not Found")

    async def _read_json(self, exchange: Exchange, response: httpx2.Response) -> None:
        body = await response.aread()
        if body:
            frame = self._deliver(exchange, body, response)
            if frame.message.kind == "not-json":
                self._undeliver(exchange, PARSE_ERROR, f"the response body is {frame.message.reason}")
        self._undeliver(exchange, CONNECTION_CLOSED, "the response body does not answer the request")

    async def _read_events(self, exchange: Exchange, response: httpx2.Response) -> None:
        """Deliver the events of one stream until it ends."""
        decoder = EventDecoder()
        async with aclosing(response.aiter_bytes()) as chunks:
            async for chunk in chunks:
                for event in decoder.feed(chunk):
                    exchange.last_event_id = event.id or exchange.last_event_id
                    exchange.retry = exchange.retry if event.retry is None else event.retry / 1000
                    if event.event == "message" and event.data:
                        self._deliver(exchange, event.data, response, event.id)
                if exchange.answered and exchange.scope.deadline == math.inf:
                    exchange.scope.deadline = anyio.current_time() + LINGER

    async def _resume(self, exchange: Exchange, reason: str) -> None:
        """Ask for the rest of a broken stream until the answer has come or nothing new comes."""
        attempts = 0
        while exchange.last_event_id is not None and attempts < _ATTEMPTS:
            before = exchange.last_event_id
            await anyio.sleep(self._delay(exchange))
            outcome = await self._listen(exchange)
            if exchange.answered:
                return
            if outcome == "refused":
                reason += ", and the server refused to resume it"
                break
            attempts = attempts + 1 if exchange.last_event_id == before else 0
        if attempts:
            reason += f", and {attempts} attempts to resume it brought nothing"
        self._undeliver(exchange, CONNECTION_CLOSED, reason)

    def _delay(self, exchange: Exchange) -> float:
        """Return the server's `retry`, in seconds, with a floor that keeps `retry: 0` from becoming a busy loop."""
        return self._retry_delay if exchange.retry is None else max(exchange.retry, 0.01)

    async def _listen(self, exchange: Exchange) -> Literal["ended", "refused", "failed"]:
        """Read one event stream opened by GET: until it ended, unless it was refused or could not be opened."""
        opened = False
        try:
            async with self._endpoint.open(exchange, self._request("GET", exchange, httpx2.Headers())) as response:
                if response.status_code >= 500:
                    return "failed"
                if response.status_code != 200 or "text/event-stream" not in response.headers.get("content-type", ""):
                    return "refused"
                opened = True
                await self._read_events(exchange, response)
        except httpx2.HTTPError:
            return "ended" if opened else "failed"
        finally:
            exchange.accepted.set()
        return "ended"

    async def _open_standalone(self) -> None:
        exchange = self._standalone = self._next_exchange()
        self._running.add(exchange)
        self._tasks.start_soon(self._run, exchange, self._stand)
        with anyio.move_on_after(_STANDALONE_WAIT):
            await exchange.accepted.wait()

    async def _stand(self, exchange: Exchange) -> None:
        """Keep the standalone stream open for as long as the server offers it; say so when it is lost."""
        failures, was_open = 0, False
        while (outcome := await self._listen(exchange)) != "refused":
            failures, was_open = (0, True) if outcome == "ended" else (failures + 1, was_open)
            if failures == _ATTEMPTS:
                break
            await anyio.sleep(self._delay(exchange))
        if was_open:
            why = "the stream of what the server says unasked broke off and cannot be opened again"
            self._inbox.send_nowait(Undelivered(UNASKED, CONNECTION_CLOSED, why))

    def _deliver(self, exchange: Exchange, data: bytes, response: httpx2.Response, event_id: str | None = None) -> Frame:
        """Log one message of the server and hand it over, in one step; see whether it answers the exchange's request."""
        envelope = Envelope(exchange.number, header_pairs(response.headers), response.status_code, event_id)
        frame = self._tap.received(data, envelope)
        self._inbox.send_nowait(frame)
        message = frame.message
        if message.kind in ("result", "error") and message.id == exchange.id:
            exchange.answered = True
            self._forget(exchange)
        elif message.kind == "error" and message.id in (None, "null"):
            code, text = message.error.get("code"), message.error.get("message")
            self._undeliver(exchange, code if isinstance(code, int) else INTERNAL_ERROR, str(text))
        return frame

    def _undeliver(self, exchange: Exchange, code: int, message: str) -> None:
        """End a request that is still without an answer."""
        if exchange.id is not None and not exchange.answered:
            exchange.answered = True
            self._forget(exchange)
            self._inbox.send_nowait(Undelivered(exchange.id, code, message))

    def _forget(self, exchange: Exchange) -> None:
        if exchange.id is not None and self._in_flight.get(exchange.id) is exchange:
            del self._in_flight[exchange.id]


@asynccontextmanager
async def open_http(
    url: str,
    tap: Tap,
    *,
    headers: Mapping[str, str] | None = None,
    transport: httpx2.AsyncBaseTransport | None = None,
    timeout: float = TIMEOUT,
    retry_delay: float = RETRY_DELAY,
    close_timeout: float = CLOSE_TIMEOUT,
    faults: Faults | None = None,
) -> AsyncGenerator[HTTPChannel]:
    """Open a channel to a Streamable HTTP endpoint; nothing is sent before the first message.

    Args:
        url: The endpoint, such as `http://127.0.0.1:8000/mcp`.
        tap: Where frames and the `http`, `failure` and `close` notes go.
        headers: Headers of every HTTP request (credentials, for instance); they replace the channel's own of the same name.
        transport: Where requests go; by default to the network, past the environment's proxies if the host is this one.
        timeout: Seconds to connect, to write, and for a notification to be accepted.
        retry_delay: Seconds before a broken stream is opened again, where the server did not say.
        close_timeout: Seconds for the `DELETE` of the session at the close.
        faults: What is done to HTTP exchanges on purpose.

    Yields:
        The channel. Failures of single requests come out of `receive` as `Undelivered`.
    """
    logging.getLogger("httpx2").addFilter(_redact_urls)  # Adding the same filter again changes nothing.
    parsed = httpx2.URL(url)
    client = httpx2.AsyncClient(
        transport=transport,
        timeout=httpx2.Timeout(timeout, read=None),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
        trust_env=parsed.host not in _LOOPBACK,
        # A plain endpoint never needs certificates (redirects stay on its origin), and loading them takes its time.
        verify=parsed.scheme == "https",
    )
    body: Exception | None = None
    async with client, anyio.create_task_group() as tasks:
        endpoint = Endpoint(client, url, tap, tasks, faults)
        channel = HTTPChannel(
            endpoint, tap, tasks, headers=headers or {}, timeout=timeout, retry_delay=retry_delay, faults=faults
        )
        try:
            yield channel
        except Exception as error:  # noqa: BLE001  # Raised again below, outside of the task group, which would wrap it.
            body = error
        finally:
            with anyio.CancelScope(shield=True):
                await channel.aclose(close_timeout)
    if body is not None:
        raise body
