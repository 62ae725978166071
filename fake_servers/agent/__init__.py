"""The agent server: gives a task and the client's tools to the client's model, and makes the calls that the model asks for.

See README.md beside this file. Pinned by `tests/fakes/test_agent.py`.
"""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolResult, TextContent
from pydantic import Field

from pytest_mcpsym.symmetric import Extension, peer

from ..server import FakeServer  # noqa: TID252 - the package is also loaded under an alias
from .loop import Call, Done, Loop, Plan

__all__ = ["agent"]

SYSTEM = "Carry out the user's task with the tools. Ask for the calls that it needs; when it is done, say the result."

Task = Annotated[str, Field(description="What to do, naming the tool: say 'hi' with the echo tool")]


def agent(*, name: str = "agent", max_steps: int = 10, system: str = SYSTEM) -> MCPServer:
    """Return an agent server: `run` a task, `plan` it, `execute` calls. It thinks with its client's model and acts with its client's tools.

    Args:
        name: The server's name.
        max_steps: Calls that one task may take.
        system: What the model is told first.
    """
    sym = Extension()
    server = FakeServer(
        name,
        version="1.0.0",
        log_level="WARNING",
        instructions="Carries out tasks with the client's model and the client's tools.",
        extensions=[sym],
        lifespan=sym.lifespan(),
    )

    def loop(context: Context) -> Loop:
        async def told(count: int, tool: str) -> None:
            await context.report_progress(count, max_steps, tool)

        return Loop(peer(context), system, max_steps, told)

    @server.tool()
    async def run(context: Context, task: Task) -> Annotated[CallToolResult, Done]:
        """Carry out a task with the client's tools, as the client's model says."""
        return _result(await loop(context).run(task))

    @server.tool()
    async def plan(context: Context, task: Task) -> Annotated[CallToolResult, Plan]:
        """Ask the client's model which calls a task begins with, and make none of them."""
        return _result(await loop(context).plan(task))

    @server.tool()
    async def execute(
        context: Context, calls: Annotated[list[Call], Field(description="The calls, as `plan` gives them", min_length=1)]
    ) -> Annotated[CallToolResult, Done]:
        """Make calls of the client's tools side by side, without asking its model."""
        return _result(await loop(context).execute(calls))

    return server


def _result(given: Done | Plan) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=given.text)],
        structured_content=given.model_dump(mode="json", exclude_none=True),
        is_error=isinstance(given, Done) and given.stopped is not None,
    )
