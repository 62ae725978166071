"""`peer(ctx)` in each kind of server, and what a server is told where the client offers nothing."""

from __future__ import annotations

import json
from typing import cast

import anyio
import fastmcp
import pytest
from mcp import Client, MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, TextContent, Tool

from pytest_mcpsym import link
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.target import Transport
from pytest_mcpsym.symmetric import NotSymmetric, peer

pytestmark = pytest.mark.anyio


def text(result: CallToolResult) -> str:
    """The text of a result."""
    return cast("TextContent", result.content[0]).text


async def use(context: object) -> str:
    """List and call the client's tools; say how that was refused."""
    try:
        client = peer(context)
    except NotSymmetric as error:
        return f"{error.code} {error.message} {json.dumps(error.error.data)}"
    names = [tool.name for tool in await client.list_tools()]
    return f"{names} {text(await client.call_tool('demo__echo', {'text': 'hi'}))}"


def of_mcpserver() -> object:
    """An `MCPServer` that uses its client."""
    server = MCPServer("uses", log_level="WARNING")

    @server.tool(structured_output=False)
    async def go(context: Context) -> str:
        return await use(context)

    return server


def of_lowlevel() -> object:
    """A low-level `Server` that uses its client."""

    async def call(context: ServerRequestContext[object], params: CallToolRequestParams) -> CallToolResult:
        return CallToolResult(content=[TextContent(type="text", text=await use(context))])

    async def tools(context: object, params: object) -> ListToolsResult:
        return ListToolsResult(tools=[Tool(name="go", input_schema={"type": "object"})])

    return Server("uses", on_call_tool=call, on_list_tools=tools)


def of_fastmcp() -> object:
    """A FastMCP server that uses its client."""
    server = fastmcp.FastMCP("uses")

    @server.tool
    async def go(context: fastmcp.Context) -> str:
        return await use(context)

    assert go
    return server


def demo() -> Server:
    """A server to be called."""

    async def call(context: object, params: CallToolRequestParams) -> CallToolResult:
        return CallToolResult(content=[TextContent(type="text", text=str((params.arguments or {}).get("text")))])

    async def tools(context: object, params: object) -> ListToolsResult:
        return ListToolsResult(tools=[Tool(name="echo", input_schema={"type": "object"})])

    return Server("demo", on_call_tool=call, on_list_tools=tools)


every_server = pytest.mark.parametrize("make", [of_mcpserver, of_lowlevel, of_fastmcp])


@every_server
@pytest.mark.parametrize("transport", ["memory", "http", "sockets"])
async def test_a_handler_lists_and_calls_the_tools_of_its_client(
    switchboard: Switchboard, make: type[object], transport: Transport
) -> None:
    async with switchboard(uses=link(make(), transport=transport), demo=demo()) as board:
        assert text(await board.call("uses__go")) == "['demo__echo'] hi"
    assert board.routes == "host > uses > demo"


@every_server
async def test_a_modern_server_without_the_extension_says_what_it_lacks(switchboard: Switchboard, make: type[object]) -> None:
    async with switchboard(uses=link(make(), era="modern"), demo=demo()) as board:
        told = text(await board.call("uses__go"))
    assert told.startswith("-32021 in the modern era calls travel in legs of tools/call, on a server with symmetric.Extension")
    assert told.endswith('{"requiredCapabilities": {"extensions": {"dev.mcpsym/symmetric": {"tools": {}}}}}')


@pytest.mark.parametrize(("mode", "code"), [("legacy", -32602), ("auto", -32021)])
async def test_a_client_that_declares_nothing_is_not_symmetric(mode: str, code: int) -> None:
    async with Client(of_mcpserver(), mode=mode) as client:  # pyright: ignore[reportArgumentType] - parameters
        told = text(await client.call_tool("go"))
    assert told.startswith(f"{code} the client did not declare dev.mcpsym/symmetric: it offers no tools to servers")


@pytest.mark.parametrize("make", [of_mcpserver, of_fastmcp])
@pytest.mark.parametrize("transport", ["http", "sockets"])
@pytest.mark.parametrize(("stateless", "json_response"), [(True, False), (False, True), (True, True)])
async def test_http_without_sessions_or_streams_says_what_is_missing(
    switchboard: Switchboard, make: type[object], transport: Transport, stateless: bool, json_response: bool
) -> None:
    uses = link(make(), transport=transport, stateless=stateless, json_response=json_response)
    async with switchboard(uses=uses, demo=demo()) as board:
        told = text(await board.options(timeout=5).call("uses__go"))
    assert told.startswith("-32602 ")
    assert "mirrored requests need a two-way stream (over HTTP: sessions, and event streams as answers)" in told
    assert "requiredCapabilities" in told


async def test_a_mirrored_request_carries_the_id_of_the_request_being_handled(switchboard: Switchboard) -> None:
    async with switchboard(uses=of_mcpserver(), demo=demo()) as board:
        await board.call("uses__go")
    call = next(frame for frame in board.log.on("uses") if frame.message.method == "tools/call")
    asked = [f for f in board.log.on("uses") if f.direction == "to-client" and f.message.kind == "request"]
    assert [json.dumps(frame.message.meta["dev.mcpsym/cause"]) for frame in asked] == [call.message.id] * 2


async def test_a_refusal_of_the_client_is_an_mcp_error(switchboard: Switchboard) -> None:
    server = MCPServer("uses", log_level="WARNING")

    @server.tool(structured_output=False)
    async def go(context: Context) -> str:
        with pytest.raises(MCPError) as caught:
            await peer(context).call_tool("nobody__x")
        return str(caught.value.code)

    async with switchboard(uses=server) as board:
        assert text(await board.call("uses__go")) == "-32602"


async def test_a_call_may_have_a_time_limit_of_its_own(switchboard: Switchboard) -> None:
    async def never(context: object, params: CallToolRequestParams) -> CallToolResult:
        await anyio.sleep_forever()
        raise AssertionError

    server = MCPServer("uses", log_level="WARNING")

    @server.tool(structured_output=False)
    async def go(context: Context) -> str:
        with pytest.raises(MCPError) as caught:
            await peer(context).call_tool("slow__x", timeout=0.1)
        return caught.value.message

    async with switchboard(uses=server, slow=Server("slow", on_call_tool=never)) as board:
        assert "timed out" in text(await board.call("uses__go"))
    assert board.findings == ()


@pytest.mark.parametrize("wrong", [None, 5, object(), MCPServer("x")])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_is_no_request_context_is_a_type_error(wrong: object) -> None:
    with pytest.raises(TypeError, match=r"peer\(\) takes the context of the request being handled, not"):
        peer(wrong)
