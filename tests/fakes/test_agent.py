"""The agent server carries a task out with the tools that its client offers."""

from __future__ import annotations

import anyio
import pytest
from mcp import Client, MCPError
from mcp.server.mcpserver import MCPServer
from mcp_types import CallToolResult, CreateMessageResultWithTools, TextContent, ToolResultContent, ToolUseContent

from fake_servers import agent, code_mode, everything
from pytest_mcpsym import Switchboard, link
from pytest_mcpsym.switchboard.target import Era, Transport
from pytest_mcpsym.symmetric import Usage

pytestmark = pytest.mark.anyio
both_eras = pytest.mark.parametrize("era", ["handshake", "modern"])

TASK = "say hello with the echo tool"


def said(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


def pair() -> MCPServer:
    """A server whose tool answers once two calls of it are there."""
    server = MCPServer("pair", log_level="WARNING")
    there: list[anyio.Event] = []

    @server.tool(structured_output=False)
    async def meet() -> str:
        there.append(anyio.Event())
        if len(there) == 2:
            for each in there:
                each.set()
        await there[-1].wait()
        return "met"

    return server


@both_eras
@pytest.mark.parametrize("transport", ["memory", "http"])
async def test_it_calls_the_tool_itself_where_nothing_runs_programs(
    switchboard: Switchboard, transport: Transport, era: Era
) -> None:
    async with switchboard(agent=link(agent(), transport=transport), everything=everything(), era=era) as board:
        assert said(await board.call("agent__run", task=TASK)) == "Echo: hello"
    assert board.routes == "host > agent > everything"


@both_eras
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


@both_eras
async def test_it_makes_the_calls_that_the_model_asks_for_and_tells_them_as_steps(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(agent=agent(), everything=everything(), era=era) as board:
        board.model.when("greet and count").calls("everything__echo", {"message": "hi"}).calls(
            "everything__get-sum", {"a": 1, "b": 2}
        )
        board.model.when("Echo: hi").reply("greeted and counted")
        result = await board.call("agent__run", task="greet and count")
    assert result.structured_content == {
        "text": "greeted and counted",
        "steps": [
            {"tool": "everything__echo", "arguments": {"message": "hi"}, "result": "Echo: hi"},
            {"tool": "everything__get-sum", "arguments": {"a": 1, "b": 2}, "result": "The sum of 1 and 2 is 3."},
        ],
    }
    assert board.routes == "host > agent > everything x2"


@both_eras
async def test_calls_of_one_turn_are_made_side_by_side(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(agent=agent(), pair=pair(), era=era) as board:
        board.model.when("meet").calls("pair__meet").calls("pair__meet")
        board.model.when("met").reply("they met")
        with anyio.fail_after(30):
            assert said(await board.call("agent__run", task="meet")) == "they met"


async def test_the_model_is_told_the_results_and_the_tools_again(switchboard: Switchboard) -> None:
    async with switchboard(agent=agent(system="Be terse."), everything=everything()) as board:
        await board.call("agent__run", task="say hello with the echo tool")
        first, second = board.model.requests
    assert (first.text, second.text) == (TASK, "Echo: hello")
    assert (first.system, second.system) == ("Be terse.", "Be terse.")
    assert "everything__echo" in first.tools
    assert first.tools == second.tools
    assert [message.role for message in second.params.messages] == ["user", "assistant", "user"]


@both_eras
async def test_a_tool_that_fails_or_is_refused_goes_back_to_the_model(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(agent=agent(), everything=everything(), era=era) as board:
        board.model.when("try").calls("everything__get-sum", {"a": 1}).calls("nobody__here")
        board.model.when("unknown tool 'nobody__here'").reply("neither works")
        result = await board.call("agent__run", task="try")
        (block, other) = board.model.requests[-1].params.messages[-1].content_as_list
    assert said(result) == "neither works"
    assert not result.is_error
    assert isinstance(block, ToolResultContent)
    assert isinstance(other, ToolResultContent)
    assert (block.is_error, other.is_error) == (True, True)
    assert str(result.structured_content).count("'error': ") == 2


async def test_a_task_that_the_model_has_no_answer_to_is_an_error_result(switchboard: Switchboard) -> None:
    async with switchboard(agent=agent(), everything=everything()) as board:
        result = await board.call("agent__run", task="dance")
    assert result.is_error
    assert "the model gave no answer: no tool for 'dance'; say which one to use: everything__echo, " in said(result)


@both_eras
async def test_a_model_that_never_ends_is_stopped_by_the_budget(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(agent=agent(max_steps=3), everything=everything(), era=era) as board:
        board.model.when().calls("everything__echo", {"message": "again"})
        result = await board.call("agent__run", task="go on")
    assert result.is_error
    assert "the budget of 3 calls is spent: made everything__echo, everything__echo, everything__echo; asked for " in said(
        result
    )
    assert board.routes == "host > agent > everything x3"


AGAIN = {"tool": "everything__echo", "arguments": {"message": "again"}, "result": "Echo: again"}


@both_eras
@pytest.mark.parametrize(
    ("limit", "steps"),
    [
        pytest.param("calls", 2, marks=pytest.mark.mcp(max_calls=2)),
        pytest.param("hops", 0, marks=pytest.mark.mcp(max_hops=1)),
        pytest.param("tokens", 1, marks=pytest.mark.mcp(max_tokens=100)),
        pytest.param("costUsd", 1, marks=pytest.mark.mcp(max_cost_usd=0.5)),
    ],
)
async def test_it_stops_within_what_its_client_says_may_be_spent_and_says_so(
    switchboard: Switchboard, era: Era, limit: str, steps: int
) -> None:
    async with switchboard(agent=agent(), everything=everything(), era=era) as board:
        use = ToolUseContent(type="tool_use", id="1", name="everything__echo", input={"message": "again"})
        spent = Usage(60, 0.25).meta()
        message = CreateMessageResultWithTools(role="assistant", content=[use], model="m", stop_reason="toolUse", _meta=spent)
        board.model.script(*[message] * 3)
        result = await board.call("agent__run", task="go on")
    note = {"limit": limit, "left": 0, "made": ["everything__echo"] * steps, "wanted": ["everything__echo"]}
    assert result.structured_content == {"text": said(result), "steps": [AGAIN] * steps, "stopped": note}
    assert result.is_error
    assert "stopped within the client's budget" in said(result)
    refused = [frame for frame in board.log.frames if b'"reason":"limit"' in frame.data.replace(b" ", b"")]
    assert refused == []


@both_eras
@pytest.mark.mcp(max_tokens=50)
async def test_it_asks_the_model_for_no_more_than_is_left(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(agent=agent(), everything=everything(), era=era) as board:
        await board.call("agent__run", task=TASK)
    assert board.model.requests[0].params.max_tokens == 50


@both_eras
async def test_each_call_is_told_as_progress(switchboard: Switchboard, era: Era) -> None:
    heard: list[tuple[float, float | None, str | None]] = []

    def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async with switchboard(agent=agent(max_steps=5), everything=everything(), era=era) as board:
        board.model.when("twice").calls("everything__echo", {"message": "a"})
        board.model.when("Echo: a").calls("everything__get-sum", {"a": 1, "b": 1})
        board.model.when("is 2").reply("done")
        await board.options(progress=hear).call("agent__run", task="twice")
    assert heard == [(1, 5, "everything__echo"), (2, 5, "everything__get-sum")]


@both_eras
async def test_agents_call_agents(switchboard: Switchboard, era: Era) -> None:
    def tier(name: str) -> MCPServer:
        return agent(name=name, system=f"You are the {name}.")

    async with switchboard(
        lead=tier("lead"), manager=tier("manager"), worker=tier("worker"), everything=everything(), era=era
    ) as board:
        model = board.model
        model.when("Echo", system="worker").reply("one is greeted")
        model.when("one is greeted", system="manager").reply("both are greeted")
        model.when("both are greeted", system="lead").reply("the work is done")
        model.when(system="lead").calls("manager__run", {"task": "greet both"})
        model.when(system="manager").calls("worker__run", {"task": "Ann"}).calls("worker__run", {"task": "Bob"})
        model.when("Ann", system="worker").calls("everything__echo", {"message": "Ann"})
        model.when("Bob", system="worker").calls("everything__echo", {"message": "Bob"})
        result = await board.call("lead__run", task="greet")
    assert said(result) == "the work is done"
    assert board.routes == "host > lead > manager > (worker > everything, worker > everything)"
    assert board.findings == ()


@both_eras
async def test_a_plan_is_what_the_model_asks_for_and_executing_it_makes_the_calls(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(agent=agent(), everything=everything(), era=era) as board:
        planned = await board.call("agent__plan", task=TASK)
        assert board.routes == "host > agent"
        calls = [{"tool": "everything__echo", "arguments": {"message": "hello"}}]
        assert planned.structured_content == {"text": said(planned), "calls": calls}
        done = await board.call("agent__execute", calls=calls)
        assert len(board.model.requests) == 1
    assert said(planned) == 'everything__echo {"message": "hello"}'
    assert done.structured_content == {"text": "Echo: hello", "steps": [{**calls[0], "result": "Echo: hello"}]}
    assert board.routes == "host > (agent, agent > everything)"


async def test_executing_more_calls_than_the_budget_makes_none(switchboard: Switchboard) -> None:
    async with switchboard(agent=agent(max_steps=1), everything=everything()) as board:
        call = {"tool": "everything__echo", "arguments": {"message": "a"}}
        result = await board.call("agent__execute", calls=[call, call])
    assert result.is_error
    assert "the budget of 1 calls is spent: made none; asked for everything__echo, everything__echo" in said(result)
    assert board.routes == "host > agent"


@both_eras
async def test_what_is_cancelled_is_cancelled_down_to_the_last_tool(switchboard: Switchboard, era: Era) -> None:
    began, ended = anyio.Event(), anyio.Event()
    slow = MCPServer("slow", log_level="WARNING")

    @slow.tool(structured_output=False)
    async def wait() -> str:
        began.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        raise AssertionError

    async with switchboard(agent=agent(), slow=slow, era=era) as board, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: board.call("agent__run", task="wait"))
        with anyio.fail_after(30):
            await began.wait()
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await ended.wait()


async def test_a_client_without_the_extension_is_told_so() -> None:
    async with Client(agent(), mode="legacy") as client:
        with pytest.raises(MCPError, match=r"did not declare dev\.mcpsym/symmetric"):
            await client.call_tool("run", {"task": TASK})


async def test_a_modern_client_without_the_extension_is_told_so() -> None:
    async with Client(agent(), mode="2026-07-28") as client:
        with pytest.raises(MCPError) as refusal:
            await client.call_tool("run", {"task": TASK})
    assert refusal.value.code == -32021
