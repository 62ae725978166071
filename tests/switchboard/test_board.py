"""The two faces of a board: what they take, what they give, and what they say when they are used wrongly."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import anyio
import anyio.to_thread
import pytest
import trio
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolResult, TextContent

from pytest_mcpsym.errors import AnswerTimeout, FindingsError, LinkError, LinkNameError, LoopError, UsageError
from pytest_mcpsym.switchboard import switchboard
from pytest_mcpsym.switchboard.board import AsyncBoard, Board
from pytest_mcpsym.switchboard.opener import Opener
from tests.switchboard.servers import ScriptedServer, Wire, process, until


def demo() -> MCPServer:
    """A server with one tool of each kind that the tests need."""
    server = MCPServer("demo", log_level="WARNING")

    @server.tool()
    async def echo(text: str) -> str:
        return text

    @server.tool()
    async def keys(context: Context) -> str:
        meta = context.request_context.meta
        return ",".join(sorted(dict(cast("Mapping[str, object]", meta or {}))))

    @server.tool()
    async def steps(context: Context) -> str:
        for step in range(3):
            await context.report_progress(step, 3, f"step {step}")
        return "done"

    @server.tool()
    async def fail() -> str:
        raise ValueError("no luck")

    @server.tool()
    async def sleep() -> str:
        await anyio.sleep_forever()
        return ""

    return server


def raw() -> ScriptedServer:
    """A server whose tools answer with the arguments' own bytes."""

    async def play(wire: Wire) -> None:
        while True:
            request = await wire.hear_request("tools/call")
            await wire.answer(request, '{"content":[{"type":"text","text":"ok"}]}')

    return ScriptedServer(play)


def text(result: CallToolResult) -> str:
    """The text of a result."""
    return "".join(block.text for block in result.content if isinstance(block, TextContent))


# --- what it takes and gives


def test_a_blocking_board_calls_lists_and_reads_its_clients() -> None:
    with switchboard(demo=demo()) as board:
        assert text(board.call("demo__echo", text="hi")) == "hi"
        assert "demo__echo" in [tool.name for tool in board.tools()]
        assert text(board.client("demo").call_tool("echo", {"text": "hi"})) == "hi"  # pyright: ignore[reportArgumentType] - the SDK may return a task
        assert board.client("demo").server_capabilities.tools is not None
        assert (board.client("demo").server_info or demo()).name == "demo"
    assert board.routes == "host > demo x2"


@pytest.mark.anyio
async def test_an_async_board_calls_lists_and_reads_its_clients() -> None:
    async with switchboard(demo=demo()) as board:
        assert text(await board.call("demo__echo", {"text": "hi"})) == "hi"
        assert "demo__echo" in [tool.name for tool in await board.tools()]
        await board.client("demo").call_tool("echo", {"text": "hi"})
    assert board.routes == "host > demo x2"


def test_a_raw_call_makes_no_implicit_tools_list() -> None:
    with switchboard(demo=demo()) as board:
        board.call("demo__echo", text="hi")
    assert [frame.message.method for frame in board.log.frames if frame.message.kind == "request"] == ["initialize", "tools/call"]


@pytest.mark.parametrize("name", ["from", "name", "max-length", "arguments", "self", "timeout", ""])
def test_any_argument_name_can_be_a_keyword(name: str) -> None:
    with switchboard(raw=raw()) as board:
        board.call("raw__tool", **{name: 1})
    assert next(f for f in board.log.frames if f.message.method == "tools/call").message.params["arguments"] == {name: 1}


def test_arguments_that_sdk_models_would_change_are_sent_as_they_are(tmp_path: Path) -> None:
    command = process(tmp_path, """shake(); answer(hear(), '{"content":[]}'); hear()""")
    with switchboard(raw=command) as board:
        board.call("raw__tool", {"lone": "\ud800", "none": None, "float": 1.0, "long": 10**30})
    sent = next(frame for frame in board.log.frames if frame.message.method == "tools/call").data
    assert rb'"arguments":{"lone":"\ud800","none":null,"float":1.0,"long":1000000000000000000000000000000}' in sent


