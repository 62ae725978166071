"""Servers that break the rules of Streamable HTTP or use its rarer ones, and what becomes of their callers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from pytest_mcpsym.transport.asgi import ASGIApp, Receive, Scope, Send, asgi_transport
from pytest_mcpsym.transport.http import HTTPChannel, open_http
from pytest_mcpsym.transport.sockets import serve_on_loopback
from pytest_mcpsym.transport.tap import Tap, Undelivered
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog

pytestmark = pytest.mark.anyio

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
JSON = "application/json"
EVENTS = "text/event-stream"
INITIALIZE = b'{"jsonrpc":"2.0","id":0,"method":"initialize"}'
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'


@pytest.fixture
def log() -> WireLog:
    """The log of the test's one link, `peer`."""
    return WireLog()


@asynccontextmanager
async def opened(
    make: Callable[[], ASGIApp], log: WireLog, *, headers: dict[str, str] | None = None
) -> AsyncGenerator[HTTPChannel]:
    """Open a channel to an app of this process; the whole test is bounded."""
    with anyio.fail_after(20):
        async with (
            asgi_transport(make()) as transport,
            open_http(
                "http://127.0.0.1:8000/mcp", Tap(log, "peer"), headers=headers, transport=transport, retry_delay=0.01
            ) as channel,
        ):
            yield channel


async def until_answer(channel: HTTPChannel, ident: int) -> list[Frame | Undelivered]:
    """Receive up to the answer of one request, or its end without one."""
    received: list[Frame | Undelivered] = []
    while True:
        item = await channel.receive()
        received.append(item)
        if (
            item.id == str(ident)
            if isinstance(item, Undelivered)
            else item.message.id == str(ident) and not item.message.method
        ):
            return received


async def answer(channel: HTTPChannel, ident: int) -> Frame:
    """Receive up to the answer of one request and return it."""
    last = (await until_answer(channel, ident))[-1]
    assert isinstance(last, Frame)
    return last


async def undelivered(channel: HTTPChannel, ident: int) -> Undelivered:
    """Receive up to the end of one request that gets no answer, and return it."""
    last = (await until_answer(channel, ident))[-1]
    assert isinstance(last, Undelivered)
    return last


def http_notes(log: WireLog, exchange: int) -> list[tuple[object, ...]]:
    """Return the `http` notes of one exchange in short: event, and method, status or side."""
    notes = [note.data for note in log.notes if note.channel == "http" and note.data["exchange"] == exchange]
    keys = {"request": "method", "response": "status", "closed": "by"}
    return [(data["event"], data[keys[str(data["event"])]]) for data in notes]


def shape(frames: list[Frame | Undelivered]) -> list[str | None]:
    """Return the method of each request and notification, and `result` or `error` for responses."""
    return [item.message.method or item.message.kind for item in frames if isinstance(item, Frame)]


async def until_error(channel: HTTPChannel) -> tuple[Frame, Undelivered]:
    """Receive an error without an id, and the end of the request that it belongs to."""
    frame, end = await channel.receive(), await channel.receive()
    assert isinstance(frame, Frame)
    assert isinstance(end, Undelivered)
    return frame, end


