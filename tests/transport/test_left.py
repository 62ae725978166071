"""What a server leaves running is told when its link has closed, and what ends in time is not."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from mcp.server.mcpserver import MCPServer

from pytest_mcpsym import link
from pytest_mcpsym.plugin import Switchboard
from tests.switchboard.servers import process

expected = pytest.mark.mcp(expect=["lifecycle:left-running"])

SPAWN = """
import subprocess
subprocess.Popen(["sleep", "%s"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
shake()
hear()
"""


def found(board: Any) -> list[str]:
    return [finding.message for finding in board.findings]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which processes a group has")
@pytest.mark.parametrize(
    ("seconds", "left"), [pytest.param("60", ["loose: the server left a process running: sleep"], marks=expected), ("0", [])]
)
def test_a_process_that_a_server_leaves_behind_is_named_and_ended(
    switchboard: Switchboard, tmp_path: Path, seconds: str, left: list[str]
) -> None:
    with switchboard(loose=process(tmp_path, SPAWN % seconds), era="handshake") as board:
        pass
    assert found(board) == left
    assert not [note for note in board.log.notes if note.channel == "failure"]


def lasting() -> None:
    """Start a task that nobody ends."""

    async def watch_for_ever() -> None:
        await asyncio.sleep(3600)

    _kept.append(asyncio.get_running_loop().create_task(watch_for_ever()))


def brief() -> None:
    """Start a task that ends at once."""
    _kept.append(asyncio.get_running_loop().create_task(asyncio.sleep(0)))


_kept: list[asyncio.Task[None]] = []


def server(start: Callable[[], None]) -> MCPServer[Any]:
    """A server whose tool starts a task."""
    made = MCPServer("tasks", log_level="WARNING")

    @made.tool()
    async def begin() -> str:
        start()
        return "begun"

    return made


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio does not tell the context of a task")
@pytest.mark.parametrize("transport", ["memory", "http"])
@pytest.mark.parametrize("era", ["handshake", "modern"])
@pytest.mark.parametrize(("start", "count"), [pytest.param(lasting, 1, marks=expected), (brief, 0)], ids=["lasting", "brief"])
def test_a_task_that_a_server_leaves_behind_is_named(
    switchboard: Switchboard,
    transport: Literal["memory", "http"],
    era: Literal["handshake", "modern"],
    start: Callable[[], None],
    count: int,
) -> None:
    async def run() -> Any:
        async with switchboard(loose=link(server(start), transport=transport), era=era) as board:
            await board.call("loose__begin")
        for task in _kept:
            task.cancel()
        _kept.clear()
        return board

    name = "loose: the server left a task running: lasting.<locals>.watch_for_ever"
    assert found(anyio.run(run)) == [name] * count
