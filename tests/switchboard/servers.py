"""Servers that say exactly what a test wants them to, byte for byte: over memory by a script, over stdio as a process."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import cast

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.message import SessionMessage
from mcp_types import CallToolResult, JSONRPCNotification, JSONRPCRequest, TextContent

from pytest_mcpsym.transport.memory import ServerReads, ServerWrites

__all__ = ["HangUp", "ScriptedServer", "Wire", "demo", "garble", "process", "text", "until"]


class Wire:
    """The server's end of a memory link, in bytes."""

    def __init__(self, reads: ServerReads, writes: ServerWrites) -> None:
        self._reads = reads
        self._writes = writes

    async def say(self, text: str | bytes) -> None:
        """Put one frame on the wire as it is."""
        await self._writes._link.write(text if isinstance(text, bytes) else text.encode())  # pyright: ignore[reportPrivateUsage] - the SDK's stream would model it anew

    async def answer(self, request: JSONRPCRequest, result: str) -> None:
        """Answer with the bytes of a result."""
        await self.say(f'{{"jsonrpc":"2.0","id":{json.dumps(request.id)},"result":{result}}}')

    async def hear(self) -> JSONRPCRequest | JSONRPCNotification:
        """Return the next message that the client starts; answers to the server are not expected here."""
        item = await self._reads.receive()
        assert isinstance(item, SessionMessage)
        return cast("JSONRPCRequest | JSONRPCNotification", item.message)

    async def hear_request(self, method: str) -> JSONRPCRequest:
        """Skip what comes until a request with that method."""
        while True:
            message = await self.hear()
            if isinstance(message, JSONRPCRequest) and message.method == method:
                return message


Play = Callable[[Wire], Awaitable[None]]


class HangUp(Exception):
    """A play raises it to end the connection."""


class ScriptedServer:
    """A server that is a script: after the handshake, or the discovery, `play` says what happens. Then it waits for the end."""

    name = "scripted"

    def __init__(self, play: Play, capabilities: str = '{"tools":{}}', *, modern: bool = False) -> None:
        self._play = play
        self._capabilities = capabilities
        self._modern = modern

    def create_initialization_options(self) -> object:
        """Nothing: the handshake is scripted."""
        return None

    async def run(self, reads: ServerReads, writes: ServerWrites, options: object) -> None:
        """Shake hands or be discovered, play, and wait until the input ends."""
        wire = Wire(reads, writes)
        if self._modern:
            request = await wire.hear_request("server/discover")
            await wire.answer(
                request,
                f'{{"supportedVersions":["2026-07-28"],"capabilities":{self._capabilities},"resultType":"complete",'
                '"ttlMs":0,"cacheScope":"private","serverInfo":{"name":"s","version":"1"}}',
            )
        else:
            await self._shake_hands(wire)
        try:
            await self._play(wire)
        except HangUp:
            return
        async for _ in reads:
            pass

    async def _shake_hands(self, wire: Wire) -> None:
        request = await wire.hear_request("initialize")
        await wire.answer(
            request,
            f'{{"protocolVersion":"2025-11-25","capabilities":{self._capabilities},"serverInfo":{{"name":"s","version":"1"}}}}',
        )
        await wire.hear()


HANDSHAKE = """
import json, os, signal, sys, time
def say(text): sys.stdout.buffer.write(text.encode() + b"\\n"); sys.stdout.buffer.flush()
def hear():
    line = sys.stdin.buffer.readline()
    if not line: sys.exit(0)
    return json.loads(line)
def answer(request, result): say('{"jsonrpc":"2.0","id":' + json.dumps(request["id"]) + ',"result":' + result + '}')
def shake():
    while (request := hear()).get("method") != "initialize":
        say('{"jsonrpc":"2.0","id":' + json.dumps(request["id"]) + ',"error":{"code":-32601,"message":"no"}}')
    answer(request, '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}')
    hear()
"""


def process(folder: Path, source: str, name: str = "server") -> str:
    """Write a stdio server and return its command. Its source may use `shake`, `hear`, `say` and `answer`."""
    path = folder / f"{name}.py"
    path.write_text(HANDSHAKE + source)
    return shlex.join([sys.executable, str(path)])


def demo() -> MCPServer:
    """A server with one tool of each kind that the tests need."""
    server = MCPServer("demo", log_level="WARNING")

    @server.tool()
    async def echo(text: str) -> str:
        return text

    @server.tool()
    async def keys(context: Context) -> str:
        meta = context.request_context.meta
        return ",".join(sorted(dict(cast("Mapping[str, object]", meta or {}))))

    @server.tool()
    async def steps(context: Context) -> str:
        for step in range(3):
            await context.report_progress(step, 3, f"step {step}")
        return "done"

    @server.tool()
    async def fail() -> str:
        raise ValueError("no luck")

    @server.tool()
    async def sleep() -> str:
        await anyio.sleep_forever()
        return ""

    return server


def text(result: CallToolResult) -> str:
    """The text of a result."""
    return "".join(block.text for block in result.content if isinstance(block, TextContent))


async def garble(wire: Wire) -> None:
    """A play: say something that is no message, then answer a call."""
    await wire.say("garbage")
    await wire.answer(await wire.hear_request("tools/call"), '{"content":[]}')


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Wait for something that the log will show."""
    with anyio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - the log tells nobody when it grows
            await anyio.sleep(0.005)
