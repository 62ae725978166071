"""The model's rules: which prompt gets which answer, and what a prompt that nothing takes says and does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

import anyio.lowlevel
import pytest
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import (
    CallToolResult,
    CreateMessageRequestParams,
    CreateMessageResult,
    CreateMessageResultWithTools,
    ErrorData,
    SamplingMessage,
    TextContent,
    Tool,
    ToolResultContent,
    ToolUseContent,
)

from pytest_mcpsym import Switchboard, link
from pytest_mcpsym.errors import UnexpectedPrompt, UsageError
from pytest_mcpsym.switchboard import switchboard as open_board
from pytest_mcpsym.switchboard.asker import Asker
from pytest_mcpsym.switchboard.board import AsyncBoard
from pytest_mcpsym.switchboard.model import Model
from pytest_mcpsym.switchboard.prompts import last_text
from pytest_mcpsym.switchboard.target import Era, Transport
from pytest_mcpsym.symmetric import Extension, peer
from pytest_mcpsym.wire.log import WireLog
from tests.switchboard.servers import ScriptedServer, Wire

pytestmark = pytest.mark.anyio
both_eras = pytest.mark.parametrize("era", ["handshake", "modern"])
every_transport = pytest.mark.parametrize("transport", ["memory", "http", "sockets"])


def tool(name: str) -> Tool:
    return Tool.model_validate({"name": name, "inputSchema": {"type": "object"}})


ECHO = tool("everything__echo")


def prompt(text: str, *, system: str | None = None, tools: Sequence[Tool] | None = None) -> CreateMessageRequestParams:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return CreateMessageRequestParams(
        messages=[message], max_tokens=9, system_prompt=system, tools=list(tools) if tools else None
    )


def no(params: CreateMessageRequestParams) -> bool:
    """Take no prompt."""
    return False


NOBODY = Asker("nobody", None, WireLog())


def model() -> Model:
    return Model(WireLog())


async def answer(asked: Model, params: CreateMessageRequestParams) -> str:
    """The text of the model's message."""
    given = await asked.answer(params, NOBODY)
    assert not isinstance(given, ErrorData), given.message
    return cast("TextContent", given.content).text


async def refusal(asked: Model, params: CreateMessageRequestParams) -> str:
    """What the server gets instead of an answer."""
    given = await asked.answer(params, NOBODY)
    assert isinstance(given, ErrorData), given
    assert given.code == -32600
    return given.message


def asking(*, swallow: bool = False) -> MCPServer:
    """A server that asks the model, with a tool or without, and may keep a refusal to itself."""
    sym = Extension()
    server = MCPServer("asking", log_level="WARNING", extensions=[sym], lifespan=sym.lifespan())

    @server.tool(structured_output=False)
    async def ask(context: Context, text: str, offer: bool = False) -> str:
        question = SamplingMessage(role="user", content=TextContent(type="text", text=text))
        try:
            if offer:
                given = await peer(context).create_message([question], max_tokens=5, tools=[ECHO])
                return " ".join(block.type for block in given.content_as_list)
            result = await peer(context).create_message([question], max_tokens=5)
        except MCPError:
            if swallow:
                return "fine"
            raise
        return cast("TextContent", result.content).text

    return server


def text(result: CallToolResult) -> str:
    return cast("TextContent", result.content[0]).text


# --- which rule takes a prompt


async def test_a_text_is_contained_in_the_last_message() -> None:
    asked = model()
    asked.when("hello").reply("hi")
    asked.when("bye").reply("ciao")
    assert [await answer(asked, prompt(each)) for each in ("say bye", "say hello", "hello again")] == ["ciao", "hi", "hi"]


async def test_an_expression_is_found_in_the_last_message() -> None:
    asked = model()
    asked.when(re.compile(r"^\d+$")).reply("a number")
    asked.when().reply("none")
    assert [await answer(asked, prompt(each)) for each in ("42", "x42")] == ["a number", "none"]


async def test_a_function_says_whether_the_rule_takes_the_prompt() -> None:
    asked = model()
    asked.when(lambda params: params.max_tokens == 9).reply("nine")
    assert await answer(asked, prompt("x")) == "nine"


