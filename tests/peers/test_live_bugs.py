"""The bugs of the page on current SDKs are there: each test fails, and says what to do, when the installed release has mended its bug."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import cast

import pytest

from pytest_mcpsym.checks import run
from pytest_mcpsym.wire.log import WireLog
from tests.peers.live_bugs import BUGS, PAGE, page
from tests.peers.raw import LIMIT, handshake, request

SERVER = """
import anyio
from mcp.server import MCPServer

server = MCPServer("sdk", log_level="CRITICAL")
freed = anyio.Event()

@server.tool(structured_output=False)
async def hold() -> str:
    await freed.wait()
    return "held"

@server.tool(structured_output=False)
async def free() -> str:
    freed.set()
    return "freed"

@server.tool()
def infinite() -> dict[str, float]:
    return {"value": float("inf")}

@server.tool(structured_output=False)
def lone() -> str:
    return chr(0xD800)

server.run()
"""

PATIENCE = 1.0
"""Seconds in which an answer that is not owed any more by then would have come: silence has no other sign."""


class Talk:
    """A raw conversation with the SDK's own stdio server, on a log."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.log = WireLog()
        self.log.note("sdk", "open", transport="stdio", era="handshake", target="sdk")
        self._input, self._lines = process.stdin, queue.SimpleQueue[bytes]()
        threading.Thread(target=self._pump, args=(process.stdout,), daemon=True).start()
        for message in handshake({}):
            self.say(json.dumps(message).encode())
        self.hear(0)

    def _pump(self, lines: Iterator[bytes]) -> None:
        for line in lines:
            self._lines.put(line)
        self._lines.put(b"")

    def say(self, data: bytes) -> None:
        """Send one line."""
        self.log.frame("sdk", "to-server", data)
        self._input.write(data + b"\n")
        self._input.flush()

    def call(self, number: object, tool: str) -> None:
        """Send a tool call."""
        self.say(json.dumps(request(number, "tools/call", {"name": tool})).encode())

    def hear(self, number: object, limit: float = LIMIT) -> dict[str, object] | None:
        """Return the answer with that id and type of id; `None` if it does not come in time or the server ended."""
        while True:
            try:
                line = self._lines.get(timeout=limit)
            except queue.Empty:
                return None
            if not line:
                self.log.note("sdk", "close", by="peer")
                return None
            self.log.frame("sdk", "to-client", line.rstrip(b"\n"))
            found = json.loads(line)
            if found.get("id") == number and type(found.get("id")) is type(number):
                return found

    def found(self) -> set[str]:
        """Return the ids of the checks that found something by now."""
        return {finding.check for finding in run(self.log)}


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    """A conversation with a server of the installed SDK."""
    path = tmp_path / "server.py"
    path.write_text(SERVER)
    with talking([sys.executable, str(path)]) as made:
        yield made


@contextmanager
def talking(command: list[str]) -> Generator[Talk]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield Talk(process)
        finally:
            process.kill()


def is_there(name: str, *, there: bool) -> None:
    """Fail if a bug is not there any more."""
    assert there, (
        f"mcp {version('mcp')} has mended {BUGS[name].row}, seen in {BUGS[name].software}: {BUGS[name].sentence} "
        f"Take {name!r} out of tests/peers/live_bugs.py with its test, and run python -m tests.peers.live_bugs"
    )


@pytest.mark.parametrize(
    "broken",
    [
        b"{bad",
        b"[]",
        b'{"id":5,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":true,"method":"ping"}',
    ],
)
def test_silence(talk: Talk, broken: bytes) -> None:
    talk.say(broken)
    talk.say(json.dumps(request("alive", "ping")).encode())
    assert talk.hear("alive") is not None
    answers = [frame for frame in talk.log.on("sdk") if frame.direction == "to-client"]
    is_there("silence", there=len(answers) == 2)
    assert talk.found() == {BUGS["silence"].check}


def test_folded_cancellation(talk: Talk) -> None:
    talk.call(7, "hold")
    talk.say(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"07"}}')
    talk.call("f", "free")
    assert talk.hear("f") is not None
    is_there("folded-cancellation", there=talk.hear(7, PATIENCE) is None)
    assert BUGS["folded-cancellation"].check in talk.found()


def test_infinity(talk: Talk) -> None:
    talk.call(1, "infinite")
    answer = talk.hear(1)
    assert answer is not None
    result = cast("dict[str, object]", answer["result"])
    is_there("infinity", there=result["structuredContent"] == {"value": None})


def test_lone_surrogate(talk: Talk) -> None:
    talk.call(1, "lone")
    is_there("lone-surrogate", there=talk.hear(1, 5 * PATIENCE) is None)
    assert BUGS["lone-surrogate"].check in talk.found()


def test_the_page_is_made_from_the_list() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.peers.live_bugs"