def http_only(app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> ASGIApp:
    """An app without lifespan."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await app(scope, receive, send)

    return wrapped


def replying(status: int, body: bytes = b"", **headers: str) -> ASGIApp:
    """An app that answers everything in one way."""

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": body})

    return http_only(app)


@pytest.mark.parametrize(
    ("app", "code", "text"),
    [
        pytest.param(replying(404), -32601, "Not Found", id="404 without a session"),
        pytest.param(replying(503), -32603, "HTTP 503", id="503"),
        pytest.param(replying(400, b'{"detail":"no"}', content_type=JSON), -32603, "HTTP 400", id="400 with other JSON"),
        pytest.param(replying(202), -32600, "202 Accepted", id="202"),
        pytest.param(replying(200, b"<html>", content_type="text/html"), -32600, "text/html", id="html"),
        pytest.param(replying(200, b"nonsense", content_type=JSON), -32700, "not JSON", id="no JSON"),
        pytest.param(
            replying(200, b'{"jsonrpc":"2.0","id":2,"result":{}}', content_type=JSON), -32000, "does not answer", id="other id"
        ),
        pytest.param(replying(200, b"", content_type=EVENTS), -32000, "ended without an answer", id="empty stream"),
        pytest.param(replying(302, location="/other"), -32600, "not followed", id="302"),
        pytest.param(replying(307, location="http://evil.example/mcp"), -32600, "evil.example", id="307 to another origin"),
        pytest.param(replying(307, location="/mcp"), -32600, "not followed", id="307 in a circle"),
    ],
)
async def test_a_request_that_gets_no_answer_ends_with_a_reason(app: ASGIApp, code: int, text: str, log: WireLog) -> None:
    async with opened(lambda: app, log) as channel:
        await channel.send(PING)
        end = await undelivered(channel, 1)
    assert (end.code, text in end.message) == (code, True), end


@pytest.mark.parametrize(
    ("status", "location"),
    [
        (302, "/other"),
        (307, "http://evil.example/mcp"),
        (307, "https://127.0.0.1:8000/mcp"),
        (308, "http://u:p@127.0.0.1:8000/mcp"),
    ],
)
async def test_a_redirect_that_leaves_origin_method_or_credentials_is_not_followed(
    status: int, location: str, log: WireLog
) -> None:
    async with opened(lambda: replying(status, location=location), log) as channel:
        await channel.send(PING)
        await undelivered(channel, 1)
    assert http_notes(log, 1) == [("request", "POST"), ("response", status), ("closed", "peer")]


async def test_a_session_that_is_gone_is_named_as_such(log: WireLog) -> None:
    async with opened(lambda: replying(404), log, headers={"mcp-session-id": "old"}) as channel:
        await channel.send(PING)
        assert (await undelivered(channel, 1)).message == "Session terminated"


async def test_an_error_in_the_body_of_a_refusal_is_the_answer(log: WireLog) -> None:
    body = b'{ "jsonrpc":"2.0", "id":1, "error":{"code":-1,"message":"no"} }'
    async with opened(lambda: replying(400, body, content_type=JSON), log) as channel:
        await channel.send(PING)
        frame = await answer(channel, 1)
    assert (frame.data, frame.envelope and frame.envelope.status) == (body, 400)


async def test_an_error_without_id_is_logged_as_it_came_and_ends_the_request(log: WireLog) -> None:
    body = b'{"jsonrpc":"2.0","id":null,"error":{"code":-7,"message":"what?"}}'
    async with opened(lambda: replying(200, body, content_type=JSON), log) as channel:
        await channel.send(PING)
        frame, end = await until_error(channel)
    assert (frame.data, end) == (body, Undelivered("1", -7, "what?"))


async def test_a_same_origin_308_is_followed_with_the_body(log: WireLog) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        moved = scope["path"] == "/mcp"
        head = (b"location", b"/mcp/") if moved else (b"content-type", b"application/json")
        await send({"type": "http.response.start", "status": 308 if moved else 200, "headers": [head]})
        await send({"type": "http.response.body", "body": body.replace(b'"method":"ping"', b'"result":{}')})

    async with opened(lambda: http_only(app), log) as channel:
        await channel.send(PING)
        assert (await answer(channel, 1)).message.result == {}
    assert [event for event, _ in http_notes(log, 1)] == ["request", "response", "closed"] * 2


async def test_bytes_of_an_event_reach_the_log_unchanged(log: WireLog) -> None:
    odd = b'{"jsonrpc":"2.0","id":1,"result":{"a":-0,"a":1e2,"text":"\xff\xe2\x80\xa8"}}'
    stream = b"id: 7\ndata:\n\n: ping\n\nid: 8\r\ndata: " + odd + b'\r\n\r\nevent: other\ndata: x\n\ndata: {"late":1}\n\n'
    async with opened(lambda: replying(200, stream, content_type=EVENTS), log) as channel:
        await channel.send(PING)
        received = [await channel.receive(), await channel.receive()]
    assert [item.data for item in received if isinstance(item, Frame)] == [odd, b'{"late":1}']
    assert [item.envelope.event_id for item in received if isinstance(item, Frame) and item.envelope] == ["8", None]


async def test_a_stream_that_cannot_be_resumed_ends_its_request_after_bounded_attempts(log: WireLog) -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        status = 200 if scope["method"] == "POST" else 503
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"retry: 10\nid: 1\ndata:\n\n"})

    async with opened(lambda: http_only(app), log) as channel:
        await channel.send(PING)
        assert "3 attempts to resume it" in (await undelivered(channel, 1)).message
    assert [pair for pair in http_notes(log, 1) if pair[0] == "request"] == [("request", "POST")] + [("request", "GET")] * 3


@pytest.mark.parametrize("broken", [False, True])
async def test_a_stream_that_ends_or_breaks_is_resumed_from_its_last_event(log: WireLog, broken: bool) -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        if scope["method"] == "GET":
            last = dict(scope["headers"]).get(b"last-event-id", b"none").decode()
            body = f'data: {{"jsonrpc":"2.0","id":1,"result":{{"after":"{last}"}}}}\n\n'.encode()
        else:
            body = b'retry: 10\nid: 7\ndata: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n'
        await send({"type": "http.response.body", "body": body, "more_body": broken})

    async with opened(lambda: http_only(app), log) as channel:
        await channel.send(PING)
        frames = await until_answer(channel, 1)
    assert [frame.message.result for frame in frames if isinstance(frame, Frame)] == [{}, {"after": "7"}]


async def test_the_standalone_stream_is_opened_again_from_its_last_event(log: WireLog) -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        last = dict(scope["headers"]).get(b"last-event-id", b"0").decode()
        status = {"POST": 202, "GET": 405 if last == "3" else 200}[scope["method"]]
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/event-stream")]})
        body = f'id: {int(last) + 1}\ndata: {{"jsonrpc":"2.0","method":"after/{last}"}}\n\n' if status == 200 else ""
        await send({"type": "http.response.body", "body": body.encode()})

    async with opened(lambda: http_only(app), log) as channel:
        await channel.send(INITIALIZED)
        frames = [await channel.receive() for _ in range(3)]
    assert shape(frames) == ["after/0", "after/1", "after/2"]


async def test_frames_after_the_answer_of_a_stream_are_logged(log: WireLog) -> None:
    go_on = anyio.Event()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        body = b'data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n'
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b'data: {"jsonrpc":"2.0","method":"late"}\n\n'})

    async with opened(lambda: http_only(app), log) as channel:
        await channel.send(PING)
        await answer(channel, 1)
        go_on.set()
        late = await channel.receive()
    assert shape([late]) == ["late"]


async def test_an_app_that_raises_is_a_connection_that_broke(log: WireLog) -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ZeroDivisionError("boom")

    async with opened(lambda: http_only(app), log) as channel:
        await channel.send(PING)
        end = await undelivered(channel, 1)
    assert (end.code, "boom" in end.message) == (-32000, True)
    assert http_notes(log, 1) == [("request", "POST"), ("closed", "peer")]


async def test_a_refused_connection_ends_a_request(log: WireLog) -> None:
    async with serve_on_loopback(replying(200)) as base:
        pass
    with anyio.fail_after(10):
        async with open_http(f"{base}/mcp", Tap(log, "peer")) as channel:
            await channel.send(PING)
            assert "ConnectError" in (await undelivered(channel, 1)).message


async def test_a_refused_connection_breaks_the_sending_of_a_notification(log: WireLog) -> None:
    async with serve_on_loopback(replying(200)) as base:
        pass
    with anyio.fail_after(10):
        async with open_http(f"{base}/mcp", Tap(log, "peer")) as channel:
            with pytest.raises(anyio.BrokenResourceError, match="ConnectError"):
                await channel.send(INITIALIZED)


async def test_a_notification_that_is_never_accepted_breaks_after_the_timeout(log: WireLog) -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await anyio.sleep_forever()

    with anyio.fail_after(10):
        async with (
            asgi_transport(http_only(app), grace=0.05) as transport,
            open_http("http://a/mcp", Tap(log, "peer"), transport=transport, timeout=0.05) as channel,
        ):
            with pytest.raises(anyio.BrokenResourceError, match=r"within 0\.05 s"):
                await channel.send(INITIALIZED)


async def test_a_server_that_does_not_let_go_cannot_hold_up_the_close(log: WireLog) -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["method"] == "DELETE":
            await anyio.sleep_forever()
        headers = [(b"content-type", b"text/event-stream"), (b"mcp-session-id", b"s")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await anyio.sleep_forever()

    with anyio.fail_after(10):
        async with (
            asgi_transport(http_only(app), grace=0.05) as transport,
            open_http("http://a/mcp", Tap(log, "peer"), transport=transport, close_timeout=0.05) as channel,
        ):
            await channel.send(INITIALIZE)
            await channel.send(INITIALIZED)
    assert [http_notes(log, n)[-1] for n in (1, 2, 3, 4)] == [("closed", "host")] * 4


async def test_a_closed_channel_refuses_to_send_and_has_no_more_to_receive(log: WireLog) -> None:
    async with opened(lambda: replying(202), log) as channel:
        pass
    with pytest.raises(anyio.ClosedResourceError):
        await channel.send(PING)
    with pytest.raises(anyio.EndOfStream):
        await channel.receive()


async def test_an_error_of_the_test_leaves_the_block_as_it_is(log: WireLog) -> None:
    with pytest.raises(ZeroDivisionError):
        async with opened(lambda: replying(202), log):
            raise ZeroDivisionError


async def test_only_headers_of_the_message_itself_replace_those_given_at_opening(log: WireLog) -> None:
    async with opened(lambda: replying(202), log, headers={"X-A": "open", "Accept": "*/*"}) as channel:
        one = await channel.send(INITIALIZED, {"x-a": "own"})
    assert one is not None
    assert one.envelope is not None
    assert (one.envelope.header("x-a"), one.envelope.header("accept")) == ("own", "*/*")


async def test_a_json_only_or_refusing_server_simply_has_no_standalone_stream(log: WireLog) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        status = 405 if scope["method"] == "GET" else 202
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body"})

    async with opened(lambda: http_only(app), log) as channel:
        await channel.send(INITIALIZED)
    assert http_notes(log, 2) == [("request", "GET"), ("response", 405), ("closed", "peer")]


async def test_what_is_sent_in_sequence_arrives_in_sequence(log: WireLog) -> None:
    seen: list[bytes] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((await receive())["body"])
        await receive()
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body"})

    wanted = [b'{"jsonrpc":"2.0","id":%d,"method":"x"}' % n for n in range(20)]
    async with opened(lambda: http_only(app), log) as channel:
        for data in wanted:
            await channel.send(data)
    assert seen == wanted


async def test_what_httpx_logs_of_a_url_holds_no_credentials(log: WireLog, caplog: pytest.LogCaptureFixture) -> None:
    url = "http://127.0.0.1:8000/mcp?api_key=k3y-k3y-k3y"
    with caplog.at_level("INFO", logger="httpx2"):
        async with asgi_transport(replying(404)) as transport, open_http(url, Tap(log, "peer"), transport=transport) as channel:
            await channel.send(b'{"jsonrpc":"2.0","id":1,"method":"ping"}')
            await undelivered(channel, 1)
    assert "127.0.0.1:8000/mcp" in caplog.text
    assert "k3y-k3y-k3y" not in caplog.text
