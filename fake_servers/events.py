"""What a Streamable HTTP server has sent and can send again, so that a client whose stream broke resumes it.

Pinned by `tests/fakes/test_events.py`.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from itertools import count

from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCResponse

__all__ = ["KEPT", "Events"]

KEPT = 10_000
"""Events that are kept; older ones cannot be sent again."""


class Events(EventStore):
    """The SDK's event store, in memory and bounded.

    The SDK names a stream by the id of its request, and that is all the store is told. An id that was answered is a new stream when it
    comes again, so sessions that follow each other do not mix; two that use the same id at the same moment do, when one resumes.
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
