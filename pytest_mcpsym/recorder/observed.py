"""What one HTTP connection says, read from the bytes that pass: which exchanges there were, and which messages they carried.

`Observed` does no I/O. It is given the bytes of both sides and returns those to pass on, which are the same but for one thing: where a
client names the recorder as the host it talks to (`Host`, `Origin`), it names the server instead, as it would without the recorder.
A server's protection against DNS rebinding so judges what it would judge, and a foreign name stays foreign. Bytes that are no
HTTP/1.1 are passed on all the same, and not kept. Pinned by `tests/recorder/test_proxy.py`.
"""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

import h11

from pytest_mcpsym.recorder.file import GrowingFile
from pytest_mcpsym.transport.sse import EventDecoder
from pytest_mcpsym.wire.frame import Envelope

__all__ = ["Names", "Observed"]

_HEAD_LIMIT: Final = 1_048_576
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_NAMED: Final = re.compile(rb"(?im)^(host|origin)(:[ \t]*)([^\r\n]*?)(?=[ \t]*\r?$)")
_NO_HEAD: Final = b" \r\n\t"

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Names:
    """What a client calls the recorder, and what it would call the server.

    Attributes:
        own: Host and port of the recorder, in every spelling.
        scheme: The scheme of the server's URL.
        authority: Host and port of the server, as in its URL.
    """

    own: frozenset[str]
    scheme: str
    authority: str

    @property
    def origin(self) -> str:
        """The origin of the server."""
        return f"{self.scheme}://{self.authority}"

    def as_direct(self, head: bytes) -> bytes:
        """Return the head of a request as the server would get it without the recorder."""
        renamed = {"host": {own.encode(): self.authority for own in self.own}}
        renamed["origin"] = {f"http://{own}".encode(): self.origin for own in self.own}

        def direct(found: re.Match[bytes]) -> bytes:
            name = renamed[found[1].decode().lower()].get(found[3].lower())
            return found[0] if name is None else found[1] + found[2] + name.encode()

        return _NAMED.sub(direct, head)


@dataclass(slots=True)
class _Exchange:
    number: int
    method: str
    url: str
    headers: Headers
    body: list[bytes] = field(default_factory=list[bytes])


