"""A client that performs legs, in two forms: the SDK's own `Client` with a claim, and raw frames over a memory link."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal, cast

import anyio
import httpx2
from mcp import Client, MCPError
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.client.streamable_http import streamable_http_client
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.memory import create_client_server_memory_streams
from mcp_types import CallToolResult, ElicitResult, Request, RequestParams, Result, TextContent
from pydantic import ConfigDict

from pytest_mcpsym.symmetric import Extension, peer
from pytest_mcpsym.symmetric.names import CALLS, CONTINUE, FULL_CAPABILITY, IDENTIFIER
from pytest_mcpsym.symmetric.sdk import low_level
from pytest_mcpsym.transport.memory import open_memory
from pytest_mcpsym.transport.tap import Channel, Tap
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog

Answer = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""What the client offers: `(method, params)` to a result."""

ENVELOPE: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {"extensions": {IDENTIFIER: FULL_CAPABILITY}},
}


class Calls(Result):
    """A leg, as the claim sees it."""

    result_type: Literal["dev.mcpsym/calls"] = CALLS
    calls: dict[str, Any]
    continuation: str


class ContinueParams(RequestParams):
    """Of `dev.mcpsym/continue`."""

    continuation: str
    responses: dict[str, Any]


class Continue(Request[ContinueParams, Literal["dev.mcpsym/continue"]]):
    """The request that begins the next leg."""

    method: Literal["dev.mcpsym/continue"] = CONTINUE
    params: ContinueParams


class Anything(Result):
    """Any result, untouched."""

    model_config = ConfigDict(extra="allow")


class Performing(ClientExtension):
    """Performs the calls of each leg, all at once, and keeps what it was asked."""

    identifier = IDENTIFIER

    def __init__(
        self, answer: Answer, *, declared: Mapping[str, object] = FULL_CAPABILITY, progress: ProgressFnT | None = None
    ) -> None:
        self.legs: list[list[dict[str, Any]]] = []
        self._answer = answer
        self._declared = declared
        self._progress = progress

    def settings(self) -> dict[str, Any]:
        return dict(self._declared)

    def claims(self) -> list[ResultClaim[Any]]:
        return [ResultClaim(result_type=CALLS, model=Calls, resolve=self._resolve)]

    async def _resolve(self, claimed: Calls, context: ClaimContext) -> CallToolResult:
        leg = claimed
        while True:
            self.legs.append(list(leg.calls.values()))
            responses: dict[str, Any] = {}
            async with anyio.create_task_group() as tasks:
                for key, call in leg.calls.items():
                    tasks.start_soon(self._perform, responses, key, call)
            request = Continue(params=ContinueParams(continuation=leg.continuation, responses=responses))
            result = await context.session.send_request(request, Anything, progress_callback=self._progress)
            wire = result.model_dump(by_alias=True)
            if wire.get("resultType") != CALLS:
                return CallToolResult.model_validate(wire, by_name=False)
            leg = Calls.model_validate(wire, by_name=False)

    async def _perform(self, responses: dict[str, Any], key: str, call: dict[str, Any]) -> None:
        try:
            responses[key] = {"result": await self._answer(call["method"], call["params"])}
        except MCPError as error:
            responses[key] = {"error": error.error.model_dump(exclude_none=True)}