@pytest.mark.parametrize(
    ("arguments", "named", "told"),
    [
        ({"a": 1}, {"b": 2}, r"arguments were given twice: as a mapping and as keywords \(b\); use one"),
        ({}, {"b": 2}, r"arguments were given twice"),
        ({"a": float("nan")}, {}, r"the arguments cannot be sent as JSON: Out of range float"),
        ({"a": object()}, {}, r"the arguments cannot be sent as JSON: Object of type object is not JSON serializable"),
        ({1: 2}, {}, r"arguments must have strings as names"),
        ([("a", 1)], {}, r"arguments must be a mapping of names to values, not list"),
        ("text", {}, r"arguments must be a mapping of names to values, not str"),
    ],
)
def test_arguments_that_cannot_be_sent_are_a_usage_error(arguments: object, named: dict[str, object], told: str) -> None:
    with switchboard(raw=raw()) as board, pytest.raises(UsageError, match=told):
        board.call("raw__tool", cast("Mapping[str, object]", arguments), **named)


def test_arguments_that_hold_themselves_are_a_usage_error() -> None:
    deep: list[object] = []
    circular: list[object] = [deep]
    deep.append(circular)
    with switchboard(raw=raw()) as board, pytest.raises(UsageError, match="cannot be sent as JSON"):
        board.call("raw__tool", a=deep)


def test_meta_that_is_no_json_is_a_usage_error() -> None:
    with switchboard(raw=raw()) as board, pytest.raises(UsageError, match="the meta cannot be sent as JSON"):
        board.options(meta={"x/y": float("inf")}).call("raw__tool")


def test_meta_reaches_the_server() -> None:
    with switchboard(demo=demo()) as board:
        assert text(board.options(meta={"example.test/key": 1}).call("demo__keys")) == "example.test/key"


@pytest.mark.parametrize("wanted", ["plain", "async"])
def test_progress_is_told_in_order(wanted: str) -> None:
    seen: list[tuple[float, float | None, str | None]] = []

    def plain(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message))

    async def asynchronous(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message))

    with switchboard(demo=demo()) as board:
        board.options(progress=plain if wanted == "plain" else asynchronous).call("demo__steps")
    assert seen == [(0, 3, "step 0"), (1, 3, "step 1"), (2, 3, "step 2")]


def test_a_call_that_takes_too_long_names_its_frame_and_is_a_timeout() -> None:
    with switchboard(demo=demo()) as board:
        with pytest.raises(AnswerTimeout, match=r"tools/call \(frame \d+\) was not answered within 0.05 s") as caught:
            board.options(timeout=0.05).call("demo__sleep")
    assert isinstance(caught.value, TimeoutError)
    assert board.log.entries[caught.value.frame or 0].data == next(  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] - it is a frame
        frame.data for frame in board.log.frames if frame.message.method == "tools/call"
    )


def test_a_tool_that_fails_is_a_result_and_no_exception() -> None:
    with switchboard(demo=demo()) as board:
        result = board.call("demo__fail")
    assert result.is_error


def test_a_json_rpc_error_is_raised_with_its_data() -> None:
    async def play(wire: Wire) -> None:
        request = await wire.hear_request("tools/call")
        await wire.say(f'{{"jsonrpc":"2.0","id":"{request.id}","error":{{"code":-7,"message":"no","data":{{"n":[1]}}}}}}')

    with switchboard(raw=ScriptedServer(play)) as board, pytest.raises(MCPError) as caught:
        board.call("raw__tool")
    assert (caught.value.code, caught.value.message, caught.value.error.data) == (-7, "no", {"n": [1]})


def test_an_answer_that_is_no_tool_result_names_its_frame() -> None:
    async def play(wire: Wire) -> None:
        await wire.answer(await wire.hear_request("tools/call"), '{"content":"text"}')

    with switchboard(raw=ScriptedServer(play)) as board:
        with pytest.raises(LinkError, match=r"frame \d+ answers tools/call with no CallToolResult: content: Input should be"):
            board.call("raw__tool")


# --- names


@pytest.mark.parametrize("name", ["Weather", "a__b", "_a", "a_", "1a", "a-b", "", "ä", "a b", "a\n"])
def test_a_malformed_link_name_is_refused_with_a_suggestion(name: str) -> None:
    with pytest.raises(LinkNameError, match=r"is no link name: .* as in '[a-z][a-z0-9_]*'$"):
        switchboard(**{name: demo()})


