"""The two faces of a board: what they take, what they give, and what they say when they are used wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from mcp import MCPError

from pytest_mcpsym.errors import AnswerTimeout, LinkError, LinkNameError, UsageError
from pytest_mcpsym.switchboard import switchboard
from tests.switchboard.servers import ScriptedServer, Wire, demo, process, text


def raw() -> ScriptedServer:
    """A server whose tools answer with the arguments' own bytes."""

    async def play(wire: Wire) -> None:
        while True:
            request = await wire.hear_request("tools/call")
            await wire.answer(request, '{"content":[{"type":"text","text":"ok"}]}')

    return ScriptedServer(play)


# --- what it takes and gives


def test_a_blocking_board_calls_lists_and_reads_its_clients() -> None:
    with switchboard(demo=demo()) as board:
        assert text(board.call("demo__echo", text="hi")) == "hi"
        assert "demo__echo" in [tool.name for tool in board.tools()]
        assert text(board.client("demo").call_tool("echo", {"text": "hi"})) == "hi"
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
    assert [frame.message.method for frame in board.log.frames if frame.message.kind == "request"] == [
        "initialize",
        "tools/call",
    ]


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
        calls = board.options(timeout=0.05)
        with pytest.raises(AnswerTimeout, match=r"tools/call \(frame \d+\) was not answered within 0.05 s") as caught:
            calls.call("demo__sleep")
    assert isinstance(caught.value, TimeoutError)
    assert [frame.seq for frame in board.log.frames if frame.message.method == "tools/call"] == [caught.value.frame]


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

    told = r"frame \d+ answers tools/call with no CallToolResult: content: Input should be"
    with switchboard(raw=ScriptedServer(play)) as board, pytest.raises(LinkError, match=told):
        board.call("raw__tool")


# --- names


@pytest.mark.parametrize("name", ["Weather", "a__b", "_a", "a_", "1a", "a-b", "", "ä", "a b", "a\n"])
def test_a_malformed_link_name_is_refused_with_a_suggestion(name: str) -> None:
    with pytest.raises(LinkNameError, match=r"is no link name: .* as in '[a-z][a-z0-9_]*'$"):
        switchboard(**cast("dict[str, Any]", {name: demo()}))


@pytest.mark.parametrize("name", ["a", "a1", "a_b", "a1_b2_c", "a_1"])
def test_a_well_formed_link_name_is_taken(name: str) -> None:
    switchboard(**cast("dict[str, Any]", {name: demo()}))


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
    told = f"{name!r} is no routed name; they look like {example!r}"
    with switchboard(demo=demo()) as board, pytest.raises(UsageError, match=told):
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
