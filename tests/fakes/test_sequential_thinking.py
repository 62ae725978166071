"""The sequential-thinking server answers as its README says, in both eras, in memory and over HTTP."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator

import pytest
from mcp import MCPError
from mcp_types import CallToolResult, TextContent

from fake_servers import sequential_thinking
from fake_servers.sequential_thinking.arguments import number
from pytest_mcpsym import AsyncBoard, Switchboard, link
from pytest_mcpsym.switchboard.target import Era, Transport

pytestmark = pytest.mark.anyio

THINK = "thinking__sequentialthinking"
ERAS: tuple[Era, ...] = ("handshake", "modern")
TRANSPORTS: tuple[Transport, ...] = ("memory", "http")


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> Era:
    return request.param


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> Transport:
    return request.param


@pytest.fixture
async def board(switchboard: Switchboard, era: Era, transport: Transport) -> AsyncGenerator[AsyncBoard]:
    async with switchboard(thinking=link(sequential_thinking(), era=era, transport=transport)) as opened:
        yield opened


def thought(**changes: object) -> dict[str, object]:
    return {"thought": "t", "thoughtNumber": 1, "totalThoughts": 3, "nextThoughtNeeded": True, **changes}


def text(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


async def test_a_thought_is_answered_with_structured_content_and_the_same_as_text(board: AsyncBoard) -> None:
    result = await board.call(THINK, thought())
    assert result.structured_content == json.loads(text(result))
    assert result.structured_content == {
        "thoughtNumber": 1,
        "totalThoughts": 3,
        "nextThoughtNeeded": True,
        "branches": [],
        "thoughtHistoryLength": 1,
    }


async def test_it_remembers_branches_with_numbers_first(board: AsyncBoard) -> None:
    for name in ("b", "10", "2", "b", "02"):
        result = await board.call(THINK, thought(branchFromThought=1, branchId=name))
    assert result.structured_content is not None
    assert (result.structured_content["branches"], result.structured_content["thoughtHistoryLength"]) == (
        ["2", "10", "b", "02"],
        5,
    )


async def test_an_estimate_below_the_number_is_raised_to_it(board: AsyncBoard) -> None:
    result = await board.call(THINK, thought(thoughtNumber=5))
    assert result.structured_content is not None
    assert result.structured_content["totalThoughts"] == 5


async def test_what_does_not_fit_is_an_error_result_with_a_line_for_each(board: AsyncBoard) -> None:
    result = await board.call(THINK, thought(thought=5, thoughtNumber=0, isRevision="perhaps"))
    assert result.is_error
    assert [line.rsplit(" at ", 1)[1] for line in text(result).splitlines()] == ["thought", "thoughtNumber", "isRevision"]


@pytest.mark.parametrize("value", ["", None, [], 10**400, "abc", 1.5])
async def test_what_is_no_count_is_refused_whatever_its_type(board: AsyncBoard, value: object) -> None:
    assert (await board.call(THINK, thought(thoughtNumber=value))).is_error


async def test_a_tool_that_is_not_there_is_a_protocol_error(board: AsyncBoard) -> None:
    with pytest.raises(MCPError, match="nobody"):
        await board.client("thinking").session.call_tool("nobody", {})


@pytest.mark.parametrize(
    ("env", "is_drawn"),
    [({}, True), ({"DISABLE_THOUGHT_LOGGING": "TRUE"}, False), ({"DISABLE_THOUGHT_LOGGING": "1"}, True)],
)
async def test_a_thought_is_drawn_on_standard_error_unless_that_is_switched_off(
    switchboard: Switchboard, capsys: pytest.CaptureFixture[str], env: dict[str, str], is_drawn: bool
) -> None:
    async with switchboard(thinking=sequential_thinking(env=env)) as board:
        await board.call(THINK, thought(thought="one\ntwo", isRevision=True, revisesThought=1))
    drawn = "+-- thought 1 of 3, revises 1\n|   one\n|   two\n+--\n"
    assert capsys.readouterr().err == (drawn if is_drawn else "")


async def test_the_environment_of_the_test_is_not_seen(
    switchboard: Switchboard, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISABLE_THOUGHT_LOGGING", "true")
    async with switchboard(thinking=sequential_thinking()) as board:
        await board.call(THINK, thought())
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, 0),
        (True, 1),
        ("", 0),
        (" 3 ", 3),
        ("0x10", 16),
        ("1e2", 100),
        (".5", 0.5),
        ("-Infinity", -math.inf),
        ([], 0),
        ([["4"]], 4),
        (10**400, math.inf),
    ],
)
async def test_a_number_is_read_as_javascript_reads_it(value: object, expected: float) -> None:
    assert number(value) == expected


@pytest.mark.parametrize("value", ["abc", "1_0", "+0x1", "nan", "٣", {}, [1, 2], [True], [{}]])
async def test_what_is_no_number_in_javascript_is_none(value: object) -> None:
    assert math.isnan(number(value))
