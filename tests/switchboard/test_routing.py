"""What one server asks of another: forwarded byte for byte, refused with a reason, cancelled and reported along the way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import anyio
import pytest
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.message import ServerMessageMetadata
from mcp_types import CallToolRequest, CallToolResult, ServerRequest, TextContent

from fake_servers import agent, code_mode, everything
from pytest_mcpsym import link
from pytest_mcpsym.errors import UsageError
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.board import AsyncBoard
from pytest_mcpsym.switchboard.target import Era, LinkSpec, Transport
from pytest_mcpsym.symmetric import peer
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.splice import find, splice
from tests.switchboard.servers import ScriptedServer, Wire, process, until

pytestmark = pytest.mark.anyio

ODD = (
    r'{"zero":-0,"big":1e2,"long":0.1000000000000000055511151231257827,"twice":1,"twice":2,"esc":"\u0041\/","lone":"\ud800",'
    r'"deep":[[{"b":1,"a":[ ]}]], "huge":123456789012345678901234567890}'
)
"""JSON that no parser gives back as it was."""


def caller() -> MCPServer:
    """A server whose one tool calls a tool of the client and gives back what came."""
    server = MCPServer("caller", log_level="WARNING")

    @server.tool(structured_output=False)
    async def ask(context: Context, tool: str, arguments: dict[str, object] | None = None) -> str:
        try:
            result = await peer(context).call_tool(tool, arguments)
        except MCPError as error:
            return f"{error.code} {error.message} {json.dumps(error.error.data)}"
        return text(result)

    @server.tool(structured_output=False)
    async def names(context: Context) -> str:
        try:
            return " ".join(tool.name for tool in await peer(context).list_tools())
        except MCPError as error:
            return f"{error.code} {error.message} {json.dumps(error.error.data)}"

    @server.tool(structured_output=False)
    async def quiet() -> str:
        return "quiet"

    return server


def demo() -> MCPServer:
    """A server to be called."""
    server = MCPServer("demo", log_level="WARNING")

    @server.tool(structured_output=False)
    async def echo(text: str) -> str:
        return text

    @server.tool(structured_output=False)
    async def meta(context: Context) -> str:
        return json.dumps(dict(cast("Mapping[str, object]", context.request_context.meta or {})))

    @server.tool(structured_output=False)
    async def sleep() -> str:
        await anyio.sleep_forever()
        return ""

    return server


def text(result: CallToolResult) -> str:
    """The text of a result."""
    return "".join(block.text for block in result.content if isinstance(block, TextContent))


def mirrored(board: AsyncBoard, name: str) -> Frame:
    """The first `tools/call` that a server sent."""
    return next(
        frame for frame in board.log.on(name) if frame.direction == "to-client" and frame.message.method == "tools/call"
    )


# --- bytes


async def test_arguments_and_results_cross_a_hop_byte_for_byte(switchboard: Switchboard, tmp_path: Path) -> None:
    asks = f"""shake(); first = hear()
say('''{{"jsonrpc":"2.0","id":"m","method":"tools/call","params":{{"x-unknown": 1e0,"name":"callee__odd","arguments":{ODD},"_meta":{{"private":1}}}}}}'''.replace(chr(10), ''))
hear(); answer(first, '{{"content":[]}}'); hear()""".replace("\\", "\\\\")
    gives = f"""shake(); request = hear()