async def echo(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Answer a tool call with its arguments as JSON text."""
    return {"content": [{"type": "text", "text": json.dumps(params["arguments"])}]}


@asynccontextmanager
async def _streams(server: Server[Any]) -> AsyncGenerator[Any]:
    async with create_client_server_memory_streams() as (client, served), anyio.create_task_group() as tasks:
        tasks.start_soon(server.run, *served, server.create_initialization_options())
        yield client
        tasks.cancel_scope.cancel()


async def _confirmed(context: object, params: object) -> ElicitResult:
    return ElicitResult(action="accept", content={"ok": True})


def over_memory(server: object, extension: ClientExtension) -> Client:
    """The SDK's client on memory streams."""
    streams = cast("AbstractAsyncContextManager[Any]", _streams(low_level(server)))
    return Client(streams, extensions=[extension], mode="2026-07-28", elicitation_callback=_confirmed, cache=None)


@asynccontextmanager
async def over_http(server: MCPServer[Any], extension: ClientExtension) -> AsyncGenerator[Client]:
    """The SDK's client on stateless HTTP inside the process."""
    app = server.streamable_http_app(stateless_http=True)
    async with server.session_manager.run():
        transport = httpx2.ASGITransport(cast("Any", app))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
            streams = streamable_http_client("http://127.0.0.1:8000/mcp", http_client=http)
            async with Client(streams, extensions=[extension], mode="2026-07-28", cache=None) as client:
                yield client


class Wire:
    """Raw frames to and from one server."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._sent = 0
        self.declared: dict[str, Any] = ENVELOPE["io.modelcontextprotocol/clientCapabilities"]

    async def send(self, method: str, params: dict[str, Any], **envelope: object) -> int:
        """Send a request and return its id; `envelope` is added to the modern `_meta`."""
        self._sent += 1
        meta = {**ENVELOPE, "io.modelcontextprotocol/clientCapabilities": self.declared, **envelope}
        frame = {"jsonrpc": "2.0", "id": self._sent, "method": method, "params": {**params, "_meta": meta}}
        await self.raw(frame)
        return self._sent

    async def raw(self, frame: dict[str, Any]) -> None:
        """Send a frame."""
        await self._channel.send(json.dumps(frame).encode())

    async def notify(self, method: str, params: dict[str, Any]) -> None:
        """Send a notification."""
        await self.raw({"jsonrpc": "2.0", "method": method, "params": params})

    async def receive(self) -> dict[str, Any]:
        """Return the next frame."""
        with anyio.fail_after(10):
            frame = await self._channel.receive()
        assert isinstance(frame, Frame)
        return cast("dict[str, Any]", json.loads(frame.data))

    async def ask(self, method: str, params: dict[str, Any], **envelope: object) -> dict[str, Any]:
        """Send a request and return its result; fails on any other frame."""
        sent = await self.send(method, params, **envelope)
        frame = await self.receive()
        assert frame["id"] == sent, frame
        assert "result" in frame, frame
        frame["result"].pop("_meta", None)
        return cast("dict[str, Any]", frame["result"])

    async def refused(self, method: str, params: dict[str, Any], **envelope: object) -> dict[str, Any]:
        """Send a request and return its error."""
        sent = await self.send(method, params, **envelope)
        frame = await self.receive()
        assert frame["id"] == sent, frame
        return cast("dict[str, Any]", frame["error"])

    async def begin(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool and return the end of the first leg."""
        return await self.ask("tools/call", {"name": tool, "arguments": arguments})

    async def go_on(self, leg: Mapping[str, Any], **answers: object) -> dict[str, Any]:
        """Continue with results and return the end of the next leg."""
        responses = {key: {"result": answer} for key, answer in answers.items()}
        return await self.ask(CONTINUE, {"continuation": leg["continuation"], "responses": responses})


@asynccontextmanager
async def wire(server: object) -> AsyncGenerator[Wire]:
    """Open a raw connection to a server."""
    async with open_memory(low_level(server), Tap(WireLog(), "server")) as channel:
        yield Wire(channel)


@asynccontextmanager
async def handshake(server: object, capabilities: dict[str, Any]) -> AsyncGenerator[Wire]:
    """Open a raw connection to a server in the handshake era."""
    async with wire(server) as client:
        params = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": {"name": "t", "version": "1"}}
        await client.raw({"jsonrpc": "2.0", "id": "init", "method": "initialize", "params": params})
        assert (await client.receive())["id"] == "init"
        await client.notify("notifications/initialized", {})
        yield client


def told(text: str) -> dict[str, Any]:
    """A tool result as the client sends it."""
    return {"content": [{"type": "text", "text": text}]}


def text(result: CallToolResult) -> str:
    """The text of a tool result."""
    return "".join(block.text for block in result.content if isinstance(block, TextContent))


def serving(sym: Extension, lifespan: Any = None) -> MCPServer[Any]:
    """A server with the extension and no tools."""
    return MCPServer("parked", extensions=[sym], lifespan=sym.lifespan(lifespan), log_level="CRITICAL")


def two_calls(sym: Extension) -> MCPServer[Any]:
    """A server whose tool makes two calls, one after the other."""
    server = serving(sym)

    @server.tool(structured_output=False)
    async def two(context: Context[Any]) -> str:
        client = peer(context)
        first = await client.call_tool("a__b", {"i": 1, "nothing": None})
        second = await client.call_tool("a__b", {"i": 2})
        return f"{text(first)} {text(second)}"

    @server.tool(structured_output=False)
    async def plain() -> str:
        return "plain"

    return server
