"""The HTTP exchanges that the wire reference shows: requests and responses of Streamable HTTP, with our `everything`, as they were.

No SDK client and no link of ours: plain HTTP requests to the app in process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import anyio
import httpx2
from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp_types import JSONRPCMessage

from fake_servers import everything
from pytest_mcpsym.serving.served import HttpOptions, served
from pytest_mcpsym.transport.asgi import asgi_transport

__all__ = ["Shown", "http_runs"]

_URL: Final = "http://127.0.0.1:8000/mcp"
_REQUEST: Final = (
    "accept",
    "content-type",
    "mcp-protocol-version",
    "mcp-session-id",
    "mcp-method",
    "mcp-name",
    "last-event-id",
    "origin",
)
_RESPONSE: Final = ("content-type", "mcp-session-id", "allow")
_POST: Final = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
_OLD: Final = {**_POST, "mcp-protocol-version": "2025-11-25"}
_ENVELOPE: Final = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw-client", "version": "1.0.0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
_INITIALIZE: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw-client", "version": "1.0.0"}},
}
_LONG: Final = {"name": "trigger-long-running-operation", "arguments": {"duration": 0.02, "steps": 2}}
_TEXT: Final = 180


@dataclass(frozen=True, slots=True)
class Shown:
    """One example.

    Attributes:
        title: Its heading.
        about: What to see in it.
        text: The exchange.
    """

    title: str
    about: str
    text: str


@dataclass
class Wire:
    """A client that writes down what it says and hears."""

    client: httpx2.AsyncClient
    session: str = ""
    lines: list[str] = field(default_factory=list[str])

    async def send(self, method: str, headers: Mapping[str, str], body: object = None) -> httpx2.Response:
        """Send one request, and write the exchange down."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body, separators=(",", ":")).encode()
        given = {**headers, **({"mcp-session-id": self.session} if self.session else {})}
        request = self.client.build_request(method, _URL, headers=given, content=content)
        response = await self.client.send(request)
        self.lines += [f"→ {method} /mcp", *self._head(request.headers, _REQUEST)]
        if content is not None:
            self.lines += ["", *self._body(content.decode(errors="replace"))]
        self.lines += [f"← {response.status_code}", *self._head(response.headers, _RESPONSE)]
        if response.text:
            self.lines += ["", *self._body(response.text)]
        self.lines.append("")
        return response

    def told(self) -> str:
        """Return what was written down, and begin anew."""
        text = "\n".join(self.lines).rstrip() + "\n"
        self.lines.clear()
        return text

    def _head(self, headers: httpx2.Headers, shown: tuple[str, ...]) -> list[str]:
        return [f"  {name}: {'<session>' if name == 'mcp-session-id' else headers[name]}" for name in shown if name in headers]

    def _body(self, text: str) -> list[str]:
        lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
        return [f"  {line if len(line) <= _TEXT else line[:_TEXT] + '…'}".rstrip() for line in lines]


class _Events(EventStore):
    """Keeps events, so that a stream can be resumed; a priming event has no message."""

    def __init__(self) -> None:
        self._events: list[tuple[StreamId, JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: StreamId, message: JSONRPCMessage | None) -> EventId:
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id: EventId, send_callback: EventCallback) -> StreamId | None:
        stream, _ = self._events[int(last_event_id) - 1]
        for number, (each, message) in enumerate(self._events[int(last_event_id) :], int(last_event_id) + 1):
            if each == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


def http_runs() -> list[Shown]:
    """Run the examples."""
    return anyio.run(_runs)


async def _runs() -> list[Shown]:
    app = served(everything()).app(HttpOptions())
    resumable = everything().streamable_http_app(event_store=_Events(), retry_interval=100)
    with anyio.fail_after(60):
        async with (
            asgi_transport(app) as transport,
            asgi_transport(resumable) as resuming,
            httpx2.AsyncClient(transport=transport) as client,
            httpx2.AsyncClient(transport=resuming) as other,
        ):
            return [
                *await _handshake(Wire(client)),
                await _resumption(Wire(other)),
                await _refusals(Wire(client)),
                *await _modern(Wire(client)),
            ]


async def _begin(wire: Wire) -> None:
    wire.session = (await wire.send("POST", _POST, _INITIALIZE)).headers["mcp-session-id"]
    await wire.send("POST", _OLD, {"jsonrpc": "2.0", "method": "notifications/initialized"})


