"""The code-mode server runs programs over the tools that its client offers."""

from __future__ import annotations

import pytest
from mcp_types import TextContent

from fake_servers import code_mode, everything
from pytest_mcpsym import AsyncBoard, Switchboard

pytestmark = pytest.mark.anyio


async def run(board: AsyncBoard, program: str) -> tuple[bool, str]:
    result = await board.call("code__run", program=program)
    (block,) = result.content
    assert isinstance(block, TextContent)
    return result.is_error, block.text


async def test_each_granted_tool_is_a_function(switchboard: Switchboard) -> None:
    async with switchboard(code=code_mode(), everything=everything()) as board:
        assert await run(board, "everything__get_sum(a=1, b=2)") == (False, "The sum of 1 and 2 is 3.")
    assert board.routes == "host > code > everything"


async def test_results_flow_from_call_to_call(switchboard: Switchboard) -> None:
    async with switchboard(code=code_mode(), everything=everything()) as board:
        program = "text = everything__echo(message='hi')\neverything__echo(message=text)"
        assert await run(board, program) == (False, "Echo: Echo: hi")
    assert board.routes == "host > code > everything x2"


async def test_structured_content_is_the_value_where_there_is_some(switchboard: Switchboard) -> None:
    async with switchboard(code=code_mode(), everything=everything()) as board:
        assert await run(board, "everything__add(a=40, b=2)") == (False, '{"result": 42}')


async def test_a_program_that_is_refused_calls_nothing(switchboard: Switchboard) -> None:
    async with switchboard(code=code_mode(), everything=everything()) as board:
        failed, why = await run(board, "everything__echo(message='hi')\nopen(file='/etc/passwd')")
    assert failed
    assert "line 2: no tool 'open' is granted (granted: everything__add, " in why
    assert board.routes == "host > code"


async def test_a_tool_that_fails_ends_the_program(switchboard: Switchboard) -> None:
    async with switchboard(code=code_mode(), everything=everything()) as board:
        failed, why = await run(board, "everything__add(a='x', b=1)\neverything__echo(message='never')")
    assert failed
    assert "everything__add failed: " in why
    assert board.routes == "host > code > everything"
