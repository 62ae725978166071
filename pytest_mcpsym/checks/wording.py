"""How findings name what they found: a peer's text is printable and of bounded length, whatever the peer sent.

Pinned by `tests/checks/test_jsonrpc.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pytest_mcpsym.checks.finding import View
from pytest_mcpsym.wire.exchange import Exchange
from pytest_mcpsym.wire.frame import Direction, Frame

__all__ = ["anomalies", "answerer", "called", "excerpt", "sender", "shown"]

EXCERPT: Final = 80
"""Bytes of a broken frame that a message shows."""


def shown(value: str, limit: int = EXCERPT) -> str:
    """Return a peer's text as printable ASCII of bounded length."""
    plain = value if len(value) <= limit else value[:limit] + "..."
    return plain.encode("ascii", "backslashreplace").decode() if plain.isprintable() else ascii(plain)[1:-1]


def excerpt(data: bytes) -> str:
    """Return the beginning of broken bytes, escaped."""
    return ascii(data[:EXCERPT])[1:] + ("..." if len(data) > EXCERPT else "")


def called(exchange: Exchange) -> str:
    """Return method, target and id of a request."""
    params = exchange.request.message.params
    target = params.get("name", params.get("uri"))
    what = f"{exchange.method} {target}" if isinstance(target, str) else exchange.method
    return f"{shown(what)} (id {shown(exchange.id)})"


def answerer(exchange: Exchange) -> str:
    """Return who owes the answer of a request."""
    return "the server" if exchange.direction == "to-server" else "the host"


def sender(direction: Direction) -> str:
    """Return who sends in a direction."""
    return "the host" if direction == "to-server" else "the server"


def anomalies(view: View, kind: str) -> Iterator[tuple[Exchange, tuple[Frame, ...]]]:
    """Yield anomalies of a kind with the exchange of the offending frame."""
    for anomaly in view.correlation.anomalies:
        if anomaly.kind == kind:
            exchange = view.correlation.owner(anomaly.frames[-1])
            if exchange is not None:
                yield exchange, anomaly.frames
