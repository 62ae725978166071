"""`mcp-server-time` from PyPI over stdio: a server on version 1 of the SDK, in an environment of its own."""

from __future__ import annotations

import json
import shlex
from typing import cast

import anyio
import pytest
from mcp_types import CallToolResult, TextContent

from pytest_mcpsym.plugin import Switchboard
from tests.peers.provision import time_peer

CONVERT = {"source_timezone": "Asia/Tokyo", "time": "12:00", "target_timezone": "Asia/Kolkata"}
"""Two zones without daylight saving, so that the difference is the same all year."""


@pytest.fixture
def clock() -> str:
    """The command that starts the server."""
    return shlex.join(time_peer("--local-timezone", "UTC"))


def data_of(result: CallToolResult) -> dict[str, object]:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return cast("dict[str, object]", json.loads(block.text))


def test_a_time_is_converted(switchboard: Switchboard, clock: str) -> None:
    with switchboard(clock=clock) as board:
        result = board.call("clock__convert_time", CONVERT)
    assert data_of(result)["time_difference"] == "-3.5h"
    assert board.routes == "host > clock"
    assert board.findings == ()


def test_an_unknown_zone_is_a_result_that_says_so(switchboard: Switchboard, clock: str) -> None:
    with switchboard(clock=clock) as board:
        result = board.call("clock__get_current_time", timezone="Mars/Olympus_Mons")
    assert result.is_error
    assert "Mars/Olympus_Mons" in result.content[0].model_dump()["text"]
    assert board.findings == ()


def test_the_same_listing_twice_has_the_same_transcript(switchboard: Switchboard, clock: str, wire_snapshot: object) -> None:
    with switchboard(clock=clock) as one:
        one.tools()
    with switchboard(clock=clock) as other:
        other.tools()
    assert one.transcript() == other.transcript()
    assert one == wire_snapshot


@pytest.mark.anyio
async def test_twenty_conversions_at_once_each_get_their_own_answer(switchboard: Switchboard, clock: str) -> None:
    answers: dict[int, object] = {}

    async def convert(hour: int) -> None:
        result = await board.call("clock__convert_time", {**CONVERT, "time": f"{hour:02}:00"})
        answers[hour] = cast("dict[str, str]", data_of(result)["source"])["datetime"][11:13]

    async with switchboard(clock=clock) as board, anyio.create_task_group() as tasks:
        for hour in range(20):
            tasks.start_soon(convert, hour)
    assert answers == {hour: f"{hour:02}" for hour in range(20)}
    assert board.findings == ()
