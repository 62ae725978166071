"""The modern binding on the server's side: legs on the wire, what ends a parked handler, and that nothing is left of it."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import fastmcp
import pytest
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolRequestParams, CallToolResult, InputRequiredResult, TextContent

from pytest_mcpsym.symmetric import continuation
from pytest_mcpsym.symmetric.names import CALLS, CANCEL, CONTINUE, IDENTIFIER, REFUSED_CONTINUATION
from pytest_mcpsym.symmetric.parked import Extension, install
from pytest_mcpsym.symmetric.api import peer
from tests.symmetric.legs import Performing, Wire, echo, over_http, over_memory, text, told, wire

pytestmark = pytest.mark.anyio


def serving(sym: Extension, lifespan: Any = None) -> MCPServer[Any]:
    """A server with the extension and no tools."""
    return MCPServer("parked", extensions=[sym], lifespan=sym.lifespan(lifespan), log_level="CRITICAL")


def two_calls(sym: Extension) -> MCPServer[Any]:
    """A server whose tool makes two calls, one after the other."""
    server = serving(sym)

    @server.tool(structured_output=False)
    async def two(context: Context[Any]) -> str:
        client = peer(context)
        first = await client.call_tool("a__b", {"i": 1, "nothing": None})
        second = await client.call_tool("a__b", {"i": 2})
        return f"{text(first)} {text(second)}"

    @server.tool(structured_output=False)
    async def plain() -> str:
        return "plain"

    return server


async def until_unparked(sym: Extension) -> None:
    """Wait until no handler is parked."""
    with anyio.fail_after(10):
        while sym.parked:
            await anyio.wait_all_tasks_blocked()


async def test_a_leg_is_a_claimed_result_with_calls_and_a_continuation() -> None:
    async with wire(two_calls(Extension())) as client:
        leg = await client.begin("two")
        assert len(leg.pop("continuation")) > 40
        assert leg == {
            "resultType": CALLS,
            "calls": {"c1": {"method": "tools/call", "params": {"name": "a__b", "arguments": {"i": 1, "nothing": None}}}},
        }


async def test_each_leg_brings_only_new_calls_and_the_last_one_the_result() -> None:
    async with wire(two_calls(Extension())) as client:
        second = await client.go_on(await client.begin("two"), c1=told("one"))
        assert list(second["calls"]) == ["c2"]
        last = await client.go_on(second, c2=told("two"))
        assert last == {"resultType": "complete", "content": [{"type": "text", "text": "one two"}], "isError": False}


async def test_a_tool_that_never_calls_answers_with_the_bytes_it_always_had() -> None:
    async with wire(two_calls(Extension())) as client, wire(MCPServer("parked", log_level="CRITICAL")) as other:
        del other
        with_extension = await client.begin("plain")
    bare = MCPServer("parked", log_level="CRITICAL")

    @bare.tool(structured_output=False)
    async def plain() -> str:
        return "plain"

    async with wire(bare) as client:
        assert await client.begin("plain") == with_extension


@pytest.mark.parametrize("carried", ["memory", "http"])
async def test_the_sdk_client_gets_the_final_result_through_its_claim(carried: str) -> None:
    server, performing = two_calls(Extension()), Performing(echo)
    opened = over_memory(server, performing) if carried == "memory" else over_http(server, performing)
    async with opened as client:
        result = await client.call_tool("two", {})
    assert text(result) == '{"i": 1, "nothing": null} {"i": 2}'
    assert [len(leg) for leg in performing.legs] == [1, 1]


async def test_calls_posted_side_by_side_join_one_leg() -> None:
    sym = Extension()
    server = serving(sym)

    @server.tool(structured_output=False)
    async def many(context: Context[Any]) -> str:
        async with anyio.create_task_group() as tasks:
            for name in "abc":
                tasks.start_soon(peer(context).call_tool, name)
        return "done"

    async with wire(server) as client:
        leg = await client.begin("many")
        assert len(leg["calls"]) == 3
        assert (await client.go_on(leg, c1=told("1"), c2=told("2"), c3=told("3")))["content"][0]["text"] == "done"


async def test_calls_of_a_batch_join_one_leg_however_long_it_takes_to_start_them() -> None:
    server = serving(Extension())

    @server.tool(structured_output=False)
    async def many(context: Context[Any]) -> str:
        client = peer(context)
        async with client.batch() as tasks:
            for name in "abc":
                tasks.start_soon(client.call_tool, name)
                await anyio.wait_all_tasks_blocked()
        return "done"

    async with wire(server) as client:
        assert len((await client.begin("many"))["calls"]) == 3


async def test_a_batch_that_awaits_its_own_call_is_told_so() -> None:
    server = serving(Extension())

    @server.tool(structured_output=False)
    async def stuck(context: Context[Any]) -> str:
        client = peer(context)
        async with client.batch():
            try:
                await client.call_tool("a")
            except RuntimeError as error:
                return str(error)
        return "unreached"

    async with wire(server) as client:
        assert "start calls with the task group" in (await client.begin("stuck"))["content"][0]["text"]


async def test_a_subset_may_be_answered_and_the_rest_stays_outstanding() -> None:
    server = serving(Extension(leg_limit=0.01))

    @server.tool(structured_output=False)
    async def both(context: Context[Any]) -> str:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer(context).call_tool, "a")
            tasks.start_soon(peer(context).call_tool, "b")
        return "done"

    async with wire(server) as client:
        leg = await client.go_on(await client.begin("both"), c2=told("2"))
        assert leg["calls"] == {}
        assert (await client.go_on(leg, c1=told("1")))["content"][0]["text"] == "done"


async def test_a_handler_with_long_work_of_its_own_asks_the_client_to_wait_for_more() -> None:
    server = serving(Extension(leg_limit=0.01))
    release = anyio.Event()

    @server.tool(structured_output=False)
    async def slow(context: Context[Any]) -> str:
        await peer(context).call_tool("a")
        await release.wait()
        return "done"

    async with wire(server) as client:
        leg = await client.go_on(await client.begin("slow"), c1=told("1"))
        assert leg["calls"] == {}
        release.set()
        assert (await client.go_on(leg))["content"][0]["text"] == "done"


async def test_an_error_arrives_in_the_handler_with_code_message_and_data() -> None:
    server = serving(Extension())
    seen: list[object] = []

    @server.tool(structured_output=False)
    async def failing(context: Context[Any]) -> str:
        try:
            await peer(context).call_tool("a")
        except MCPError as error:
            seen.extend([error.code, error.message, error.data])
            raise
        return "unreached"

    async with wire(server) as client:
        leg = await client.begin("failing")
        error = {"code": -31999, "message": "no", "data": {"why": [1]}}
        given = {"continuation": leg["continuation"], "responses": {"c1": {"error": error}}}
        assert await client.refused(CONTINUE, given) == error
    assert seen == [-31999, "no", {"why": [1]}]


async def test_an_exception_of_the_handler_is_the_tool_error_that_it_always_was() -> None:
    server = serving(Extension())

    @server.tool(structured_output=False)
    async def failing(context: Context[Any]) -> str:
        await peer(context).call_tool("a")
        raise KeyError("oh")

    async with wire(server) as client:
        last = await client.go_on(await client.begin("failing"), c1=told("1"))
        assert (last["isError"], last["content"][0]["text"]) == (True, "Error executing tool failing")


async def test_an_output_schema_holds_in_the_last_leg() -> None:
    server = serving(Extension())

    @server.tool()
    async def typed(context: Context[Any]) -> int:
        await peer(context).call_tool("a")
        return 3

    async with wire(server) as client:
        assert (await client.go_on(await client.begin("typed"), c1=told("1")))["structuredContent"] == {"result": 3}


async def test_a_handler_that_has_asked_its_peer_may_not_ask_for_input_the_other_way() -> None:
    server = serving(Extension())

    @server.tool(structured_output=False)
    async def mixed(context: Context[Any]) -> InputRequiredResult:
        await peer(context).call_tool("a")
        return InputRequiredResult(request_state="s")

    async with wire(server) as client:
        leg = await client.begin("mixed")
        error = await client.refused(CONTINUE, {"continuation": leg["continuation"], "responses": {"c1": {"result": {}}}})
        assert error["code"] == -32603


async def test_progress_between_legs_is_kept_and_carries_the_next_leg_s_token() -> None:
    server = serving(Extension())
    parked, reported = anyio.Event(), anyio.Event()

    @server.tool(structured_output=False)
    async def reports(context: Context[Any]) -> str:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer(context).call_tool, "a")
            await parked.wait()
            await context.report_progress(1, 2)
            reported.set()
        await context.report_progress(2, 2)
        return "done"

    async with wire(server) as client:
        leg = await client.begin("reports")
        parked.set()
        with anyio.fail_after(10):
            await reported.wait()
        given = {"continuation": leg["continuation"], "responses": {"c1": {"result": told("1")}}}
        await client.send(CONTINUE, given, progressToken="second")
        frames = [await client.receive() for _ in range(3)]
    assert [(frame["params"]["progressToken"], frame["params"]["progress"]) for frame in frames[:2]] == [
        ("second", 1),
        ("second", 2),
    ]


async def test_a_log_message_reaches_only_a_leg_whose_request_lets_it_through() -> None:
    server = serving(Extension())

    @server.tool(structured_output=False)
    async def logs(context: Context[Any]) -> str:
        session, request_id = context.request_context.session, context.request_context.request_id
        await peer(context).call_tool("a")
        with pytest.warns(Warning, match="deprecated"):
            await session.send_log_message("error", "second leg", related_request_id=request_id)  # pyright: ignore[reportDeprecated]  # what is tested
        await peer(context).call_tool("a")
        with pytest.warns(Warning, match="deprecated"):
            await session.send_log_message("error", "third leg", related_request_id=request_id)  # pyright: ignore[reportDeprecated]  # what is tested
        return "done"

    opted = {"io.modelcontextprotocol/logLevel": "info"}
    async with wire(server) as client:
        leg = await client.ask("tools/call", {"name": "logs", "arguments": {}}, **opted)
        leg = await client.go_on(leg, c1=told("1"))
        given = {"continuation": leg["continuation"], "responses": {"c2": {"result": told("2")}}}
        await client.send(CONTINUE, given, **opted)
        assert (await client.receive())["params"]["data"] == "third leg"


async def expect_refusal(client: Wire, token: str, reason: str) -> None:
    """Continue with a token and see it refused for a reason."""
    error = await client.refused(CONTINUE, {"continuation": token, "responses": {}})
    assert error == {"code": -32602, "message": REFUSED_CONTINUATION, "data": {"reason": reason}}


async def test_an_unknown_continuation_is_refused() -> None:
    async with wire(two_calls(Extension())) as client:
        await expect_refusal(client, "made-up", "unknown")


async def test_a_continuation_is_good_for_one_use() -> None:
    async with wire(two_calls(Extension())) as client:
        leg = await client.begin("two")
        await client.go_on(leg, c1=told("1"))
        await expect_refusal(client, leg["continuation"], "replayed")


async def test_a_continuation_of_another_connection_is_foreign() -> None:
    server = two_calls(Extension())
    async with wire(server) as one, wire(server) as other:
        leg = await one.begin("two")
        await expect_refusal(other, leg["continuation"], "foreign")
        assert (await one.go_on(leg, c1=told("1")))["calls"]


async def test_a_used_continuation_of_another_connection_is_foreign_too() -> None:
    server = two_calls(Extension())
    async with wire(server) as one, wire(server) as other:
        leg = await one.begin("two")
        await one.go_on(leg, c1=told("1"))
        await expect_refusal(other, leg["continuation"], "foreign")


async def test_a_handler_that_is_not_continued_in_time_is_cancelled() -> None:
    sym = Extension(time_to_live=0.01)
    async with wire(two_calls(sym)) as client:
        leg = await client.begin("two")
        await until_unparked(sym)
        await expect_refusal(client, leg["continuation"], "expired")


async def test_cancelling_a_continuation_cancels_the_handler() -> None:
    sym = Extension()
    ended = anyio.Event()
    server = serving(sym)

    @server.tool(structured_output=False)
    async def waits(context: Context[Any]) -> str:
        try:
            await peer(context).call_tool("a")
        finally:
            ended.set()
        return "unreached"

    async with wire(server) as client:
        leg = await client.begin("waits")
        assert await client.ask(CANCEL, {"continuation": leg["continuation"]}) == {"resultType": "complete"}
        with anyio.fail_after(10):
            await ended.wait()
        await expect_refusal(client, leg["continuation"], "replayed")


async def test_cancelling_the_leg_that_is_open_cancels_the_handler() -> None:
    started, ended = anyio.Event(), anyio.Event()
    server = serving(Extension())

    @server.tool(structured_output=False)
    async def waits(context: Context[Any]) -> str:
        await peer(context).call_tool("a")
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        return "unreached"

    async with wire(server) as client:
        leg = await client.begin("waits")
        given = {"continuation": leg["continuation"], "responses": {"c1": {"result": told("1")}}}
        sent = await client.send(CONTINUE, given)
        with anyio.fail_after(10):
            await started.wait()
            await client.notify("notifications/cancelled", {"requestId": sent})
            await ended.wait()


async def test_the_end_of_a_connection_cancels_its_handlers_and_leaves_nothing() -> None:
    sym = Extension()
    ended = anyio.Event()
    server = serving(sym)

    @server.tool(structured_output=False)
    async def waits(context: Context[Any]) -> str:
        try:
            await peer(context).call_tool("a")
        finally:
            ended.set()
        return "unreached"

    async with wire(server) as client:
        await client.begin("waits")
        assert sym.parked == 1
    assert ended.is_set()
    assert (sym.parked, [each for each in gc.get_objects() if type(each).__name__ == "_Lot"]) == (0, [])


async def test_responses_to_no_call_are_refused_and_the_continuation_stays_good() -> None:
    async with wire(two_calls(Extension())) as client:
        leg = await client.begin("two")
        given = {"continuation": leg["continuation"], "responses": {"c9": {"result": {}}}}
        error = await client.refused(CONTINUE, given)
        assert (error["code"], error["data"]) == (-32602, {"keys": ["c9"]})
        assert (await client.go_on(leg, c1=told("1")))["calls"]


@pytest.mark.parametrize(
    "response",
    [
        {},
        7,
        {"result": {}, "error": {"code": 1, "message": ""}},
        {"result": "text"},
        {"error": "text"},
        {"error": {"code": "1", "message": ""}},
        {"error": {"code": True, "message": ""}},
    ],
)
async def test_a_response_that_is_no_result_and_no_error_is_refused(response: object) -> None:
    async with wire(two_calls(Extension())) as client:
        leg = await client.begin("two")
        given = {"continuation": leg["continuation"], "responses": {"c1": response}}
        assert (await client.refused(CONTINUE, given))["data"] == {"keys": ["c1"]}


async def test_continuing_without_declaring_the_extension_is_refused_and_keeps_the_handler() -> None:
    sym = Extension()
    async with wire(two_calls(sym)) as client:
        leg = await client.begin("two")
        bare: dict[str, object] = {"io.modelcontextprotocol/clientCapabilities": {}}
        error = await client.refused(CONTINUE, {"continuation": leg["continuation"]}, **bare)
        assert (error["code"], sym.parked) == (-32021, 1)


async def test_the_users_own_lifespan_value_reaches_handlers_unchanged() -> None:
    value = object()
    seen: list[object] = []

    @asynccontextmanager
    async def mine(server: MCPServer[object]) -> AsyncGenerator[object]:
        yield value

    server = serving(Extension(), mine)

    @server.tool(structured_output=False)
    async def look(context: Context[Any]) -> str:
        seen.append(context.request_context.lifespan_context)
        return "looked"

    async with wire(server) as client:
        await client.begin("look")
    assert seen == [value]


async def test_an_error_in_a_lifespan_is_not_wrapped_in_a_group() -> None:
    held = Extension().lifespan()
    with pytest.raises(LookupError):
        async with held(None):
            raise LookupError


async def test_connections_that_share_one_lifespan_value_end_apart() -> None:
    @asynccontextmanager
    async def mine(server: MCPServer[None]) -> AsyncGenerator[None]:
        yield None

    sym = Extension()
    server = serving(sym, mine)

    @server.tool(structured_output=False)
    async def waits(context: Context[Any]) -> str:
        return text(await peer(context).call_tool("a"))

    async with wire(server) as first:
        async with wire(server) as second:
            kept = await first.begin("waits")
            await second.begin("waits")
            assert sym.parked == 2
        assert sym.parked == 1
        assert (await first.go_on(kept, c1=told("kept")))["content"][0]["text"] == "kept"


async def test_a_low_level_server_is_served_after_install() -> None:
    async def call(context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        result = await peer(context).call_tool("a")
        return CallToolResult(content=[TextContent(type="text", text=f"got {text(result)}")])

    server = Server("low", on_call_tool=call)
    install(server)
    async with wire(server) as client:
        assert (await client.go_on(await client.begin("any"), c1=told("1")))["content"][0]["text"] == "got 1"


async def test_a_fastmcp_server_is_served_after_install() -> None:
    server = fastmcp.FastMCP("fast")

    @server.tool
    async def asks(context: fastmcp.Context) -> str:
        return text(await peer(context).call_tool("a"))

    assert asks
    install(server)
    async with wire(server) as client:
        last = await client.go_on(await client.begin("asks"), c1=told("1"))
        assert last["structuredContent"] == {"result": "1"}


async def test_the_capability_is_advertised() -> None:
    server = MCPServer("later", log_level="CRITICAL")
    install(server)
    async with wire(server) as client:
        assert IDENTIFIER in (await client.ask("server/discover", {}))["capabilities"]["extensions"]


def test_installing_twice_is_refused() -> None:
    server = MCPServer("once")
    install(server)
    with pytest.raises(ValueError, match="already"):
        install(server)


def test_installing_into_a_server_without_tools_is_refused() -> None:
    with pytest.raises(ValueError, match="tools/call"):
        install(Server("bare"))


def test_installing_into_something_else_is_refused() -> None:
    with pytest.raises(TypeError, match="not int"):
        install(7)


def test_spent_continuations_are_forgotten_in_time_and_bounded_in_number() -> None:
    now = [0.0]
    spent = continuation.Spent(10, lambda: now[0], limit=2)
    for name in "abc":
        spent.add(name, "replayed", None)
    assert [spent.refusal(name, None).reason for name in "abc"] == ["unknown", "replayed", "replayed"]
    now[0] = 10.0
    assert (spent.refusal("c", None).reason, len(spent)) == ("unknown", 0)
