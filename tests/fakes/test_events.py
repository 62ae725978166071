"""What was sent on a stream is sent again to whoever resumes it, and nothing else is."""

from __future__ import annotations

import pytest
from mcp.server.streamable_http import EventMessage, StreamId
from mcp_types import JSONRPCMessage, JSONRPCNotification, JSONRPCResponse

from fake_servers.events import Events

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
