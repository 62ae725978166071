"""One request of a client, while the random server has it in hand, and the text of messages.

Pinned by `tests/explore/test_actor.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

__all__ = ["ENVELOPE", "Said", "Turn", "members", "text"]

ENVELOPE: Final = "io.modelcontextprotocol/"
"""Prefix of what a modern request says of its client, in `_meta`."""


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the server.

    Attributes:
        data: The message.
        on: Key of the request on whose stream it goes over HTTP; `None` for the stream that belongs to no request.
        last: Whether it is the answer, after which that stream ends.
    """

    data: bytes
    on: str | None = None
    last: bool = False


@dataclass(slots=True, eq=False)
class Turn:
    """A request of the client.

    Attributes:
        number: Its place among the requests of the client.
        id: Its id.
        method: Its method.
        params: Its params.
        until: The request that its answer waits for, or -1 for a moment of quiet; `None` if it does not wait.
        asked: Keys of the questions whose answers it waits for.
        done: Whether it needs nothing any more.
        cancelled: Whether the client has cancelled it.
    """

    number: int
    id: object
    method: str
    params: Mapping[str, object]
    until: int | None = None
    asked: set[str] = field(default_factory=set[str])
    done: bool = False
    cancelled: bool = False

    @property
    def key(self) -> str:
        """The id as JSON text."""
        return json.dumps(self.id)

    @property
    def meta(self) -> Mapping[str, object]:
        """`params._meta`."""
        return members(self.params.get("_meta"))

    @property
    def declared(self) -> Mapping[str, object]:
        """The capabilities that a modern request declares."""
        return members(self.meta.get(ENVELOPE + "clientCapabilities"))


def members(value: object) -> dict[str, object]:
    """The members of a JSON object, none of anything else."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def text(message: Mapping[str, object]) -> bytes:
    """One message as bytes."""
    return json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