answer(request, '''{{"x-before": -0,"content":[],"structuredContent":{ODD},"x-after":1E5}}'''); hear()""".replace("\\", "\\\\")
    async with switchboard(asker=process(tmp_path, asks, "asks"), callee=process(tmp_path, gives, "gives")) as board:
        await board.call("asker__go")
    forwarded = next(frame for frame in board.log.on("callee") if frame.message.method == "tools/call").data
    params = find(splice(forwarded, {("params", "_meta"): None}), ("params",))
    assert params == b'{"x-unknown": 1e0,"name":"odd","arguments":' + ODD.encode() + b"}"
    returned = next(
        frame for frame in board.log.on("asker") if frame.message.id == '"m"' and frame.direction == "to-server"
    ).data
    assert returned == (
        b'{"jsonrpc":"2.0","id":"m","result":{"x-before": -0,"content":[],"structuredContent":'
        + ODD.encode()
        + b',"x-after":1E5}}'
    )


async def test_an_error_crosses_a_hop_with_its_bytes(switchboard: Switchboard) -> None:
    error = f'{{"code":-7,"message":"no","data":{ODD.replace("lone", "l").replace("ud800", "u00e9")},"x":-0}}'

    async def play(wire: Wire) -> None:
        request = await wire.hear_request("tools/call")
        await wire.say(f'{{"jsonrpc":"2.0","id":"{request.id}","error":{error}}}')

    async with switchboard(caller=caller(), callee=ScriptedServer(play)) as board:
        assert text(await board.call("caller__ask", tool="callee__x")).startswith("-7 no ")
    ident = mirrored(board, "caller").message.id
    returned = next(f for f in board.log.on("caller") if f.message.id == ident and f.message.kind == "error").data
    assert find(returned, ("error",)) == error.encode()


# --- _meta and progress


async def test_only_trace_keys_of_meta_cross_a_hop_beside_the_budget(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None:
        request = await wire.hear_request("tools/call")
        meta = '{"traceparent":"00-1-2-01","tracestate":"a=b","baggage":"c=d","secret":"x","progressToken":"mine"}'
        await wire.say(f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"demo__meta","_meta":{meta}}}}}')
        await wire.hear()
        await wire.answer(request, '{"content":[]}')

    async with switchboard(odd=ScriptedServer(play), demo=demo()) as board:
        await board.call("odd__go")
    request = next(frame for frame in board.log.on("demo") if frame.message.method == "tools/call")
    assert {key: value for key, value in request.message.meta.items() if key != "dev.mcpsym/budget"} == {
        "traceparent": "00-1-2-01",
        "tracestate": "a=b",
        "baggage": "c=d",
        "progressToken": cast("Mapping[str, object]", request.message.value)["id"],
    }


async def test_meta_of_a_result_stays_on_its_link_but_for_trace_keys(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None:
        await wire.answer(await wire.hear_request("tools/call"), '{"content":[],"_meta":{"secret":1,"tracestate":"a=b"}}')

    async with switchboard(caller=caller(), callee=ScriptedServer(play)) as board:
        await board.call("caller__ask", tool="callee__x")
    ident = mirrored(board, "caller").message.id
    returned = next(
        f for f in board.log.on("caller") if f.message.id == ident and f.message.kind == "result" and f.direction == "to-server"
    )
    assert dict(returned.message.meta) == {"tracestate": "a=b"}


TENANT = "com.example/tenant"


@pytest.mark.parametrize("era", ["handshake", "modern"])
async def test_keys_of_meta_that_the_user_names_cross_a_hop_and_come_back(switchboard: Switchboard, era: Era) -> None:
    call = f'"method":"tools/call","params":{{"name":"callee__x","_meta":{{"{TENANT}":"t","secret":"x"}}}}'

    async def ask(wire: Wire) -> None:
        request = await wire.hear_request("tools/call")
        if era == "modern":
            leg = f'{{"resultType":"dev.mcpsym/calls","calls":{{"a":{{{call}}}}},"continuation":"c"}}'
            await wire.answer(request, leg)
            request = await wire.hear_request("dev.mcpsym/continue")
        else:
            await wire.say(f'{{"jsonrpc":"2.0","id":1,{call}}}')
            await wire.hear()
        await wire.answer(request, '{"content":[],"resultType":"complete"}')

    async def play(wire: Wire) -> None:
        answer = f'{{"content":[],"resultType":"complete","_meta":{{"secret":1,"{TENANT}":"u"}}}}'
        await wire.answer(await wire.hear_request("tools/call"), answer)

    caller = link(ScriptedServer(ask, modern=era == "modern"), forward_meta=[TENANT])
    async with switchboard(caller=caller, callee=ScriptedServer(play, modern=era == "modern"), era=era) as board:
        await board.call("caller__go")
    (sent,) = [frame for frame in board.log.on("callee") if frame.message.method == "tools/call"]
    assert {key: value for key, value in sent.message.meta.items() if "tenant" in key or "secret" in key} == {TENANT: "t"}
    back = [frame.data for frame in board.log.on("caller") if frame.direction == "to-server"]
    assert [b'"com.example/tenant":"u"' in data for data in back if b'"content"' in data] == [True]
    assert not any(b"secret" in data for data in back)


@pytest.mark.parametrize("key", ["progressToken", "io.modelcontextprotocol/clientInfo", "dev.mcpsym/budget"])
def test_a_key_of_meta_that_belongs_to_one_link_cannot_be_named(key: str) -> None:
    with pytest.raises(UsageError, match="belongs to one link; name keys of your own"):
        link(demo(), forward_meta=[key])


async def test_progress_of_a_hop_comes_under_the_callers_own_token(switchboard: Switchboard) -> None:
    server = MCPServer("watcher", log_level="WARNING")
    seen: list[float] = []

    @server.tool()
    async def watch(context: Context) -> str:
        async def note(progress: float, total: float | None, message: str | None) -> None:
            seen.append(progress)

        name = "everything__trigger-long-running-operation"
        await peer(context).call_tool(name, {"duration": 0.02, "steps": 3}, progress=note)
        return "done"

    async with switchboard(watcher=server, everything=everything()) as board:
        await board.call("watcher__watch")
    assert seen == [1, 2, 3]
    assert board.findings == ()


# --- names


@pytest.mark.parametrize(
    ("tool", "told", "reason"),
    [
        (
            "dmeo__echo",
            "unknown tool 'dmeo__echo': there is no peer 'dmeo'; did you mean demo__echo? (granted peers: demo)",
            "unknown-peer",
        ),
        ("nothing__x", "unknown tool 'nothing__x': there is no peer 'nothing' (granted peers: demo)", "unknown-peer"),
        ("caller__quiet", "'caller__quiet' is the caller's own tool: a peer is not granted itself", "not-granted"),
        ("echo", "'echo' is no routed name; they look like peer__tool", "malformed"),
        ("demo__", "'demo__' is no routed name", "malformed"),
        ("__echo", "'__echo' is no routed name", "malformed"),
        ("", "'' is no routed name", "malformed"),
    ],
)
async def test_a_name_that_leads_nowhere_is_refused_with_a_reason(
    switchboard: Switchboard, tool: str, told: str, reason: str
) -> None:
    async with switchboard(caller=caller(), demo=demo()) as board:
        answer = text(await board.call("caller__ask", tool=tool))
    assert answer.startswith("-32602 " + told)
    assert f'{{"reason": "{reason}"}}' in answer
    assert board.routes == "host > caller"


@pytest.mark.parametrize(
    ("tool", "told"),
    [
        ("echo", "'echo' is no routed name; they look like peer__tool; did you mean demo__echo or other__echo? (granted"),
        ("demo.echo", "'demo.echo' is no routed name; they look like peer__tool; did you mean demo__echo? (granted"),
        ("demo__keys", "'demo__keys' is not granted to caller (granted peers: demo, other)"),
        ("demo__ccho", "'demo__ccho' is not granted to caller; did you mean demo__echo? (granted peers: demo, other)"),
        ("nobody__echo", "unknown tool 'nobody__echo': there is no peer 'nobody'; did you mean demo__echo or other__echo?"),
    ],
)
async def test_a_name_that_is_nearly_one_of_those_listed_is_refused_with_that(
    switchboard: Switchboard, tool: str, told: str
) -> None:
    limited = link(caller(), grants=["demo__e*", "other__echo"])
    async with switchboard(caller=limited, demo=demo(), other=demo()) as board:
        await board.client("demo").list_tools()
        answer = text(await board.call("caller__ask", tool=tool))
    assert answer.startswith("-32602 " + told)


async def test_a_call_without_a_name_is_refused(switchboard: Switchboard) -> None:
    refused: list[object] = []

    async def play(wire: Wire) -> None:
        request = await wire.hear_request("tools/call")
        for number, params in enumerate(("{}", '{"name":5}', "[]")):
            await wire.say(f'{{"jsonrpc":"2.0","id":{number},"method":"tools/call","params":{params}}}')
            refused.append((await wire.hear()).error.message)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType] - it is an error
        await wire.answer(request, '{"content":[]}')

    async with switchboard(odd=ScriptedServer(play)) as board:
        await board.call("odd__go")
    assert refused == ["tools/call without a `name`"] * 3


async def test_a_tool_that_the_callee_does_not_have_is_the_callees_own_error(switchboard: Switchboard) -> None:
    async with switchboard(caller=caller(), demo=demo()) as board:
        assert "Unknown tool" in text(await board.call("caller__ask", tool="demo__nope"))
    assert board.routes == "host > caller > demo"


async def test_a_peer_sees_all_tools_but_its_own(switchboard: Switchboard) -> None:
    async with switchboard(caller=caller(), demo=demo(), other=demo()) as board:
        listed = text(await board.call("caller__names")).split()
    assert listed == [f"{name}__{tool}" for name in ("demo", "other") for tool in ("echo", "meta", "sleep")]


async def test_a_cursor_that_nobody_gave_is_refused(switchboard: Switchboard) -> None:
    refused: list[object] = []

    async def play(wire: Wire) -> None:
        request = await wire.hear_request("tools/call")
        await wire.say('{"jsonrpc":"2.0","id":0,"method":"tools/list","params":{"cursor":"x"}}')
        refused.append((await wire.hear()).error.message)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType] - it is an error
        await wire.answer(request, '{"content":[]}')

    async with switchboard(odd=ScriptedServer(play)) as board:
        await board.call("odd__go")
    assert "there is no cursor to continue from" in str(refused)


def listing(*pages: str) -> ScriptedServer:
    """A server that lists pages of tools."""

    async def play(wire: Wire) -> None:
        while True:
            for page in pages:
                await wire.answer(await wire.hear_request("tools/list"), page)

    return ScriptedServer(play)


TWICE = ('{"tools":[{"name":"a","inputSchema":{}}],"nextCursor":"2"}', '{"tools":[{"name":"a","inputSchema":{}}]}')


@pytest.mark.mcp(expect=["listing:name-twice"])
async def test_a_tool_listed_twice_names_link_and_frames(switchboard: Switchboard) -> None:
    told = r"link 'odd': the tool 'a' is listed twice \(frames \d+ and \d+\), so odd__a would name two tools"
    async with switchboard(odd=listing(*TWICE)) as board:
        with pytest.raises(Exception, match=told):
            await board.tools()


@pytest.mark.mcp(expect=["listing:name-twice"])
async def test_a_peer_that_lists_with_another_hears_of_a_tool_listed_twice(switchboard: Switchboard) -> None:
    async with switchboard(caller=caller(), odd=listing(*TWICE)) as board:
        answer = text(await board.call("caller__names"))
    assert answer.startswith("-32603 link 'odd': the tool 'a' is listed twice")
    assert '"link": "odd"' in answer


async def test_tools_keep_their_bytes_under_their_new_name(switchboard: Switchboard) -> None:
    entry = '{"x":-0,"name":"a","inputSchema":{"type":"object","b":1e2,"a":1}}'
    async with switchboard(caller=caller(), odd=listing(f'{{"tools":[{entry}]}}')) as board:
        await board.call("caller__names")
    answer = next(f for f in board.log.on("caller") if f.direction == "to-server" and f.message.kind == "result")
    assert find(answer.data, ("result",)) == b'{"tools":[' + entry.replace('"a"', '"odd__a"', 1).encode() + b"]}"


async def test_a_callee_without_tools_is_listed_as_nothing_and_not_asked(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None: ...

    async with switchboard(caller=caller(), bare=ScriptedServer(play, "{}"), demo=demo()) as board:
        assert "bare" not in text(await board.call("caller__names"))
        assert all(not tool.name.startswith("bare") for tool in await board.tools())
    assert not any(frame.message.method == "tools/list" for frame in board.log.on("bare"))


# --- failure


async def test_a_dead_callee_is_an_error_of_the_call_that_names_it(switchboard: Switchboard, tmp_path: Path) -> None:
    async with switchboard(caller=caller(), dead=process(tmp_path, "shake(); hear(); sys.exit(5)"), demo=demo()) as board:
        with board.expect("jsonrpc:unanswered"):
            answer = text(await board.call("caller__ask", tool="dead__x"))
            assert answer.startswith("-32603 link 'dead': ")
            assert "ended with exit status 5" in answer
            assert '{"reason": "exited", "link": "dead"}' in answer
        assert text(await board.call("caller__names")) == "demo__echo demo__meta demo__sleep"
        with pytest.raises(Exception, match="exit status 5"):
            await board.call("dead__x")


async def test_a_cancelled_call_is_cancelled_over_two_hops(switchboard: Switchboard) -> None:
    async with switchboard(first=caller(), second=caller(), demo=demo()) as board:
        arguments: dict[str, object] = {"tool": "second__ask", "arguments": {"tool": "demo__sleep"}}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(board.call, "first__ask", arguments)
            await until(lambda: any(frame.message.method == "tools/call" for frame in board.log.on("demo")))
            tasks.cancel_scope.cancel()
        await until(lambda: any(frame.message.method == "notifications/cancelled" for frame in board.log.on("demo")))
    assert board.findings == ()
    for name in ("first", "second", "demo"):
        down = [frame for frame in board.log.on(name) if frame.direction == "to-server"]
        request = next(frame for frame in down if frame.message.method == "tools/call")
        cancelled = next(frame for frame in down if frame.message.method == "notifications/cancelled")
        assert cancelled.message.params["requestId"] == cast("Mapping[str, object]", request.message.value)["id"]


# --- routes


@pytest.mark.parametrize("transport", ["memory", "http", "sockets"])
async def test_a_chain_of_two_hops_is_one_route(switchboard: Switchboard, transport: Transport) -> None:
    def over(server: object) -> LinkSpec:
        return link(server, transport=transport)

    async with switchboard(agent=over(agent()), code=over(code_mode()), everything=over(everything())) as board:
        await board.call("agent__run", task="say hello with the echo tool")
    assert board.routes == "host > agent > code > everything"
    assert [hop.evidence for hop in board.routes.walk()] == ["routed", "meta", "meta"]
    assert all(cause.evidence == "routed" for cause in board.log.causes)


@pytest.mark.parametrize(("caller_era", "callee_era"), [("handshake", "modern"), ("handshake", "handshake")])
async def test_a_handshake_agent_reaches_a_callee_of_either_era(
    switchboard: Switchboard, caller_era: Era, callee_era: Era
) -> None:
    eras: dict[str, Era] = {"caller": caller_era, "demo": callee_era}
    async with switchboard(caller=caller(), demo=demo(), era=eras) as board:
        assert text(await board.call("caller__ask", tool="demo__echo", arguments={"text": "hi"})) == "hi"
        assert "demo__echo" in text(await board.call("caller__names"))
    assert not any(b"resultType" in frame.data for frame in board.log.on("caller"))
    assert any(b"resultType" in frame.data for frame in board.log.on("demo")) == (callee_era == "modern")


async def test_re_entry_is_a_route_through_the_first_peer_again(switchboard: Switchboard) -> None:
    async with switchboard(first=caller(), second=caller()) as board:
        result = await board.call("first__ask", tool="second__ask", arguments={"tool": "first__quiet"})
        assert text(result) == "quiet"
    assert board.routes == "host > first > second > first"


async def test_two_routes_at_once_keep_their_causes_apart(switchboard: Switchboard) -> None:
    async with switchboard(caller=caller(), left=demo(), right=demo()) as board, anyio.create_task_group() as tasks:
        for name in ("left", "right"):
            arguments: dict[str, object] = {"tool": f"{name}__echo", "arguments": {"text": name}}
            tasks.start_soon(board.call, "caller__ask", arguments)
    roots = {
        cast("Mapping[str, object]", hop.exchange.request.message.params["arguments"])["tool"]: hop for hop in board.routes
    }
    assert {tool: [child.callee for child in hop.children] for tool, hop in roots.items()} == {
        "left__echo": ["left"],
        "right__echo": ["right"],
    }


async def test_each_forwarded_request_has_a_cause_record(switchboard: Switchboard) -> None:
    async with switchboard(caller=caller(), demo=demo()) as board:
        await board.call("caller__names")
        await board.call("caller__ask", tool="demo__echo", arguments={"text": ""})
    asked = [f for f in board.log.on("caller") if f.direction == "to-client" and f.message.kind == "request"]
    sent = [f for f in board.log.on("demo") if f.direction == "to-server" and f.message.method in ("tools/list", "tools/call")]
    assert [(cause.frame, cause.by) for cause in board.log.causes] == [(s.seq, a.seq) for s, a in zip(sent, asked, strict=True)]


@pytest.mark.parametrize(("transport", "evidence"), [("memory", "sole"), ("http", "stream")])
async def test_a_server_that_names_no_cause_is_placed_by_weaker_evidence(
    switchboard: Switchboard, transport: Transport, evidence: str
) -> None:
    server = MCPServer("plain", log_level="WARNING")

    @server.tool(structured_output=False)
    async def ask(context: Context) -> str:
        request = CallToolRequest.model_validate({"params": {"name": "demo__echo", "arguments": {"text": "hi"}}})
        related = ServerMessageMetadata(related_request_id=context.request_context.request_id)
        return text(await context.session.send_request(cast("ServerRequest", request), CallToolResult, None, related))

    async with switchboard(plain=link(server, transport=transport), demo=demo()) as board:
        assert text(await board.call("plain__ask")) == "hi"
    assert board.routes == "host > plain > demo"
    assert [hop.evidence for hop in board.routes.walk()] == ["routed", evidence]
