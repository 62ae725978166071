"""The code-mode server runs programs over the tools that its client offers."""

from __future__ import annotations

import sys

import pytest
from mcp_types import TextContent

from fake_servers import code_mode, everything
from pytest_mcpsym import AsyncBoard, Switchboard, link
from pytest_mcpsym.switchboard.target import Era, Transport

pytestmark = pytest.mark.anyio


async def run(board: AsyncBoard, program: str) -> tuple[bool, str]:
    result = await board.call("code__run", program=program)
    (block,) = result.content
    assert isinstance(block, TextContent)
    return result.is_error, block.text


@pytest.mark.parametrize("era", ["handshake", "modern"])
@pytest.mark.parametrize("transport", ["memory", "stdio", "http"])
async def test_each_granted_tool_is_a_function(switchboard: Switchboard, era: Era, transport: Transport) -> None:
    target: object = (
        f"{sys.executable} -m fake_servers.code_mode" if transport == "stdio" else link(code_mode(), transport=transport)
    )
    async with switchboard(code=target, everything=everything(), era=era) as board:
        assert await run(board, "everything__get_sum(a=1, b=2)") == (False, "The sum of 1 and 2 is 3.")
    assert board.routes == "host > code > everything"


async def test_results_flow_from_call_to_call(switchboard: Switchboard) -> None:
    async with switchboard(code=code_mode(), everything=everything()) as board:
        program = "text = everything__echo(message='hi')\nawait everything__echo(message=text.upper())"
        assert await run(board, program) == (False, "Echo: ECHO: HI")
    assert board.routes == "host > code > everything x2"


async def test_structured_content_is_the_value_where_there_is_some(switchboard: Switchboard) -> None:
    async with switchboard(code=code_mode(), everything=everything()) as board:
        assert await run(board, "everything__add(a=40, b=2)") == (False, '{"result": 42}')
        assert await run(board, "everything__add(a=40, b=2)['result'] + 1") == (False, "43")


async def test_a_program_that_is_refused_calls_nothing(switchboard: Switchboard) -> None:
    async with switchboard(code=code_mode(), everything=everything()) as board:
        failed, why = await run(board, "everything__echo(message='hi')\nopen('/etc/passwd')")
    assert failed
    assert "line 2: Name `open` used when not defined (granted: everything__add, " in why
    assert board.routes == "host > code"


FAILS = "everything__add(a=json.loads('[]'), b=1)"
"""The type checker cannot tell what is added to 1; the server can."""


async def test_a_tool_that_fails_ends_the_program(switchboard: Switchboard) -> None:
    async with switchboard(code=code_mode(), everything=everything()) as board:
        failed, why = await run(board, f"import json\n{FAILS}\neverything__echo(message='never')")
    assert failed
    assert "line 2: RuntimeError: everything__add failed: " in why
    assert board.routes == "host > code > everything"


async def test_a_program_may_catch_the_failure_of_a_tool(switchboard: Switchboard) -> None:
    async with switchboard(code=code_mode(), everything=everything()) as board:
        program = f"import json\ntry:\n    {FAILS}\nexcept RuntimeError:\n    x = everything__echo(message='caught')\nx"
        assert await run(board, program) == (False, "Echo: caught")
    assert board.routes == "host > code > everything x2"
