"""The HTTP channel against the SDK's own servers, in process and over sockets, and against servers that break the rules."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Literal, cast

import anyio
import anyio.to_thread
import pytest
from mcp.server import MCPServer
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import Context
from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp_types import JSONRPCMessage
from pydantic import BaseModel

from pytest_mcpsym.transport.asgi import ASGIApp, asgi_transport
from pytest_mcpsym.transport.http import HTTPChannel, open_http
from pytest_mcpsym.transport.sockets import serve_on_loopback
from pytest_mcpsym.transport.tap import Tap, Undelivered
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog

pytestmark = pytest.mark.anyio

Place = Literal["in-process", "socket"]
INITIALIZE = (
    b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",'
    b'"capabilities":{"elicitation":{}},"clientInfo":{"name":"test","version":"0"}}}'
)
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
HANDSHAKE = {"mcp-protocol-version": "2025-11-25"}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
}


@pytest.fixture(params=["in-process", "socket"])
def place(request: pytest.FixtureRequest) -> Place:
    """Where the server is."""
    return request.param


@pytest.fixture
def log() -> WireLog:
    """The log of the test's one link, `peer`."""
    return WireLog()


@asynccontextmanager
async def opened(
    make: Callable[[], ASGIApp],
    log: WireLog,
    place: Place = "in-process",
    *,
    headers: dict[str, str] | None = None,
    retry_delay: float = 0.01,
) -> AsyncGenerator[HTTPChannel]:
    """Open a channel to an app that is made on the loop that serves it; the whole test is bounded."""
    tap = Tap(log, "peer")
    with anyio.fail_after(20):
        if place == "socket":
            async with (
                serve_on_loopback(make, factory=True) as base,
                open_http(f"{base}/mcp", tap, headers=headers, retry_delay=retry_delay) as channel,
            ):
                yield channel
        else:
            url = "http://127.0.0.1:8000/mcp"
            async with (
                asgi_transport(make()) as transport,
                open_http(url, tap, headers=headers, transport=transport, retry_delay=retry_delay) as channel,
            ):
                yield channel


def call(ident: int, tool: str, *, progress: str | None = None, modern: bool = False, **arguments: object) -> bytes:
    """Return a `tools/call` request."""
    meta = (ENVELOPE if modern else {}) | ({"progressToken": progress} if progress else {})
    params = {"name": tool, "arguments": arguments} | ({"_meta": meta} if meta else {})
    return json.dumps({"jsonrpc": "2.0", "id": ident, "method": "tools/call", "params": params}).encode()


def modern_headers(method: str, name: str | None = None) -> dict[str, str]:
    """Return the HTTP headers of a modern request."""
    return {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method} | ({"Mcp-Name": name} if name else {})


async def until_answer(channel: HTTPChannel, ident: int) -> list[Frame | Undelivered]:
    """Receive up to the answer of one request, or its end without one."""
    received: list[Frame | Undelivered] = []
    while True:
        item = await channel.receive()
        received.append(item)
        if (
            item.id == str(ident)
            if isinstance(item, Undelivered)
            else item.message.id == str(ident) and not item.message.method
        ):
            return received


async def answer(channel: HTTPChannel, ident: int) -> Frame:
    """Receive up to the answer of one request and return it."""
    last = (await until_answer(channel, ident))[-1]
    assert isinstance(last, Frame)
    return last


async def undelivered(channel: HTTPChannel, ident: int) -> Undelivered:
    """Receive up to the end of one request that gets no answer, and return it."""
    last = (await until_answer(channel, ident))[-1]
    assert isinstance(last, Undelivered)
    return last


async def decline(channel: HTTPChannel) -> None:
    """Receive an elicitation and decline it."""
    asked = await channel.receive()
    assert isinstance(asked, Frame)
    assert asked.message.method == "elicitation/create"
    await channel.send(f'{{"jsonrpc":"2.0","id":{asked.message.id},"result":{{"action":"decline"}}}}'.encode())


async def handshake(channel: HTTPChannel) -> Frame:
    """Run the lifecycle of the handshake era up to its operation phase."""
    await channel.send(INITIALIZE)
    initialized = await answer(channel, 0)
    await channel.send(INITIALIZED, HANDSHAKE)
    return initialized


def http_notes(log: WireLog, exchange: int) -> list[tuple[object, ...]]:
    """Return the `http` notes of one exchange in short: event, and method, status or side."""
    notes = [note.data for note in log.notes if note.channel == "http" and note.data["exchange"] == exchange]
    keys = {"request": "method", "response": "status", "closed": "by"}
    return [(data["event"], data[keys[str(data["event"])]]) for data in notes]


def shape(frames: list[Frame | Undelivered]) -> list[str | None]:
    """Return the method of each request and notification, and `result` or `error` for responses."""
    return [item.message.method or item.message.kind for item in frames if isinstance(item, Frame)]


