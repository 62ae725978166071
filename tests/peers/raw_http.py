"""A client over HTTP that uses no SDK and no HTTP library but the standard one: what came back is kept as it came.

For tests that compare two servers on the wire. Every wait is bounded.
"""

from __future__ import annotations

import http.client
import json
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

__all__ = ["Event", "Http", "Reply", "Stream", "free_port", "served"]

LIMIT = 30.0
"""Seconds that a server may take for anything."""

BOTH = "application/json, text/event-stream"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream."""

    id: str | None
    data: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """One response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    events: list[Event] = field(default_factory=list[Event])


class Stream:
    """A response that goes on: its events, as they come."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self._connection = connection
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(response,), daemon=True).start()

    def next(self) -> Event:
        """Return the next event that has data."""
        end = time.monotonic() + LIMIT
        while not (event := self._events.get(timeout=max(0.0, end - time.monotonic()))).data:
            pass
        return event

    def close(self) -> None:
        """Leave the stream."""
        if self._connection.sock is not None:
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _read(self, response: http.client.HTTPResponse) -> None:
        lines: list[bytes] = []
        try:
            while line := response.readline():
                if line.strip():
                    lines.append(line)
                else:
                    self._events.put(_event(lines))
                    lines = []
        except (OSError, ValueError, AttributeError, http.client.HTTPException):  # it was closed on this side
            return


class Http:
    """One client of a server; with `session` as soon as that is known."""

    def __init__(self, port: int, path: str = "/mcp") -> None:
        self.session: str | None = None
        self._port = port
        self._path = path

    def send(self, method: str, body: object = None, *, raw: bytes | None = None, **headers: str | None) -> Reply:
        """Make one request and read the response to its end; a header that is None is left out."""
        connection, response = self._begin(method, body, raw, headers)
        data = response.read()
        connection.close()
        found = {name.lower(): value for name, value in response.getheaders()}
        blocks = [block.splitlines() for block in data.replace(b"\r\n", b"\n").split(b"\n\n") if block.strip()]
        is_stream = found.get("content-type", "").startswith("text/event-stream")
        return Reply(response.status, found, data, [_event(block) for block in blocks] if is_stream else [])

    def open(self, method: str, body: object = None, **headers: str | None) -> Stream:
        """Make one request and return the response while it goes on."""
        return Stream(*self._begin(method, body, None, headers))

    def _begin(
        self, method: str, body: object, raw: bytes | None, headers: Mapping[str, str | None]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        usual = {"accept": BOTH, "content-type": "application/json", "mcp-session-id": self.session}
        given = {**usual, **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=LIMIT)
        connection.request(method, self._path, data, {name: value for name, value in given.items() if value is not None})
        return connection, connection.getresponse()


def _event(lines: list[bytes]) -> Event:
    ident: str | None = None
    data: list[bytes] = []
    for line in lines:
        name, _, value = line.rstrip(b"\r\n").partition(b":")
        if name == b"id":
            ident = value.strip().decode()
        elif name == b"data":
            data.append(value.removeprefix(b" "))
    return Event(ident, b"\n".join(data))


@contextmanager
def served(command: list[str], env: Mapping[str, str] | None = None, *, port: int) -> Generator[int]:
    """Run a server and hand over its port once it takes connections."""
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + LIMIT
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if time.monotonic() > end or process.poll() is not None:
                        raise TimeoutError(f"{command} does not listen on port {port}") from None
                    threading.Event().wait(0.05)
            yield port
        finally:
            process.kill()


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return cast("int", listener.getsockname()[1])
