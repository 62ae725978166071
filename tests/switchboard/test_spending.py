"""What a route may spend of tokens and dollars: counted from the model and from servers' reports, shared by its branches, refused after.

What each hop is told, and what it reports, crosses the wire in both bindings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

import pytest
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolResult, CreateMessageResult, SamplingMessage, TextContent

from pytest_mcpsym.errors import UsageError
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.board import AsyncBoard
from pytest_mcpsym.switchboard.target import Era
from pytest_mcpsym.symmetric import Budget, Extension, Usage, budget, peer
from pytest_mcpsym.wire.log import WireLog
from tests.switchboard.servers import ScriptedServer, Wire, text

pytestmark = pytest.mark.anyio
every_era = pytest.mark.parametrize("era", ["handshake", "modern"])
eras_of_two = pytest.mark.parametrize(
    "eras", [{"a": a, "b": b} for a in ("handshake", "modern") for b in ("handshake", "modern")]
)

BUDGET, USAGE = "dev.mcpsym/budget", "dev.mcpsym/usage"


def says(tokens: int, cost: float = 0.0) -> CreateMessageResult:
    """A message of the model that reports what it used."""
    content = TextContent(type="text", text="yes")
    return CreateMessageResult(role="assistant", content=content, model="m", _meta=Usage(tokens, cost).meta())


def thinker() -> MCPServer:
    """A server that asks the model, calls others, spends on its own, and tells what it sees of its budget."""
    sym = Extension()
    server = MCPServer("thinker", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")
    question = SamplingMessage(role="user", content=TextContent(type="text", text="well?"))

    @server.tool(structured_output=False)
    async def think(context: Context, times: int = 1) -> str:
        client, seen = peer(context), list[str]()
        for _ in range(times):
            try:
                await client.create_message([question], max_tokens=5)
            except MCPError as error:
                return f"{' '.join(seen)} {error.code} {error.message} {json.dumps(error.error.data)}"
            seen.append(str(client.budget.tokens))
        return " ".join(seen)

    @server.tool(structured_output=False)
    async def ask(context: Context, tool: str, times: int = 1, own: int = 0) -> CallToolResult:
        client = peer(context)
        answered = await client.call_tool(tool)
        for _ in range(times - 1):
            answered = await client.call_tool(tool)
        meta = (client.usage + Usage(own)).meta() if own else None
        return CallToolResult(content=answered.content, _meta=meta)

    @server.tool(structured_output=False)
    async def spend(context: Context, tokens: int = 40, cost: float = 0.0) -> CallToolResult:
        told = budget(context)
        return CallToolResult(content=[TextContent(type="text", text=str(told.tokens))], _meta=Usage(tokens, cost).meta())

    @server.tool(structured_output=False)
    async def wise(context: Context) -> CallToolResult:
        client = peer(context)
        await client.create_message([question], max_tokens=5)
        content = TextContent(type="text", text=str(client.usage.tokens))
        return CallToolResult(content=[content], _meta=(client.usage + Usage(7)).meta())

    @server.tool(structured_output=False)
    async def cheat() -> CallToolResult:
        return CallToolResult(content=[], _meta={USAGE: {"tokens": -40, "costUsd": "free"}})

    @server.tool(structured_output=False)
    async def both(context: Context) -> str:
        async with peer(context).batch() as tasks:
            for tool in ("b__spend", "b__think"):
                tasks.start_soon(peer(context).call_tool, tool)
        return ""

    return server


def loser() -> MCPServer:
    """A server that spends in vain, and sees what others spend so."""
    sym = Extension()
    server = MCPServer("loser", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def lose() -> None:
        raise MCPError(-32050, "spent in vain", {"why": [1], **Usage(40).meta()})

    @server.tool(structured_output=False)
    async def try_it(context: Context, tool: str) -> str:
        client = peer(context)
        try:
            await client.call_tool(tool)
        except MCPError as error:
            return f"{client.usage.tokens} {client.budget.tokens} {error.code} {error.message} {json.dumps(error.error.data)}"
        return "nothing was lost"

    return server


def budgets(log: WireLog, name: str) -> list[Mapping[str, object]]:
    """What each request to a link says may be spent."""
    stamps = [frame.message.meta.get(BUDGET) for frame in log.on(name) if frame.direction == "to-server"]
    return [cast("Mapping[str, object]", stamp) for stamp in stamps if stamp]


def reports(log: WireLog, name: str) -> list[object]:
    """What crossed a link as usage, in order."""
    found = list[object]()

    def look(value: object) -> None:
        if isinstance(value, dict):
            members = cast("dict[str, object]", value)
            found.extend([members[USAGE]] if USAGE in members else [])
            for member in members.values():
                look(member)

    for frame in log.on(name):
        look(json.loads(frame.data))
    return found


async def think(board: AsyncBoard, times: int) -> str:
    return text(await board.call("a__think", times=times))


# --- the model


@every_era
@pytest.mark.mcp(max_tokens=100)
async def test_a_route_that_has_spent_its_tokens_gets_no_more_of_the_model(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(a=thinker(), era=era) as board:
        board.model.script(says(60), says(60), says(60))
        data = {"reason": "limit", "limit": "tokens", "value": 100, "spent": 120, "route": ["host", "a"]}
        assert await think(board, 3) == f"40 0 -32602 this route has used up its 100 tokens: host > a {json.dumps(data)}"
        assert await think(board, 1) == "40"


@every_era
@pytest.mark.mcp(max_cost_usd=0.5)
async def test_dollars_are_a_budget_of_their_own(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(a=thinker(), era=era) as board:
        board.model.script(*[says(1000, 0.25)] * 3)
        assert "this route has used up its 0.5 US dollars: host > a" in await think(board, 3)
    assert [stamp["costUsd"] for stamp in budgets(board.log, "a")][:1] == [0.5]


@every_era
async def test_without_a_limit_nothing_is_stamped_on_the_hosts_calls_and_all_is_reported(
    switchboard: Switchboard, era: Era
) -> None:
    async with switchboard(a=thinker(), era=era) as board:
        board.model.script("a", "b")
        assert await think(board, 2) == "None None"
    assert budgets(board.log, "a") == []
    assert len(reports(board.log, "a")) == 2


async def test_the_model_counts_what_it_reads_and_writes_at_its_price(switchboard: Switchboard) -> None:
    async with switchboard(a=thinker()) as board:
        board.model.script("short", "s" * 400)
        board.model.price(input=1_000_000, output=2_000_000)
        await think(board, 2)
    short, long = cast("list[Mapping[str, float]]", reports(board.log, "a"))
    assert long["tokens"] - short["tokens"] == (400 - len("short") + 3) // 4
    assert long["costUsd"] - short["costUsd"] == 2 * (long["tokens"] - short["tokens"])


def test_a_model_has_no_negative_price(switchboard: Switchboard) -> None:
    with pytest.raises(UsageError, match="a model costs nothing or more"):
        switchboard().model.price(input=-1, output=0)


# --- servers that report


@eras_of_two
@pytest.mark.mcp(max_tokens=100)
async def test_what_servers_report_counts_for_the_route(switchboard: Switchboard, eras: Mapping[str, Era]) -> None:
    async with switchboard(a=thinker(), b=thinker(), era=eras) as board:
        with pytest.raises(MCPError, match="this route has used up its 100 tokens: host > a > b") as refused:
            await board.call("a__ask", tool="b__spend", times=4)
    assert cast("Mapping[str, object]", refused.value.error.data)["spent"] == 120
    assert [stamp["tokens"] for stamp in budgets(board.log, "b") if "tokens" in stamp] == [100, 60, 20]
    assert board.routes == "host > a > b x3"


@eras_of_two
@pytest.mark.mcp(max_tokens=100)
async def test_what_an_error_reports_counts_and_the_error_stays_as_it_is(
    switchboard: Switchboard, eras: Mapping[str, Era]
) -> None:
    async with switchboard(a=loser(), b=loser(), era=eras) as board:
        said = text(await board.call("a__try_it", tool="b__lose"))
    assert said == f"40 60 -32050 spent in vain {json.dumps({'why': [1], USAGE: {'tokens': 40}})}"


@eras_of_two
@pytest.mark.mcp(max_tokens=1000)
async def test_what_was_counted_below_a_hop_is_not_counted_again_in_its_report(
    switchboard: Switchboard, eras: Mapping[str, Era]
) -> None:
    async with switchboard(a=thinker(), b=thinker(), era=eras) as board:
        board.model.script(says(300), says(300))
        answered = await board.call("a__ask", tool="b__wise", times=2, own=5)
    calls = [frame for frame in board.log.on("b") if frame.message.method == "tools/call"]
    assert [cast("Mapping[str, object]", call.message.meta[BUDGET])["tokens"] for call in calls] == [1000, 693]
    assert (text(answered), Usage.of(answered.meta)) == ("300", Usage(2 * 307 + 5))


@every_era
@pytest.mark.mcp(max_tokens=90)
async def test_parallel_branches_share_what_there_is(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(a=thinker(), b=thinker(), era=era) as board:
        board.model.script(says(60))
        await board.call("a__both")
        assert [stamp["tokens"] for stamp in budgets(board.log, "b")][:2] == [90, 90]
    assert {"tokens": 60} in reports(board.log, "a")
    assert {"tokens": 40} in reports(board.log, "a")


@every_era
@pytest.mark.mcp(max_tokens=100)
async def test_a_report_that_is_negative_gives_nothing_back(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(a=thinker(), b=thinker(), era=era) as board:
        await board.call("a__ask", tool="b__cheat", times=2)
    assert {stamp["tokens"] for stamp in budgets(board.log, "b")} == {100}
    assert reports(board.log, "a") == []


# --- what a handler sees


@pytest.mark.mcp(max_tokens=100, max_cost_usd=1.0)
async def test_each_leg_says_anew_what_is_left(switchboard: Switchboard) -> None:
    async with switchboard(a=thinker(), era="modern") as board:
        board.model.script(says(60, 0.25), says(30))
        assert await think(board, 2) == "40 10"
    told = [(stamp["tokens"], stamp["costUsd"]) for stamp in budgets(board.log, "a")]
    assert told == [(100, 1.0), (40, 0.75), (10, 0.75)]


@every_era
@pytest.mark.mcp(max_tokens=100)
async def test_the_sdk_clients_calls_have_a_budget_too(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(a=thinker(), era=era) as board:
        board.model.script(says(60), says(60))
        result = await board.client("a").call_tool("think", {"times": 3})
        assert "this route has used up its 100 tokens: host > a" in text(result)
        told = await board.client("a").call_tool("spend", {})
        assert text(told) == "100"


@pytest.mark.mcp(max_tokens=100)
@pytest.mark.parametrize("user", ["board", "client"])
async def test_what_is_asked_by_input_required_is_paid_by_the_call(switchboard: Switchboard, user: str) -> None:
    ask = (
        '{"resultType":"input_required","inputRequests":{"q":{"method":"sampling/createMessage","params":'
        '{"messages":[{"role":"user","content":{"type":"text","text":"well?"}}],"maxTokens":5}}}}'
    )

    async def play(wire: Wire) -> None:
        for _ in range(3):
            await wire.answer(await wire.hear_request("tools/call"), ask)

    async with switchboard(a=ScriptedServer(play, modern=True), era="modern") as board:
        board.model.script(says(60), says(60), says(60))
        with pytest.raises(MCPError, match="this route has used up its 100 tokens: host > a"):
            await (board.call("a__any") if user == "board" else board.client("a").call_tool("any"))
    assert [stamp["tokens"] for stamp in budgets(board.log, "a")] == [100, 40, 0]


@every_era
async def test_time_is_part_of_what_is_left(switchboard: Switchboard, era: Era) -> None:
    seen: list[Budget] = []
    sym = Extension()
    server = MCPServer("late", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def look(context: Context) -> str:
        seen.append(peer(context).budget)
        return ""

    async with switchboard(a=thinker(), b=server, era=era) as board:
        await board.options(timeout=30).call("a__ask", tool="b__look")
    (left,) = seen
    assert left.seconds is not None
    assert 0 < left.seconds <= 30
    assert (left.hops, left.calls, left.tokens) == (30, 999, None)


def test_budget_of_a_call_that_was_told_none_is_unknown() -> None:
    assert budget(object()) == Budget()
