"""The agent server: takes a task, looks at the tools that the client offers, and calls what the task needs.

See README.md beside this file. Pinned by `tests/fakes/test_agent.py`.
"""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import TextContent
from pydantic import Field

from pytest_mcpsym.switchboard.planner import NoPlan, plan
from pytest_mcpsym.symmetric import Extension, peer

__all__ = ["agent"]


def agent() -> MCPServer:
    """Return an agent server with one tool, `run`. It plans by fixed rules, so the same task and tools give the same calls."""
    sym = Extension()
    server = MCPServer(
        "agent",
        version="1.0.0",
        log_level="WARNING",
        instructions="Carries out small tasks with the client's tools.",
        extensions=[sym],
        lifespan=sym.lifespan(),
    )

    @server.tool(structured_output=False)
    async def run(
        context: Context, task: Annotated[str, Field(description="What to do, naming the tool: say 'hi' with the echo tool")]
    ) -> str:
        """Carry out a task with one of the client's tools, through a code-mode server where there is one."""
        client = peer(context)
        try:
            step = plan(task, await client.list_tools())
        except NoPlan as error:
            raise ToolError(str(error)) from None
        result = await client.call_tool(step.tool, step.arguments)
        text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
        if result.is_error:
            raise ToolError(f"{step.tool} failed: {text}")
        return text

    return server