async def _handshake(wire: Wire) -> list[Shown]:
    await _begin(wire)
    begun = Shown("The handshake", "The answer names the session; the notification is taken with 202.", wire.told())
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {**_LONG, "_meta": {"progressToken": "p1"}}}
    await wire.send("POST", _OLD, call)
    streamed = Shown("A stream with its answer", "Each event is one message; the last one is the answer.", wire.told())
    await wire.send("DELETE", {"mcp-protocol-version": "2025-11-25"})
    await wire.send("POST", _OLD, {"jsonrpc": "2.0", "id": 3, "method": "ping"})
    ended = Shown("The end of a session", "After the DELETE the session is not there any more.", wire.told())
    return [begun, streamed, ended]


async def _resumption(wire: Wire) -> Shown:
    await _begin(wire)
    wire.told()
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {**_LONG, "_meta": {"progressToken": "p1"}}}
    answer = await wire.send("POST", _OLD, call)
    ids = [line.removeprefix("id: ") for line in answer.text.splitlines() if line.startswith("id: ")]
    headers = {"accept": "text/event-stream", "mcp-protocol-version": "2025-11-25", "last-event-id": ids[1]}
    given = {**headers, "mcp-session-id": wire.session}
    wire.lines += [
        "→ GET /mcp",
        *(f"  {name}: {'<session>' if name == 'mcp-session-id' else value}" for name, value in given.items()),
    ]
    async with wire.client.stream("GET", _URL, headers=given) as response:
        wire.lines += [f"← {response.status_code}", f"  content-type: {response.headers['content-type']}", ""]
        heard = ""
        async for chunk in response.aiter_text():
            heard += chunk
            if '"result"' in heard and heard.endswith(("\n\n", "\r\n\r\n")):
                break
    wire.lines += [("  " + line[:_TEXT]).rstrip() for line in heard.replace("\r\n", "\n").rstrip().split("\n")]
    about = "A server that keeps its events gives them ids. The GET gives the id of the last event that came; what came after it comes again."
    return Shown("Resumption", about, wire.told())


async def _refusals(wire: Wire) -> Shown:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    await wire.send("POST", _OLD, b'{"jsonrpc":"2.0","id":1')
    await wire.send("POST", {**_OLD, "accept": "application/json"}, ping)
    await wire.send("POST", {**_POST, "origin": "https://evil.example"}, _INITIALIZE)
    wire.session = "no-such-session"
    await wire.send("POST", _OLD, ping)
    return Shown(
        "Refusals", "Broken JSON, an `Accept` that is too narrow, a foreign `Origin`, a session that is not there.", wire.told()
    )


async def _modern(wire: Wire) -> list[Shown]:
    def request(ident: int, method: str, **params: object) -> dict[str, object]:
        given = params.pop("meta", {})
        assert isinstance(given, dict)
        return {"jsonrpc": "2.0", "id": ident, "method": method, "params": {**params, "_meta": {**given, **_ENVELOPE}}}

    def headers(method: str, name: str | None = None) -> dict[str, str]:
        return {**_POST, "mcp-protocol-version": "2026-07-28", "mcp-method": method, **({"mcp-name": name} if name else {})}

    await wire.send(
        "POST", headers("tools/call", "echo"), request(1, "tools/call", name="echo", arguments={"message": "hello"})
    )
    plain = Shown("A request of the modern era", "No session; the headers repeat method and name.", wire.told())
    asked = request(2, "tools/call", **_LONG, meta={"progressToken": "p1"})
    await wire.send("POST", headers("tools/call", str(_LONG["name"])), asked)
    streamed = Shown("A stream of the modern era", "Events have no ids: nothing can be resumed.", wire.told())
    await wire.send("POST", headers("tools/list"), request(3, "resources/list"))
    old = {**headers("tools/list"), "mcp-protocol-version": "2027-01-01"}
    await wire.send("POST", old, request(4, "tools/list"))
    await wire.send("POST", headers("no/such"), request(5, "no/such"))
    await wire.send("GET", {"accept": "text/event-stream", "mcp-protocol-version": "2026-07-28"})
    about = "A header that contradicts the body, a version that nobody speaks, a method that is not there, and a GET."
    return [plain, streamed, Shown("Refusals of the modern era", about, wire.told())]
