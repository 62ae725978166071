"""Servers made with the SDK's two APIs, over every transport, in both eras; the servers are in `servers/sdk.py`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import anyio
import pytest
from mcp import MCPError
from mcp.client.subscriptions import ResourceUpdated
from mcp_types import CallToolResult, TextContent

from pytest_mcpsym import AnswerTimeout, AsyncBoard, Board, LinkSpec, link
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.target import Era
from tests.peers.progress import Told, giving_up, into, unheard
from tests.peers.servers import sdk
from tests.peers.waiting import sent_by_host, sent_by_server, until_async

pytestmark = [
    pytest.mark.mcp(era="both"),
    pytest.mark.filterwarnings("ignore:The sampling capability is deprecated"),
]

IN_PROCESS = ("memory", "http", "stateless", "json", "stateless-json", "sockets")
STREAMS = ("memory", "http", "stateless", "sockets")
"""Transports on which a server can send more than the answer."""
TWO_WAY = ("memory", "http", "sockets")
"""Transports on which a server can ask in the handshake era."""

Place = tuple[str, str]
"""Which API the server is made with, and how it is reached."""


def places(ways: tuple[str, ...], *, stdio: str = "") -> pytest.MarkDecorator:
    """Run a test with servers in process over each of these ways, and with those named over stdio.

    The low-level server runs in memory and over HTTP only: what is below the two is the same code on every way.
    """
    found = [("high", way) for way in ways] + [("low", way) for way in ways if way in ("memory", "http")]
    found += [(api, "stdio") for api in stdio.split()]
    return pytest.mark.parametrize("place", found, ids=["-".join(place) for place in found])


def at(place: Place) -> LinkSpec:
    api, way = place
    if way == "stdio":
        return link(shlex.join([sys.executable, str(Path(sdk.__file__)), api]))
    server = sdk.high() if api == "high" else sdk.low()
    if way in ("memory", "sockets"):
        return link(server, transport=way)
    return link(server, transport="http", stateless="stateless" in way, json_response="json" in way)


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def is_modern(board: Board | AsyncBoard) -> bool:
    return bool(sent_by_host(board, "sdk", "server/discover"))


@places(IN_PROCESS, stdio="low")
def test_tools_resources_and_prompts_cross(switchboard: Switchboard, place: Place) -> None:
    with switchboard(sdk=at(place)) as board:
        assert {tool.name for tool in board.tools()} == {
            f"sdk__{name}" for name in ("add", "slow", "ask", "think", "where", "touch")
        }
        result = board.call("sdk__add", a=1, b=2)
        (note,) = board.client("sdk").read_resource(sdk.NOTE).contents
        (message,) = board.client("sdk").get_prompt("greeting", {"name": "Ada"}).messages
    assert result.structured_content == {"result": 3}
    assert note.model_dump()["text"] == "a note"
    assert message.content.model_dump()["text"] == "Greet Ada"
    assert board.findings == ()


@places(("memory", "http", "stateless", "json"))
@pytest.mark.mcp(era="handshake")
@pytest.mark.parametrize(
    ("era", "method", "revision"),
    [("handshake", "initialize", "2025-11-25"), ("modern", "server/discover", "2026-07-28")],
    ids=["handshake", "modern"],
)
def test_each_era_opens_with_its_own_request(
    switchboard: Switchboard, place: Place, era: Era, method: str, revision: str
) -> None:
    with switchboard(sdk=at(place), era=era) as board:
        assert board.client("sdk").protocol_version == revision
    assert board.log.on("sdk")[0].message.method == method
    assert board.findings == ()


@places(STREAMS)
def test_progress_arrives_in_order(switchboard: Switchboard, place: Place) -> None:
    heard: list[Told] = []
    with switchboard(sdk=at(place)) as board:
        board.options(progress=into(heard)).call("sdk__slow", steps=3)
    assert [progress for progress, _, _ in heard] == [1, 2, 3]
    assert board.findings == ()


@places(TWO_WAY)
def test_what_a_server_asks_is_answered(switchboard: Switchboard, place: Place) -> None:
    with switchboard(sdk=at(place)) as board:
        board.user.script({"name": "Ada"})
        board.model.script("4")
        asked, thought = board.call("sdk__ask"), board.call("sdk__think")
    assert text_of(asked) == "Hello, Ada"
    assert text_of(thought) == "4"
    assert board.findings == ()


@places(("memory", "http", "json", "stateless"))
@pytest.mark.mcp(era="modern")
def test_a_modern_server_asks_by_an_answer_and_gets_the_call_again(switchboard: Switchboard, place: Place) -> None:
    with switchboard(sdk=at(place)) as board:
        board.user.script({"name": "Ada"})
        result = board.call("sdk__ask")
    first, second = sent_by_host(board, "sdk", "tools/call")
    (interim,) = [frame for frame in board.log.on("sdk") if frame.message.result.get("resultType") == "input_required"]
    assert first.seq < interim.seq < second.seq
    assert second.message.params["requestState"] == interim.message.result["requestState"]
    assert not sent_by_server(board, "sdk", "elicitation/create")
    assert text_of(result) == "Hello, Ada"
    assert board.routes == "host > sdk"
    assert board.findings == ()


@places(("stateless", "json", "stateless-json"))
@pytest.mark.mcp(era="handshake")
def test_a_server_without_a_way_back_refuses_what_needs_to_ask(switchboard: Switchboard, place: Place) -> None:
    with switchboard(sdk=at(place)) as board, pytest.raises(MCPError, match="no back-channel"):
        board.call("sdk__ask")
    assert board.findings == ()


@pytest.mark.anyio
@places(IN_PROCESS)
@pytest.mark.mcp(era="modern")
async def test_a_subscription_of_the_modern_era_hears_of_a_change(switchboard: Switchboard, place: Place) -> None:
    async with switchboard(sdk=at(place)) as board:
        with anyio.fail_after(20):
            async with board.client("sdk").listen(resource_subscriptions=[sdk.NOTE]) as changes:
                await board.call("sdk__touch")
                assert await anext(changes) == ResourceUpdated(sdk.NOTE)
    assert len(sent_by_host(board, "sdk", "subscriptions/listen")) == 1
    assert board.findings == ()


@pytest.mark.anyio
@places(STREAMS)
async def test_a_call_that_is_given_up_ends_and_the_server_survives(switchboard: Switchboard, place: Place) -> None:
    async with switchboard(sdk=at(place)) as board:
        with anyio.CancelScope() as scope:
            await board.options(progress=giving_up(scope)).call("sdk__slow", steps=0)
        assert scope.cancelled_caught
        assert (await board.call("sdk__add", a=1, b=2)).structured_content == {"result": 3}
    assert board.findings == ()


@places(("json",))
@pytest.mark.mcp(era="handshake")
def test_a_call_that_times_out_ends_also_where_the_answer_is_one_body(switchboard: Switchboard, place: Place) -> None:
    with switchboard(sdk=at(place)) as board:
        with pytest.raises(AnswerTimeout):
            board.options(timeout=0.1).call("sdk__slow", steps=0)
        assert board.call("sdk__add", a=1, b=2).structured_content == {"result": 3}
    assert board.findings == ()


@pytest.mark.anyio
@places(IN_PROCESS, stdio="high")
async def test_twenty_calls_at_once_each_get_their_own_answer(switchboard: Switchboard, place: Place) -> None:
    answers: dict[int, object] = {}

    async def call(number: int) -> None:
        answers[number] = (await board.call("sdk__add", a=number, b=1000)).structured_content

    async with switchboard(sdk=at(place)) as board, anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(call, number)
    assert answers == {number: {"result": number + 1000} for number in range(20)}
    assert board.findings == ()


async def a_session(board: AsyncBoard) -> None:
    """Use everything that leaves the same frames on every transport that streams."""
    board.user.script({"name": "Ada"})
    await board.call("sdk__add", a=1, b=2)
    await board.options(progress=unheard).call("sdk__slow", steps=2)
    await board.call("sdk__ask")
    await board.client("sdk").read_resource(sdk.NOTE)
    if is_modern(board):
        async with board.client("sdk").listen(resource_subscriptions=[sdk.NOTE]):
            await board.call("sdk__touch")
            changed = "notifications/resources/updated"
            await until_async(lambda: bool(sent_by_server(board, "sdk", changed)), "the change to be told")


@pytest.mark.anyio
@places(TWO_WAY, stdio="high")
async def test_a_session_has_the_same_transcript_on_every_event_loop(
    switchboard: Switchboard, place: Place, wire_snapshot: object
) -> None:
    async with switchboard(sdk=at(place)) as board:
        await a_session(board)
    assert board == wire_snapshot
    assert board.findings == ()


@pytest.mark.anyio
@places(("memory", "http"))
async def test_the_same_session_twice_has_the_same_transcript(switchboard: Switchboard, place: Place) -> None:
    async with switchboard(sdk=at(place)) as one:
        await a_session(one)
    async with switchboard(sdk=at(place)) as other:
        await a_session(other)
    assert one.transcript() == other.transcript()
