"""Whoever asks the host is known: which server, for which hops of which route; two that ask at once are told apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import anyio
import pytest
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CreateMessageRequestParams, ElicitRequestParams, SamplingMessage, TextContent

from pytest_mcpsym import link
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.approval import ApprovalRequest
from pytest_mcpsym.switchboard.board import AsyncBoard
from pytest_mcpsym.switchboard.target import Era
from pytest_mcpsym.symmetric import Extension, peer
from pytest_mcpsym.wire.origin import Origin
from tests.switchboard.servers import ScriptedServer, Wire, text

pytestmark = pytest.mark.anyio
every_era = pytest.mark.parametrize("era", ["handshake", "modern"])


def curious() -> MCPServer:
    """A server that asks the model, the user and for roots, or lets another one ask."""
    sym = Extension()
    server = MCPServer("curious", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def think(context: Context, text: str = "who am I?") -> str:
        question = SamplingMessage(role="user", content=TextContent(type="text", text=text))
        given = await peer(context).create_message([question], max_tokens=5)
        return cast("TextContent", given.content).text

    @server.tool(structured_output=False)
    async def ask(context: Context) -> str:
        schema = {"type": "object", "properties": {"name": {"type": "string"}}}
        return str(((await peer(context).elicit("who?", schema)).content or {})["name"])

    @server.tool(structured_output=False)
    async def roots(context: Context) -> str:
        return " ".join(str(root.uri) for root in await peer(context).list_roots())

    @server.tool(structured_output=False)
    async def via(context: Context, tool: str, arguments: dict[str, object] | None = None) -> str:
        return text(await peer(context).call_tool(tool, arguments))

    return server


async def together(board: AsyncBoard, *tools: str) -> dict[str, str]:
    """Call tools at once, and return what each said."""
    said: dict[str, str] = {}

    async def one(tool: str) -> None:
        said[tool] = text(await board.call(tool))

    async with anyio.create_task_group() as tasks:
        for tool in tools:
            tasks.start_soon(one, tool)
    return said


# --- the model


@every_era
async def test_two_agents_that_ask_at_once_get_each_its_own_answer(switchboard: Switchboard, era: Era) -> None:
    met = anyio.Event()
    waiting: list[str] = []

    async def reply(params: CreateMessageRequestParams, origin: Origin) -> str:
        waiting.append(origin.link)
        if len(waiting) == 2:
            met.set()
        await met.wait()
        return f"you are {origin.link}: {origin.route}"

    async with switchboard(one=curious(), two=curious(), era=era) as board:
        board.model.script(reply, reply)
        said = await together(board, "one__think", "two__think")
    assert said == {"one__think": "you are one: host > one", "two__think": "you are two: host > two"}
    assert sorted(waiting) == ["one", "two"]


@every_era
async def test_a_rule_is_for_one_server(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(one=curious(), two=curious(), era=era) as board:
        board.model.when(link="one").reply("first")
        board.model.when(link="t*").reply("second")
        assert await together(board, "one__think", "two__think") == {"one__think": "first", "two__think": "second"}


@every_era
async def test_the_origin_has_the_hops_of_the_route(switchboard: Switchboard, era: Era) -> None:
    seen: list[Origin] = []

    def reply(params: CreateMessageRequestParams, origin: Origin) -> str:
        seen.append(origin)
        return "yes"

    async with switchboard(one=curious(), two=curious(), era=era) as board:
        board.model.script(reply)
        await board.call("one__via", tool="two__think")
        assert board.model.requests[0].origin == seen[0]
    (origin,) = seen
    assert (origin.link, origin.route) == ("two", "host > one > two")
    assert [(hop.caller, hop.callee, hop.method, hop.target) for hop in origin.hops] == [
        ("host", "one", "tools/call", "via"),
        ("one", "two", "tools/call", "think"),
    ]
    assert origin.hops[0].request.message.params["arguments"] == {"tool": "two__think"}
    assert origin.evidence == ("meta" if era == "handshake" else "continuation")


@every_era
async def test_two_routes_through_one_server_are_told_apart(switchboard: Switchboard, era: Era) -> None:
    def told(params: CreateMessageRequestParams, origin: Origin) -> bool:
        return origin.route == "host > one > last"

    async with switchboard(one=curious(), two=curious(), last=curious(), era=era) as board:
        board.model.when(told).reply("by one")
        board.model.when(link="last").reply("by another")
        calls = {"one__via": "", "two__via": ""}

        async def call(tool: str) -> None:
            calls[tool] = text(await board.call(tool, tool="last__think"))

        async with anyio.create_task_group() as tasks:
            for tool in calls:
                tasks.start_soon(call, tool)
        assert sorted(prompt.origin.route for prompt in board.model.requests) == ["host > one > last", "host > two > last"]
    assert calls == {"one__via": "by one", "two__via": "by another"}


def test_a_miss_says_which_server_was_not_meant(switchboard: Switchboard) -> None:
    with switchboard(one=curious()) as board:
        board.model.when(link="two").reply("no")
        with pytest.raises(MCPError, match=r"nearest rule: when\(link='two'\)\n  it wants 'two' to ask, and 'one' does"):
            board.call("one__think")
        assert "'one'" in str(board.take_missed())


# --- the user and the roots


@every_era
async def test_the_user_knows_who_asks(switchboard: Switchboard, era: Era) -> None:
    def answer(params: ElicitRequestParams, origin: Origin) -> dict[str, object]:
        return {"name": origin.route}

    async with switchboard(one=curious(), two=curious(), era=era) as board:
        board.user.script(answer, answer)
        assert await together(board, "one__ask", "two__ask") == {"one__ask": "host > one", "two__ask": "host > two"}


@every_era
async def test_whoever_approves_knows_the_route(switchboard: Switchboard, era: Era) -> None:
    def approve(request: ApprovalRequest, origin: Origin) -> bool:
        return origin.route == "host > one > two"

    two = link(curious(), approve=["last__*"])
    async with switchboard(one=curious(), two=two, last=curious(), era=era) as board:
        board.user.approve(approve, approve)
        board.model.script("thought")
        with pytest.raises(MCPError, match="the user did not approve tools/call of last__think by two"):
            await board.call("two__via", tool="last__think")
        allowed = await board.call("one__via", tool="two__via", arguments={"tool": "last__think"})
    assert text(allowed) == "thought"


@every_era
async def test_each_server_has_roots_of_its_own(switchboard: Switchboard, era: Era) -> None:
    async def own(origin: Origin) -> Iterable[str]:
        await anyio.lowlevel.checkpoint()
        return [f"file:///{origin.link}"]

    async with switchboard(one=curious(), two=curious(), era=era) as board:
        board.roots.extend(["file:///all", lambda origin: [f"file:///{origin.link}/plain"], own])
        said = await together(board, "one__roots", "two__roots")
    assert said == {f"{name}__roots": f"file:///all file:///{name}/plain file:///{name}" for name in ("one", "two")}


# --- what is asked by input_required, of the test's own client too


async def test_input_required_has_an_origin_for_the_board_and_for_the_sdk_client(switchboard: Switchboard) -> None:
    ask = (
        '{"resultType":"input_required","inputRequests":{"q":{"method":"sampling/createMessage","params":'
        '{"messages":[{"role":"user","content":{"type":"text","text":"well?"}}],"maxTokens":5}}}}'
    )

    async def play(wire: Wire) -> None:
        for _ in range(2):
            await wire.answer(await wire.hear_request("tools/call"), ask)
            await wire.answer(await wire.hear_request("tools/call"), '{"resultType":"complete","content":[]}')
        tools = '{"resultType":"complete","tools":[],"ttlMs":0,"cacheScope":"private"}'
        await wire.answer(await wire.hear_request("tools/list"), tools)  # The SDK's client looks for an output schema.

    seen: list[Origin] = []

    def reply(params: CreateMessageRequestParams, origin: Origin) -> str:
        seen.append(origin)
        return "yes"

    async with switchboard(a=ScriptedServer(play, modern=True), era="modern") as board:
        board.model.script(reply, reply)
        await board.call("a__first")
        await board.client("a").call_tool("second", {})
        assert [prompt.origin for prompt in board.model.requests] == seen
    assert [(origin.route, origin.hops[0].target) for origin in seen] == [("host > a", "first"), ("host > a", "second")]


async def test_each_of_several_open_calls_of_the_sdk_client_is_the_origin_of_what_it_was_asked(
    switchboard: Switchboard,
) -> None:
    async def play(wire: Wire) -> None:
        calls = [await wire.hear_request("tools/call") for _ in range(2)]
        for call in calls:
            name = (call.params or {})["name"]
            prompt = f'{{"messages":[{{"role":"user","content":{{"type":"text","text":"{name}"}}}}],"maxTokens":5}}'
            request = f'{{"method":"sampling/createMessage","params":{prompt}}}'
            await wire.answer(call, f'{{"resultType":"input_required","inputRequests":{{"q":{request}}}}}')
        for _ in range(2):
            await wire.answer(await wire.hear_request("tools/call"), '{"resultType":"complete","content":[],"isError":true}')

    async with switchboard(a=ScriptedServer(play, modern=True), era="modern") as board:
        for name in ("first", "second"):
            board.model.when(name).reply(name)
        async with anyio.create_task_group() as tasks:
            for name in ("first", "second"):
                tasks.start_soon(board.client("a").call_tool, name)
        asked = {prompt.origin.hops[0].target: prompt.text for prompt in board.model.requests}
    assert asked == {"first": "first", "second": "second"}
