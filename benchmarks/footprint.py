"""What a recorded frame holds in memory beyond its own bytes, as `tracemalloc` counts it.

The header of the bytes object counts as overhead; the text of the message does not.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator

from benchmarks.paired import uncollected
from benchmarks.row import Effort, Row
from benchmarks.samples import messages
from pytest_mcpsym.wire.log import WireLog

__all__ = ["GOAL", "footprint"]

GOAL = 400
"""Bytes that a frame may hold beyond its own."""


def footprint(effort: Effort) -> Iterator[Row]:
    """The memory of a frame as it was recorded, and after something has read its message."""
    for what, read, goal in (("as recorded", _leave, GOAL), ("once its message was read", _parse, None)):
        held = _held(effort.frames, read)
        measured = f"a frame {what}, of {effort.frames:,}"
        yield Row("memory", measured, "the bytes of its message", "none", "B", held, held, held, 1, goal)


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