async def test_the_tool_must_be_offered() -> None:
    asked = model()
    asked.when(tool="everything__echo").reply("with")
    asked.when().reply("without")
    assert await answer(asked, prompt("x", tools=[ECHO])) == "with"
    assert await answer(asked, prompt("x", tools=[tool("everything__add")])) == "without"


async def test_the_system_prompt_must_fit() -> None:
    asked = model()
    asked.when(system="judge").reply("guilty")
    asked.when(system=re.compile("^poet")).reply("roses")
    assert await answer(asked, prompt("x", system="you judge")) == "guilty"
    assert await answer(asked, prompt("x", system="poet")) == "roses"


async def test_of_several_rules_the_first_answers_as_often_as_it_may() -> None:
    asked = model()
    asked.when("x", times=2).reply("first")
    asked.when("x").reply("second")
    assert [await answer(asked, prompt("x")) for _ in range(4)] == ["first", "first", "second", "second"]


async def test_turns_serve_what_no_rule_takes() -> None:
    asked = model()
    asked.script("one", "two")
    asked.when("rule").reply("ruled")
    assert [await answer(asked, prompt(each)) for each in ("a", "rule", "b")] == ["one", "ruled", "two"]


async def test_the_text_of_tool_results_is_text_of_the_last_message() -> None:
    asked = model()
    asked.when("Echo: hi").reply("done")
    asked.when("task").calls("everything__echo")
    result = ToolResultContent(type="tool_result", tool_use_id="call-1", content=[TextContent(type="text", text="Echo: hi")])
    params = prompt("task", tools=[ECHO])
    first = await asked.answer(params, NOBODY)
    assert isinstance(first, CreateMessageResultWithTools)
    params.messages += [
        SamplingMessage(role="assistant", content=first.content),
        SamplingMessage(role="user", content=[result]),
    ]
    assert await answer(asked, params) == "done"


# --- what it answers


async def test_tools_are_asked_for_in_one_turn_with_the_text_before_them() -> None:
    asked = model()
    asked.when("both").reply("let me see").calls("a__b", {"x": 1}).calls("a__c")
    given = await asked.answer(prompt("both", tools=[ECHO]), NOBODY)
    assert isinstance(given, CreateMessageResultWithTools)
    assert given.stop_reason == "toolUse"
    assert given.content_as_list == [
        TextContent(type="text", text="let me see"),
        ToolUseContent(type="tool_use", id="call-1", name="a__b", input={"x": 1}),
        ToolUseContent(type="tool_use", id="call-2", name="a__c", input={}),
    ]


async def test_a_plain_and_an_async_function_may_reply() -> None:
    def plain(params: CreateMessageRequestParams) -> str:
        return f"{params.max_tokens}"

    async def later(params: CreateMessageRequestParams) -> CreateMessageResult:
        await anyio.lowlevel.checkpoint()
        return CreateMessageResult(role="assistant", content=TextContent(type="text", text="later"), model="m")

    asked = model()
    asked.when("plain").reply(plain)
    asked.when("async").reply(later)
    assert [await answer(asked, prompt(each)) for each in ("plain", "async")] == ["9", "later"]


async def test_without_rules_and_turns_the_planner_answers_what_comes_with_tools() -> None:
    given = await model().answer(prompt("use echo", tools=[ECHO]), NOBODY)
    assert isinstance(given, CreateMessageResultWithTools)
    assert given.content_as_list == [ToolUseContent(type="tool_use", id="call-1", name="everything__echo", input={})]


async def test_a_rule_may_leave_its_prompts_to_the_planner() -> None:
    asked = model()
    asked.when(tool="everything__echo").plan()
    asked.script("four")
    given = await asked.answer(prompt("use echo", tools=[ECHO]), NOBODY)
    assert given == await model().answer(prompt("use echo", tools=[ECHO]), NOBODY)
    assert await answer(asked, prompt("2 + 2")) == "four"
    with pytest.raises(MCPError, match="no tool for 'dance'; say which one to use: everything__echo"):
        await asked.answer(prompt("dance", tools=[ECHO]), NOBODY)


