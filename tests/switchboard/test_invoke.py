"""One call over several rounds: what a modern server asks in between, headers it wants, pages without end, and one time limit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, cast

import anyio
import pytest
from mcp import MCPError
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    CreateMessageRequest,
    ElicitRequest,
    InputRequiredResult,
    InputResponses,
    ListRootsRequest,
    ListToolsResult,
    TextContent,
)
from pydantic import Field

from pytest_mcpsym import link
from pytest_mcpsym.errors import AnswerTimeout, LinkError
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.opener import Opener
from pytest_mcpsym.switchboard.target import Transport
from tests.switchboard.servers import ScriptedServer, Wire, process

pytestmark = pytest.mark.anyio

STATE = "opaque \u00e9 \\ state"
ASKED = {
    "model": CreateMessageRequest.model_validate(
        {"params": {"messages": [{"role": "user", "content": {"type": "text", "text": "2+2?"}}], "maxTokens": 5}}
    ),
    "user": ElicitRequest.model_validate(
        {
            "params": {
                "mode": "form",
                "message": "who?",
                "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}},
            }
        }
    ),
    "roots": ListRootsRequest(),
}


def asking(rounds: int = 1, seen: list[tuple[str | None, InputResponses | None]] | None = None) -> Server:
    """A modern server whose tool asks model, user and roots, so many times, before it answers with what it was told."""
    told: list[tuple[str | None, InputResponses | None]] = [] if seen is None else seen

    async def call(context: object, params: CallToolRequestParams) -> CallToolResult | InputRequiredResult:
        told.append((params.request_state, params.input_responses))
        if len(told) <= rounds:
            return InputRequiredResult(input_requests=dict(ASKED), request_state=STATE)
        answers = {
            key: value.model_dump(mode="json", by_alias=True, exclude_none=True)
            for key, value in (params.input_responses or {}).items()
        }
        return CallToolResult(content=[TextContent(type="text", text=json.dumps(answers))])

    return Server("asking", on_call_tool=call)


@pytest.mark.parametrize("transport", ["memory", "http", "sockets"])
async def test_model_user_and_roots_answer_what_a_modern_server_asks(switchboard: Switchboard, transport: Transport) -> None:
    seen: list[tuple[str | None, InputResponses | None]] = []
    async with switchboard(asking=link(asking(seen=seen), transport=transport, era="modern")) as board:
        board.model.script("4")
        board.user.script({"name": "Ann"})
        board.roots.append("file:///work")
        result = await board.call("asking__go", x=1)
    answers = json.loads(cast("TextContent", result.content[0]).text)
    assert answers["model"]["content"]["text"] == "4"
    assert answers["user"] == {"action": "accept", "content": {"name": "Ann"}}
    assert answers["roots"]["roots"][0]["uri"] == "file:///work"
    assert [state for state, _ in seen] == [None, STATE]


async def test_the_second_round_repeats_the_first_with_a_new_id(switchboard: Switchboard) -> None:
    async with switchboard(asking=link(asking(), era="modern")) as board:
        board.model.script("4")
        board.user.script("decline")
        await board.options(meta={"example.test/k": 1}).call("asking__go", x=1)
    first, second = [frame for frame in board.log.frames if frame.message.method == "tools/call"]
    assert first.message.id != second.message.id
    assert first.message.params["arguments"] == second.message.params["arguments"] == {"x": 1}
    assert first.message.meta["example.test/k"] == second.message.meta["example.test/k"] == 1


async def test_an_unscripted_question_fails_the_call_and_says_how_to_script_it(switchboard: Switchboard) -> None:
    async with switchboard(asking=link(asking(), era="modern")) as board:
        with pytest.raises(
            MCPError, match=r"scripted no answer to this sampling/createMessage; add one with board\.model\.script"
        ):
            await board.call("asking__go")


async def test_a_server_that_asks_for_ever_is_given_up(switchboard: Switchboard) -> None:
    async with switchboard(asking=link(asking(rounds=1000), era="modern")) as board:
        board.model.script(*["4"] * 50)
        board.user.script(*["decline"] * 50)
        with pytest.raises(MCPError, match="asking asked for input more than 10 times for one tools/call"):
            await board.call("asking__go")
    assert len([frame for frame in board.log.frames if frame.message.method == "tools/call"]) == 11


async def test_one_time_limit_covers_all_rounds(switchboard: Switchboard) -> None:
    async def call(context: object, params: CallToolRequestParams) -> InputRequiredResult:
        await anyio.sleep(0.15)
        return InputRequiredResult(request_state="again")

    async with switchboard(slow=link(Server("slow", on_call_tool=call), era="modern")) as board:
        with pytest.raises(AnswerTimeout, match=r"was not answered within 0\.4 s"):
            await board.options(timeout=0.4).call("slow__go")
    assert 1 < len([frame for frame in board.log.frames if frame.message.method == "tools/call"]) < 5


async def test_input_required_that_cannot_be_read_names_its_frame(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None:
        request = await wire.hear_request("tools/call")
        await wire.answer(request, '{"resultType":"input_required","inputRequests":{"a":{"method":"tools/list"}}}')

    async with switchboard(odd=ScriptedServer(play)) as board:
        with pytest.raises(LinkError, match=r"frame \d+ is no InputRequiredResult: inputRequests"):
            await board.call("odd__go")


async def test_request_state_is_echoed_byte_for_byte(switchboard: Switchboard, tmp_path: Path) -> None:
    state = r'"\u0041\/\ud800 -0"'
    source = f"""shake(); first = hear()
