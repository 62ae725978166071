"""The in-process ASGI bridge streams, disconnects, starts and stops as a server behind a socket does."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from pytest_mcpsym.transport.asgi import ASGIApp, Receive, Scope, Send, StartupError, asgi_transport

pytestmark = pytest.mark.anyio

SECRET: contextvars.ContextVar[str] = contextvars.ContextVar("SECRET", default="nothing")


@asynccontextmanager
async def client_of(app: ASGIApp, *, grace: float = 2.0, timeout: float | None = None) -> AsyncGenerator[httpx2.AsyncClient]:
    """Open a client of an app; the whole test is bounded."""
    with anyio.fail_after(10):
        async with (
            asgi_transport(app, grace=grace) as transport,
            httpx2.AsyncClient(transport=transport, base_url="http://a", timeout=timeout) as client,
        ):
            yield client


async def start(send: Send, status: int = 200) -> None:
    """Send the head of a response."""
    await send({"type": "http.response.start", "status": status, "headers": []})


async def chunk(send: Send, body: bytes, *, last: bool = False) -> None:
    """Send a part of the body."""
    await send({"type": "http.response.body", "body": body, "more_body": not last})


async def refuse_lifespan(scope: Scope) -> None:
    """Behave as an app that knows no lifespan."""
    if scope["type"] != "http":
        raise NotImplementedError


async def test_chunks_arrive_while_the_app_still_runs() -> None:
    go_on = anyio.Event()

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await refuse_lifespan(scope)
        await start(send)
        await chunk(send, b"one")
        await go_on.wait()
        await chunk(send, b"two", last=True)

    async with client_of(app) as client, client.stream("GET", "/") as response:
        chunks = response.aiter_bytes()
        assert await anext(chunks) == b"one"
        go_on.set()
        assert [rest async for rest in chunks] == [b"two"]


async def test_the_request_body_streams() -> None:
    heard = anyio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        await heard.wait()
        yield b"two"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await refuse_lifespan(scope)
        parts = [(await receive())["body"]]
        heard.set()
        parts += [(await receive())["body"], (await receive())["more_body"]]
        await start(send)
        await chunk(send, repr(parts).encode(), last=True)

    async with client_of(app) as client:
        assert (await client.post("/", content=body())).text == "[b'one', b'two', False]"


async def test_closing_a_response_early_disconnects_the_app() -> None:
    told = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await refuse_lifespan(scope)
        await start(send)
        assert (await receive())["type"] == "http.request"
        if not (await receive()).get("more_body") and (await receive())["type"] == "http.disconnect":
            told.set()
        await chunk(send, b"to nobody")
        await chunk(send, b"", last=True)

    async with client_of(app) as client:
        async with client.stream("GET", "/"):
            pass
        await told.wait()


async def test_a_caller_that_is_cancelled_before_the_response_disconnects_the_app() -> None:
    told, asked = anyio.Event(), anyio.Event()

    async def app(scope: Scope, receive: Receive, _send: Send) -> None:
        await refuse_lifespan(scope)
        asked.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        told.set()

    async with client_of(app) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.get, "/")
            await asked.wait()
            tasks.cancel_scope.cancel()
        await told.wait()


async def test_an_app_that_goes_on_after_a_disconnect_is_cancelled() -> None:
    cancelled = anyio.Event()

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await refuse_lifespan(scope)
        await start(send)
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    async with client_of(app, grace=0.01) as client:
        async with client.stream("GET", "/"):
            pass
        await cancelled.wait()


async def test_an_error_before_the_response_is_a_transport_error_with_its_cause() -> None:
    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        await refuse_lifespan(scope)
        raise ZeroDivisionError("boom")

    async with client_of(app) as client:
        with pytest.raises(httpx2.RemoteProtocolError, match="boom") as caught:
            await client.get("/")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


async def test_an_error_after_the_start_breaks_the_stream() -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await refuse_lifespan(scope)
        await start(send)
        await chunk(send, b"one")
        raise ZeroDivisionError("boom")

    async with client_of(app) as client, client.stream("GET", "/") as response:
        chunks = response.aiter_bytes()
        assert await anext(chunks) == b"one"
        with pytest.raises(httpx2.RemoteProtocolError, match="boom"):
            await anext(chunks)


async def test_a_response_that_is_never_completed_breaks_the_stream() -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await refuse_lifespan(scope)
        await start(send)

    async with client_of(app) as client:
        with pytest.raises(httpx2.RemoteProtocolError, match="without completing"):
            await client.get("/")


async def test_an_error_after_the_response_is_logged_and_spares_the_client(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_request: Request) -> PlainTextResponse:
        raise ZeroDivisionError("boom")

    with caplog.at_level(logging.ERROR):
        async with client_of(Starlette(routes=[Route("/", broken)])) as client:
            assert (await client.get("/")).status_code == 500
    assert "boom" in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [{"type": "http.response.body", "body": b""}, {"type": "http.response.trailers"}],
    ids=["body before start", "unknown event"],
)
async def test_an_app_that_sends_a_wrong_event_is_told(wrong: dict[str, object]) -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await refuse_lifespan(scope)
        await send(wrong)

    async with client_of(app) as client:
        with pytest.raises(httpx2.RemoteProtocolError, match=str(wrong["type"])):
            await client.get("/")


async def test_the_read_timeout_of_a_request_holds() -> None:
    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        await refuse_lifespan(scope)
        await anyio.sleep_forever()

    async with client_of(app, grace=0.01, timeout=0.01) as client:
        with pytest.raises(httpx2.ReadTimeout):
            await client.get("/")


async def test_a_head_request_gets_no_body() -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await refuse_lifespan(scope)
        await start(send)
        await chunk(send, b"body", last=True)

    async with client_of(app) as client:
        assert (await client.head("/")).content == b""


async def test_the_app_sees_the_url_and_the_host_as_over_a_socket() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await refuse_lifespan(scope)
        seen.append(scope)
        await start(send)
        await chunk(send, b"", last=True)

    async with client_of(app) as client:
        await client.get("http://h:8/p%20q?r=s", headers={"X-A": "1"})
    [scope] = seen
    assert (scope["path"], scope["raw_path"], scope["query_string"], scope["server"]) == ("/p q", b"/p%20q", b"r=s", ("h", 8))
    assert {(b"host", b"h:8"), (b"x-a", b"1")} <= set(scope["headers"])


async def test_nothing_of_the_test_reaches_the_app_but_the_request() -> None:
    seen: list[str] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        seen.append(SECRET.get())
        await refuse_lifespan(scope)
        await start(send)
        await chunk(send, b"", last=True)

    SECRET.set("secret")
    async with client_of(app) as client:
        await client.get("/")
    assert seen == ["nothing", "nothing"]


async def test_the_lifespan_surrounds_all_requests_in_one_task() -> None:
    events: list[object] = []

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[dict[str, str]]:
        async with anyio.create_task_group():
            events.append("up")
            yield {"colour": "red"}
        events.append("down")

    async def colour(request: Request) -> PlainTextResponse:
        events.append(request.state.colour)
        return PlainTextResponse("")

    async with client_of(Starlette(routes=[Route("/", colour)], lifespan=lifespan)) as client:
        await client.get("/")
    assert events == ["up", "red", "down"]


async def test_a_lifespan_that_fails_to_start_is_a_clear_error() -> None:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        raise ZeroDivisionError("no database")
        yield

    with pytest.raises(StartupError, match="ZeroDivisionError: no database") as caught:
        async with client_of(Starlette(lifespan=lifespan)):
            pass
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


async def test_a_lifespan_that_never_starts_is_given_up() -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await anyio.sleep_forever()

    with anyio.fail_after(10), pytest.raises(StartupError, match=r"within 0\.01 s"):
        async with asgi_transport(app, startup_timeout=0.01):
            pass


async def test_a_lifespan_that_never_shuts_down_is_cancelled() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})
        await anyio.sleep_forever()

    async with client_of(app, grace=0.01):
        pass


async def test_open_responses_end_with_the_block() -> None:
    ended = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await refuse_lifespan(scope)
        await start(send)
        while (await receive())["type"] != "http.disconnect":
            pass
        ended.set()

    async with client_of(app) as client:
        await client.send(client.build_request("GET", "/"), stream=True)
    assert ended.is_set()


async def test_a_transport_whose_block_has_ended_refuses_requests() -> None:
    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        await refuse_lifespan(scope)

    async with asgi_transport(app) as transport:
        pass
    with pytest.raises(httpx2.ConnectError):
        await transport.handle_async_request(httpx2.Request("GET", "http://a"))


async def test_the_app_waits_for_a_reader_that_is_slow() -> None:
    sent = 0

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        nonlocal sent
        await refuse_lifespan(scope)
        await start(send)
        for _ in range(1000):
            await chunk(send, b"x")
            sent += 1
        await chunk(send, b"", last=True)

    async with client_of(app) as client, client.stream("GET", "/") as response:
        await anyio.wait_all_tasks_blocked()
        assert sent < 1000
        assert len(await response.aread()) == 1000
