"""The clock's time moves when it is told to, and never else."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from mcp_types import CallToolResult, TextContent, TextResourceContents

from fake_servers import clock
from pytest_mcpsym import AsyncBoard, Switchboard
from pytest_mcpsym.switchboard.target import Era
from tests.fakes.over import TRANSPORTS, over

pytestmark = pytest.mark.anyio


@pytest.fixture(params=TRANSPORTS)
async def board(request: pytest.FixtureRequest, switchboard: Switchboard, era: Era) -> AsyncGenerator[AsyncBoard]:
    async with switchboard(clock=over(request.param, clock), era=era) as opened:
        yield opened


def said(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


async def time_of(board: AsyncBoard, tool: str, **arguments: object) -> object:
    result = await board.call(f"clock__{tool}", arguments)
    assert result.structured_content is not None, said(result)
    return result.structured_content["time"]


async def test_the_time_stands_until_it_is_advanced(board: AsyncBoard) -> None:
    assert await time_of(board, "now") == await time_of(board, "now") == "2026-01-01T00:00:00+00:00"
    assert await time_of(board, "advance", seconds=90.5) == "2026-01-01T00:01:30.500000+00:00"
    assert await time_of(board, "now") == "2026-01-01T00:01:30.500000+00:00"


async def test_the_tools_say_what_they_change_and_answer_with(board: AsyncBoard) -> None:
    tools = {tool.name.removeprefix("clock__"): tool for tool in await board.tools()}
    assert list(tools) == ["now", "advance", "convert", "between"]
    assert [tool.annotations and tool.annotations.read_only_hint for tool in tools.values()] == [True, False, True, True]
    assert all(tool.output_schema for tool in tools.values())


async def test_the_resource_is_the_time(board: AsyncBoard) -> None:
    await board.call("clock__advance", seconds=60)
    (content,) = (await board.client("clock").read_resource("clock://now")).contents
    assert isinstance(content, TextResourceContents)
    assert content.text == "2026-01-01T00:01:00+00:00"


@pytest.fixture
async def here(switchboard: Switchboard) -> AsyncGenerator[AsyncBoard]:
    async with switchboard(clock=clock(start="2026-03-29T00:59:50Z")) as opened:
        yield opened


async def test_a_zone_changes_its_offset_when_it_does(here: AsyncBoard) -> None:
    assert await time_of(here, "now", timezone="Europe/Oslo") == "2026-03-29T01:59:50+01:00"
    assert await time_of(here, "advance", seconds=10, timezone="Europe/Oslo") == "2026-03-29T03:00:00+02:00"


async def test_a_time_is_converted_between_zones(here: AsyncBoard) -> None:
    assert await time_of(here, "convert", time="2026-07-01T12:00:00+09:00", timezone="UTC") == "2026-07-01T03:00:00+00:00"


async def test_a_span_is_negative_where_the_end_comes_first(here: AsyncBoard) -> None:
    result = await here.call("clock__between", start="2026-01-02", end="2026-01-01T00:00:00Z")
    assert result.structured_content == {"seconds": -86400.0}


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        ("now", {"timezone": "Europe/Olso"}, "there is no time zone 'Europe/Olso'; did you mean Europe/Oslo?"),
        ("convert", {"time": "noon", "timezone": "UTC"}, "'noon' is no time; write it in ISO 8601"),
        ("advance", {"seconds": -1}, "greater than or equal to 0"),
        ("advance", {"seconds": 1e12}, "beyond the year 9999"),
        ("advance", {"seconds": 1, "timezone": "Mars"}, "there is no time zone 'Mars'"),
        ("convert", {"time": "9999-12-31T23:59:59Z", "timezone": "Asia/Tokyo"}, "no place in the calendar"),
    ],
)
async def test_what_cannot_be_is_an_error_result_and_moves_nothing(
    here: AsyncBoard, tool: str, arguments: dict[str, object], why: str
) -> None:
    result = await here.call(f"clock__{tool}", arguments)
    assert result.is_error
    assert why in said(result)
    assert await time_of(here, "now") == "2026-03-29T00:59:50+00:00"


@pytest.mark.parametrize(
    "start", [datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), datetime(2026, 1, 1, tzinfo=UTC)]
)
async def test_it_starts_at_any_datetime(switchboard: Switchboard, start: datetime) -> None:
    async with switchboard(clock=clock(start=start)) as board:
        assert await time_of(board, "now") == "2026-01-01T00:00:00+00:00"


def test_a_start_that_is_no_time_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="'yesterday' is no time; write it in ISO 8601, as in 2026-01-01T00:00:00"):
        clock(start="yesterday")