answer(first, r'''{{"resultType":"input_required","requestState":{state}}}''')
answer(hear(), '{{"content":[]}}'); hear()"""
    async with switchboard(odd=process(tmp_path, source)) as board:
        await board.call("odd__go")
    second = [frame for frame in board.log.frames if frame.message.method == "tools/call"][1]
    assert b'"requestState":' + state.encode() in second.data


@pytest.mark.parametrize("transport", ["http", "sockets"])
async def test_headers_that_a_modern_server_wants_are_sent_on_demand(switchboard: Switchboard, transport: Transport) -> None:
    server = MCPServer("picky", log_level="WARNING")

    @server.tool(structured_output=False)
    async def where(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
        return region

    async with switchboard(picky=link(server, transport=transport, era="modern")) as board:
        result = await board.call("picky__where", region="\u00d6st")
    assert cast("TextContent", result.content[0]).text == "\u00d6st"
    calls = [frame for frame in board.log.frames if frame.message.method == "tools/call"]
    assert [frame.envelope is not None and frame.envelope.header("mcp-param-region") is not None for frame in calls] == [
        False,
        True,
    ]


async def test_pages_without_end_are_given_up(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None:
        number = 0
        while True:
            request = await wire.hear_request("tools/list")
            number += 1
            await wire.answer(request, f'{{"tools":[{{"name":"t{number}","inputSchema":{{}}}}],"nextCursor":"{number}"}}')

    async with switchboard(odd=ScriptedServer(play)) as board:
        with anyio.fail_after(30), pytest.raises(MCPError, match="odd answered tools/list with more than 1000 pages"):
            await board.tools()


async def test_one_time_limit_covers_all_pages(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None:
        while True:
            request = await wire.hear_request("tools/list")
            await anyio.sleep(0.15)
            await wire.answer(request, '{"tools":[],"nextCursor":"x"}')

    async with patient(switchboard(odd=ScriptedServer(play)), 0.4) as board:
        with pytest.raises(AnswerTimeout, match=r"tools/list .* was not answered within 0\.4 s"):
            await board.tools()


async def test_cursors_are_sent_back_as_they_came(switchboard: Switchboard) -> None:
    cursors: list[object] = []

    async def play(wire: Wire) -> None:
        for result in (r'{"tools":[],"nextCursor":"\u0041\/"}', '{"tools":[],"nextCursor":null}'):
            request = await wire.hear_request("tools/list")
            cursors.append(cast("Mapping[str, object]", request.params or {}).get("cursor"))
            await wire.answer(request, result)

    async with switchboard(odd=ScriptedServer(play)) as board:
        assert await board.tools() == []
    assert cursors == [None, "A/"]
    assert any(rb'"cursor":"\u0041\/"' in frame.data for frame in board.log.frames)


async def test_an_empty_list_is_one_page(switchboard: Switchboard) -> None:
    async def list_tools(context: object, params: object) -> ListToolsResult:
        return ListToolsResult(tools=[])

    async with switchboard(empty=Server("empty", on_list_tools=list_tools)) as board:
        assert await board.tools() == []
    assert len([frame for frame in board.log.frames if frame.message.method == "tools/list"]) == 1


def patient(opener: Opener, seconds: float) -> Opener:
    """The same board with another limit for answers."""
    opener._settings = replace(opener._settings, call_timeout=seconds)  # pyright: ignore[reportPrivateUsage] - the fixture sets it
    return opener