@pytest.mark.parametrize("name", ["a", "a1", "a_b", "a1_b2_c", "a_1"])
def test_a_well_formed_link_name_is_taken(name: str) -> None:
    switchboard(**{name: demo()})


def test_the_name_host_is_reserved() -> None:
    with pytest.raises(LinkNameError, match="'host' is the test's own end"):
        switchboard(host=demo())


def test_an_unknown_link_names_the_nearest_and_all() -> None:
    with switchboard(weather=demo(), clock=demo()) as board:
        with pytest.raises(LinkNameError, match=r"no link 'wether'; did you mean 'weather'\? \(links: weather, clock\)"):
            board.call("wether__echo", text="")
        with pytest.raises(LinkNameError, match=r"no link 'x' \(links: weather, clock\)"):
            board.client("x")


@pytest.mark.parametrize(
    ("name", "example"),
    [("echo", "demo__echo"), ("demo", "demo__tool"), ("demo__", "demo__tool"), ("__echo", "demo__echo"), ("", "demo__tool")],
)
def test_a_name_that_is_not_routed_is_a_usage_error(name: str, example: str) -> None:
    with switchboard(demo=demo()) as board:
        with pytest.raises(UsageError, match=f"{name!r} is no routed name; they look like {example!r}"):
            board.call(name)


