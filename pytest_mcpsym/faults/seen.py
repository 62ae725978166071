"""A message as a fault meets it: what it is, whose answer it is, and what came before it. Pinned by `tests/faults/test_seen.py`."""

from __future__ import annotations

import json
from dataclasses import dataclass

from pytest_mcpsym.wire.frame import Frame, Message, parse
from pytest_mcpsym.wire.log import WireLog

__all__ = ["Seen", "see"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A message, and what is known of it.

    Attributes:
        direction: Where it goes.
        data: Its bytes.
        message: The same, parsed.
        method: Its method, or that of the request it answers; empty where that is unknown.
        sort: `request`, `answer` or `notification`; empty where it is none.
        token: The progress token of the request that it is or answers.
        before: The request or answer before it in its direction.
    """

    direction: str
    data: bytes
    message: Message
    method: str
    sort: str
    token: object = None
    before: bytes = b""

    @property
    def names(self) -> str | None:
        """The id, as JSON text, of the request that a cancellation names."""
        named = self.message.params.get("requestId") if self.method == "notifications/cancelled" else None
        return None if named is None else json.dumps(named)


def see(log: WireLog, link: str, direction: str, data: bytes, before: bytes = b"") -> Seen:
    """Return what is known of a message of a link; the log says what it answers."""
    message = parse(data)
    if message.method is not None:
        sort = "notification" if message.id is None else "request"
        return Seen(direction, data, message, message.method, sort, message.meta.get("progressToken"), before)
    if message.id is None:
        return Seen(direction, data, message, "", "", None, before)
    asked = _request(log, link, direction, message.id)
    method, token = ("", None) if asked is None else (str(asked.message.method), asked.message.meta.get("progressToken"))
    return Seen(direction, data, message, method, "answer", token, before)


def _request(log: WireLog, link: str, direction: str, ident: str) -> Frame | None:
    """The last request with an id that went the other way."""
    for entry in reversed(log.entries):
        if not isinstance(entry, Frame) or entry.link != link or entry.direction == direction:
            continue
        if b'"method"' in entry.data and entry.message.id == ident and entry.message.method is not None:
            return entry
    return None
