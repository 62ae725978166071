"""What a Streamable HTTP server has sent and can send again, so that a client whose stream broke resumes it.

Pinned by `tests/fakes/test_events.py`.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from contextvars import ContextVar
from itertools import count
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCResponse

if TYPE_CHECKING:
    from pytest_mcpsym.transport.asgi import ASGIApp, Message, Receive, Scope, Send

__all__ = ["KEPT", "Events", "SessionEvents", "Sessions"]

KEPT = 10_000
"""Events of one session that are kept; older ones cannot be sent again."""


class Events(EventStore):
    """The SDK's event store of one session, in memory and bounded.

    The SDK names a stream by the id of its request. An id that was answered is a new stream when it comes again.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._numbers = count(1)
        self._answered: Counter[StreamId] = Counter()
        self._events: OrderedDict[EventId, tuple[StreamId, int, JSONRPCMessage | None]] = OrderedDict()

    async def store_event(self, stream_id: StreamId, message: JSONRPCMessage | None) -> EventId:
        """Keep one event, or the beginning of a stream (None), and return its id."""
        ident = str(next(self._numbers))
        self._events[ident] = (stream_id, self._answered[stream_id], message)
        if _answers(message):
            self._answered[stream_id] += 1
        if len(self._events) > self._kept:
            self._events.popitem(last=False)
        return ident

    async def replay_events_after(self, last_event_id: EventId, send_callback: EventCallback) -> StreamId | None:
        """Send again what followed on the same stream; return its name if more is to come on it."""
        if last_event_id not in self._events:
            return None
        stream, turn, last = self._events[last_event_id]
        is_over = _answers(last)
        for ident, (other, its_turn, message) in list(self._events.items()):
            if (other, its_turn) == (stream, turn) and int(ident) > int(last_event_id) and message is not None:
                await send_callback(EventMessage(message, ident))
                is_over = is_over or _answers(message)
        return None if is_over else stream


def _answers(message: JSONRPCMessage | None) -> bool:
    return isinstance(message, JSONRPCResponse | JSONRPCError)


class _Key:
    """Stands for a session, also while its id is not known."""


_KEY: ContextVar[_Key] = ContextVar("session")
"""The session of a request, and of all tasks that serve it: the SDK tells its event store nothing of sessions."""


class SessionEvents(EventStore):
    """What each session was sent, apart from the others, for an app behind `Sessions`."""

    def __init__(self) -> None:
        self._stores: WeakKeyDictionary[_Key, Events] = WeakKeyDictionary()

    async def store_event(self, stream_id: StreamId, message: JSONRPCMessage | None) -> EventId:
        """Keep one event of the session that is served now."""
        return await self._store().store_event(stream_id, message)

    async def replay_events_after(self, last_event_id: EventId, send_callback: EventCallback) -> StreamId | None:
        """Send again what the session that is served now was sent on the same stream."""
        return await self._store().replay_events_after(last_event_id, send_callback)

    def _store(self) -> Events:
        return self._stores.setdefault(_KEY.get(), Events())


class Sessions:
    """An ASGI app in front of the SDK's that lets `SessionEvents` know whose request is served."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._keys: dict[bytes, _Key] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known = dict(scope["headers"]).get(b"mcp-session-id")
        key = (self._keys.get(known) if known is not None else None) or _Key()
        _KEY.set(key)
        await self._app(scope, receive, self._watched(send, key, known, ends=scope["method"] == "DELETE"))

    def _watched(self, send: Send, key: _Key, known: bytes | None, *, ends: bool) -> Send:
        """Return what learns the id of a session when it begins, and forgets it when it has ended."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = dict(message["headers"]).get(b"mcp-session-id")
                if known is None and given is not None and message["status"] == 200:
                    self._keys[given] = key
                elif known is not None and (message["status"] == 404 or (ends and message["status"] < 300)):
                    self._keys.pop(known, None)
            await send(message)

        return sending
