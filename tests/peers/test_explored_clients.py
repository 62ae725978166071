"""Random servers against clients nobody here wrote: the SDK's, FastMCP's and the TypeScript SDK's stand them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Literal, TypeVar, cast

import anyio
import pytest
from fastmcp import Client as FastClient
from fastmcp.client.transports import StdioTransport
from fastmcp.exceptions import ToolError
from mcp import Client, MCPError
from mcp.client import ClientRequestContext
from mcp_types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestParams,
    ElicitResult,
    ListRootsResult,
    TextContent,
)

from pytest_mcpsym.explore import explore_client
from tests.peers.provision import typescript_peer

Era = Literal["handshake", "modern"]
T = TypeVar("T")

# The SDK leaves event streams to the garbage collector, which warns of each.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")

ARGUMENTS = {"text": "x", "a": 1, "b": 2}


async def roots(context: ClientRequestContext) -> ListRootsResult:
    del context
    return ListRootsResult(roots=[])


async def sampled(context: ClientRequestContext, params: CreateMessageRequestParams) -> CreateMessageResult:
    del context, params
    return CreateMessageResult(role="assistant", content=TextContent(type="text", text="x"), model="m")


async def declined(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    del context, params
    return ElicitResult(action="decline")


async def allowed(call: Awaitable[T]) -> T | None:
    """Take a refusal as an answer."""
    try:
        return await call
    except (MCPError, ToolError):
        return None


def sdk(era: Era) -> Any:
    async def client(server: Any) -> None:
        async with Client(
            server,
            mode="legacy" if era == "handshake" else "auto",
            list_roots_callback=roots,
            sampling_callback=sampled,
            elicitation_callback=declined,
        ) as made:
            page = await allowed(made.list_tools())
            names = [tool.name for tool in page.tools] if page else []
            while page and page.next_cursor is not None:
                page = await allowed(made.list_tools(cursor=page.next_cursor))
                names += [tool.name for tool in page.tools] if page else []
            async with anyio.create_task_group() as tasks:
                for name in names[:3]:
                    tasks.start_soon(lambda name=name: allowed(made.call_tool(name, ARGUMENTS, progress_callback=ignored)))
            await allowed(made.read_resource("demo://one"))
            await allowed(made.get_prompt("greet", {"who": "x"}))
            with anyio.move_on_after(0.01):
                await allowed(made.call_tool("echo", ARGUMENTS))

    return client


async def ignored(progress: float, total: float | None, message: str | None) -> None:
    del progress, total, message


def fast(era: Era) -> Any:
    async def client(server: Any) -> None:
        given = server
        if isinstance(server, list):
            command, *rest = cast("list[str]", server)
            given = StdioTransport(command, rest, keep_alive=False)
        made = cast("Any", FastClient(given, mode="legacy" if era == "handshake" else "auto", roots=[]))
        async with made:
            for tool in cast("list[Any]", await allowed(made.list_tools()) or []):
                await allowed(made.call_tool(tool.name, ARGUMENTS))
            for resource in cast("list[Any]", await allowed(made.list_resources()) or []):
                await allowed(made.read_resource(resource.uri))

    return client


@pytest.mark.parametrize("transport", ["memory", "http"])
@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_the_sdks_client_stands_random_servers(era: Era, transport: Literal["memory", "http"]) -> None:
    explore_client(sdk(era), era=era, transport=transport, examples=12)


@pytest.mark.parametrize("transport", ["stdio", "http"])
@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_fastmcps_client_stands_random_servers(era: Era, transport: Literal["stdio", "http"]) -> None:
    explore_client(fast(era), era=era, transport=transport, examples=6)


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_the_typescript_sdks_client_stands_random_servers(transport: Literal["stdio", "http"]) -> None:
    explore_client(typescript_peer("explored.mjs"), transport=transport, examples=4)