class Confirmed(BaseModel):
    """What `ask` elicits."""

    yes: bool


def demo_server() -> MCPServer:
    """A server with one tool per behaviour that the channel has to carry."""
    server = MCPServer("demo")

    @server.tool()
    async def echo(text: str) -> str:
        return text

    @server.tool()
    async def steps(ctx: Context) -> str:
        await ctx.report_progress(1, 2)
        await ctx.report_progress(2, 2)
        return "done"

    @server.tool()
    async def ask(ctx: Context) -> str:
        result = await ctx.elicit("Sure?", Confirmed)
        return result.action

    @server.tool()
    async def announce(ctx: Context) -> str:
        await ctx.session.send_tool_list_changed()
        return "announced"

    assert [echo, steps, ask, announce]
    return server


@pytest.mark.parametrize("json_response", [False, True])
@pytest.mark.parametrize("stateless", [False, True])
async def test_initialize_and_a_call_work_in_every_mode_of_the_handshake_era(
    place: Place, log: WireLog, json_response: bool, stateless: bool
) -> None:
    def app() -> ASGIApp:
        return demo_server().streamable_http_app(json_response=json_response, stateless_http=stateless)

    async with opened(app, log, place) as channel:
        assert (await handshake(channel)).message.result["protocolVersion"] == "2025-11-25"
        await channel.send(call(1, "echo", text="hi"), HANDSHAKE)
        assert b'"hi"' in (await answer(channel, 1)).data


async def test_progress_arrives_before_the_answer_on_the_exchange_of_its_call(place: Place, log: WireLog) -> None:
    async with opened(lambda: demo_server().streamable_http_app(), log, place) as channel:
        await handshake(channel)
        sent = await channel.send(call(1, "steps", progress="p"), HANDSHAKE)
        frames = await until_answer(channel, 1)
    assert shape(frames) == ["notifications/progress", "notifications/progress", "result"]
    assert sent is not None
    assert sent.envelope is not None
    assert {f.envelope.exchange for f in frames if isinstance(f, Frame) and f.envelope} == {sent.envelope.exchange}


async def test_a_server_request_in_mid_call_can_be_answered(place: Place, log: WireLog) -> None:
    async with opened(lambda: demo_server().streamable_http_app(), log, place) as channel:
        await handshake(channel)
        await channel.send(call(1, "ask"), HANDSHAKE)
        await decline(channel)
        assert b"decline" in (await answer(channel, 1)).data


async def test_an_announcement_arrives_on_the_standalone_stream_with_a_number_of_its_own(place: Place, log: WireLog) -> None:
    async with opened(lambda: demo_server().streamable_http_app(), log, place) as channel:
        await handshake(channel)
        await channel.send(call(1, "announce"), HANDSHAKE)
        frames = [await channel.receive(), await channel.receive()]
    by_kind = {f.message.method or f.message.kind: f.envelope for f in frames if isinstance(f, Frame)}
    announced = by_kind["notifications/tools/list_changed"]
    assert announced is not None
    assert http_notes(log, announced.exchange) == [("request", "GET"), ("response", 200), ("closed", "host")]


async def test_session_id_and_version_go_with_everything_after_the_handshake(place: Place, log: WireLog) -> None:
    async with opened(lambda: demo_server().streamable_http_app(), log, place) as channel:
        first = await handshake(channel)
        late = await channel.send(call(1, "echo", text="hi"))
        await answer(channel, 1)
    assert first.envelope is not None
    assert late is not None
    assert late.envelope is not None
    assert late.envelope.header("mcp-session-id") == first.envelope.header("mcp-session-id") is not None
    assert late.envelope.header("mcp-protocol-version") == "2025-11-25"


async def test_initialize_carries_neither_session_nor_version(log: WireLog) -> None:
    async with opened(lambda: demo_server().streamable_http_app(), log) as channel:
        await handshake(channel)
        again = await channel.send(INITIALIZE)
        await answer(channel, 0)
    assert again is not None
    assert again.envelope is not None
    assert {"mcp-session-id", "mcp-protocol-version"}.isdisjoint(name for name, _ in again.envelope.headers)


async def test_closing_deletes_the_session(place: Place, log: WireLog) -> None:
    async with opened(lambda: demo_server().streamable_http_app(), log, place) as channel:
        await handshake(channel)
    last = max(int(str(note.data["exchange"])) for note in log.notes if note.channel == "http")
    assert http_notes(log, last) == [("request", "DELETE"), ("response", 200), ("closed", "peer")]


