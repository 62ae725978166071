"""The code-mode server: runs Python programs that call the tools which the client offers.

See README.md beside this file. Pinned by `tests/fakes/test_code_mode.py`.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolResult, TextContent, Tool
from pydantic import Field

from pytest_mcpsym.symmetric import Extension, Peer, peer

from ..data import MissingExtra  # noqa: TID252 - the package is also loaded under an alias
from .program import ProgramError, functions
from .stubs import stubs

if TYPE_CHECKING:
    from .sandbox import Answer, Call

__all__ = ["ProgramError", "code_mode", "functions"]


def code_mode(
    *, seed: int = 0, now: datetime | None = None, max_seconds: float = 5.0, max_memory: int = 64_000_000, max_calls: int = 100
) -> MCPServer:
    """Return a code-mode server with two tools: `run` a program, and `stubs`, which says what functions it may call.

    Args:
        seed: Seed of the programs' `random`; each program starts with it anew.
        now: The programs' clock, which stands still; the first moment of 2026 in UTC unless given.
        max_seconds: How long a program may run; waiting for a tool is not counted.
        max_memory: Bytes that a program may use.
        max_calls: Calls that a program may make.

    Raises:
        MissingExtra: The extra `fakes` is not installed.
    """
    try:
        from .sandbox import NOW, Finished, Interpreter, Limits, Sandbox
    except ModuleNotFoundError as error:
        if error.name != "pydantic_monty":
            raise
        raise MissingExtra("the fake 'code_mode' needs Monty: pip install 'pytest-mcpsym[fakes]'") from None
    limits = Limits(max_seconds, max_memory, max_calls)
    clock = now or NOW
    sym = Extension()
    server = MCPServer(
        "code-mode",
        version="1.0.0",
        log_level="WARNING",
        instructions="Runs Python programs over the client's tools.",
        extensions=[sym],
        lifespan=sym.lifespan(),
    )

    @server.tool(structured_output=False)
    async def run(
        context: Context, program: Annotated[str, Field(description="Python, for example `everything__echo(message='hi')`")]
    ) -> CallToolResult:
        """Run a program in which each granted tool is a function with keyword arguments; answers with its last value."""
        client = peer(context)
        granted = await _granted(client)
        interpreter = Interpreter(granted, stubs(granted, waiting=True), limits, seed=seed, now=clock)
        try:
            async with Sandbox(interpreter) as sandbox:
                step = await sandbox.turn(lambda: interpreter.start(program))
                while not isinstance(step, Finished):
                    answers = await _call(client, granted, step.calls)
                    step = await sandbox.turn(lambda answers=answers: interpreter.answer(answers))
        except ProgramError as error:
            return _failed(error, interpreter.printed)
        return _finished(step.value, interpreter.printed)

    @server.tool(name="stubs", structured_output=False)
    async def declared(context: Context) -> str:
        """Return the declarations of the functions that a program may call, as Python."""
        return stubs(await _granted(peer(context)))

    return server


def _finished(value: object, printed: str) -> CallToolResult:
    text = value if isinstance(value, str) else json.dumps(value)
    content = TextContent(type="text", text=text)
    return CallToolResult(content=[content], structured_content={"value": value, "printed": printed})


def _failed(error: ProgramError, printed: str) -> CallToolResult:
    content = TextContent(type="text", text=str(error))
    return CallToolResult(content=[content], structured_content={"printed": printed}, is_error=True)


async def _granted(client: Peer) -> dict[str, Tool]:
    tools = {tool.name: tool for tool in await client.list_tools()}
    return {name: tools[tool] for name, tool in functions(tools).items()}


async def _call(client: Peer, granted: dict[str, Tool], calls: dict[int, Call]) -> dict[int, Answer]:
    """Make calls side by side, in one leg."""
    from .sandbox import Answer

    answers: dict[int, Answer] = {}

    async def one(number: int, call: Call) -> None:
        tool = granted[call.function].name
        result = await client.call_tool(tool, call.arguments)
        answers[number] = Answer(failure=f"{tool} failed: {_text(result)}") if result.is_error else Answer(value=_value(result))

    async with client.batch() as group:
        for number, call in calls.items():
            group.start_soon(one, number, call)
    return answers


def _value(result: CallToolResult) -> object:
    return result.structured_content if result.structured_content is not None else _text(result)


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))