async def test_a_task_without_a_tool_is_refused_with_both_ways_out() -> None:
    assert await refusal(model(), prompt("dance", tools=[ECHO])) == (
        "no tool for 'dance'; say which one to use: everything__echo; or write board.model.when('dance').reply('an answer')"
    )


async def test_tool_results_without_their_calls_are_malformed() -> None:
    asked = model()
    asked.when().reply("never said")
    result = ToolResultContent(type="tool_result", tool_use_id="call-1", content=[])
    params = prompt("x")
    params.messages.append(SamplingMessage(role="user", content=[result]))
    given = await asked.answer(params, NOBODY)
    assert isinstance(given, ErrorData)
    assert (given.code, asked.take_missed()) == (-32602, "")
    assert given.message.startswith("sampling/createMessage: ")


# --- a rule that cannot be


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"text": 5}, "when() takes a text, a compiled expression or a function, not int"),
        ({"system": 5}, "when(system=) takes a text or a compiled expression, not int"),
        ({"text": re.compile(b"x")}, "when() takes expressions over text, not over bytes"),
        ({"times": 0}, "when(times=0) would take no prompt; leave it out for any number"),
    ],
)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_condition_that_cannot_be_met_is_refused(conditions: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        model().when(**conditions)  # pyright: ignore[reportArgumentType] - the wrong types are what is tested


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_second_reply_is_refused() -> None:
    with pytest.raises(UsageError, match=r"when\('a'\) has a reply already"):
        model().when("a").reply("b").reply("c")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_whole_message_and_calls_do_not_go_together() -> None:
    with pytest.raises(UsageError, match="put the tool use into it"):
        model().when("a").reply(lambda _: "b").calls("c")
    with pytest.raises(UsageError, match="only text goes with that"):
        model().when("a").calls("c").reply(lambda _: "b")


# --- what no rule takes


async def test_a_miss_shows_the_prompt_and_where_the_nearest_rule_parts_from_it() -> None:
    asked = model()
    asked.when("fetch the page").reply("no")
    asked.when("say hello", tool="everything__echo").reply("yes")
    assert await refusal(asked, prompt("please say goodbye", system="be nice", tools=[ECHO])) == (
        "the model has no answer to this prompt of 'nobody': 'please say goodbye'\n"
        "  system: 'be nice'\n"
        "  tools: everything__echo\n"
        "nearest rule: when('say hello', tool='everything__echo')\n"
        "  text: after 'say ' it wants 'hello', and the prompt has 'goodbye'\n"
        "write board.model.when('please say goodbye').reply('an answer'), or .calls('tool', {...})"
    )


@pytest.mark.parametrize(
    ("conditions", "why"),
    [
        ({"text": "dance"}, "text: 'dance' is not in 'say 1'"),
        ({"text": "say 1 more"}, "text: after 'say 1' it wants ' more', and the prompt has no more"),
        ({"text": re.compile("two")}, "text: the expression 'two' is not found in 'say 1'"),
        ({"text": no}, "no said no"),
        ({"tool": "a__b"}, "it wants the tool 'a__b'; offered: none"),
        ({"system": "judge"}, "system: 'judge' is not in ''"),
    ],
)
async def test_a_miss_says_which_condition_is_not_met(conditions: dict[str, object], why: str) -> None:
    asked = model()
    asked.when(**conditions).reply("x")  # pyright: ignore[reportArgumentType] - the types are those of the table
    assert f"\n  {why}\n" in await refusal(asked, prompt("say 1"))


async def test_a_miss_says_that_a_rule_was_used_up_has_no_answer_or_needs_tools() -> None:
    asked = model()
    asked.when("used", times=1).reply("once")
    asked.when("empty")
    asked.when("calls").calls("a__b")
    await answer(asked, prompt("used"))
    assert "\n  it was used up (times=1)\n" in await refusal(asked, prompt("used"))
    assert "\n  it has no answer; add .reply(...), .calls(...) or .plan()\n" in await refusal(asked, prompt("empty"))
    assert "\n  it calls tools, and the prompt offers none\n" in await refusal(asked, prompt("calls"))


async def test_a_miss_after_the_last_turn_says_that_all_were_used() -> None:
    asked = model()
    asked.script("only")
    await answer(asked, prompt("a"))
    assert "all turns of board.model.script(...) were used, and there are no rules" in await refusal(asked, prompt("b"))


async def test_a_long_prompt_is_cut() -> None:
    asked = model()
    asked.when("y").reply("z")
    message = await refusal(asked, prompt("x" * 5_000))
    assert "(5000 characters)" in message
    assert len(message) < 1_000


# --- on a board


@both_eras
@every_transport
async def test_a_rule_answers_in_both_eras(switchboard: Switchboard, transport: Transport, era: Era) -> None:
    async with switchboard(asking=link(asking(), transport=transport), era=era) as board:
        board.model.when("why").reply("because")
        board.model.when("do").reply("so").calls("everything__echo", {"message": "hi"})
        assert text(await board.call("asking__ask", text="why?")) == "because"
        assert text(await board.call("asking__ask", text="do!", offer=True)) == "text tool_use"


@both_eras
async def test_a_function_that_raises_is_a_refusal_that_was_scripted(switchboard: Switchboard, era: Era) -> None:
    def refuse(params: CreateMessageRequestParams) -> str:
        raise MCPError(-1, f"not {last_text(params)}")

    async with switchboard(asking=asking(), era=era) as board:
        board.model.when().reply(refuse)
        with pytest.raises(MCPError, match="not now"):
            await board.call("asking__ask", text="now")


@both_eras
async def test_requests_are_read_from_the_log(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(asking=asking(), era=era) as board:
        board.model.when().reply("yes")
        await board.call("asking__ask", text="a")
        await board.call("asking__ask", text="b", offer=True)
        first, second = board.model.requests
    assert (first.link, first.text, first.tools, first.system) == ("asking", "a", [], "")
    assert (second.text, second.tools) == ("b", ["everything__echo"])
    assert {"asking"} == {frame.link for frame in board.log.frames if frame.seq in (first.frame, second.frame)}


async def test_requests_count_what_input_required_asks(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None:
        call = await wire.hear_request("tools/call")
        request = (
            '{"method":"sampling/createMessage","params":{"messages":[{"role":"user",'
            '"content":{"type":"text","text":"why?"}}],"maxTokens":1}}'
        )
        await wire.answer(call, f'{{"resultType":"input_required","inputRequests":{{"q":{request}}}}}')
        again = await wire.hear_request("tools/call")
        await wire.answer(again, '{"resultType":"complete","content":[]}')

    async with switchboard(asking=ScriptedServer(play)) as board:
        board.model.script("so")
        await board.call("asking__ask")
        assert [(each.link, each.text) for each in board.model.requests] == [("asking", "why?")]


@both_eras
async def test_a_miss_that_the_server_swallowed_is_raised_at_the_close(era: Era) -> None:
    async with open_board(asking=asking(swallow=True), era=era) as board:
        board.model.when("when").reply("now")
        assert text(await board.call("asking__ask", text="why?")) == "fine"
        with pytest.raises(
            UnexpectedPrompt, match=r"no answer to this prompt of 'asking': 'why\?'\nnearest rule: when\('when'\)"
        ):
            await board.aclose()


async def test_a_miss_is_a_note_on_the_error_that_is_being_handled() -> None:
    async with open_board(asking=asking(swallow=True)) as board:
        board.model.when("when").reply("now")
        await board.call("asking__ask", text="why?")
        with pytest.raises(ZeroDivisionError) as caught:
            await closed_while_handling(board)
    assert "nearest rule: when('when')" in caught.value.__notes__[0]


async def closed_while_handling(board: AsyncBoard) -> None:
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        await board.aclose()
        raise


async def test_a_miss_shows_no_secret() -> None:
    target = link(asking(swallow=True), transport="http", headers={"Authorization": "Bearer hunter2hunter2"})
    async with open_board(asking=target) as board:
        board.model.when("when").reply("now")
        await board.call("asking__ask", text="my token is hunter2hunter2")
        with pytest.raises(UnexpectedPrompt, match="my token is <") as caught:
            await board.aclose()
    assert "hunter2" not in str(caught.value)
