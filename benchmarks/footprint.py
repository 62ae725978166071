"""What a recorded frame holds in memory beyond its own bytes, as `tracemalloc` counts it.

The header of the bytes object counts as overhead; the text of the message does not. A frame that somebody has read keeps its parsed
view as well, so the frames of a real board are measured beside frames that were only appended.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator

from anyio.from_thread import start_blocking_portal
from mcp_types import CallToolResult

from benchmarks.paired import each, uncollected
from benchmarks.row import Effort, Face, Row
from benchmarks.samples import messages
from fake_servers import everything
from pytest_mcpsym.switchboard import switchboard
from pytest_mcpsym.wire.log import WireLog

__all__ = ["GOAL", "footprint"]

GOAL = 400
"""Bytes that a frame may hold beyond its own."""

WARM = 100
"""Calls before the memory of calls is measured, for what is made once."""


def footprint(effort: Effort) -> Iterator[Row]:
    """The memory of a frame that was only appended, that was read, and that a call left on a board."""
    yield _row(f"a frame as appended, of {effort.frames:,}", _held(effort.frames, _leave), "none", GOAL)
    yield _row(f"a frame whose message was read, of {effort.frames:,}", _held(effort.frames, _parse), "none")
    calls = max(effort.frames // 20, 1)
    for name, through_client in (("board.client(link).call_tool", True), ("board.call(link__tool)", False)):
        yield _row(f"a frame of {name}, of {2 * calls:,}", _held_by_calls(calls, through_client=through_client), "async", GOAL)


def _row(measured: str, held: float, face: Face, goal: float | None = None) -> Row:
    return Row("memory", measured, "the bytes of its message", face, "B", held, held, held, 1, goal)


def _held_by_calls(calls: int, *, through_client: bool) -> float:
    """Return the bytes per frame that calls on a memory link leave behind, beyond those of their messages."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(switchboard(everything=everything())) as board:
        client = portal.call(board.client, "everything")

        async def call() -> CallToolResult:
            if through_client:
                return await client.call_tool("echo", {"message": "hello"})
            return await board.call("everything__echo", {"message": "hello"})

        portal.call(each, call, WARM)
        first = len(board.log)
        gc.collect()
        tracemalloc.start()
        try:
            portal.call(each, call, calls)
            gc.collect()
            held = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        frames = board.log.frames[first - len(board.log) :]
        return (held - sum(len(frame.data) for frame in frames)) / len(frames)


def _held(frames: int, read: Callable[[WireLog], None]) -> float:
    """Return the bytes per frame that a log of new frames holds beyond those of their messages."""
    payload = sum(len(data) for _, _, data in messages(frames))
    log = WireLog()
    with uncollected():
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for link, direction, data in messages(frames):
                log.frame(link, direction, data)
            read(log)
            after = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
    return (after - before - payload) / frames


def _leave(log: WireLog) -> None:
    """Leave the frames as they are."""


def _parse(log: WireLog) -> None:
    for frame in log.frames:
        assert frame.message.kind != "not-json"