@pytest.mark.parametrize(
    ("era", "told"),
    [
        ("both", "era='both' parametrises the test"),
        ("modem", "era='modem' is no era"),
        ({"dmeo": "modern"}, r"era= names 'dmeo', which is no link of this board \(links: demo\)"),
        (5, "era= takes 'handshake', 'modern' or a mapping"),
    ],
)
def test_a_wrong_era_is_a_usage_error(era: object, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        switchboard(demo=demo(), era=era)  # pyright: ignore[reportArgumentType] - a wrong era is the point


def test_links_of_one_board_may_speak_different_eras() -> None:
    with switchboard(old=demo(), new=demo(), era={"new": "modern"}) as board:
        assert board.client("old").protocol_version == "2025-11-25"
        assert board.client("new").protocol_version == "2026-07-28"


def test_a_board_without_links_opens_and_has_no_tools() -> None:
    with switchboard() as board:
        assert board.tools() == []


# --- opening and closing


def test_closing_twice_does_nothing() -> None:
    with switchboard(demo=demo()) as board:
        board.close()
        board.close()
    assert board.closed


@pytest.mark.parametrize("use", [lambda b: b.call("demo__echo"), lambda b: b.tools(), lambda b: b.client("demo")])
def test_a_closed_board_refuses_calls(use: Callable[[Board], object]) -> None:
    with switchboard(demo=demo()) as board:
        pass
    with pytest.raises(UsageError, match="this board is closed; make calls before its block ends"):
        use(board)


@pytest.mark.anyio
async def test_a_closed_async_board_refuses_calls() -> None:
    async with switchboard(demo=demo()) as board:
        await board.aclose()
        await board.aclose()
        with pytest.raises(UsageError, match="this board is closed"):
            await board.call("demo__echo")
        with pytest.raises(UsageError, match="this board is closed"):
            board.client("demo")


def test_an_opener_opens_once() -> None:
    opener = switchboard(demo=demo())
    with opener:
        pass
    with pytest.raises(UsageError, match=r"opened before; call switchboard\(...\) again"), opener:
        pass


def test_an_exception_of_the_body_is_not_masked_by_findings_or_dead_links() -> None:
    async def play(wire: Wire) -> None:
        await wire.say("garbage")
        await wire.hear_request("tools/call")
        raise OSError("no disk")

    with pytest.raises(KeyError, match="mine") as caught:
        with switchboard(raw=ScriptedServer(play)) as board:
            with pytest.raises(MCPError):
                board.client("raw").call_tool("x")
            raise KeyError("mine")
    assert any("no disk" in note for note in caught.value.__notes__)


def test_outside_pytest_closing_raises_what_the_checks_found() -> None:
    async def play(wire: Wire) -> None:
        await wire.say("garbage")
        await wire.answer(await wire.hear_request("tools/call"), '{"content":[]}')

    with pytest.raises(FindingsError, match="jsonrpc:not-json-rpc on link 'raw'"), switchboard(raw=ScriptedServer(play)) as board:
        board.call("raw__tool")


def test_closing_inside_an_except_block_still_raises_what_the_checks_found() -> None:
    async def play(wire: Wire) -> None:
        await wire.say("garbage")
        await wire.answer(await wire.hear_request("tools/call"), '{"content":[]}')

    with pytest.raises(FindingsError):
        try:
            raise OSError
        except OSError:
            with switchboard(raw=ScriptedServer(play)) as board:
                board.call("raw__tool")


def test_an_explicit_close_while_an_exception_is_handled_masks_nothing() -> None:
    async def play(wire: Wire) -> None:
        await wire.say("garbage")
        await wire.answer(await wire.hear_request("tools/call"), '{"content":[]}')

    board = switchboard(raw=ScriptedServer(play)).__enter__()
    try:
        board.call("raw__tool")
        raise KeyError("mine")
    except KeyError:
        board.close()
    assert board.findings


def test_a_board_compared_while_open_says_to_close_it() -> None:
    class SnapshotAssertion: ...

    with switchboard(demo=demo()) as board:
        with pytest.raises(UsageError, match=r"still open .* close it first: board\.close\(\)"):
            assert board == SnapshotAssertion()


@pytest.mark.anyio
async def test_an_async_board_compared_while_open_says_aclose() -> None:
    class SnapshotAssertion: ...

    async with switchboard(demo=demo()) as board:
        with pytest.raises(UsageError, match=r"await board\.aclose\(\)"):
            assert board == SnapshotAssertion()


def test_boards_are_equal_to_themselves_only_and_leave_the_rest_to_the_other_side() -> None:
    class Agreeable:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # pyright: ignore[reportAssignmentType] - it is equal to everything

    with switchboard(demo=demo()) as board, switchboard(demo=demo()) as other:
        assert board == board  # noqa: PLR0124 - the claim
        assert board != other
        assert board != 5
        assert board == Agreeable()
        assert Board.__eq__(board, 5) is NotImplemented


# --- loops and threads


@pytest.mark.anyio
async def test_a_blocking_board_opened_in_a_loop_says_async_with(anyio_backend: str) -> None:
    with pytest.raises(LoopError, match=rf"cannot open here: the {anyio_backend} event loop .* `async with switchboard"):
        switchboard(demo=demo()).__enter__()


@pytest.mark.anyio
async def test_a_blocking_board_called_in_a_loop_says_async_with(anyio_backend: str) -> None:
    board = await anyio.to_thread.run_sync(switchboard(demo=demo()).__enter__)
    try:
        with pytest.raises(LoopError, match=rf"cannot call here: the {anyio_backend} event loop .*`await` its calls"):
            board.call("demo__echo", text="")
    finally:
        await anyio.to_thread.run_sync(board.close)


def elsewhere(use: Callable[[], object], backend: str) -> BaseException | None:
    """What `use` raises on another loop (`none`: on no loop), in another thread."""
    raised: list[BaseException] = []

    async def main() -> None:
        outcome = use()
        if hasattr(outcome, "__await__"):
            await outcome  # pyright: ignore[reportGeneralTypeIssues] - it was found to be awaitable

    def run() -> None:
        try:
            if backend == "none":
                use()
            elif backend == "trio":
                trio.run(main)
            else:
                asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test looks at it
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(5)
    assert not thread.is_alive(), "it hangs"
    return raised[0] if raised else None


@pytest.mark.anyio
@pytest.mark.parametrize("other", ["asyncio", "trio"])
@pytest.mark.parametrize("use", ["call", "tools", "client", "aclose", "kept client"])
async def test_an_async_board_used_on_another_loop_names_both(anyio_backend: str, other: str, use: str) -> None:
    async with switchboard(demo=demo()) as board:
        kept = board.client("demo")
        uses: dict[str, Callable[[], object]] = {
            "call": lambda: board.call("demo__echo", text=""),
            "tools": board.tools,
            "client": lambda: board.client("demo"),
            "aclose": board.aclose,
            "kept client": kept.list_tools,
        }
        error = await anyio.to_thread.run_sync(elsewhere, uses[use], other)
        assert isinstance(error, LoopError)
        assert f"opened on the {anyio_backend} event loop" in str(error)
        assert f"used on the {other} event loop" in str(error)
        assert not board.closed
        assert text(await board.call("demo__echo", text="hi")) == "hi"


@pytest.mark.anyio
async def test_an_async_board_used_outside_any_loop_says_so() -> None:
    async with switchboard(demo=demo()) as board:
        error = await anyio.to_thread.run_sync(elsewhere, lambda: board.client("demo"), "none")
        assert "is used outside any event loop" in str(error)


@pytest.mark.anyio
async def test_eight_calls_at_once_each_get_their_own_answer() -> None:
    got: dict[int, str] = {}

    async def one(board: AsyncBoard, number: int) -> None:
        got[number] = text(await board.call("demo__echo", text=str(number)))

    async with switchboard(demo=demo()) as board, anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(one, board, number)
    assert got == {number: str(number) for number in range(8)}


def test_two_boards_at_once_do_not_meet() -> None:
    server = demo()
    with switchboard(demo=server) as one, switchboard(demo=server) as two:
        one.call("demo__echo", text="one")
        two.call("demo__echo", text="two")
    assert not any(b'"two"' in frame.data for frame in one.log.frames)
    assert not any(b'"one"' in frame.data for frame in two.log.frames)


# --- cancellation


@pytest.mark.anyio
async def test_a_cancelled_body_closes_its_board() -> None:
    with anyio.fail_after(10):
        with anyio.move_on_after(0.2) as scope:
            async with switchboard(demo=demo()) as board:
                await board.call("demo__sleep")
    assert scope.cancelled_caught
    assert board.closed
    assert [note.channel for note in board.log.notes][-1] == "close"


@pytest.mark.anyio
async def test_a_call_that_is_cancelled_leaves_the_board_usable_and_tells_the_server() -> None:
    async with switchboard(demo=demo()) as board:
        with anyio.move_on_after(0.1):
            await board.call("demo__sleep")
        assert text(await board.call("demo__echo", text="hi")) == "hi"
    request = next(frame for frame in board.log.frames if frame.message.method == "tools/call")
    cancelled = next(frame for frame in board.log.frames if frame.message.method == "notifications/cancelled")
    assert cancelled.message.params["requestId"] == cast("Mapping[str, object]", request.message.value)["id"]


def test_wait_for_around_a_board_ends_it() -> None:
    async def main() -> AsyncBoard:
        kept: list[AsyncBoard] = []

        async def body() -> None:
            async with switchboard(demo=demo()) as board:
                kept.append(board)
                await board.call("demo__sleep")

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(body(), 0.2)
        return kept[0]

    assert asyncio.run(main()).closed


def test_a_trio_deadline_around_a_board_ends_it() -> None:
    async def main() -> AsyncBoard:
        kept: list[AsyncBoard] = []
        with trio.move_on_after(0.2):
            async with switchboard(demo=demo()) as board:
                kept.append(board)
                await board.call("demo__sleep")
        return kept[0]

    assert trio.run(main).closed


def test_a_loop_that_ends_with_an_open_board_does_not_hang() -> None:
    async def main() -> None:
        await switchboard(demo=demo()).__aenter__()

    asyncio.run(asyncio.wait_for(main(), 5))
    trio.run(main)


def settings_with(opener: Opener, **changes: float) -> Opener:
    """The same board with other settings."""
    opener._settings = replace(opener._settings, **changes)  # pyright: ignore[reportPrivateUsage, reportArgumentType] - the fixture sets them
    return opener


@pytest.mark.anyio
async def test_a_typed_call_is_bounded_too() -> None:
    async with settings_with(switchboard(demo=demo()), call_timeout=0.1) as board:
        with anyio.fail_after(5), pytest.raises(MCPError):
            await board.client("demo").call_tool("sleep")
        await until(lambda: any(frame.message.method == "notifications/cancelled" for frame in board.log.frames))
