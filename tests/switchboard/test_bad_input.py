"""What peers should not say, in both eras: the error that it gets, that nothing runs on afterwards, and that the log shows it.

| bad input | here | in more detail |
|---|---|---|
| a client without the extension, a capability that it did not declare | | `tests/symmetric/test_peer.py`, `tests/symmetric/test_handshake.py` |
| a tool that is not granted | | `tests/switchboard/test_limits.py` |
| an unknown, malformed or ambiguous name | names | `tests/switchboard/test_routing.py`, `tests/switchboard/test_primitives.py` |
| a forged, replayed, expired or foreign continuation | where no era has any | `tests/symmetric/test_parked_end.py`, `tests/symmetric/test_sealed.py` |
| a leg with an empty or duplicate key | a leg where there are none | `tests/switchboard/test_legs.py` |
| a response for no call | responses | `tests/symmetric/test_parked.py` |
| a server that never ends | never | `tests/switchboard/test_limits.py` |
| a program that is none, never ends, grows, or reaches out | programs | `tests/fakes/test_sandbox.py` |
"""

from __future__ import annotations

import json

import pytest
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer

from fake_servers import code_mode, everything
from pytest_mcpsym.errors import AnswerTimeout, LinkError
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.target import Era
from pytest_mcpsym.symmetric import Extension, peer
from pytest_mcpsym.wire.log import WireLog
from tests.switchboard.servers import ScriptedServer, Wire, demo, text, until

pytestmark = pytest.mark.anyio
every_era = pytest.mark.parametrize("era", ["handshake", "modern"])


