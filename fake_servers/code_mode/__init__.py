"""The code-mode server: runs a program that calls the tools which the client offers.

See README.md beside this file. Pinned by `tests/fakes/test_code_mode.py`.
"""

from __future__ import annotations

import json
from typing import Annotated

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, TextContent
from pydantic import Field

from pytest_mcpsym.symmetric import Extension, peer

from .program import ProgramError, functions, run_program

__all__ = ["ProgramError", "code_mode", "functions", "run_program"]


def code_mode() -> MCPServer:
    """Return a code-mode server with one tool, `run`."""
    sym = Extension()
    server = MCPServer(
        "code-mode",
        version="1.0.0",
        log_level="WARNING",
        instructions="Runs straight-line programs over the client's tools.",
        extensions=[sym],
        lifespan=sym.lifespan(),
    )

    @server.tool(structured_output=False)
    async def run(
        context: Context, program: Annotated[str, Field(description="Statements such as `x = everything__echo(message='hi')`")]
    ) -> str:
        """Run a program in which each granted tool is a function with keyword arguments; answers with its last value."""
        client = peer(context)
        granted = functions(tool.name for tool in await client.list_tools())

        async def call(name: str, arguments: dict[str, object]) -> object:
            result = await client.call_tool(granted[name], arguments)
            if result.is_error:
                raise ToolError(f"{granted[name]} failed: {_text(result)}")
            return _value(result)

        try:
            value = await run_program(program, granted, call)
        except ProgramError as error:
            raise ToolError(str(error)) from None
        return value if isinstance(value, str) else json.dumps(value)

    return server


def _value(result: CallToolResult) -> object:
    return result.structured_content if result.structured_content is not None else _text(result)


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))
