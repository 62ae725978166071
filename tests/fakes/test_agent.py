"""The agent server carries a task out with the tools that its client offers."""

from __future__ import annotations

import pytest
from mcp import Client, MCPError
from mcp_types import CallToolResult, TextContent

from fake_servers import agent, code_mode, everything
from pytest_mcpsym import Switchboard, link
from pytest_mcpsym.switchboard.target import Era, Transport

pytestmark = pytest.mark.anyio

TASK = "say hello with the echo tool"


def said(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


@pytest.mark.parametrize("era", ["handshake", "modern"])
@pytest.mark.parametrize("transport", ["memory", "http"])
async def test_it_calls_the_tool_itself_where_nothing_runs_programs(
    switchboard: Switchboard, transport: Transport, era: Era
) -> None:
    async with switchboard(agent=link(agent(), transport=transport), everything=everything(), era=era) as board:
        assert said(await board.call("agent__run", task=TASK)) == "Echo: hello"
    assert board.routes == "host > agent > everything"


@pytest.mark.parametrize("era", ["handshake", "modern"])
@pytest.mark.parametrize("transport", ["memory", "http"])
async def test_it_goes_through_code_mode_where_there_is_one(switchboard: Switchboard, transport: Transport, era: Era) -> None:
    async with switchboard(
        agent=link(agent(), transport=transport), code=link(code_mode(), transport=transport), everything=everything(), era=era
    ) as board:
        assert said(await board.call("agent__run", task=TASK)) == "Echo: hello"
    assert board.routes == "host > agent > code > everything"


async def test_it_reaches_a_modern_server_through_the_board(switchboard: Switchboard) -> None:
    async with switchboard(agent=agent(), everything=everything(), era={"everything": "modern"}) as board:
        assert said(await board.call("agent__run", task="get the sum of 1 and 2")) == "The sum of 1 and 2 is 3."


async def test_a_task_without_a_tool_is_an_error_result(switchboard: Switchboard) -> None:
    async with switchboard(agent=agent(), everything=everything()) as board:
        result = await board.call("agent__run", task="dance")
    assert result.is_error
    assert "no tool for 'dance'; say which one to use: everything__echo, " in said(result)


async def test_a_tool_that_fails_is_an_error_result_that_names_it(switchboard: Switchboard) -> None:
    async with switchboard(agent=agent(), everything=everything()) as board:
        result = await board.call("agent__run", task="add 1")
    assert result.is_error
    assert "everything__add failed: " in said(result)


async def test_a_client_without_the_extension_is_told_so() -> None:
    async with Client(agent(), mode="legacy") as client:
        with pytest.raises(MCPError, match=r"did not declare dev\.mcpsym/symmetric"):
            await client.call_tool("run", {"task": TASK})


async def test_a_modern_client_without_the_extension_is_told_so() -> None:
    async with Client(agent(), mode="2026-07-28") as client:
        with pytest.raises(MCPError) as refusal:
            await client.call_tool("run", {"task": TASK})
    assert refusal.value.code == -32021
