"""Logs to measure on: what a board with an agent logs when a test calls it again and again.

Each call is seven entries on two links: host → agent, agent → host (mirrored), the forwarded request with its cause record, and the
three answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pytest_mcpsym.wire.frame import Direction, Frame
from pytest_mcpsym.wire.log import WireLog

__all__ = ["copied", "messages", "sample"]

_Step = tuple[str, Direction, str]

_CALL: tuple[_Step, ...] = (
    (
        "agent",
        "to-server",
        '{"jsonrpc":"2.0","id":"agent-%d","method":"tools/call","params":{"name":"run","arguments":{"task":"say hello"}}}',
    ),
    (
        "agent",
        "to-client",
        '{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"everything__echo","arguments":{"message":"hello"}}}',
    ),
    (
        "everything",
        "to-server",
        '{"jsonrpc":"2.0","id":"everything-%d","method":"tools/call","params":{"name":"echo","arguments":{"message":"hello"}}}',
    ),
    (
        "everything",
        "to-client",
        '{"jsonrpc":"2.0","id":"everything-%d","result":{"content":[{"type":"text","text":"Echo: hello"}],"isError":false}}',
    ),
    (
        "agent",
        "to-server",
        '{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"Echo: hello"}],"isError":false}}',
    ),
    (
        "agent",
        "to-client",
        '{"jsonrpc":"2.0","id":"agent-%d","result":{"content":[{"type":"text","text":"Echo: hello"}],"isError":false}}',
    ),
)


def messages(frames: int) -> Iterator[tuple[str, Direction, bytes]]:
    """Yield link, direction and bytes of that many frames."""
    for index in range(frames):
        call, step = divmod(index, len(_CALL))
        link, direction, text = _CALL[step]
        yield link, direction, (text % (call + 1)).encode()


def sample(frames: int) -> WireLog:
    """Return a log of that many frames, with their cause records."""
    log = WireLog()
    mirrored: Frame | None = None
    for link, direction, data in messages(frames):
        frame = log.frame(link, direction, data)
        if frame.message.kind == "request" and link == "everything" and mirrored is not None:
            log.cause(frame, mirrored, "routed")
        mirrored = frame
    return copied(log)


def copied(log: WireLog) -> WireLog:
    """Return an equal log whose frames were not parsed yet."""
    return WireLog(replace(entry) if isinstance(entry, Frame) else entry for entry in log)
