"""Claimed results: the switchboard and the SDK's client are taken through the legs of a call to its end, in every mixture of eras."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Mapping
from typing import cast

import anyio
import pytest
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from fake_servers import agent, everything
from pytest_mcpsym import link
from pytest_mcpsym.errors import LinkError
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.board import AsyncBoard
from pytest_mcpsym.switchboard.target import Era, Transport
from pytest_mcpsym.symmetric import Extension, peer
from tests.switchboard.servers import ScriptedServer, Wire, demo, text, until

pytestmark = pytest.mark.anyio

TASK = "say hello with the echo tool"
ERAS = list(itertools.product(("handshake", "modern"), repeat=3))
MODERN: Era = "modern"


def hub(sym: Extension | None = None) -> MCPServer:
    """A server whose tools ask the client for things."""
    sym = sym or Extension()
    server = MCPServer("hub", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def ask(context: Context, tool: str, arguments: dict[str, object] | None = None) -> str:
        try:
            return text(await peer(context).call_tool(tool, arguments))
        except MCPError as error:
            return f"{error.code} {error.message} {json.dumps(error.error.data)}"

    @server.tool(structured_output=False)
    async def both(context: Context, tools: list[str]) -> str:
        client = peer(context)
        async with client.batch() as tasks:
            for tool in tools:
                tasks.start_soon(client.call_tool, tool)
        return "both"

    @server.tool(structured_output=False)
    async def host(context: Context) -> str:
        client = peer(context)
        said = await client.elicit("sure?", {"type": "object", "properties": {"ok": {"type": "boolean"}}})
        roots = await client.list_roots()
        return f"{said.action} {said.content} {[str(root.uri) for root in roots]}"

    @server.tool(structured_output=False)
    async def steps(context: Context) -> str:
        await context.report_progress(1, 3)
        await peer(context).list_tools()
        await context.report_progress(2, 3)
        return "done"

    return server


@pytest.mark.parametrize("transport", ["memory", "http", "stdio", "sockets"])
async def test_the_sdks_own_client_sees_nothing_but_the_final_answer(switchboard: Switchboard, transport: Transport) -> None:
    target: object = f"{sys.executable} -m fake_servers.agent" if transport == "stdio" else link(agent(), transport=transport)
    async with switchboard(agent=target, everything=everything(), era="modern") as board:
        assert text(await board.client("agent").call_tool("run", {"task": TASK})) == "Echo: hello"
    assert board.routes == "host > agent > everything"
    assert [frame.message.method for frame in board.log.on("agent") if frame.message.method == "dev.mcpsym/continue"]


async def test_the_calls_of_a_leg_are_made_at_once(switchboard: Switchboard) -> None:
    together = anyio.Event()
    server = MCPServer("meeting", log_level="WARNING")
    waiting: list[str] = []

    @server.tool(structured_output=False)
    async def meet() -> str:
        waiting.append("")
        if len(waiting) == 2:
            together.set()
        await together.wait()
        return "met"

    async with switchboard(hub=hub(), meeting=server, era={"hub": "modern"}) as board:
        assert text(await board.options(timeout=5).call("hub__both", tools=["meeting__meet"] * 2)) == "both"
    assert board.routes == "host > hub > meeting x2"
    assert sum(frame.message.method == "dev.mcpsym/continue" for frame in board.log.on("hub")) == 1


async def test_the_host_answers_elicitation_and_roots_in_a_leg(switchboard: Switchboard) -> None:
    async with switchboard(hub=hub(), era=MODERN) as board:
        board.user.script({"ok": True})
        board.roots.append("file:///r")
        assert text(await board.call("hub__host")) == "accept {'ok': True} ['file:///r']"


@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
async def test_progress_of_all_legs_comes_under_the_first_token(switchboard: Switchboard, typed: bool) -> None:
    seen: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    async with switchboard(hub=hub(), era=MODERN) as board:
        if typed:
            await board.client("hub").call_tool("steps", {}, progress_callback=note)
        else:
            await board.options(progress=note).call("hub__steps")
    assert seen == [1, 2]
    assert board.findings == ()


async def test_an_error_reaches_the_leg_with_its_code_message_and_data(switchboard: Switchboard) -> None:
    async with switchboard(hub=hub(), demo=demo(), era=MODERN) as board:
        told = text(await board.call("hub__ask", tool="dmeo__echo"))
    assert told.startswith("-32602 unknown tool 'dmeo__echo': there is no peer 'dmeo'; did you mean demo__echo?")
    assert told.endswith('{"reason": "unknown-peer"}')


@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
async def test_a_call_that_is_dropped_between_legs_cancels_its_continuation(switchboard: Switchboard, typed: bool) -> None:
    sym = Extension()
    async with switchboard(hub=hub(sym), demo=demo(), era=MODERN) as board:
        asked: dict[str, object] = {"tool": "demo__sleep"}
        async with anyio.create_task_group() as tasks:
            if typed:
                tasks.start_soon(board.client("hub").call_tool, "ask", asked)
            else:
                tasks.start_soon(board.call, "hub__ask", asked)
            await until(lambda: any(frame.message.method == "tools/call" for frame in board.log.on("demo")))
            tasks.cancel_scope.cancel()
        await until(lambda: sym.parked == 0)
        await until(lambda: any(frame.message.method == "notifications/cancelled" for frame in board.log.on("demo")))
    assert [frame.message.method for frame in board.log.on("hub") if frame.message.method == "dev.mcpsym/cancel"]
    assert board.findings == ()


@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
async def test_a_leg_that_crosses_the_cancellation_of_its_call_is_cancelled_too(switchboard: Switchboard, typed: bool) -> None:
    async def play(wire: Wire) -> None:
        request = await wire.hear_request("tools/call")
        while (await wire.hear()).method != "notifications/cancelled":
            pass
        await wire.answer(request, '{"resultType":"dev.mcpsym/calls","calls":{},"continuation":"late"}')
        await wire.answer(await wire.hear_request("dev.mcpsym/cancel"), '{"resultType":"complete"}')

    async with switchboard(odd=ScriptedServer(play, modern=True), era=MODERN) as board:
        async with anyio.create_task_group() as tasks:
            if typed:
                tasks.start_soon(board.client("odd").call_tool, "x")
            else:
                tasks.start_soon(board.call, "odd__x")
            await until(lambda: any(frame.message.method == "tools/call" for frame in board.log.on("odd")))
            tasks.cancel_scope.cancel()
        await until(lambda: any(frame.message.method == "dev.mcpsym/cancel" for frame in board.log.on("odd")))


async def test_one_time_limit_covers_all_legs(switchboard: Switchboard) -> None:
    sym = Extension()
    async with switchboard(hub=hub(sym), demo=demo(), era=MODERN) as board:
        with pytest.raises(TimeoutError, match=r"tools/call \(frame \d+\) was not answered within 0\.3 s"):
            await board.options(timeout=0.3).call("hub__ask", tool="demo__sleep")
        await until(lambda: sym.parked == 0)


def leg(result: str) -> ScriptedServer:
    """A modern server that answers a call with a leg, then lets itself be cancelled."""

    async def play(wire: Wire) -> None:
        await wire.answer(await wire.hear_request("tools/call"), result)
        await wire.answer(await wire.hear_request("dev.mcpsym/cancel"), '{"resultType":"complete"}')

    return ScriptedServer(play, modern=True)


@pytest.mark.parametrize(
    ("calls", "why"),
    [
        ("[]", "`calls` is no object"),
        ('{"":{"method":"tools/list"}}', "a key is empty"),
        ('{"a":{"method":"tools/list"},"a":{"method":"tools/list"}}', "the key 'a' is used twice"),
        ('{"a":{}}', "the call 'a' lacks a `method`, or its `params` are no object"),
        ('{"a":{"method":"tools/list","params":[]}}', "the call 'a' lacks a `method`, or its `params` are no object"),
    ],
)
async def test_a_leg_that_breaks_the_rules_is_an_error_and_is_cancelled(switchboard: Switchboard, calls: str, why: str) -> None:
    async with switchboard(
        odd=leg(f'{{"resultType":"dev.mcpsym/calls","calls":{calls},"continuation":"c"}}'), era=MODERN
    ) as board:
        with pytest.raises(LinkError, match=r"is no dev\.mcpsym/calls: ") as failure:
            await board.call("odd__x")
    assert str(failure.value).endswith(why)
    assert [frame.message.method for frame in board.log.on("odd") if frame.message.method == "dev.mcpsym/cancel"]


async def test_an_empty_leg_is_continued_at_once_and_the_continuation_goes_back_as_it_came(switchboard: Switchboard) -> None:
    heard: list[Mapping[str, object]] = []

    async def play(wire: Wire) -> None:
        await wire.answer(
            await wire.hear_request("tools/call"), r'{"resultType":"dev.mcpsym/calls","calls":{},"continuation":"\u0041\/"}'
        )
        request = await wire.hear_request("dev.mcpsym/continue")
        heard.append(cast("Mapping[str, object]", request.params))
        await wire.answer(request, '{"content":[],"resultType":"complete"}')

    async with switchboard(odd=ScriptedServer(play, modern=True), era=MODERN) as board:
        await board.call("odd__x")
    assert heard[0]["responses"] == {}
    sent = next(frame for frame in board.log.on("odd") if frame.message.method == "dev.mcpsym/continue")
    assert rb'"continuation":"\u0041\/"' in sent.data


async def test_a_call_for_something_that_no_client_answers_is_refused_by_its_key(switchboard: Switchboard) -> None:
    answered: list[object] = []

    async def play(wire: Wire) -> None:
        calls = '{"a":{"method":"initialize"},"b":{"method":"sampling/createMessage","params":{}}}'
        await wire.answer(
            await wire.hear_request("tools/call"), f'{{"resultType":"dev.mcpsym/calls","calls":{calls},"continuation":"c"}}'
        )
        request = await wire.hear_request("dev.mcpsym/continue")
        answered.append((request.params or {})["responses"])
        await wire.answer(request, '{"content":[],"resultType":"complete"}')

    async with switchboard(odd=ScriptedServer(play, modern=True), era=MODERN) as board:
        await board.call("odd__x")
    responses = cast("dict[str, dict[str, dict[str, object]]]", answered[0])
    assert {key: response["error"]["code"] for key, response in responses.items()} == {"a": -32601, "b": -32602}


REFUSALS = {
    "responses": '"error":{"code":-32602,"message":"no","data":{"keys":["a"]}}',
    "capability": '"error":{"code":-32021,"message":"no","data":{"requiredCapabilities":{}}}',
}


def stubborn(member: str) -> ScriptedServer:
    """A modern server that answers a call with a leg, and its continuation with what is given; it then can be cancelled."""

    async def play(wire: Wire) -> None:
        await wire.answer(
            await wire.hear_request("tools/call"), '{"resultType":"dev.mcpsym/calls","calls":{},"continuation":"c"}'
        )
        request = await wire.hear_request("dev.mcpsym/continue")
        await wire.say(f'{{"jsonrpc":"2.0","id":{json.dumps(request.id)},{member}}}')
        await wire.answer(await wire.hear_request("dev.mcpsym/cancel"), '{"resultType":"complete"}')

    return ScriptedServer(play, modern=True)


def cancelled(board: AsyncBoard, name: str) -> list[object]:
    """The continuations that a server was told to forget."""
    sent = [frame.message for frame in board.log.on(name) if frame.direction == "to-server"]
    return [message.params["continuation"] for message in sent if message.method == "dev.mcpsym/cancel"]


@pytest.mark.parametrize("member", REFUSALS.values(), ids=REFUSALS)
async def test_a_refused_request_to_continue_leaves_no_continuation_behind(switchboard: Switchboard, member: str) -> None:
    async with switchboard(odd=stubborn(member), era=MODERN) as board:
        with pytest.raises(MCPError, match="no"):
            await board.call("odd__x")
        assert cancelled(board, "odd") == ["c"]


@pytest.mark.mcp(expect=["jsonrpc:*"])
async def test_an_answer_that_is_none_to_a_request_to_continue_leaves_no_continuation_behind(switchboard: Switchboard) -> None:
    async with switchboard(odd=stubborn('"result":{},"error":{"code":1,"message":"m"}'), era=MODERN) as board:
        with pytest.raises(LinkError, match=r"is no answer to dev\.mcpsym/continue"):
            await board.call("odd__x")
        assert cancelled(board, "odd") == ["c"]


async def test_the_error_of_a_tool_ends_its_continuation_without_a_cancellation(switchboard: Switchboard) -> None:
    member = '"error":{"code":-32602,"message":"no","data":{"reason":"mine"}}'
    async with switchboard(odd=stubborn(member), era=MODERN) as board:
        with pytest.raises(MCPError, match="no"):
            await board.call("odd__x")
    assert cancelled(board, "odd") == []


@pytest.mark.mcp(expect=["jsonrpc:unanswered"])
async def test_a_request_to_continue_that_http_refuses_leaves_no_handler_waiting(switchboard: Switchboard) -> None:
    sym = Extension()
    app = hub(sym).streamable_http_app()

    async def overloaded(scope: Scope, receive: Receive, send: Send) -> None:
        refused = (b"mcp-method", b"dev.mcpsym/continue") in scope.get("headers", [])
        await (PlainTextResponse("busy", 503) if refused else app)(scope, receive, send)

    async with switchboard(hub=link(overloaded, transport="http"), demo=demo(), era=MODERN) as board:
        with pytest.raises(LinkError, match="503"):
            await board.call("hub__ask", tool="demo__echo", arguments={"text": "hi"})
        await until(lambda: sym.parked == 0)
