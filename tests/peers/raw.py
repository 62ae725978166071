"""A client that uses no SDK: writes JSON-RPC lines to a process, and hands over the bytes that come back.

For tests that compare two servers on the wire. Every wait is bounded.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import IO, cast

__all__ = ["LIMIT", "Answers", "Said", "Step", "Until", "conversation", "handshake", "request"]

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


@dataclass(frozen=True, slots=True)
class Until:
    """A step that waits until the server says what is named.

    Attributes:
        method: Method of a notification or request.
        params: Members of its parameters.
    """

    method: str
    params: Mapping[str, object]


Said = list[dict[str, object]]
"""What a server has said, in order."""

Step = Mapping[str, object] | Until | Callable[[Said], Mapping[str, object]]
"""A message, a wait, or what makes a message of what was said so far."""

Answers = Mapping[str, list[dict[str, object]]]
"""For each method that a server may call, the members `result` or `error` of the answers in turn; the last one stays."""


def conversation(command: list[str], steps: Iterable[Step], answers: Answers | None = None) -> list[bytes]:
    """Send messages one by one, each request after the answer to the one before, and return all that the server said.

    Raises:
        TimeoutError: A request was not answered in time, or the server ended first.
    """
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as process:
        talk = _Talk(process, {method: list(each) for method, each in (answers or {}).items()})
        try:
            for step in steps:
                talk.take(step)
        finally:
            talk.end()
    return talk.lines


class _Talk:
    """One conversation with a process."""

    def __init__(self, process: subprocess.Popen[bytes], answers: dict[str, list[dict[str, object]]]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.lines: list[bytes] = []
        self._said: Said = []
        self._process = process
        self._input = process.stdin
        self._answers = answers
        self._queue: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=_pump, args=(process.stdout, self._queue), daemon=True).start()

    def take(self, step: Step) -> None:
        """Take one step to its end."""
        if isinstance(step, Until):
            self._wait(str(step), lambda found: _is(found, step))
            return
        message = step(self._said) if callable(step) else step
        self._send(message)
        if "id" in message:
            self._wait(json.dumps(message), lambda found: "method" not in found and found.get("id") == message["id"])

    def end(self) -> None:
        """Close the input and wait for the end."""
        self._input.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _send(self, message: Mapping[str, object]) -> None:
        self._input.write(json.dumps(message).encode() + b"\n")

    def _wait(self, what: str, is_it: Callable[[dict[str, object]], bool]) -> None:
        while True:
            try:
                line = self._queue.get(timeout=LIMIT)
            except queue.Empty:
                raise TimeoutError(f"no answer to {what} in {LIMIT:g} s") from None
            self.lines.append(line)
            found = json.loads(line)
            self._said.append(found)
            if "method" in found and "id" in found:
                self._answer(found)
            if is_it(found):
                return

    def _answer(self, asked: dict[str, object]) -> None:
        left = self._answers.get(str(asked["method"]))
        if left is not None:
            answer = left.pop(0) if len(left) > 1 else left[0]
            self._send({"jsonrpc": "2.0", "id": asked["id"], **answer})


def _is(found: dict[str, object], step: Until) -> bool:
    if found.get("method") != step.method:
        return False
    params = cast("dict[str, object]", found.get("params") or {})
    return all(params.get(name) == value for name, value in step.params.items())


def _pump(stream: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    for line in stream:
        lines.put(line)
