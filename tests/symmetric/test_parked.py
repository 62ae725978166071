"""The modern binding on the server's side: legs on the wire, what ends a parked handler, and that nothing is left of it."""

from __future__ import annotations

from typing import Any, Literal

import anyio
import anyio.lowlevel
import pytest
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolRequestParams, CallToolResult, ErrorData, InputRequiredResult, Result
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from pytest_mcpsym.symmetric.api import peer
from pytest_mcpsym.symmetric.names import CALLS, CONTINUE
from pytest_mcpsym.symmetric.parked import Extension, install
from tests.symmetric.legs import Performing, echo, over_http, over_memory, serving, text, told, two_calls, wire

pytestmark = pytest.mark.anyio


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


async def test_calls_a_few_turns_of_the_event_loop_apart_join_one_leg() -> None:
    server = serving(Extension())

    @server.tool(structured_output=False)
    async def many(context: Context[Any]) -> str:
        async def after(turns: int) -> None:
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            await peer(context).call_tool(str(turns))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(after, 0)
            tasks.start_soon(after, 2)
        return "done"

    async with wire(server) as client:
        assert len((await client.begin("many"))["calls"]) == 2


async def test_a_slow_tool_that_never_calls_is_answered_in_one_leg() -> None:
    server = serving(Extension(leg_limit=0))

    @server.tool(structured_output=False)
    async def slow() -> str:
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        return "slow"

    async with wire(server) as client:
        assert (await client.begin("slow"))["content"][0]["text"] == "slow"


async def test_a_call_that_was_answered_cannot_be_answered_again() -> None:
    async with wire(two_calls(Extension())) as client:
        leg = await client.go_on(await client.begin("two"), c1=told("1"))
        given: dict[str, Any] = {"continuation": leg["continuation"], "responses": {"c1": {"result": {}}}}
        assert (await client.refused(CONTINUE, given))["data"] == {"keys": ["c1"]}


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
        error = await client.refused(
            CONTINUE, {"continuation": leg["continuation"], "responses": {"c1": {"result": told("1")}}}
        )
        assert (error["code"], "through peer()" in error["message"]) == (-32603, True)


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


async def test_responses_to_no_call_are_refused_and_the_continuation_stays_good() -> None:
    async with wire(two_calls(Extension())) as client:
        leg = await client.begin("two")
        given: dict[str, Any] = {"continuation": leg["continuation"], "responses": {"c9": {"result": {}}}}
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


class Foreign(Result):
    """A result that some other extension claims."""

    result_type: Literal["org.example/other"] = "org.example/other"
    more: int = 1


@pytest.mark.parametrize(
    "returned",
    [
        CallToolResult(content=[], structured_content={"a": None, "b": 1.0}, is_error=True),
        {"content": [], "extra": 1},
        {"content": 7},
        {},
        None,
        Foreign(),
        ErrorData(code=-31999, message="no", data={"why": 1}),
        MCPError(-31998, "raised", [1]),
        LookupError("secret"),
    ],
    ids=repr,
)
async def test_whatever_a_handler_gives_the_last_leg_answers_as_the_first_would(returned: Any) -> None:
    async def call(context: ServerRequestContext[Any, Any], params: CallToolRequestParams) -> Any:
        if params.name == "asks":
            await peer(context).call_tool("a")
        if isinstance(returned, Exception):
            raise returned
        return returned

    server = Server("low", on_call_tool=call)
    install(server)
    async with wire(server) as client:
        sent = await client.send("tools/call", {"name": "plain"})
        expected = await client.receive()
        leg = await client.begin("asks")
        given = {"continuation": leg["continuation"], "responses": {"c1": {"result": told("1")}}}
        await client.send(CONTINUE, given)
        assert {**await client.receive(), "id": sent} == expected


async def test_the_current_trace_travels_in_the_meta_of_a_call() -> None:
    server = serving(Extension())
    span = NonRecordingSpan(SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1)))

    @server.tool(structured_output=False)
    async def traced(context: Context[Any]) -> str:
        with use_span(span):
            await peer(context).call_tool("a")
        return "done"

    async with wire(server) as client:
        leg = await client.begin("traced")
    assert leg["calls"]["c1"]["params"]["_meta"] == {"traceparent": f"00-{1:032x}-{2:016x}-01"}
