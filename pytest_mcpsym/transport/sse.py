"""Server-Sent Events from bytes to bytes, without I/O.

`EventDecoder` is fed chunks as they arrive and returns the events that they complete, with `data` byte for byte: what a text
decoder would replace is still there. It follows https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
with one difference: an event without data is returned too, because MCP servers prime a stream with an id alone. An event that the
end of the stream cuts off is dropped, as that section says. Pinned by `tests/transport/test_sse.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["EventCutter", "EventDecoder", "ServerSentEvent", "event_data"]

_EVENT_END: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")

_RETRY_DIGITS: Final = 9
"""A longer `retry` (over eleven days) is ignored, so that no peer can make a number that no clock takes."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event.

    Attributes:
        data: The `data` lines, joined by newlines.
        event: Its type, `message` unless the stream names another.
        id: Its `id` field, `None` where it has none of its own.
        retry: Its `retry` field in milliseconds.
    """

    data: bytes
    event: str = "message"
    id: str | None = None
    retry: int | None = None


class EventDecoder:
    """Collects chunks into events."""

    __slots__ = ("_after_cr", "_data", "_event", "_first", "_id", "_partial", "_retry")

    def __init__(self) -> None:
        self._partial = bytearray()
        self._after_cr = False
        self._first = True
        self._reset()

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that end in this chunk; lines end with LF, CR or CR LF, also where chunks split those."""
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if not chunk:
            return []
        self._after_cr = chunk.endswith(b"\r")
        self._partial += chunk
        if b"\n" not in chunk and b"\r" not in chunk:
            return []
        # `bytes.splitlines` splits at LF, CR and CR LF and at nothing else, which is the rule of the stream.
        lines = bytes(self._partial).splitlines(keepends=True)
        self._partial = bytearray() if lines[-1].endswith((b"\n", b"\r")) else bytearray(lines.pop())
        return [event for line in lines if (event := self._line(line.rstrip(b"\r\n"))) is not None]

    def _line(self, line: bytes) -> ServerSentEvent | None:
        if self._first:
            line = line.removeprefix(b"\xef\xbb\xbf")
            self._first = False
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value.decode(errors="replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode(errors="replace")
        elif name == b"retry" and value.isdigit() and len(value) <= _RETRY_DIGITS:
            self._retry = int(value)
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        found = bool(self._data) or self._id is not None or self._retry is not None
        event = ServerSentEvent(b"\n".join(self._data), self._event or "message", self._id, self._retry)
        self._reset()
        return event if found else None

    def _reset(self) -> None:
        self._data: list[bytes] = []
        self._event = ""
        self._id: str | None = None
        self._retry: int | None = None


class EventCutter:
    """Cuts a stream into events, each with the empty line behind it, byte for byte."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the events that end in a chunk."""
        rest = self._rest + chunk
        found: list[bytes] = []
        start = 0
        for end in _EVENT_END.finditer(rest):
            found.append(rest[start : end.end()])
            start = end.end()
        self._rest = rest[start:]
        return found

    def hold(self, chunk: bytes) -> list[bytes]:
        """Keep a chunk of what is no event stream for `rest`, and return no event."""
        self._rest += chunk
        return []

    def rest(self) -> bytes:
        """Return what is no whole event yet, and forget it."""
        rest, self._rest = self._rest, b""
        return rest


def event_data(event: bytes) -> bytes:
    """Return the data of one whole event."""
    fields = (line.partition(b":") for line in event.splitlines())
    return b"\n".join(value.removeprefix(b" ") for name, _, value in fields if name == b"data")