async def test_a_forgotten_session_ends_the_request_with_the_reason(log: WireLog) -> None:
    async with opened(lambda: demo_server().streamable_http_app(), log) as channel:
        await handshake(channel)
        await channel.send(call(1, "echo", text="hi"), HANDSHAKE | {"Mcp-Session-Id": "unknown"})
        frame, end = await until_error(channel)
    assert frame.envelope is not None
    assert frame.envelope.status == 404
    assert (end.id, end.code, end.message) == ("1", frame.message.error["code"], frame.message.error["message"])


async def until_error(channel: HTTPChannel) -> tuple[Frame, Undelivered]:
    """Receive an error without an id, and the end of the request that it belongs to."""
    frame, end = await channel.receive(), await channel.receive()
    assert isinstance(frame, Frame)
    assert isinstance(end, Undelivered)
    return frame, end


async def test_a_wrong_host_header_is_refused_with_its_status(place: Place, log: WireLog) -> None:
    async with opened(lambda: demo_server().streamable_http_app(), log, place, headers={"Host": "evil.example"}) as channel:
        await channel.send(INITIALIZE)
        end = await undelivered(channel, 0)
    assert (end.code, "421" in end.message) == (-32603, True)
    assert http_notes(log, 1)[1] == ("response", 421)


class Verifier:
    """Accepts one token."""

    async def verify_token(self, token: str) -> AccessToken | None:
        return AccessToken(token=token, client_id="c", scopes=[]) if token == "good" else None


def guarded_app() -> ASGIApp:
    """An app that wants a bearer token."""
    settings = AuthSettings.model_validate({"issuer_url": "https://issuer.example", "resource_server_url": None})
    return Server("guarded").streamable_http_app(auth=settings, token_verifier=Verifier())


async def test_a_missing_credential_leaves_the_challenge_in_the_log(place: Place, log: WireLog) -> None:
    async with opened(guarded_app, log, place) as channel:
        await channel.send(INITIALIZE)
        assert "401" in (await undelivered(channel, 0)).message
    [response] = [note.data for note in log.notes if note.data.get("event") == "response"]
    assert any(name.lower() == "www-authenticate" for name, _ in _pairs_of(response["headers"]))


def _pairs_of(headers: object) -> list[tuple[str, str]]:
    assert isinstance(headers, list)
    return [(str(name), str(value)) for name, value in cast("list[list[object]]", headers)]


async def test_a_credential_given_at_opening_goes_with_every_request(place: Place, log: WireLog) -> None:
    async with opened(guarded_app, log, place, headers={"Authorization": "Bearer good"}) as channel:
        assert (await handshake(channel)).message.kind == "result"
    requests = [note.data for note in log.notes if note.data.get("event") == "request"]
    assert {str(data["method"]) for data in requests} == {"POST", "GET", "DELETE"}
    assert all(("Authorization", "Bearer good") in _pairs_of(data["headers"]) for data in requests)


@pytest.mark.parametrize("json_response", [False, True])
async def test_the_modern_era_needs_no_handshake_session_or_standalone_stream(
    place: Place, log: WireLog, json_response: bool
) -> None:
    async with opened(lambda: demo_server().streamable_http_app(json_response=json_response), log, place) as channel:
        discover = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": ENVELOPE}})
        await channel.send(discover.encode(), modern_headers("server/discover"))
        assert "2026-07-28" in str((await answer(channel, 1)).message.result["supportedVersions"])
        await channel.send(call(2, "echo", modern=True, text="hi"), modern_headers("tools/call", "echo"))
        assert b'"hi"' in (await answer(channel, 2)).data
    assert [note.data["method"] for note in log.notes if note.data.get("event") == "request"] == ["POST", "POST"]


async def test_modern_progress_streams(place: Place, log: WireLog) -> None:
    async with opened(lambda: demo_server().streamable_http_app(), log, place) as channel:
        await channel.send(call(1, "steps", progress="p", modern=True), modern_headers("tools/call", "steps"))
        frames = await until_answer(channel, 1)
    assert shape(frames) == ["notifications/progress", "notifications/progress", "result"]


@dataclass
class Parking:
    """A server whose tool `park` waits until it is cancelled. Its events are seen from the loop of another thread too."""

    parked: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def app(self) -> ASGIApp:
        """Return the app, made anew."""
        server = MCPServer("parking")

        @server.tool()
        async def park(ctx: Context) -> None:
            await ctx.report_progress(1)
            self.parked.set()
            try:
                await anyio.sleep_forever()
            finally:
                self.cancelled.set()

        assert park
        return server.streamable_http_app()


async def happens(event: threading.Event) -> None:
    """Wait for an event of another thread."""
    assert await anyio.to_thread.run_sync(event.wait, 10)


CANCEL = b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}'