class Observed:
    """One connection.

    Args:
        file: Where the exchanges and their messages are kept.
        names: What a client calls the recorder and the server.
        number: Returns the number of the next exchange.
    """

    def __init__(self, file: GrowingFile, names: Names, number: Callable[[], int]) -> None:
        self._file = file
        self._names = names
        self._number = number
        self._open: deque[_Exchange] = deque()
        self._request: h11.Connection | None = None
        self._asked: _Exchange | None = None
        self._head = b""
        self._response: _Response | None = None
        self._is_blind = False

    def from_client(self, data: bytes) -> bytes:
        """Take what a client sent, keep the request that it completes, and return what the server gets."""
        data, self._head = self._head + data, b""
        passed: list[bytes] = []
        while data and not self._is_blind:
            if self._request is None:
                end = _HEAD_END.search(data, len(data) - len(data.lstrip(_NO_HEAD)))
                if end is None and len(data) <= _HEAD_LIMIT:
                    self._head = data
                    return b"".join(passed)
                if end is not None:
                    head = self._names.as_direct(data[: end.end()])
                    self._request = h11.Connection(h11.SERVER, _HEAD_LIMIT)
                    rest = self._take_request(self._request, head)
                    passed.append(head)
                    data = data[end.end() :]
                    self._is_blind |= rest is None
                else:
                    self._is_blind = True
            else:
                rest = self._take_request(self._request, data)
                self._is_blind |= rest is None
                if rest is not None:
                    passed.append(data[: len(data) - len(rest)])
                    data = rest
        return b"".join([*passed, data])

    def from_server(self, data: bytes) -> None:
        """Take what the server sent, and keep the messages that it completes; `b""` is the end of it."""
        try:
            while not self._is_blind and (self._response or self._open):
                if self._response is None:
                    if not data:
                        return
                    self._response = _Response(self._open[0], self._file)
                rest = self._response.feed(data)
                if rest is None:
                    return
                self._end("peer")
                data = rest
        except (h11.ProtocolError, zlib.error) as error:
            if data:  # else the server broke off in the middle, which is HTTP's affair
                self._blind(error)

    def end(self, by: str) -> None:
        """Note that the connection ended, and by whom, for the exchanges that had not ended."""
        while self._open:
            self._end(by)

    def _take_request(self, request: h11.Connection, data: bytes) -> bytes | None:
        """Return what follows the request, nothing where it goes on; `None` where it is no HTTP."""
        try:
            request.receive_data(data)
            while True:
                event = request.next_event()
                if isinstance(event, h11.Request):
                    self._begin(event)
                elif isinstance(event, h11.Data) and self._asked is not None:
                    self._asked.body.append(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    self._complete()
                    return request.trailing_data[0]
                else:
                    return b""
        except h11.ProtocolError as error:
            self._blind(error)
            return None

    def _begin(self, event: h11.Request) -> None:
        method, target = event.method.decode("latin-1"), event.target.decode("latin-1")
        url = target if "://" in target else self._names.origin + target
        self._asked = _Exchange(self._number(), method, url, _pairs(event.headers.raw_items()))
        self._open.append(self._asked)
        self._note(self._asked, "request", method=method, url=url, headers=[list(pair) for pair in self._asked.headers])

    def _complete(self) -> None:
        assert self._asked is not None
        if body := b"".join(self._asked.body):
            self._file.frame("to-server", body, Envelope(self._asked.number, self._asked.headers))
        self._asked = self._request = None

    def _end(self, by: str) -> None:
        exchange = self._open.popleft()
        self._response = None
        self._note(exchange, "closed", by=by)

    def _note(self, exchange: _Exchange, event: str, **data: object) -> None:
        self._file.note("http", exchange=exchange.number, event=event, **data)

    def _blind(self, error: Exception) -> None:
        self._is_blind = True
        self._file.note("failure", reason=f"not kept from here on, as this connection is no HTTP/1.1: {error}")


class _Response:
    """Reads one response."""

    def __init__(self, exchange: _Exchange, file: GrowingFile) -> None:
        self._exchange = exchange
        self._file = file
        self._connection = h11.Connection(h11.CLIENT, _HEAD_LIMIT)
        asked = h11.Request(method=exchange.method, target="/", headers=[("Host", "server")])
        self._connection.send(asked)
        self._connection.send(h11.EndOfMessage())
        self._envelope = Envelope(exchange.number)
        self._kind = ""
        self._decode: _Decode = _Plain()
        self._events = EventDecoder()
        self._body: list[bytes] = []

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes, `b""` for the end, and return those that follow the response once it has ended."""
        self._connection.receive_data(data)
        while True:
            event = self._connection.next_event()
            if isinstance(event, h11.Response):
                self._begin(event)
            elif isinstance(event, h11.Data):
                self._data(self._decode.decompress(bytes(event.data)))
            elif isinstance(event, h11.EndOfMessage):
                self._finish()
                return self._connection.trailing_data[0]
            elif not isinstance(event, h11.InformationalResponse):
                return None

    def _begin(self, event: h11.Response) -> None:
        headers = _pairs(event.headers.raw_items())
        self._envelope = Envelope(self._exchange.number, headers, event.status_code)
        self._kind = (self._envelope.header("content-type") or "").partition(";")[0].strip().lower()
        encoding = (self._envelope.header("content-encoding") or "").strip().lower()
        if encoding in ("gzip", "deflate"):
            self._decode = zlib.decompressobj(47)
        elif encoding not in ("", "identity"):
            self._kind = ""
            self._file.note("failure", reason=f"the messages of a response are not kept, as it is encoded with {encoding}")
        shown = [list(pair) for pair in headers]
        self._file.note("http", exchange=self._exchange.number, event="response", status=event.status_code, headers=shown)

    def _data(self, data: bytes) -> None:
        if self._kind == "application/json":
            self._body.append(data)
        elif self._kind == "text/event-stream":
            for event in self._events.feed(data):
                if event.event == "message" and event.data:
                    self._keep(event.data, event.id)

    def _finish(self) -> None:
        if body := b"".join(self._body):
            self._keep(body, None)

    def _keep(self, data: bytes, event_id: str | None) -> None:
        of = self._envelope
        self._file.frame("to-client", data, Envelope(of.exchange, of.headers, of.status, event_id))


class _Decode(Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...


class _Plain:
    def decompress(self, data: bytes, /) -> bytes:
        return data


def _pairs(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    return tuple((bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in raw)
