"""One connection, two users: the SDK's client and the raw caller share its bytes, and neither meets the other's."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import anyio
import pytest
from mcp import MCPError
from mcp.client.stdio import StdioServerParameters
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import JSONRPCError, JSONRPCResponse, TextContent

from pytest_mcpsym import link
from pytest_mcpsym.errors import AnswerTimeout, LinkError
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.board import AsyncBoard
from pytest_mcpsym.switchboard.target import Era, LinkSpec, Transport
from pytest_mcpsym.wire.frame import Frame
from tests.switchboard.servers import ScriptedServer, Wire, until

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]

every_wire = pytest.mark.parametrize(
    ("transport", "era"), [(t, e) for t in ("memory", "stdio", "http", "sockets") for e in ("handshake", "modern")]
)


def demo() -> MCPServer:
    """Echo, progress, and a tool that says on stderr that it was cancelled."""
    server = MCPServer("demo", log_level="WARNING")

    @server.tool()
    async def echo(text: str) -> str:
        return text

    @server.tool()
    async def steps(context: Context) -> str:
        for step in range(20):
            await context.report_progress(step, 20)
        return "done"

    @server.tool()
    async def sleep(context: Context) -> str:
        await context.report_progress(0)
        await anyio.sleep_forever()
        return ""

    return server


def over(transport: Transport, era: Era) -> LinkSpec:
    """The demo server on that transport."""
    if transport == "stdio":
        source = "from tests.switchboard.test_link import demo; demo().run()"
        return link(StdioServerParameters(command=sys.executable, args=["-c", source], cwd=ROOT), era=era)
    return link(demo(), transport=transport, era=era)


def methods(board: AsyncBoard, direction: str = "to-server") -> list[str | None]:
    """The methods of the frames in one direction."""
    return [frame.message.method for frame in board.log.frames if frame.direction == direction]


def ident(frame: Frame) -> object:
    """The id of a frame with its type."""
    return cast("Mapping[str, object]", frame.message.value)["id"]


# --- the same on every wire


@every_wire
async def test_both_users_call_at_once_and_each_gets_its_own(switchboard: Switchboard, transport: Transport, era: Era) -> None:
    typed: list[str] = []
    raw: list[str] = []

    async def by_client(board: AsyncBoard, number: int) -> None:
        result = await board.client("demo").call_tool("echo", {"text": f"typed {number}"})
        typed.append(cast("TextContent", result.content[0]).text)

    async def by_call(board: AsyncBoard, number: int) -> None:
        result = await board.call("demo__echo", text=f"raw {number}")
        raw.append(cast("TextContent", result.content[0]).text)

    async with switchboard(demo=over(transport, era)) as board, anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(by_client, board, number)
            tasks.start_soon(by_call, board, number)
    assert sorted(typed) == [f"typed {number}" for number in range(5)]
    assert sorted(raw) == [f"raw {number}" for number in range(5)]
    requests = [frame for frame in board.log.frames if frame.message.kind == "request" and frame.direction == "to-server"]
    assert len({frame.message.id for frame in requests}) == len(requests)


@pytest.mark.parametrize(("shared", "others"), [(True, '"one-1"'), (False, '"other-1"')])
async def test_links_to_one_server_have_the_same_ids(switchboard: Switchboard, shared: bool, others: str) -> None:
    """As independent clients may, so that a server that knows requests by their id alone is found out."""
    server = demo()
    async with switchboard(one=server, other=server if shared else demo()) as board:
        await board.call("one__echo", text="a")
        await board.call("other__echo", text="b")
        calls = [frame for frame in board.log.frames if frame.message.method == "tools/call"]
    assert [frame.message.id for frame in calls] == ['"one-1"', others]


@every_wire
async def test_progress_comes_in_order_and_before_the_result(switchboard: Switchboard, transport: Transport, era: Era) -> None:
    seen: list[float] = []
    async with switchboard(demo=over(transport, era)) as board:
        await board.options(progress=lambda progress, _total, _message: seen.append(progress)).call("demo__steps")
        assert seen == [float(step) for step in range(20)]


@every_wire
async def test_a_call_that_takes_too_long_is_cancelled_on_the_wire(
    switchboard: Switchboard, transport: Transport, era: Era
) -> None:
    async with switchboard(demo=over(transport, era)) as board:
        with pytest.raises(AnswerTimeout):
            await board.options(timeout=0.3).call("demo__sleep")
        assert (await board.call("demo__echo", text="still there")).content
    request = next(frame for frame in board.log.frames if frame.message.method == "tools/call")
    if transport in ("http", "sockets") and era == "modern":
        assert request.envelope is not None
        closed = [n.data for n in board.log.notes if n.data.get("event") == "closed" and n.data["by"] == "host"]
        assert [data["exchange"] for data in closed] == [request.envelope.exchange]
        assert "notifications/cancelled" not in methods(board)
    else:
        cancelled = [frame for frame in board.log.frames if frame.message.method == "notifications/cancelled"]
        assert [frame.message.params["requestId"] for frame in cancelled] == [ident(request)]


@every_wire
async def test_a_call_whose_caller_was_cancelled_is_cancelled_on_the_wire(
    switchboard: Switchboard, transport: Transport, era: Era
) -> None:
    async with switchboard(demo=over(transport, era)) as board:
        started = anyio.Event()

        async def call() -> None:
            await board.options(progress=lambda _progress, _total, _message: started.set()).call("demo__sleep")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            with anyio.fail_after(10):
                await started.wait()
            tasks.cancel_scope.cancel()
    assert board.findings == ()


@every_wire
async def test_the_extension_is_declared_once_in_the_handshake_and_in_every_modern_request(
    switchboard: Switchboard, transport: Transport, era: Era
) -> None:
    async with switchboard(demo=over(transport, era)) as board:
        await board.call("demo__echo", text="")
    asked = [frame for frame in board.log.frames if frame.direction == "to-server" and frame.message.kind == "request"]
    declaring = [frame.message.method for frame in asked if b'"dev.mcpsym/symmetric":{"tools":' in frame.data]
    assert declaring == (["initialize"] if era == "handshake" else [frame.message.method for frame in asked])


# --- what a server says at odd times


async def test_a_ping_before_the_answer_is_answered(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None:
        request = await wire.hear_request("tools/call")
        await wire.say('{"jsonrpc":"2.0","id":0,"method":"ping"}')
        answer = await wire.hear()
        assert isinstance(answer, JSONRPCResponse)
        await wire.answer(request, f'{{"content":[{{"type":"text","text":"{answer.id}"}}]}}')

    async with switchboard(odd=ScriptedServer(play)) as board:
        result = await board.call("odd__tool")
        assert cast("TextContent", result.content[0]).text == "0"


async def test_a_mirrored_request_with_id_0_is_answered_with_id_0(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None:
        request = await wire.hear_request("tools/call")
        await wire.say('{"jsonrpc":"2.0","id":0,"method":"tools/list"}')
        answer = await wire.hear()
        assert isinstance(answer, JSONRPCResponse)
        await wire.answer(request, f'{{"content":[{{"type":"text","text":"{answer.id}"}}]}}')

    async with switchboard(odd=ScriptedServer(play)) as board:
        result = await board.call("odd__tool")
        assert cast("TextContent", result.content[0]).text == "0"


async def test_garbage_notifications_and_null_ids_do_not_end_a_link(switchboard: Switchboard) -> None:
    noise = [
        "garbage",
        "\ufeff{}",
        "[]",
        "null",
        '"text"',
        '{"jsonrpc":"1.0","id":1,"result":{}}',
        '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what?"}}',
        '{"jsonrpc":"2.0","id":null,"result":{}}',
        '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":{"a":1}}}',
        '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":[1],"progress":1}}',
        '{"jsonrpc":"2.0","method":"notifications/progress"}',
        '{"jsonrpc":"2.0","method":"notifications/unheard-of","params":{}}',
        "[" * 300,
        *['{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'] * 5,
    ]

    async def play(wire: Wire) -> None:
        for method, result in (("tools/call", '{"content":[]}'), ("tools/list", '{"tools":[]}')):
            request = await wire.hear_request(method)
            for line in noise:
                await wire.say(line)
            await wire.answer(request, result)

    async with switchboard(odd=ScriptedServer(play)) as board:
        with board.expect("jsonrpc:*"), board.expect("cancellation:unknown-request"), board.expect("progress:unknown-token"):
            assert (await board.call("odd__tool")).content == []
            assert (await board.client("odd").list_tools()).tools == []
            assert board.log.frames[-1].message.kind == "result"


async def test_an_answer_that_comes_too_late_reaches_nobody(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None:
        request = await wire.hear_request("tools/call")
        await wire.hear()
        await wire.answer(request, '{"content":[{"type":"text","text":"late"}]}')
        await wire.answer(await wire.hear_request("tools/call"), '{"content":[]}')

    async with switchboard(odd=ScriptedServer(play)) as board:
        with pytest.raises(AnswerTimeout):
            await board.options(timeout=0.05).call("odd__tool")
        assert (await board.call("odd__tool")).content == []


async def test_an_answer_that_is_no_answer_ends_its_call_at_once(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None:
        request = await wire.hear_request("tools/call")
        await wire.say(f'{{"jsonrpc":"2.0","id":"{request.id}","result":{{}},"error":{{"code":1,"message":"x"}}}}')

    async with switchboard(odd=ScriptedServer(play)) as board:
        with board.expect("jsonrpc:*"), pytest.raises(LinkError, match=r"frame \d+ is no answer to tools/call \(frame \d+\)"):
            await board.call("odd__tool")


async def test_an_answer_that_the_sdk_cannot_read_is_an_error_of_the_typed_call(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None:
        request = await wire.hear_request("tools/call")
        await wire.answer(request, r'{"content":[{"type":"text","text":"\ud800"}]}')

    async with switchboard(odd=ScriptedServer(play)) as board:
        with anyio.fail_after(5), pytest.raises(MCPError, match=r"frame \d+ is an answer that the SDK cannot read"):
            await board.client("odd").call_tool("tool")


async def test_a_progress_function_that_raises_cancels_the_call(switchboard: Switchboard) -> None:
    def refuse(progress: float, total: float | None, message: str | None) -> None:
        raise TimeoutError("my own")

    async with switchboard(demo=demo()) as board:
        with pytest.raises(TimeoutError, match="my own") as caught:
            await board.options(progress=refuse).call("demo__sleep")
    assert not isinstance(caught.value, AnswerTimeout)
    assert "notifications/cancelled" in methods(board)


async def test_a_server_that_cancels_its_mirrored_request_cancels_the_call_behind_it(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None:
        request = await wire.hear_request("tools/call")
        await wire.say(
            '{"jsonrpc":"2.0","id":"m","method":"tools/call","params":{"name":"demo__sleep","_meta":{"progressToken":7}}}'
        )
        progress = await wire.hear()
        assert not isinstance(progress, (JSONRPCResponse, JSONRPCError))
        await wire.say('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"m"}}')
        await wire.answer(request, '{"content":[]}')

    async with switchboard(odd=ScriptedServer(play), demo=demo()) as board:
        await board.call("odd__tool")
        await until(lambda: any(f.link == "demo" and f.message.method == "notifications/cancelled" for f in board.log.frames))
    forwarded = next(frame for frame in board.log.on("demo") if frame.message.method == "tools/call")
    cancelled = next(frame for frame in board.log.on("demo") if frame.message.method == "notifications/cancelled")
    assert cancelled.message.params["requestId"] == ident(forwarded)
    assert not any(frame.message.id == '"m"' and frame.direction == "to-server" for frame in board.log.on("odd"))


async def test_two_requests_of_a_server_with_ids_of_two_types_are_told_apart(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None:
        request = await wire.hear_request("tools/call")
        for ident in ("1", '"1"'):
            await wire.say(f'{{"jsonrpc":"2.0","id":{ident},"method":"tools/call","params":{{"name":"demo__steps"}}}}')
        answers = [await wire.hear(), await wire.hear()]
        ids = sorted(type(answer.id).__name__ for answer in answers if isinstance(answer, JSONRPCResponse))
        await wire.answer(request, f'{{"content":[{{"type":"text","text":"{" ".join(ids)}"}}]}}')

    async with switchboard(odd=ScriptedServer(play), demo=demo()) as board:
        result = await board.call("odd__tool")
        assert cast("TextContent", result.content[0]).text == "int str"


async def test_a_call_in_flight_when_the_board_closes_is_told_so(switchboard: Switchboard) -> None:
    told: list[LinkError] = []

    async def call(board: AsyncBoard) -> None:
        try:
            await board.call("demo__sleep")
        except LinkError as error:
            told.append(error)

    async with anyio.create_task_group() as tasks, switchboard(demo=demo()) as board:
        tasks.start_soon(call, board)
        await until(lambda: "tools/call" in methods(board))
    assert [error.reason for error in told] == ["closed"]
