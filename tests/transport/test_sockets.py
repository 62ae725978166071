"""The loopback server starts, serves and stops within bounds, on both event loops of the test."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

import anyio
import httpx2
import pytest
from mcp.server import MCPServer
from starlette.applications import Starlette

from pytest_mcpsym.transport.asgi import Receive, Scope, Send, StartupError
from pytest_mcpsym.transport.sockets import serve_on_loopback

pytestmark = pytest.mark.anyio

SECRET: contextvars.ContextVar[str] = contextvars.ContextVar("SECRET", default="nothing")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Generator[None]:
    """Fail a test that leaves a server thread."""
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("mcpsym-http-")]


async def secret_app(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer with what the app sees of the test's context."""
    if scope["type"] == "lifespan":
        raise NotImplementedError
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": SECRET.get().encode()})


async def endless_app(scope: Scope, _receive: Receive, send: Send) -> None:
    """Start an event stream and never end it."""
    if scope["type"] == "lifespan":
        raise NotImplementedError
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"data: x\n\n", "more_body": True})
    await anyio.sleep_forever()


async def test_a_request_reaches_the_app_and_nothing_else_does() -> None:
    SECRET.set("secret")
    with anyio.fail_after(10):
        async with serve_on_loopback(secret_app) as base, httpx2.AsyncClient(trust_env=False) as client:
            assert (await client.get(base)).text == "nothing"


async def test_two_servers_have_ports_of_their_own() -> None:
    with anyio.fail_after(10):
        async with serve_on_loopback(secret_app) as one, serve_on_loopback(secret_app) as two:
            assert one.startswith("http://127.0.0.1:")
            assert one != two


async def test_an_open_event_stream_does_not_hold_up_the_end() -> None:
    with anyio.fail_after(10):
        async with httpx2.AsyncClient(trust_env=False, timeout=None) as client:
            async with serve_on_loopback(endless_app) as base:
                response = await client.send(client.build_request("GET", base), stream=True)
            with pytest.raises(httpx2.RemoteProtocolError):
                await response.aread()


async def test_the_end_of_a_stream_that_is_cut_leaves_no_log(caplog: pytest.LogCaptureFixture) -> None:
    with anyio.fail_after(10), caplog.at_level(logging.DEBUG, logger="uvicorn.error"):
        async with httpx2.AsyncClient(trust_env=False, timeout=None) as client:
            async with serve_on_loopback(endless_app) as base:
                response = await client.send(client.build_request("GET", base), stream=True)
            await response.aclose()
    assert [record.message for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_other_servers_of_the_process_keep_their_logs(caplog: pytest.LogCaptureFixture) -> None:
    with anyio.fail_after(10), caplog.at_level(logging.INFO, logger="uvicorn.error"):
        async with serve_on_loopback(secret_app):
            logging.getLogger("uvicorn.error").info("from another thread")
    assert [record.message for record in caplog.records if record.name.startswith("uvicorn")] == ["from another thread"]


async def test_the_error_of_an_app_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ZeroDivisionError("boom")

    with anyio.fail_after(10):
        async with serve_on_loopback(app) as base, httpx2.AsyncClient(trust_env=False) as client:
            assert (await client.get(base)).status_code == 500
    assert "boom" in caplog.text


async def test_an_app_that_fails_to_start_is_a_clear_error() -> None:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        raise ZeroDivisionError("no database")
        yield

    with anyio.fail_after(10), pytest.raises(StartupError, match="no database"):
        async with serve_on_loopback(Starlette(lifespan=lifespan)):
            pass


async def test_an_app_that_never_starts_is_given_up() -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await anyio.sleep_forever()

    with anyio.fail_after(15), pytest.raises(StartupError, match=r"within 0\.05 s"):
        async with serve_on_loopback(app, startup_timeout=0.05):
            pass


async def test_a_factory_that_raises_is_a_clear_error() -> None:
    def make() -> Starlette:
        raise ZeroDivisionError("no app")

    with anyio.fail_after(10), pytest.raises(StartupError, match="no app"):
        async with serve_on_loopback(make, factory=True):
            pass


async def test_a_factory_makes_the_app_on_the_loop_that_serves_it() -> None:
    def make() -> Starlette:
        return MCPServer("made").streamable_http_app()

    with anyio.fail_after(10):
        async with serve_on_loopback(make, factory=True) as base, httpx2.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{base}/mcp")).status_code == 400


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_an_app_made_inside_a_trio_test_is_refused_with_the_way_out(anyio_backend: str) -> None:
    with anyio.fail_after(10), pytest.raises(StartupError, match="factory=True"):
        async with serve_on_loopback(MCPServer("made").streamable_http_app()):
            pass


async def test_a_body_that_raises_still_ends_the_server() -> None:
    with anyio.fail_after(10), pytest.raises(ZeroDivisionError):
        async with serve_on_loopback(secret_app):
            raise ZeroDivisionError
