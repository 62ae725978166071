"""What a route may do: grants, hops, calls, one deadline; and that a server's request belongs to one of the requests it handles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

import anyio
import pytest
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel

from fake_servers import agent, code_mode, everything
from pytest_mcpsym import link
from pytest_mcpsym.errors import AnswerTimeout, UsageError
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard import routing
from pytest_mcpsym.switchboard.board import AsyncBoard
from pytest_mcpsym.switchboard.target import Era, Transport
from pytest_mcpsym.symmetric import Extension, peer
from tests.switchboard.servers import ScriptedServer, Wire, demo, text, until

pytestmark = pytest.mark.anyio
every_era = pytest.mark.parametrize("era", ["handshake", "modern"])


class Sure(BaseModel):
    """A form."""

    ok: bool


def caller() -> MCPServer:
    """A server that calls what it is told, and says which error came of it."""
    sym = Extension()
    server = MCPServer("caller", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def ask(context: Context, tool: str, arguments: dict[str, object] | None = None) -> str:
        try:
            return text(await peer(context).call_tool(tool, arguments))
        except MCPError as error:
            return f"{error.code} {error.message} {json.dumps(error.error.data)}"

    @server.tool(structured_output=False)
    async def again(context: Context, tool: str, times: int) -> str:
        for _ in range(times):
            await peer(context).call_tool(tool, {"text": "x"})
        return "done"

    @server.tool(structured_output=False)
    async def bounce(context: Context, to: str, back: str) -> str:
        return text(await peer(context).call_tool(f"{to}__bounce", {"to": back, "back": to}))

    @server.tool(structured_output=False)
    async def names(context: Context) -> str:
        return " ".join(tool.name for tool in await peer(context).list_tools())

    return server


# --- grants


@every_era
async def test_what_is_not_granted_is_neither_listed_nor_called(switchboard: Switchboard, era: Era) -> None:
    granted = link(caller(), grants=["demo__e*", "free"])
    async with switchboard(caller=granted, demo=demo(), free=demo(), hidden=demo(), era=era) as board:
        tools = " ".join(f"free__{tool}" for tool in ("echo", "keys", "steps", "fail", "sleep"))
        assert text(await board.call("caller__names")) == f"demo__echo {tools}"
        assert text(await board.call("caller__ask", tool="demo__echo", arguments={"text": "hi"})) == "hi"
        for tool in ("demo__keys", "hidden__echo"):
            assert text(await board.call("caller__ask", tool=tool)) == (
                f'-32602 {tool!r} is not granted to caller (granted peers: demo, free) {{"reason": "not-granted"}}'
            )
    assert not any(frame.message.method == "tools/list" for frame in board.log.on("hidden"))


async def test_no_grants_are_none_at_all(switchboard: Switchboard) -> None:
    async with switchboard(caller=link(caller(), grants=[]), demo=demo()) as board:
        assert text(await board.call("caller__names")) == ""
        assert "granted peers: none" in text(await board.call("caller__ask", tool="demo__echo"))


def test_grants_that_are_one_text_are_refused() -> None:
    with pytest.raises(UsageError, match=r"give a list of patterns, as in grants=\['demo'\]"):
        link(demo(), grants="demo")


# --- caps


@every_era
async def test_a_cycle_is_stopped_at_the_hop_cap_and_named(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(agent=caller(), code=caller(), era=era) as board:
        with pytest.raises(MCPError, match="this route has used up its 32 hops in the cycle agent > code > agent: ") as refusal:
            await board.call("agent__bounce", to="code", back="agent")
    data = cast("Mapping[str, object]", refusal.value.error.data)
    assert (refusal.value.code, data["reason"], data["limit"], data["value"]) == (-32602, "limit", "hops", 32)
    assert data["route"] == ["host", *["agent", "code"] * 16, "agent"]
    assert data["cycle"] == "agent > code > agent"
    assert len([hop for hop in board.routes.walk() if not hop.refused]) == 32
    (endless,) = [finding for finding in board.findings if finding.check == "routing:endless"]
    assert "was called 16 times on one route, by itself, until the host refused the next" in endless.message


@every_era
@pytest.mark.mcp(max_hops=3)
async def test_a_marker_sets_the_hop_cap(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(agent=caller(), code=caller(), era=era) as board:
        with pytest.raises(MCPError, match="this route has used up its 3 hops in the cycle"):
            await board.call("agent__bounce", to="code", back="agent")
    assert board.routes == "host > agent > code > agent"
    told = next(frame for frame in board.log.on("code") if frame.message.method == "tools/call")
    assert cast("Mapping[str, int]", told.message.meta["dev.mcpsym/budget"])["hops"] == 1


@every_era
@pytest.mark.mcp(max_calls=4)
async def test_a_route_has_a_cap_on_its_calls(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(caller=caller(), demo=demo(), era=era) as board:
        await board.call("caller__again", tool="demo__echo", times=4)
        with pytest.raises(MCPError, match=r"this route has used up its 4 calls: host > caller > demo"):
            await board.call("caller__again", tool="demo__echo", times=5)
    assert board.routes == ["host > caller > demo x4"] * 2


# --- budget and deadline


@every_era
async def test_each_hop_is_told_what_is_left(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(first=caller(), second=caller(), demo=demo(), era=era) as board:
        arguments: dict[str, object] = {"tool": "demo__echo", "arguments": {"text": ""}}
        await board.options(timeout=30).call("first__ask", tool="second__ask", arguments=arguments)
    calls = {
        name: next(f for f in board.log.on(name) if f.message.method == "tools/call") for name in ("first", "second", "demo")
    }
    assert "dev.mcpsym/budget" not in calls["first"].message.meta
    budgets = [cast("Mapping[str, int]", calls[name].message.meta["dev.mcpsym/budget"]) for name in ("second", "demo")]
    assert [(budget["hops"], budget["calls"]) for budget in budgets] == [(30, 999), (29, 998)]
    assert 30_000 >= budgets[0]["deadlineMs"] >= budgets[1]["deadlineMs"] > 0


async def test_the_deadline_ends_a_hop_whose_caller_does_not_cancel_it(
    switchboard: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "DEADLINE_GRACE", 0.05)

    async def play(wire: Wire) -> None:
        await wire.hear_request("tools/call")
        await wire.say('{"jsonrpc":"2.0","id":0,"method":"tools/call","params":{"name":"demo__sleep"}}')

    async with switchboard(stubborn=ScriptedServer(play), demo=demo()) as board:
        with pytest.raises(AnswerTimeout):
            await board.options(timeout=0.2).call("stubborn__x")
        await until(lambda: any(frame.message.method == "notifications/cancelled" for frame in board.log.on("demo")))


# --- whose request it is


async def ask_twice(board: AsyncBoard) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(board.call, "odd__a")
        tasks.start_soon(board.call, "odd__b")


def asking(meta: str) -> tuple[ScriptedServer, list[dict[str, object]]]:
    """A server that asks for a tool and a list while it handles two requests, and what it is answered."""
    heard: list[dict[str, object]] = []

    async def play(wire: Wire) -> None:
        requests = [await wire.hear_request("tools/call") for _ in range(2)]
        named = meta.replace("FIRST", json.dumps(requests[0].id))
        call = f'{{"name":"demo__echo","arguments":{{"text":"hi"}},"_meta":{{{named}}}}}'
        for method, params in (("tools/call", call), ("tools/list", "{}")):
            await wire.say(f'{{"jsonrpc":"2.0","id":0,"method":"{method}","params":{params}}}')
            heard.append((await wire.hear()).model_dump())
        for request in requests:
            await wire.answer(request, '{"content":[]}')

    return ScriptedServer(play), heard


async def test_a_call_that_may_be_for_either_of_two_requests_is_refused_and_a_list_is_not(switchboard: Switchboard) -> None:
    server, heard = asking("")
    async with switchboard(odd=server, demo=demo()) as board:
        await ask_twice(board)
    error = cast("Mapping[str, object]", heard[0]["error"])
    assert (error["code"], error["data"]) == (-32602, {"reason": "ambiguous"})
    assert "odd handles several requests, and nothing tells which one this tools/call is for" in str(error["message"])
    assert "result" in heard[1]


async def test_a_call_that_names_its_cause_goes_through(switchboard: Switchboard) -> None:
    server, heard = asking('"dev.mcpsym/cause":FIRST')
    async with switchboard(odd=server, demo=demo()) as board:
        await ask_twice(board)
    assert "result" in heard[0]
    assert sorted([hop.callee for hop in root.children] for root in board.routes) == [[], ["demo"]]


@pytest.mark.mcp(expect=["origin:unknown-cause"])
async def test_a_call_for_a_request_that_is_over_is_refused(switchboard: Switchboard) -> None:
    heard: list[dict[str, object]] = []

    async def play(wire: Wire) -> None:
        request = await wire.hear_request("tools/call")
        await wire.answer(request, '{"content":[]}')
        params = f'{{"name":"demo__echo","_meta":{{"dev.mcpsym/cause":{json.dumps(request.id)}}}}}'
        await wire.say(f'{{"jsonrpc":"2.0","id":0,"method":"tools/call","params":{params}}}')
        heard.append((await wire.hear()).model_dump())

    async with switchboard(odd=ScriptedServer(play), demo=demo()) as board:
        await board.call("odd__x")
        await until(lambda: bool(heard))
    assert cast("Mapping[str, object]", heard[0]["error"])["data"] == {"reason": "over"}
    assert not any(frame.message.method == "tools/call" for frame in board.log.on("demo"))


SAMPLING = ("sampling/createMessage", '{"messages":[],"maxTokens":1,"_meta":{META}}')
ELICITATION = ("elicitation/create", '{"message":"?","requestedSchema":{"type":"object","properties":{}},"_meta":{META}}')


def wondering(meta: str) -> tuple[ScriptedServer, dict[str, Mapping[str, object]]]:
    """A symmetric server that asks the host while it handles two requests, and what it is answered."""
    heard: dict[str, Mapping[str, object]] = {}

    async def play(wire: Wire) -> None:
        requests = [await wire.hear_request("tools/call") for _ in range(2)]
        named = meta.replace("FIRST", json.dumps(requests[0].id))
        for method, params in (
            ("prompts/list", "{}"),
            SAMPLING,
            ELICITATION,
            ("roots/list", '{"_meta":{META}}'),
            ("ping", "{}"),
        ):
            await wire.say(f'{{"jsonrpc":"2.0","id":0,"method":"{method}","params":{params.replace("META", named)}}}')
            heard[method] = (await wire.hear()).model_dump()
        for request in requests:
            await wire.answer(request, '{"content":[]}')

    return ScriptedServer(play), heard


async def test_what_is_asked_of_the_host_and_may_be_for_either_of_two_requests_is_refused(switchboard: Switchboard) -> None:
    server, heard = wondering("")
    async with switchboard(odd=server) as board:
        board.model.script("never said")
        board.user.script("accept")
        await ask_twice(board)
    for method in ("sampling/createMessage", "elicitation/create"):
        error = cast("Mapping[str, object]", heard[method]["error"])
        assert (error["code"], error["data"]) == (-32602, {"reason": "ambiguous"})
        assert f"odd handles several requests, and nothing tells which one this {method} is for" in str(error["message"])
    assert "result" in heard["roots/list"]
    assert "result" in heard["ping"]


async def test_what_is_asked_of_the_host_with_its_cause_is_answered(switchboard: Switchboard) -> None:
    server, heard = wondering('"dev.mcpsym/cause":FIRST')
    async with switchboard(odd=server) as board:
        board.model.script("said")
        board.user.script("accept")
        await ask_twice(board)
    assert cast("Mapping[str, object]", heard["sampling/createMessage"]["result"])["content"] == {
        "type": "text",
        "text": "said",
    }
    assert cast("Mapping[str, object]", heard["elicitation/create"]["result"])["action"] == "accept"


@pytest.mark.parametrize("transport", ["http", "memory"])
async def test_a_server_that_speaks_the_core_alone_need_not_tell_whose_question_it_asks_the_host(
    switchboard: Switchboard, transport: Transport
) -> None:
    server = MCPServer("asking", log_level="CRITICAL")
    both = anyio.Event()
    handling: list[str] = []
    said: list[str] = []

    @server.tool(structured_output=False)
    async def ask(context: Context) -> str:
        handling.append("")
        if len(handling) == 2:
            both.set()
        await both.wait()
        said.append((await context.elicit("sure?", Sure)).action)
        while len(said) < 2:  # noqa: ASYNC110 - the other question may still be asked
            await anyio.sleep(0.005)
        return ""

    async with switchboard(asking=link(server, transport=transport)) as board:
        board.user.script({"ok": True}, {"ok": True})
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(board.call, "asking__ask")
    assert said == ["accept", "accept"]


# --- size


@pytest.mark.parametrize("eras", [["handshake"], ["modern"], ["handshake", "modern"]], ids="-".join)
async def test_ten_hops_are_one_route(switchboard: Switchboard, eras: list[Era]) -> None:
    names = [f"s{number}" for number in range(10)]
    links: dict[str, object] = {name: link(caller(), era=eras[i % len(eras)]) for i, name in enumerate(names[:-1])}
    arguments: Mapping[str, object] = {"text": "deep"}
    tool = f"{names[-1]}__echo"
    for name in reversed(names[1:-1]):
        tool, arguments = f"{name}__ask", {"tool": tool, "arguments": arguments}
    async with switchboard(era=None, **links, s9=demo()) as board:
        assert text(await board.call("s0__ask", tool=tool, arguments=arguments)) == "deep"
    assert board.routes == " > ".join(["host", *names])
    assert board.findings == ()


def listing(names: list[str]) -> dict[str, object]:
    """Servers with a tool each; none answers what it has before all were asked, and the first one answers last."""
    asked = {name: anyio.Event() for name in names}
    answered = {name: anyio.Event() for name in (*names, "")}
    answered[""].set()

    def server(name: str, after: str) -> ScriptedServer:
        async def play(wire: Wire) -> None:
            request = await wire.hear_request("tools/list")
            asked[name].set()
            for event in asked.values():
                await event.wait()
            await answered[after].wait()
            await wire.answer(request, '{"tools":[{"name":"t","inputSchema":{"type":"object"}}]}')
            answered[name].set()

        return ScriptedServer(play)

    return {name: server(name, after) for name, after in zip(names, [*names[1:], ""], strict=True)}


async def test_all_servers_are_asked_for_their_tools_at_once(switchboard: Switchboard) -> None:
    async with switchboard(era=None, **listing(["a", "b", "c"])) as board:
        with anyio.fail_after(10):
            assert [tool.name for tool in await board.tools()] == ["a__t", "b__t", "c__t"]


@every_era
async def test_a_server_that_lists_tools_has_all_others_asked_at_once(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(era=None, **listing(["a", "b", "c"]), caller=link(caller(), era=era)) as board:
        assert text(await board.options(timeout=10).call("caller__names")) == "a__t b__t c__t"


async def test_a_server_that_fails_to_list_spares_the_wait_for_the_others(switchboard: Switchboard) -> None:
    async def refuse(wire: Wire) -> None:
        request = await wire.hear_request("tools/list")
        await wire.say(f'{{"jsonrpc":"2.0","id":{json.dumps(request.id)},"error":{{"code":-32603,"message":"no list"}}}}')

    async def hang(wire: Wire) -> None:
        await wire.hear_request("tools/list")

    async with switchboard(hangs=ScriptedServer(hang), refuses=ScriptedServer(refuse)) as board:
        with anyio.fail_after(10), pytest.raises(MCPError, match="no list"):
            await board.tools()
    assert [f.message.method for f in board.log.on("hangs")][-1] == "notifications/cancelled"


async def test_fifty_servers_are_listed_and_called(switchboard: Switchboard) -> None:
    servers = {f"s{number}": demo() for number in range(50)}
    async with switchboard(era=None, caller=caller(), **servers) as board:
        listed = text(await board.call("caller__names")).split()
        assert listed == [f"{name}__{tool}" for name in servers for tool in ("echo", "keys", "steps", "fail", "sleep")]
        for name in servers:
            assert text(await board.call("caller__ask", tool=f"{name}__echo", arguments={"text": name})) == name


@pytest.mark.parametrize(("era", "anyio_backend"), [("handshake", "trio"), ("modern", "asyncio")])  # each starts 200 processes
async def test_two_hundred_routes_at_once_do_not_wait_for_each_other(switchboard: Switchboard, era: Era) -> None:
    done: list[str] = []

    async def go(board: AsyncBoard, number: int) -> None:
        done.append(text(await board.options(timeout=100).call("agent__run", task=f"say '{number}' with the echo tool")))

    async with switchboard(agent=agent(), code=code_mode(), everything=everything(), era=era) as board:
        with anyio.fail_after(100):
            async with anyio.create_task_group() as tasks:
                for number in range(200):
                    tasks.start_soon(go, board, number)
    assert sorted(done) == sorted(f"Echo: {number}" for number in range(200))
    assert [str(hop.children[0].children[0].callee) for hop in board.routes] == ["everything"] * 200