def caller() -> MCPServer:
    """A server that calls what it is told, and says which error came of it."""
    sym = Extension()
    server = MCPServer("caller", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def ask(context: Context, tool: str) -> str:
        try:
            return text(await peer(context).call_tool(tool))
        except MCPError as error:
            return f"{error.code} {error.message} {json.dumps(error.error.data)}"

    @server.tool(structured_output=False)
    async def read(context: Context, uri: str) -> str:
        try:
            return str((await peer(context).read_resource(uri)).contents[0].uri)
        except MCPError as error:
            return f"{error.code} {error.message} {json.dumps(error.error.data)}"

    return server


def noted(uri: str) -> MCPServer:
    """A server with one resource."""
    server = MCPServer("noted", log_level="CRITICAL")

    @server.resource(uri)
    def note() -> str:
        return ""

    return server


def called(log: WireLog, name: str) -> list[str]:
    """The routed requests that a link got."""
    routed = ("tools/call", "resources/read", "prompts/get")
    return [str(f.message.method) for f in log.on(name) if f.direction == "to-server" and f.message.method in routed]


# --- names


@every_era
@pytest.mark.parametrize(
    ("tool", "reason"),
    [("dmeo__echo", "unknown-peer"), ("echo", "malformed"), ("", "malformed"), ("caller__ask", "not-granted")],
)
async def test_a_name_that_leads_nowhere_reaches_nobody(switchboard: Switchboard, era: Era, tool: str, reason: str) -> None:
    async with switchboard(caller=caller(), demo=demo(), era=era) as board:
        said = text(await board.call("caller__ask", tool=tool))
    assert said.startswith("-32602 ")
    assert f'"reason": "{reason}"' in said
    assert (called(board.log, "demo"), called(board.log, "caller")) == ([], ["tools/call"])


@every_era
async def test_a_bare_uri_of_two_servers_is_ambiguous(switchboard: Switchboard, era: Era) -> None:
    one, two = noted("note://it"), noted("note://it")
    async with switchboard(caller=caller(), one=one, two=two, era=era) as board:
        for name in ("one", "two"):
            await board.client(name).list_resources()
        said = text(await board.call("caller__read", uri="note://it"))
    assert said.startswith("-32602 'note://it' may be any of one+note://it, two+note://it")
    assert '"reason": "ambiguous"' in said
    assert called(board.log, "one") + called(board.log, "two") == []


# --- continuations and legs where there are none


@pytest.mark.parametrize("method", ["dev.mcpsym/continue", "dev.mcpsym/cancel"])
async def test_the_handshake_era_knows_no_continuations(switchboard: Switchboard, method: str) -> None:
    async with switchboard(caller=caller()) as board:
        answer = await board._engine.links["caller"].request(method, b'{"continuation":"forged"}')  # pyright: ignore[reportPrivateUsage] - no client says this
    assert answer.frame.message.error["code"] == -32601


@every_era
async def test_a_forged_continuation_is_refused_and_the_calls_in_flight_go_on(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(caller=caller(), demo=demo(), era=era) as board:
        link = board._engine.links["caller"]  # pyright: ignore[reportPrivateUsage] - no client says this
        answer = await link.request("dev.mcpsym/continue", b'{"continuation":"forged","responses":{}}')
        assert "requested" not in text(await board.call("caller__ask", tool="demo__keys"))
    error = answer.frame.message.error
    assert (error["code"], error.get("data")) == (
        (-32601, "dev.mcpsym/continue") if era == "handshake" else (-32602, {"reason": "unknown"})
    )


LEG = (
    '{"resultType":"dev.mcpsym/calls","continuation":"c","calls":{"c1":{"method":"tools/call","params":{"name":"demo__echo",'
    '"arguments":{"text":"x"}}}}}'
)


async def test_a_leg_in_the_handshake_era_is_no_result_and_none_of_its_calls_is_made(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None:
        for _ in range(2):
            await wire.answer(await wire.hear_request("tools/call"), LEG)

    async with switchboard(odd=ScriptedServer(play), demo=demo()) as board:
        with pytest.raises(LinkError, match="answers tools/call with no CallToolResult"):
            await board.call("odd__x")
        with pytest.raises(Exception, match="content"):
            await board.client("odd").call_tool("x", {})
    assert called(board.log, "demo") == []
    assert not any(frame.message.method == "dev.mcpsym/continue" for frame in board.log.on("odd"))


# --- responses


@every_era
@pytest.mark.mcp(expect=["jsonrpc:*"])
@pytest.mark.parametrize("ident", ["77", '"odd-99"', "null"])
async def test_a_response_for_no_call_is_nobodys_and_a_finding(switchboard: Switchboard, era: Era, ident: str) -> None:
    async def play(wire: Wire) -> None:
        request = await wire.hear_request("tools/call")
        await wire.say(f'{{"jsonrpc":"2.0","id":{ident},"result":{{"content":[]}}}}')
        await wire.answer(request, '{"resultType":"complete","content":[{"type":"text","text":"yes"}]}')

    async with switchboard(odd=ScriptedServer(play, modern=era == "modern"), era=era) as board:
        assert text(await board.call("odd__x")) == "yes"


# --- what never ends


@every_era
async def test_a_server_that_never_ends_is_given_up_on_every_hop(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(caller=caller(), demo=demo(), era=era) as board:
        with pytest.raises(AnswerTimeout):
            await board.options(timeout=0.5).call("caller__ask", tool="demo__sleep")
        await until(lambda: "notifications/cancelled" in [frame.message.method for frame in board.log.on("demo")])
        assert text(await board.call("demo__echo", text="well")) == "well"


# --- programs

PROGRAMS = {
    "syntax": ("everything__echo(message='hi'", "line 1"),
    "import": ("import socket\neverything__echo(message='hi')", "socket"),
    "loop": ("while True:\n    pass", "time limit exceeded"),
    "string": ("len('x' * 1_000_000_000)", "memory"),
    "growth": ("text = 'x'\nwhile True:\n    text += text", "memory"),
}


@every_era
@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_bad_program_is_a_tool_error_and_calls_nothing(switchboard: Switchboard, era: Era, program: str) -> None:
    source, why = PROGRAMS[program]
    async with switchboard(code=code_mode(max_seconds=0.3, max_memory=8_000_000), everything=everything(), era=era) as board:
        result = await board.call("code__run", program=source)
        again = await board.call("code__run", program="1 + 1")
    assert (result.is_error, again.is_error) == (True, False)
    assert why in text(result)
    assert called(board.log, "everything") == []
