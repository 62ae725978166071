"""Which transport serves which target: apps at other paths, lifespans, headers, and one server object opened again."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import pytest
from fastmcp import Context, FastMCP
from mcp.server.mcpserver import MCPServer
from starlette.types import ASGIApp, Receive, Scope, Send

from pytest_mcpsym import link
from pytest_mcpsym.errors import LinkError
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.target import Era, Transport
from tests.switchboard.servers import demo, text

pytestmark = pytest.mark.anyio
over_http = pytest.mark.parametrize("transport", ["http", "sockets"])


@over_http
async def test_an_app_may_have_its_endpoint_at_another_path(switchboard: Switchboard, transport: Transport) -> None:
    def app() -> ASGIApp:
        return demo().streamable_http_app(streamable_http_path="/other")

    made: list[ASGIApp] = []

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        if not made:
            made.append(app())
        await made[0](scope, receive, send)

    async with switchboard(demo=link(late, transport=transport, path="/other")) as board:
        assert text(await board.call("demo__echo", text="hi")) == "hi"


@pytest.mark.parametrize("transport", ["memory", "http", "sockets"])
async def test_the_lifespan_of_a_fastmcp_server_is_entered_and_left(switchboard: Switchboard, transport: Transport) -> None:
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(server: object) -> AsyncGenerator[dict[str, str]]:
        events.append("entered")
        yield {"key": "from the lifespan"}
        events.append("left")

    server = FastMCP("live", lifespan=lifespan)

    @server.tool
    async def key(context: Context) -> str:
        return str(cast("dict[str, str]", context.lifespan_context)["key"])

    assert key
    async with switchboard(live=link(server, transport=transport)) as board:
        assert text(await board.call("live__key")) == "from the lifespan"
    assert events == ["entered", "left"]


@pytest.mark.parametrize("transport", ["memory", "http", "sockets"])
async def test_one_server_object_can_be_opened_again(switchboard: Switchboard, transport: Transport) -> None:
    server = demo()
    for _ in range(2):
        async with switchboard(demo=link(server, transport=transport)) as board:
            assert text(await board.call("demo__echo", text="hi")) == "hi"


@over_http
@pytest.mark.parametrize("era", ["handshake", "modern"])
@pytest.mark.parametrize(("json_response", "stateless"), [(True, False), (False, True), (True, True)])
async def test_a_server_may_answer_with_json_or_keep_no_sessions(
    switchboard: Switchboard, transport: Transport, era: Era, *, json_response: bool, stateless: bool
) -> None:
    target = link(demo(), transport=transport, era=era, json_response=json_response, stateless=stateless)
    async with switchboard(demo=target) as board:
        assert text(await board.call("demo__echo", text="hi")) == "hi"


@over_http
async def test_headers_go_with_every_request_and_into_no_transcript(switchboard: Switchboard, transport: Transport) -> None:
    headers = {"Authorization": "Bearer abcdefgh-1234", "X-Team": "team-secret-value"}
    async with switchboard(demo=link(demo(), transport=transport, headers=headers)) as board:
        await board.call("demo__echo", text="hi")
    sent = [frame.envelope for frame in board.log.frames if frame.direction == "to-server"]
    assert all(envelope is not None and envelope.header("x-team") == "team-secret-value" for envelope in sent)
    transcript = board.transcript(normalised=False) + board.transcript()
    assert "abcdefgh-1234" not in transcript
    assert "team-secret-value" not in transcript


async def test_a_refusal_in_mid_session_is_an_error_of_the_call_alone(switchboard: Switchboard) -> None:
    server = MCPServer("gate", log_level="WARNING")

    @server.tool(structured_output=False)
    async def echo(text: str) -> str:
        return text

    inner = server.streamable_http_app()

    async def gate(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (b"x-refuse", b"yes") in scope["headers"]:
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await inner(scope, receive, send)

    async with switchboard(gate=link(gate)) as board:
        engine = board._engine.link("gate")  # pyright: ignore[reportPrivateUsage] - only the raw caller can add a header to one request
        with (
            board.expect("jsonrpc:unanswered"),
            pytest.raises(LinkError, match=r"tools/call \(frame \d+\): the server refused the request: HTTP 503") as caught,
        ):
            await engine.request("tools/call", b'{"name":"echo"}', headers={"x-refuse": "yes"})
        assert caught.value.reason == "http"
        assert text(await board.call("gate__echo", text="still there")) == "still there"
