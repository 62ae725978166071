"""Getting the extension into a server: lifespans of all kinds, and `install`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import fastmcp
import pytest
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolRequestParams, CallToolResult, TextContent

from pytest_mcpsym.symmetric import Extension, NotSymmetric, install, peer
from pytest_mcpsym.symmetric.names import CANCEL, CONTINUE, IDENTIFIER
from tests.symmetric.legs import Performing, echo, handshake, over_http, serving, text, told, two_calls, wire

pytestmark = pytest.mark.anyio


async def test_the_users_own_lifespan_value_reaches_handlers_unchanged() -> None:
    value = object()
    seen: list[object] = []

    @asynccontextmanager
    async def mine(server: MCPServer[object]) -> AsyncGenerator[object]:
        yield value

    server = serving(Extension(), mine)

    @server.tool(structured_output=False)
    async def look(context: Context[Any]) -> str:
        seen.append(context.request_context.lifespan_context)
        return "looked"

    async with wire(server) as client:
        await client.begin("look")
    assert seen == [value]


async def test_an_error_in_a_lifespan_is_not_wrapped_in_a_group() -> None:
    held = Extension().lifespan()
    with pytest.raises(LookupError):
        async with held(None):
            raise LookupError


async def test_connections_that_share_one_lifespan_value_end_apart() -> None:
    @asynccontextmanager
    async def mine(server: MCPServer[None]) -> AsyncGenerator[None]:
        yield None

    sym = Extension()
    server = serving(sym, mine)

    @server.tool(structured_output=False)
    async def waits(context: Context[Any]) -> str:
        return text(await peer(context).call_tool("a"))

    async with wire(server) as first:
        async with wire(server) as second:
            kept = await first.begin("waits")
            await second.begin("waits")
            assert sym.parked == 2
        assert sym.parked == 1
        assert (await first.go_on(kept, c1=told("kept")))["content"][0]["text"] == "kept"


async def test_a_handler_over_http_does_not_park_with_a_connection_that_may_end_before() -> None:
    sym = Extension()
    server = two_calls(sym)
    seen: list[list[int]] = []

    async def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
        seen.append([len(lot.runs) for lot in sym._lots])  # pyright: ignore[reportPrivateUsage]  # no caller can see it
        return await echo(method, params)

    async with wire(server) as first:
        await first.begin("plain")
        async with over_http(server, Performing(answer)) as second:
            await second.call_tool("two")
    assert seen == [[0, 1], [0, 1]]


async def test_a_low_level_server_is_served_after_install() -> None:
    async def call(context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        result = await peer(context).call_tool("a")
        return CallToolResult(content=[TextContent(type="text", text=f"got {text(result)}")])

    server = Server("low", on_call_tool=call)
    install(server)
    async with wire(server) as client:
        assert (await client.go_on(await client.begin("any"), c1=told("1")))["content"][0]["text"] == "got 1"


async def test_a_fastmcp_server_is_served_after_install() -> None:
    server = fastmcp.FastMCP("fast")

    @server.tool
    async def asks(context: fastmcp.Context) -> str:
        return text(await peer(context).call_tool("a"))

    assert asks
    install(server)
    async with wire(server) as client:
        last = await client.go_on(await client.begin("asks"), c1=told("1"))
        assert last["structuredContent"] == {"result": "1"}


async def test_the_capability_is_advertised() -> None:
    server = MCPServer("later", log_level="CRITICAL")
    install(server)
    async with wire(server) as client:
        assert IDENTIFIER in (await client.ask("server/discover", {}))["capabilities"]["extensions"]


def test_installing_twice_is_refused() -> None:
    server = MCPServer("once")
    install(server)
    with pytest.raises(ValueError, match="already"):
        install(server)


def test_installing_into_a_server_without_tools_is_refused() -> None:
    with pytest.raises(ValueError, match="tools/call"):
        install(Server("bare"))


def test_installing_into_something_else_is_refused() -> None:
    with pytest.raises(TypeError, match="not int"):
        install(7)


async def test_without_its_lifespan_the_extension_runs_tools_as_ever_and_gives_no_peer() -> None:
    server = MCPServer("half", extensions=[Extension()], log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def go(context: Context[Any]) -> str:
        with pytest.raises(NotSymmetric, match=r"symmetric\.Extension and its lifespan"):
            peer(context)
        return "ran"

    async with wire(server) as client:
        assert (await client.begin("go"))["content"][0]["text"] == "ran"


@pytest.mark.parametrize("installed", [True, False])
async def test_the_methods_of_legs_do_not_exist_in_the_handshake_era(installed: bool) -> None:
    sym = Extension()
    server = MCPServer("old", log_level="CRITICAL") if installed else serving(sym)
    if installed:
        install(server)
    async with handshake(server, {}) as client:
        assert (await client.refused(CONTINUE, {"continuation": "x"}))["code"] in {-32600, -32601}
        await client.raw({"jsonrpc": "2.0", "id": "c", "method": CANCEL, "params": {"continuation": "x"}})
        assert (await client.receive())["error"]["code"] == -32601
