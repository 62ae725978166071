"""What it costs to judge a log: all checks at once, against reading the same messages once with `json`.

The logs are of two kinds: short messages on two memory links, as in `growth`; and tool calls with a kilobyte of text on ten links over
HTTP, each with ten credentials of its own that must be seen nowhere else. The costs are those of the whole log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Final

from benchmarks.paired import paired, spent
from benchmarks.row import Effort, Row
from benchmarks.samples import copied, sample
from pytest_mcpsym.checks import run
from pytest_mcpsym.wire.frame import Envelope
from pytest_mcpsym.wire.log import WireLog

__all__ = ["judging"]

LINKS: Final = 10
CREDENTIALS: Final = 10
"""On each link."""

_TEXT: Final = "The quick brown fox jumps over the lazy dog. " * 22


def judging(effort: Effort) -> Iterator[Row]:
    """All checks over a log against `json.loads` of each of its messages."""
    logs: tuple[tuple[str, Callable[[int], WireLog]], ...] = (
        ("short messages", sample),
        ("calls of 1 kB by HTTP, 100 canaries", _calls),
    )
    for name, made in logs:
        log = made(effort.frames)
        pairs = paired(lambda log=log: _judged(log), lambda log=log: _read(log), effort.large)
        yield pairs.row("judge", f"all checks, {effort.frames:,} frames: {name}", "json.loads of each", "none")


def _judged(log: WireLog) -> float:
    fresh = copied(log)
    return spent(lambda: run(fresh))


def _read(log: WireLog) -> float:
    return spent(lambda: [json.loads(frame.data) and None for frame in log.frames])


def _calls(frames: int) -> WireLog:
    """Return a log of calls in the modern era, in turns on several links."""
    log = WireLog()
    for link in range(LINKS):
        log.note(f"s{link}", "open", transport="http", era="modern", target=f"http://127.0.0.1:{8000 + link}/mcp")
        values = [[f"x-api-key-{number}", f"canary-{link}-{number}-c0ffee"] for number in range(CREDENTIALS)]
        log.note(f"s{link}", "credentials", values=values)
    for number in range(frames // 2):
        _call(log, number % LINKS, number // LINKS + 1)
    return log


def _call(log: WireLog, link: int, number: int) -> None:
    name, url = f"s{link}", f"http://127.0.0.1:{8000 + link}/mcp"
    asked = (
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("x-api-key-0", f"canary-{link}-0-c0ffee"),
    )
    told = (("content-type", "application/json"), ("date", "Wed, 25 Nov 2026 18:00:00 GMT"), ("content-length", "1303"))
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "host", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "search", "arguments": {"query": f"thing {number}", "limit": 10}, "_meta": meta}
    result = {
        "content": [{"type": "text", "text": _TEXT}],
        "structuredContent": {"rows": [number, 2]},
        "resultType": "complete",
    }
    log.note(name, "http", exchange=number, event="request", method="POST", url=url, headers=[list(pair) for pair in asked])
    log.frame(name, "to-server", _message(number, method="tools/call", params=params), Envelope(number, asked))
    log.note(name, "http", exchange=number, event="response", status=200, headers=[list(pair) for pair in told])
    log.frame(name, "to-client", _message(number, result=result), Envelope(number, told, 200))
    log.note(name, "http", exchange=number, event="closed", by="peer")


def _message(number: int, **members: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, **members}, separators=(",", ":")).encode()