@pytest.mark.parametrize("progress", [None, "p"])
async def test_a_modern_cancellation_closes_the_stream_and_never_crosses_the_wire(
    place: Place, log: WireLog, progress: str | None
) -> None:
    parking = Parking()
    async with opened(parking.app, log, place) as channel:
        await channel.send(call(1, "park", progress=progress, modern=True), modern_headers("tools/call", "park"))
        await happens(parking.parked)
        assert await channel.send(CANCEL, modern_headers("notifications/cancelled")) is None
        await happens(parking.cancelled)
        assert http_notes(log, 1)[-1] == ("closed", "host")
    assert [f.message.method for f in log.on("peer") if f.direction == "to-server"] == ["tools/call"]


async def test_a_stream_that_is_closed_says_whether_its_call_was_given_up_or_the_channel_was_closed(
    place: Place, log: WireLog
) -> None:
    parking = Parking()
    async with opened(parking.app, log, place) as channel:
        for ident in (1, 2):
            await channel.send(call(ident, "park", modern=True), modern_headers("tools/call", "park"))
        await happens(parking.parked)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(channel.send, CANCEL)
            for _ in range(2):  # After the first, either of the two may go on.
                await anyio.lowlevel.checkpoint()
            await channel.aclose(1)
    closed = {note.data["exchange"]: note.data for note in log.notes if note.data.get("event") == "closed"}
    assert [closed[number].get("given_up", False) for number in (1, 2)] == [True, False]


async def test_a_modern_cancellation_that_comes_too_late_is_not_posted(log: WireLog) -> None:
    async with opened(lambda: demo_server().streamable_http_app(), log) as channel:
        await channel.send(call(1, "echo", modern=True, text="hi"), modern_headers("tools/call", "echo"))
        await answer(channel, 1)
        assert await channel.send(CANCEL) is None
    assert len(log.frames) == 2


async def test_a_handshake_cancellation_is_a_frame_like_any_other(place: Place, log: WireLog) -> None:
    parking = Parking()
    async with opened(parking.app, log, place) as channel:
        await handshake(channel)
        await channel.send(call(1, "park"), HANDSHAKE)
        await happens(parking.parked)
        sent = await channel.send(CANCEL, HANDSHAKE)
        await happens(parking.cancelled)
    assert sent is not None
    assert sent.data == CANCEL


class MemoryEvents(EventStore):
    """The event store that the SDK leaves to its users."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._events: dict[EventId, tuple[StreamId, JSONRPCMessage | None]] = {}

    async def store_event(self, stream_id: StreamId, message: JSONRPCMessage | None) -> EventId:
        ident = str(next(self._numbers))
        self._events[ident] = (stream_id, message)
        return ident

    async def replay_events_after(self, last_event_id: EventId, send_callback: EventCallback) -> StreamId | None:
        if last_event_id not in self._events:
            return None
        stream = self._events[last_event_id][0]
        for ident, (other, message) in list(self._events.items()):
            if other == stream and int(ident) > int(last_event_id) and message is not None:
                await send_callback(EventMessage(message, ident))
        return stream


async def test_a_stream_that_breaks_is_resumed_under_the_number_of_its_call(place: Place, log: WireLog) -> None:
    def app() -> ASGIApp:
        server = MCPServer("polling")

        @server.tool()
        async def leave_and_return(ctx: Context) -> str:
            # Closed before its first event was read, the stream could not be resumed: the answer proves that it was.
            await ctx.elicit("Sure?", Confirmed)
            await ctx.close_sse_stream()
            await ctx.report_progress(1)
            return "done"

        assert leave_and_return
        return server.streamable_http_app(event_store=MemoryEvents(), retry_interval=20)

    async with opened(app, log, place) as channel:
        await handshake(channel)
        sent = await channel.send(call(1, "leave_and_return", progress="p"), HANDSHAKE)
        await decline(channel)
        frames = await until_answer(channel, 1)
        assert sent is not None
        assert sent.envelope is not None
        number = sent.envelope.exchange
    assert shape(frames) == ["notifications/progress", "result"]
    assert {f.envelope.exchange for f in frames if isinstance(f, Frame) and f.envelope} == {number}
    assert [pair for pair in http_notes(log, number) if pair[0] == "request"] == [("request", "POST"), ("request", "GET")]


async def test_twenty_calls_run_at_once(place: Place, log: WireLog) -> None:
    def app() -> ASGIApp:
        server, arrived, open_gate = MCPServer("gate"), count(1), anyio.Event()

        @server.tool()
        async def gate(n: int) -> int:
            if next(arrived) == 20:
                open_gate.set()
            await open_gate.wait()
            return n

        assert gate
        return server.streamable_http_app()

    async with opened(app, log, place) as channel:
        await handshake(channel)
        for ident in range(1, 21):
            await channel.send(call(ident, "gate", n=ident), HANDSHAKE)
        answers = [await channel.receive() for _ in range(20)]
    assert sorted(int(f.message.id or 0) for f in answers if isinstance(f, Frame)) == list(range(1, 21))
