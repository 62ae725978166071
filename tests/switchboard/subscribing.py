"""The owner of two notes in either era, and a server that watches notes. Run alone they speak stdio."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import anyio
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resources import TextResource
from mcp.server.stdio import stdio_server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    EmptyResult,
    ListResourcesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    Tool,
    UnsubscribeRequestParams,
)

from pytest_mcpsym.switchboard.target import Era
from pytest_mcpsym.symmetric import Extension, peer

__all__ = ["NOTE", "OTHER", "board_of_handshake", "board_of_modern", "owner", "watcher"]

NOTE, OTHER = "note://one", "note://two"
_Ctx = ServerRequestContext[Any, Any]


def board_of_handshake() -> Server[Any]:
    """The owner of two notes, in the handshake era: the SDK's high-level server serves no subscriptions there."""
    subscribed: dict[str, _Ctx] = {}

    async def tools(ctx: _Ctx, params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[Tool(name=name, input_schema={"type": "object"}) for name in ("touch", "die")])

    async def touch(ctx: _Ctx, params: CallToolRequestParams) -> CallToolResult:
        if params.name == "die":
            os._exit(3)
        uri = str((params.arguments or {})["uri"])
        for each, holder in list(subscribed.items()):
            if uri == each or uri.startswith(f"{each}/"):
                await holder.session.send_resource_updated(uri)
        return CallToolResult(content=[TextContent(type="text", text="touched")])

    async def resources(ctx: _Ctx, params: PaginatedRequestParams | None) -> ListResourcesResult:
        return ListResourcesResult(resources=[Resource(uri=uri, name=uri) for uri in (NOTE, OTHER)])

    async def read(ctx: _Ctx, params: ReadResourceRequestParams) -> ReadResourceResult:
        return ReadResourceResult(contents=[TextResourceContents(uri=params.uri, text="")])

    async def subscribe(ctx: _Ctx, params: SubscribeRequestParams) -> EmptyResult:
        if "forbidden" in params.uri:
            raise MCPError(-32002, "no such note", {"uri": params.uri})
        subscribed[params.uri] = ctx
        return EmptyResult()

    async def unsubscribe(ctx: _Ctx, params: UnsubscribeRequestParams) -> EmptyResult:
        subscribed.pop(params.uri, None)
        return EmptyResult()

    return Server(
        "board",
        on_list_tools=tools,
        on_call_tool=touch,
        on_list_resources=resources,
        on_read_resource=read,
        on_subscribe_resource=subscribe,
        on_unsubscribe_resource=unsubscribe,
    )


def board_of_modern() -> MCPServer:
    """The same in the modern era."""
    server = MCPServer("board", log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def touch(context: Context, uri: str) -> str:
        await context.notify_resource_updated(uri)
        return "touched"

    @server.tool()
    def die() -> None:
        os._exit(3)

    for uri in (NOTE, OTHER):
        server.add_resource(TextResource(uri=uri, name=uri, text=""))
    return server


def owner(era: Era) -> Server[Any] | MCPServer:
    return board_of_handshake() if era == "handshake" else board_of_modern()


def watcher() -> MCPServer:
    """A server that watches notes, in the ways that the tests need."""
    sym = Extension()
    server = MCPServer("watcher", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def watch(context: Context, uris: list[str], touched: list[str]) -> str:
        client, seen = peer(context), list[str]()
        async with client.subscribe(*uris) as updates:
            for uri in touched:
                await client.call_tool("board__touch", {"uri": uri})
            async for uri in updates:
                seen.append(uri)
                if len(seen) == len(uris):
                    return " ".join(seen)
        return ""

    @server.tool(structured_output=False)
    async def wait(context: Context, uri: str) -> str:
        async with peer(context).subscribe(uri) as updates:
            return await anext(updates)

    @server.tool(structured_output=False)
    async def leave(context: Context, uri: str) -> str:
        async with peer(context).subscribe(uri):
            pass
        return "left"

    @server.tool(structured_output=False)
    async def idle(context: Context, uri: str) -> str:
        carrier = peer(context)._carrier  # pyright: ignore[reportPrivateUsage] - the API never forgets to unsubscribe
        await carrier.ask("resources/subscribe", {"uri": uri}, None, None)
        return "ended without a word"

    @server.tool(structured_output=False)
    async def refused(context: Context, uri: str) -> str:
        try:
            async with peer(context).subscribe(uri):
                return "subscribed"
        except MCPError as error:
            return f"{error.code} {error.message} {json.dumps(error.error.data)}"

    return server


async def _owner_over_stdio() -> None:
    server = board_of_handshake()
    async with stdio_server() as (reads, writes):
        await server.run(reads, writes, server.create_initialization_options())


if __name__ == "__main__":
    match sys.argv[1]:
        case "handshake":
            anyio.run(_owner_over_stdio)
        case "modern":
            board_of_modern().run()
        case _:
            watcher().run()
