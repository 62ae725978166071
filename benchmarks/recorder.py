"""What `mcpsym record` adds to a call, on stdio and over HTTP: the same raw request through the recorder and directly.

No SDK takes part on the client's side, so that what is compared is the way of the bytes and not the parsing of them. The server is the
same fake in a process of its own on both sides.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

from benchmarks.paired import paired
from benchmarks.row import Effort, Row

__all__ = ["SERVE", "listening", "recorder"]

_MCPSYM: Final = (sys.executable, "-m", "pytest_mcpsym")
SERVE: Final = (*_MCPSYM, "serve", "everything")
"""The command that serves the fake."""

_VERSION: Final = "2025-11-25"
_INITIALIZE: Final = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": _VERSION, "capabilities": {}, "clientInfo": {"name": "benchmark", "version": "1"}},
}
_INITIALIZED: Final = {"jsonrpc": "2.0", "method": "notifications/initialized"}
_CALL: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "echo", "arguments": {"message": "hello"}},
}

_Call = Callable[[], None]


def recorder(effort: Effort) -> Iterator[Row]:
    """A call through `mcpsym record` against the same call without it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        record = (*_MCPSYM, "record", str(folder / "stdio.jsonl"), "--", *SERVE)
        recorded, direct = (stack.enter_context(_stdio(command)) for command in (record, SERVE))
        pairs = paired(_side(recorded, effort), _side(direct, effort), effort.rounds)
        yield pairs.row("recorder", "tools/call through mcpsym record, stdio", "the same server directly", "none")
        url = stack.enter_context(listening((*SERVE, "--http", "0")))
        own = stack.enter_context(listening((*_MCPSYM, "record", str(folder / "http.jsonl"), "--http", url)))
        recorded, direct = (stack.enter_context(_http(each)) for each in (own, url))
        pairs = paired(_side(recorded, effort), _side(direct, effort), effort.rounds)
        yield pairs.row("recorder", "tools/call through mcpsym record, HTTP", "the same server directly", "none")


def _side(call: _Call, effort: Effort) -> Callable[[], float]:
    def measured() -> float:
        start = time.perf_counter()
        for _ in range(effort.calls):
            call()
        return (time.perf_counter() - start) / effort.calls

    return measured


@contextmanager
def _stdio(command: tuple[str, ...]) -> Generator[_Call]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        reads, writes = process.stdout, process.stdin
        assert reads is not None
        assert writes is not None

        def say(message: object, *, answered: bool = True) -> None:
            writes.write(json.dumps(message).encode() + b"\n")
            writes.flush()
            while answered and b'"id"' not in reads.readline():
                pass

        say(_INITIALIZE)
        say(_INITIALIZED, answered=False)
        yield lambda: say(_CALL)
        writes.close()
        process.wait(10)


@contextmanager
def listening(command: tuple[str, ...]) -> Generator[str]:
    """Run a server or recorder over HTTP and yield its URL, which it says first."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            yield process.stderr.readline().split()[-1]
        finally:
            process.terminate()


@contextmanager
def _http(url: str) -> Generator[_Call]:
    parts = urlsplit(url)
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    with closing(http.client.HTTPConnection(parts.netloc, timeout=30)) as connection:

        def say(message: object) -> http.client.HTTPResponse:
            connection.request("POST", parts.path, json.dumps(message), headers)
            response = connection.getresponse()
            response.read()
            return response

        headers["Mcp-Session-Id"] = say(_INITIALIZE).headers["Mcp-Session-Id"]
        headers["Mcp-Protocol-Version"] = _VERSION
        say(_INITIALIZED)

        def call() -> None:
            say(_CALL)

        yield call
