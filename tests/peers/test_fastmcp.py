"""FastMCP servers in process: in memory, over HTTP in process and over loopback sockets, in both eras."""

from __future__ import annotations

import anyio
import pytest
from mcp_types import CallToolResult, TextContent

from pytest_mcpsym import LinkSpec, link
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.target import Transport
from tests.peers.progress import Told, giving_up, into, unheard
from tests.peers.servers.fast import fast
from tests.peers.waiting import logged, sent_by_host, sent_by_server, until

TRANSPORTS: tuple[Transport, ...] = ("memory", "http", "sockets")


@pytest.fixture(params=TRANSPORTS)
def target(request: pytest.FixtureRequest) -> LinkSpec:
    """The server over each transport that it can have in process."""
    return link(fast(), transport=request.param)


def text_of(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


@pytest.mark.mcp(era="both")
def test_tools_resources_and_prompts_cross(switchboard: Switchboard, target: LinkSpec) -> None:
    with switchboard(fast=target) as board:
        assert "fast__add" in {tool.name for tool in board.tools()}
        result = board.call("fast__add", a=1, b=2)
        (note,) = board.client("fast").read_resource("note://1").contents
        (message,) = board.client("fast").get_prompt("greeting", {"name": "Ada"}).messages
    assert result.structured_content == {"result": 3}
    assert note.model_dump()["text"] == "a note"
    assert message.content.model_dump()["text"] == "Greet Ada"
    assert board.findings == ()


@pytest.mark.mcp(era="both")
def test_progress_crosses_with_its_message(switchboard: Switchboard, target: LinkSpec) -> None:
    heard: list[Told] = []
    with switchboard(fast=target) as board:
        board.options(progress=into(heard)).call("fast__slow", steps=2)
    assert heard == [(1, 2, "step 1"), (2, 2, "step 2")]
    assert board.findings == ()


@pytest.mark.filterwarnings("ignore:The logging capability is deprecated")
def test_a_log_message_of_the_context_crosses(switchboard: Switchboard, target: LinkSpec) -> None:
    with switchboard(fast=target) as board:
        board.call("fast__tell")
        until(lambda: bool(logged(board, "fast")), "the log message")
    (frame,) = sent_by_server(board, "fast", "notifications/message")
    assert frame.message.params["level"] == "info"
    assert "something happened" in str(frame.message.params["data"])


def test_a_question_to_the_user_is_answered(switchboard: Switchboard, target: LinkSpec) -> None:
    with switchboard(fast=target) as board:
        board.user.script({"value": "swordfish"}, "decline")
        given, declined = board.call("fast__ask"), board.call("fast__ask")
    assert text_of(given) == "accept: swordfish"
    assert text_of(declined).startswith("decline")
    assert board.findings == ()


@pytest.mark.mcp(era="modern")
def test_a_question_that_fastmcp_cannot_ask_in_the_modern_era_is_a_result_that_says_so(
    switchboard: Switchboard, target: LinkSpec
) -> None:
    with switchboard(fast=target) as board:
        result = board.call("fast__ask")
    assert result.is_error
    assert "unavailable on 2026-07-28" in text_of(result)
    assert board.findings == ()


@pytest.mark.filterwarnings("ignore:The sampling capability is deprecated")
def test_a_question_to_the_model_is_answered(switchboard: Switchboard, target: LinkSpec) -> None:
    with switchboard(fast=target) as board:
        board.model.script("4")
        result = board.call("fast__think")
    assert text_of(result) == "4"
    assert board.findings == ()


@pytest.mark.mcp(era="both")
def test_a_tool_that_raises_is_a_result_that_says_so(switchboard: Switchboard, target: LinkSpec) -> None:
    with switchboard(fast=target) as board:
        result = board.call("fast__fail")
    assert result.is_error
    assert "not today" in text_of(result)
    assert board.findings == ()


@pytest.mark.anyio
@pytest.mark.mcp(era="both")
async def test_a_call_that_is_given_up_ends_and_the_server_survives(switchboard: Switchboard, target: LinkSpec) -> None:
    async with switchboard(fast=target) as board:
        with anyio.CancelScope() as scope:
            await board.options(progress=giving_up(scope)).call("fast__slow", steps=0)
        assert scope.cancelled_caught
        assert (await board.call("fast__add", a=1, b=2)).structured_content == {"result": 3}
    assert len(sent_by_host(board, "fast", "tools/call")) == 2
    assert board.findings == ()


@pytest.mark.anyio
@pytest.mark.mcp(era="both")
async def test_twenty_calls_at_once_each_get_their_own_answer(switchboard: Switchboard, target: LinkSpec) -> None:
    answers: dict[int, object] = {}

    async def call(number: int) -> None:
        answers[number] = (await board.call("fast__add", a=number, b=1000)).structured_content

    async with switchboard(fast=target) as board, anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(call, number)
    assert answers == {number: {"result": number + 1000} for number in range(20)}
    assert board.findings == ()


@pytest.mark.anyio
@pytest.mark.mcp(era="both")
async def test_a_session_has_the_same_transcript_on_every_event_loop(
    switchboard: Switchboard, target: LinkSpec, wire_snapshot: object
) -> None:
    async with switchboard(fast=target) as board:
        await board.call("fast__add", a=1, b=2)
        await board.options(progress=unheard).call("fast__slow", steps=2)
        await board.call("fast__fail")
        await board.client("fast").read_resource("note://1")
    assert board == wire_snapshot
