"""What was sent on a stream is sent again to whoever resumes it, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import anyio
import httpx2
import pytest
from mcp.server.streamable_http import EventMessage, StreamId
from mcp_types import JSONRPCMessage, JSONRPCNotification, JSONRPCResponse

from fake_servers import conformance, everything
from fake_servers.events import Events, SessionEvents, Sessions
from pytest_mcpsym.serving.served import HttpOptions, served
from pytest_mcpsym.transport.asgi import Receive, Scope, Send, asgi_transport

pytestmark = pytest.mark.anyio

ANSWER = JSONRPCResponse(jsonrpc="2.0", id=1, result={})


def told(number: int) -> JSONRPCNotification:
    return JSONRPCNotification(jsonrpc="2.0", method="notifications/message", params={"data": number})


async def resumed(events: Events, ident: str) -> tuple[StreamId | None, list[JSONRPCMessage]]:
    sent: list[JSONRPCMessage] = []

    async def send(event: EventMessage) -> None:
        sent.append(event.message)

    return await events.replay_events_after(ident, send), sent


async def test_what_followed_on_the_stream_is_sent_again_and_more_is_to_come() -> None:
    events = Events()
    begun = await events.store_event("1", None)
    await events.store_event("1", told(1))
    await events.store_event("2", told(2))
    await events.store_event("1", told(3))
    assert await resumed(events, begun) == ("1", [told(1), told(3)])


async def test_a_stream_that_was_answered_has_no_more_to_come() -> None:
    events = Events()
    begun = await events.store_event("1", None)
    answered = await events.store_event("1", ANSWER)
    assert await resumed(events, begun) == (None, [ANSWER])
    assert await resumed(events, answered) == (None, [])


async def test_an_id_that_comes_again_is_another_stream() -> None:
    events = Events()
    first = await events.store_event("1", None)
    await events.store_event("1", ANSWER)
    second = await events.store_event("1", None)
    await events.store_event("1", told(2))
    assert await resumed(events, first) == (None, [ANSWER])
    assert await resumed(events, second) == ("1", [told(2)])


async def test_an_event_that_nobody_sent_or_that_is_too_old_resumes_nothing() -> None:
    events = Events(kept=1)
    old = await events.store_event("1", told(1))
    await events.store_event("1", told(2))
    assert await resumed(events, old) == await resumed(events, "no-such") == (None, [])


URL = "http://127.0.0.1:8000/mcp"


class Session:
    """A client with one session, which calls one tool that asks the client's model something."""

    def __init__(self, client: httpx2.AsyncClient, tool: str, prompt: str) -> None:
        self._client = client
        self._tool = tool
        self._prompt = prompt
        self._headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}

    async def begin(self) -> None:
        """Begin the session."""
        info = {"name": "raw", "version": "1"}
        params: dict[str, object] = {"protocolVersion": "2025-11-25", "capabilities": {"sampling": {}}, "clientInfo": info}
        begun = await self.post({"id": 0, "method": "initialize", "params": params})
        self._headers["mcp-session-id"] = begun.headers["mcp-session-id"]
        await self.post({"method": "notifications/initialized"})

    async def post(self, message: dict[str, object]) -> httpx2.Response:
        """Send one message and return the whole response."""
        return await self._client.post(URL, json={"jsonrpc": "2.0", **message}, headers=self._headers)

    async def broken_off(self) -> str:
        """Call the tool with the id 1, leave its stream once the server has asked, and return the id of the first event."""
        params = {"name": self._tool, "arguments": {"prompt": self._prompt, "maxTokens": 5}}
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        async with (
            self._client.stream("POST", URL, json=call, headers=self._headers) as response,
            aclosing(events(response)) as told,
        ):
            first, _ = await anext(told)
            async for _, message in told:
                if "method" in message:
                    return first
        raise AssertionError("the server asked nothing")

    async def resumed(self, since: str) -> list[dict[str, object]]:
        """Resume after an event, answer what is asked, and return all that was heard up to the answer of the call."""
        heard: list[dict[str, object]] = []
        async with (
            self._client.stream("GET", URL, headers={**self._headers, "last-event-id": since}) as response,
            aclosing(events(response)) as told,
        ):
            async for _, message in told:
                heard += [message] if message else []
                if "method" in message:
                    content = {"type": "text", "text": f"to {self._prompt}"}
                    result = {"role": "assistant", "content": content, "model": "m"}
                    await self.post({"id": message["id"], "result": result})
                elif message.get("id") == 1:
                    break
        return heard


async def events(response: httpx2.Response) -> AsyncGenerator[tuple[str, dict[str, object]]]:
    """Yield the id and the message of each event; an event without data has no members."""
    left = b""
    async with aclosing(
        response.aiter_raw()
    ) as chunks:  # the iterators over text and lines do not close what they iterate over
        async for chunk in chunks:
            *whole, left = (left + chunk).replace(b"\r\n", b"\n").split(b"\n\n")
            for event in whole:
                fields = dict(line.split(": ", 1) for line in event.decode().split("\n") if ": " in line)
                yield fields.get("id", ""), json.loads(fields.get("data") or "{}")


@pytest.mark.parametrize(
    ("server", "tool"),
    [(conformance, "test_sampling"), (everything, "trigger-sampling-request")],
    ids=["conformance", "everything"],
)
async def test_sessions_that_call_with_the_same_id_resume_their_own_streams(server: Callable[[], object], tool: str) -> None:
    with anyio.fail_after(20):
        async with (
            asgi_transport(served(server()).app(HttpOptions())) as transport,
            httpx2.AsyncClient(transport=transport) as client,
        ):
            one, other = Session(client, tool, "PROMPT-A"), Session(client, tool, "PROMPT-B")
            for session in (one, other):
                await session.begin()
            since = [await one.broken_off(), await other.broken_off()]
            heard = [await one.resumed(since[0]), await other.resumed(since[1])]
    for messages, mine, foreign in ((heard[0], "PROMPT-A", "PROMPT-B"), (heard[1], "PROMPT-B", "PROMPT-A")):
        assert ["method" in message for message in messages] == [
            True,
            False,
        ]  # what the server asks, and the answer of the call
        assert [(mine in text, foreign in text) for text in map(json.dumps, messages)] == [(True, False)] * 2


async def test_a_session_that_was_ended_leaves_nothing_behind() -> None:
    events = SessionEvents()
    kept: list[int] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        ident = await events.store_event("1", told(len(kept)))
        kept.append(int(ident))
        headers = [(b"mcp-session-id", b"s")]
        await send({"type": "http.response.start", "status": 405 if scope["path"] == "/refused" else 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async with asgi_transport(Sessions(app)) as transport, httpx2.AsyncClient(transport=transport) as client:
        await client.post(URL)
        for method, path in (("POST", "/mcp"), ("DELETE", "/refused"), ("DELETE", "/mcp"), ("POST", "/mcp")):
            await client.request(method, f"http://127.0.0.1:8000{path}", headers={"mcp-session-id": "s"})
    assert kept == [1, 2, 3, 4, 1]  # the last one is the first of a new store
