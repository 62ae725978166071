"""A client that uses no SDK: writes JSON-RPC lines to a process, and hands over the bytes that come back.

For tests that compare two servers on the wire. Every wait is bounded.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Iterable, Mapping
from typing import IO

__all__ = ["LIMIT", "conversation", "handshake", "request"]

LIMIT = 30.0
"""Seconds that a server may take for an answer."""


def request(number: object, method: str, params: object = None) -> dict[str, object]:
    """Return a request; without `params` if there are none."""
    message: dict[str, object] = {"jsonrpc": "2.0", "id": number, "method": method}
    return message if params is None else {**message, "params": params}


def handshake(capabilities: Mapping[str, object]) -> list[dict[str, object]]:
    """Return what a client says first: `initialize` with the id 0, and `notifications/initialized`."""
    info = {"name": "raw", "version": "1"}
    params = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": info}
    return [request(0, "initialize", params), {"jsonrpc": "2.0", "method": "notifications/initialized"}]


def conversation(command: list[str], messages: Iterable[Mapping[str, object]]) -> list[bytes]:
    """Send messages one by one, each request after the answer to the one before, and return all that the server said.

    Raises:
        TimeoutError: A request was not answered in time, or the server ended first.
    """
    said: list[bytes] = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True).start()
        try:
            for message in messages:
                process.stdin.write(json.dumps(message).encode() + b"\n")
                if "id" in message:
                    _until_answered(message, lines, said)
        finally:
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
    return said


def _pump(stream: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    for line in stream:
        lines.put(line)


def _until_answered(message: Mapping[str, object], lines: queue.SimpleQueue[bytes], said: list[bytes]) -> None:
    while True:
        try:
            line = lines.get(timeout=LIMIT)
        except queue.Empty:
            raise TimeoutError(f"no answer to {json.dumps(message)} in {LIMIT:g} s") from None
        said.append(line)
        found = json.loads(line)
        if "method" not in found and found.get("id") == message["id"]:
            return
