"""What a peer is asked, by whom, and what it asks itself, as values; and the names of the protocol that they use.

Standard library and anyio alone, as `peer.py`. Pinned by `tests/fakes/test_mutants.py`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, cast

import anyio

__all__ = [
    "CALLS",
    "CANCEL",
    "CAUSE",
    "CONTINUE",
    "HANDSHAKE",
    "MODERN",
    "TRACE",
    "Ask",
    "Call",
    "Client",
    "JsonObject",
    "Refusal",
    "Send",
    "key_of",
    "members",
    "principal",
]

JsonObject = dict[str, object]
Send = Callable[[bytes], Awaitable[None]]
"""Writes one message on the stream that belongs to a request, or to the connection where there is one for all."""

HANDSHAKE: Final = "2025-11-25"
MODERN: Final = "2026-07-28"
_PREFIX: Final = "io.modelcontextprotocol/"
SYMMETRIC: Final = "dev.mcpsym/symmetric"
CALLS: Final = "dev.mcpsym/calls"
CONTINUE: Final = "dev.mcpsym/continue"
CANCEL: Final = "dev.mcpsym/cancel"
CAUSE: Final = "dev.mcpsym/cause"
TRACE: Final = ("traceparent", "tracestate", "baggage")


class Refusal(Exception):
    """A JSON-RPC error: code, message and data."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


@dataclass(slots=True, eq=False)
class Ask:
    """What the server asked of its client, until the answer is there."""

    id: str
    came: anyio.Event = field(default_factory=anyio.Event)
    answer: JsonObject = field(default_factory=dict[str, object])


@dataclass(slots=True, eq=False)
class Client:
    """One client: a connection, over HTTP a session (handshake era) or a principal (modern era).

    Attributes:
        send: Writes on the connection; over HTTP there is no stream but those of requests.
        secret: The credential that it came with, or that the process was started with, where there is one.
        own: The tools that it alone is offered.
    """

    send: Send
    secret: str = ""
    capabilities: JsonObject = field(default_factory=dict[str, object])
    calls: dict[str, Call] = field(default_factory=dict[str, "Call"])
    asks: dict[str, Ask] = field(default_factory=dict[str, Ask])
    gates: dict[str, anyio.Event] = field(default_factory=dict[str, anyio.Event])
    legs: dict[str, Call] = field(default_factory=dict[str, "Call"])
    own: list[str] = field(default_factory=list[str])
    minted: int = 0


@dataclass(slots=True, eq=False)
class Call:
    """One request being handled."""

    client: Client
    id: object
    method: str
    params: JsonObject
    send: Send
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def meta(self) -> JsonObject:
        """`params._meta`."""
        return members(self.params.get("_meta"))

    @property
    def arguments(self) -> JsonObject:
        """Arguments of a tool."""
        return members(self.params.get("arguments"))

    @property
    def token(self) -> object:
        """The progress token that it gave, if it did."""
        return self.meta.get("progressToken")

    @property
    def modern(self) -> bool:
        """Whether it is of the modern era, which every request says of itself."""
        return _PREFIX + "protocolVersion" in self.meta

    @property
    def symmetric(self) -> JsonObject:
        """What the client declared of the symmetric extension."""
        declared = self.meta.get(_PREFIX + "clientCapabilities") if self.modern else self.client.capabilities
        return members(members(members(declared).get("extensions")).get(SYMMETRIC))


def members(value: object) -> JsonObject:
    """The members of a JSON object, none of anything else."""
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def principal(secret: str) -> str:
    """Whom a credential is for: what its last dash comes after; a refreshed one differs only behind it."""
    return secret.rpartition("-")[0]


def key_of(ident: object) -> str:
    """An id or token as JSON text, which keeps its type."""
    return json.dumps(ident)
