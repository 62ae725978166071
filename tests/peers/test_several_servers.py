"""Servers by different makers on one board: their tools under one roof, and calls from one through another to a third."""

from __future__ import annotations

import shlex

import anyio
import pytest
from fastmcp import FastMCP
from mcp_types import CallToolResult, TextContent

from fake_servers import agent, code_mode
from pytest_mcpsym import AsyncBoard, link
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.views import Views
from tests.peers.provision import npm_peer, time_peer
from tests.peers.servers import sdk
from tests.peers.waiting import at_rest, at_rest_async, knows_roots, sent_by_host, sent_by_server, until, until_async

SAY = {"task": "say 'hello' with the echo tool"}
ADD = {"task": "add 2 and 3 with get-sum"}


@pytest.fixture
def local() -> str:
    """The npm everything server over stdio."""
    return shlex.join(npm_peer("server-everything", "stdio"))


@pytest.fixture(params=["stdio", "http"])
def everything(request: pytest.FixtureRequest) -> str:
    """The npm everything server over each transport."""
    return str(request.getfixturevalue({"stdio": "local", "http": "everything_url"}[request.param]))


@pytest.fixture
def clock() -> str:
    """The PyPI time server."""
    return shlex.join(time_peer("--local-timezone", "UTC"))


def fast() -> FastMCP[None]:
    server = FastMCP[None]("fast", version="1.0.0")

    @server.tool
    async def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    return server


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def open_links(board: Views) -> set[str]:
    return {note.link for note in board.log.notes if note.channel == "open"}


def test_the_tools_of_all_servers_stand_under_their_links(
    switchboard: Switchboard, local: str, everything_url: str, clock: str
) -> None:
    fastmcp = link(fast(), transport="http")
    opener = switchboard(stdio=local, http=everything_url, clock=clock, fast=fastmcp, sdk=sdk.high())
    with at_rest(opener, "stdio", "http") as board:
        names = [tool.name for tool in board.tools()]
        results = [
            board.call("stdio__echo", message="one"),
            board.call("http__echo", message="two"),
            board.call("clock__convert_time", source_timezone="Asia/Tokyo", time="12:00", target_timezone="Asia/Kolkata"),
            board.call("fast__double", number=21),
            board.call("sdk__add", a=1, b=2),
        ]
    assert len(names) == len(set(names))
    assert {"stdio__echo", "http__echo", "clock__get_current_time", "fast__double", "sdk__add"} <= set(names)
    assert not any(result.is_error for result in results)
    assert board.findings == ()


def test_an_agent_reaches_a_real_server_through_code_mode(switchboard: Switchboard, everything: str) -> None:
    with at_rest(switchboard(agent=agent(), code=code_mode(), everything=everything), "everything") as board:
        result = board.call("agent__run", SAY)
    assert text_of(result) == "Echo: hello"
    assert board.routes == "host > agent > code > everything"
    assert board.findings == ()


@pytest.mark.anyio
async def test_the_chain_is_the_same_on_the_async_face(switchboard: Switchboard, everything: str) -> None:
    async with at_rest_async(switchboard(agent=agent(), code=code_mode(), everything=everything), "everything") as board:
        result = await board.call("agent__run", ADD)
    assert text_of(result) == "The sum of 2 and 3 is 5."
    assert board.routes == "host > agent > code > everything"
    assert board.findings == ()


@pytest.mark.anyio
async def test_a_chain_of_real_and_fake_servers_has_the_same_transcript_on_every_event_loop(
    switchboard: Switchboard, everything: str, wire_snapshot: object
) -> None:
    async with at_rest_async(switchboard(agent=agent(), code=code_mode(), everything=everything), "everything") as board:
        await until_async(lambda: knows_roots(board, "everything"), "the server to say that it knows the roots")
        await board.call("agent__run", SAY)
    assert board == wire_snapshot


def test_the_same_chain_twice_has_the_same_transcript(switchboard: Switchboard, local: str) -> None:
    transcripts: list[str] = []
    for _ in range(2):
        with at_rest(switchboard(agent=agent(), code=code_mode(), everything=local), "everything") as board:
            until(lambda board=board: knows_roots(board, "everything"), "the server to say that it knows the roots")
            board.call("agent__run", SAY)
        transcripts.append(board.transcript())
    assert transcripts[0] == transcripts[1]


def test_a_question_of_the_last_server_of_a_chain_is_answered_by_the_host(switchboard: Switchboard, local: str) -> None:
    with at_rest(switchboard(agent=agent(), code=code_mode(), everything=local), "everything") as board:
        board.model.when(tool="code__run").plan()
        board.model.script("four")
        result = board.call("agent__run", {"task": "use trigger sampling request with '2 + 2' and 10"})
    assert '"text": "four"' in text_of(result)
    assert len(sent_by_server(board, "everything", "sampling/createMessage")) == 1
    assert board.routes == "host > agent > code > everything"
    assert board.findings == ()


def test_no_server_is_told_of_the_calls_of_another(switchboard: Switchboard, local: str, clock: str) -> None:
    with at_rest(switchboard(agent=agent(), everything=local, clock=clock), "everything") as board:
        board.call("agent__run", SAY)
    assert board.routes == "host > agent > everything"
    assert not sent_by_host(board, "clock", "tools/call")
    assert board.findings == ()


@pytest.mark.anyio
async def test_twenty_chains_at_once_each_get_their_own_answer(switchboard: Switchboard, everything: str) -> None:
    answers: dict[int, str] = {}

    async def run(board: AsyncBoard, number: int) -> None:
        answers[number] = text_of(await board.call("agent__run", task=f"add {number} and 1000 with get-sum"))

    opener = switchboard(agent=agent(), code=code_mode(), everything=everything)
    async with at_rest_async(opener, "everything") as board, anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(run, board, number)
    assert answers == {number: f"The sum of {number} and 1000 is {number + 1000}." for number in range(20)}
    assert len(board.routes) == 20
    assert board.findings == ()


@pytest.mark.anyio
async def test_servers_of_both_eras_live_on_one_board(switchboard: Switchboard, local: str) -> None:
    modern = link(sdk.high(), transport="http", era="modern")
    async with at_rest_async(switchboard(agent=agent(), everything=local, modern=modern), "everything") as board:
        await board.call("modern__add", a=1, b=2)
        result = await board.call("agent__run", {"task": "use modern add with 20 and 22"})
        said = await board.call("agent__run", SAY)
    assert text_of(result) == "42"
    assert text_of(said) == "Echo: hello"
    assert open_links(board) == {"agent", "everything", "modern"}
    assert board.findings == ()


def test_a_call_that_is_given_up_in_a_chain_is_cancelled_on_every_link(switchboard: Switchboard, local: str) -> None:
    task = {"task": "run trigger-long-running-operation for 1.5 in 1"}
    with at_rest(switchboard(agent=agent(), everything=local), "everything") as board:
        with pytest.raises(TimeoutError):
            board.options(timeout=0.3).call("agent__run", task)
        until(lambda: bool(sent_by_host(board, "everything", "notifications/cancelled")), "the cancellation to arrive")
        assert text_of(board.call("everything__echo", message="still here")) == "Echo: still here"
    assert len(sent_by_host(board, "agent", "notifications/cancelled")) == 1
    assert board.routes == "host > (agent > everything, everything)"
    assert board.findings == ()
