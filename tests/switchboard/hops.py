"""Two servers for what crosses every hop: one that meets, counts and sleeps, and one that has it do so. Run alone they speak stdio."""

from __future__ import annotations

import sys

import anyio
from mcp.server.mcpserver import Context, MCPServer

from pytest_mcpsym.symmetric import Extension, peer
from tests.switchboard.servers import text

__all__ = ["SERVERS", "first", "second"]


def first() -> MCPServer:
    """A server of the core alone."""
    server = MCPServer("first", log_level="CRITICAL")
    here = list[anyio.Event]()

    @server.tool(structured_output=False)
    async def meet(count: int) -> str:
        here.append(anyio.Event())
        if len(here) == count:
            for each in here:
                each.set()
        await here[-1].wait()
        return "met"

    @server.tool(structured_output=False)
    async def steps(context: Context) -> str:
        for step in range(3):
            await context.report_progress(step, 3)
        return "done"

    @server.tool(structured_output=False)
    async def sleep() -> str:
        await anyio.sleep_forever()
        return ""

    return server


def second() -> MCPServer:
    """A second-order server."""
    sym = Extension()
    server = MCPServer("second", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def together(context: Context, count: int) -> str:
        client, said = peer(context), list[str]()

        async def one() -> None:
            said.append(text(await client.call_tool("first__meet", {"count": count})))

        async with client.batch() as tasks:
            for _ in range(count):
                tasks.start_soon(one)
        return " ".join(said)

    @server.tool(structured_output=False)
    async def ask(context: Context, tool: str) -> str:
        client = peer(context)
        if not client.carries_progress:
            await context.report_progress(0, 1)
            return text(await client.call_tool(tool))
        return text(await client.call_tool(tool, progress=context.report_progress))

    return server


SERVERS = {"first": first, "second": second}

if __name__ == "__main__":
    SERVERS[sys.argv[1]]().run()
