"""Calls that servers make of an HTTP API, as the log has them: pairs of `http` notes on a link whose transport is `upstream`.

Such a link carries no JSON-RPC. Its `open` note names the links whose servers may call it. Each call leaves a note when its request
came and one when its response, or its end without one, was known. What a call was made for is its evidence, as of a server's frame
(`pytest_mcpsym.wire.route`): `meta` where its `dev-mcpsym-cause` header is the id of a routed request in flight on one of those
links, `sole` where exactly one is in flight on all of them, else `ambiguous`. Pinned by `tests/wire/test_upstream.py`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, cast

from pytest_mcpsym.wire.exchange import Exchange
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import Entry, Note

__all__ = ["CAUSE_HEADER", "UPSTREAM", "UpstreamCall", "body_data", "body_of", "callers_of", "header_of", "upstream_calls"]

UPSTREAM: Final = "upstream"
"""Transport of a link to an HTTP API."""

CAUSE_HEADER: Final = "dev-mcpsym-cause"
"""HTTP header that holds the id, as JSON, of the request for which a server calls an API; `symmetric.cause_headers` makes it."""


@dataclass(frozen=True, slots=True)
class UpstreamCall:
    """One call of an HTTP API.

    Attributes:
        link: Name of the API's link.
        number: Its number on the link.
        request: Note of its request.
        response: Note of its response; `None` if there is none.
        closed: Note that it ended without a response, with the reason where one is known.
    """

    link: str
    number: int
    request: Note
    response: Note | None = None
    closed: Note | None = None

    @property
    def method(self) -> str:
        """HTTP method."""
        return str(self.request.data.get("method", ""))

    @property
    def url(self) -> str:
        """URL, as the API is known."""
        return str(self.request.data.get("url", ""))

    @property
    def status(self) -> int | None:
        """HTTP status; `None` without a response."""
        status = self.response.data.get("status") if self.response else None
        return status if isinstance(status, int) else None

    @property
    def notes(self) -> tuple[Note, ...]:
        """Its notes, in order."""
        return tuple(note for note in (self.request, self.response, self.closed) if note is not None)

    @property
    def exchange(self) -> Exchange:
        """The call as hops have it. Its frames are views of the notes, with their `seq`, and stand in no log."""
        params = {"url": self.url, **{key: value for key, value in self.request.data.items() if key in _BODIES}}
        request = self._view("to-server", self.request, {"method": self.method, "params": params})
        response = None
        if self.response is not None:
            answered = {key: value for key, value in self.response.data.items() if key in ("status", *_BODIES)}
            response = self._view("to-client", self.response, {"result": answered})
        ending = self.response or self.closed
        state = "open" if ending is None else "result" if response is not None else "cancelled"
        end = None if ending is None else ending.seq
        return Exchange(self.link, "to-server", request, str(self.number), self.method, state, response, (), (), end)

    def _view(self, direction: str, note: Note, members: Mapping[str, object]) -> Frame:
        data = json.dumps({"jsonrpc": "2.0", "id": self.number, **members}).encode()
        return Frame(note.seq, self.link, "to-server" if direction == "to-server" else "to-client", note.time, data)


_BODIES: Final = ("body", "base64")


def callers_of(log: Iterable[Entry]) -> dict[str, tuple[str, ...]]:
    """Return the links to HTTP APIs, with the links whose servers may call them."""
    return {
        entry.link: tuple(str(name) for name in cast("Iterable[object]", entry.data.get("callers", ())))
        for entry in log
        if isinstance(entry, Note) and entry.channel == "open" and entry.data.get("transport") == UPSTREAM
    }


def upstream_calls(log: Iterable[Entry]) -> tuple[UpstreamCall, ...]:
    """Return the calls of HTTP APIs in a log, in order of their requests. A note that fits no call is left out."""
    entries = tuple(log)
    links = callers_of(entries)
    calls: dict[tuple[str, object], UpstreamCall] = {}
    for entry in entries if links else ():
        if not isinstance(entry, Note) or entry.channel != "http" or entry.link not in links:
            continue
        number = entry.data.get("exchange")
        key, event = (entry.link, number), entry.data.get("event")
        if event == "request" and isinstance(number, int) and key not in calls:
            calls[key] = UpstreamCall(entry.link, number, entry)
        elif key in calls and event == "response":
            calls[key] = replace(calls[key], response=entry)
        elif key in calls and event == "closed":
            calls[key] = replace(calls[key], closed=entry)
    return tuple(calls.values())


def header_of(note: Note, name: str) -> str | None:
    """Return the first header of that name in an `http` note, whatever its case."""
    headers = note.data.get("headers")
    for pair in cast("list[object]", headers) if isinstance(headers, (list, tuple)) else []:
        if isinstance(pair, (list, tuple)) and len(cast("list[object]", pair)) == 2:
            key, value = cast("list[object]", pair)
            if isinstance(key, str) and key.lower() == name:
                return str(value)
    return None


def body_data(body: bytes) -> dict[str, object]:
    """Return what a note says of a body: `body` where it is UTF-8 text, else `base64`, nothing where it is empty."""
    if not body:
        return {}
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def body_of(note: Note) -> bytes:
    """Return the body that an `http` note holds."""
    text, encoded = note.data.get("body"), note.data.get("base64")
    if isinstance(text, str):
        return text.encode("utf-8", "surrogatepass")
    return base64.b64decode(encoded) if isinstance(encoded, str) else b""
