"""Every kind of fault: what it does, in which directions and on which transports it can, and what it takes. A table, and nothing else.

Standard library only. Pinned by `tests/faults/test_fault.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["DIRECTIONS", "KINDS", "SELECTORS", "SERVED", "Kind", "Option"]

DIRECTIONS: Final = ("to-server", "to-client")
SERVED: Final = "mcpsym serve"
"""Where this process is the server, and a client on stdio the one under test."""
SERVED_HTTP: Final = "mcpsym serve over HTTP"
"""The same for a client over HTTP."""
TRANSPORTS: Final = ("memory", "stdio", "http", SERVED, SERVED_HTTP)


@dataclass(frozen=True, slots=True)
class Option:
    """What a fault takes under a name.

    Attributes:
        default: Used where nothing is given; its type is the option's.
        about: What it is.
        least: The least value of a number.
        most: The greatest value of a number.
        choices: The values that a text may have, if not any.
    """

    default: float | int | str
    about: str
    least: float = 0
    most: float = math.inf
    choices: tuple[str, ...] = ()

    @property
    def bounds(self) -> str:
        """What a value may be, for an error message."""
        if self.choices:
            return " or ".join(self.choices)
        return f"{self.least:g} or more" if self.most == math.inf else f"{self.least:g} to {self.most:g}"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        about: What it does, in one sentence.
        did: What it did to a message, in words, with its options in braces; empty where that depends on the message.
        directions: In which it can be done; the first is the default.
        transports: On which.
        options: What it takes, beside the selectors that all take.
        intact: Whether the message arrives as it was sent, so that its receiver owes what it owes anyway.
        ends: Whether the connection is over with it.
        never: In which direction on which transport it cannot be done all the same, and why.
    """

    about: str
    did: str
    directions: tuple[str, ...] = DIRECTIONS
    transports: tuple[str, ...] = TRANSPORTS
    options: Mapping[str, Option] = field(default_factory=dict[str, Option])
    intact: bool = False
    ends: bool = False
    never: Mapping[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def fits(self, transport: str) -> bool:
        """Whether it can be done on a transport, in one direction at least."""
        return transport in self.transports


_PIPES: Final = ("memory", "stdio", SERVED)
_HTTP: Final = ("http", SERVED_HTTP)
_SERVER: Final = ("to-server",)
_CLIENT: Final = ("to-client", "to-server")
_SERVED_BOTH: Final = (SERVED, SERVED_HTTP)
_READ_WHOLE: Final = {("to-server", where): "what is served reads messages and no bytes" for where in _SERVED_BOTH}
_ALONE: Final = "each message to the server is a request of its own"

SELECTORS: Final[Mapping[str, Option]] = {
    "nth": Option(0, "only the message with this number among those that match, from 1"),
    "every": Option(1, "only each so-many-th", 1),
    "times": Option(0, "at most so many; 0 is without limit"),
    "chance": Option(1.0, "only with this probability", most=1),
    "what": Option("", "only requests, answers or notifications", choices=("request", "answer", "notification")),
    "id": Option("", "only what has this id"),
    "seed": Option(0, "decides what is left to chance; the same seed decides the same"),
}
"""Options of every fault: to which of the matching messages it is done."""

KINDS: Final[Mapping[str, Kind]] = {
    "delay": Kind(
        "The message, and what comes behind it, is held back.",
        "held back for {seconds:g} s",
        _CLIENT,
        options={"seconds": Option(0.1, "for how long")},
        intact=True,
    ),
    "slow": Kind(
        "The message crosses at a number of bytes a second, as from a slow writer to a slow reader.",
        "",
        _CLIENT,
        options={"rate": Option(10_000, "bytes a second", 1)},
        intact=True,
    ),
    "drop": Kind("The message is lost.", "lost", _CLIENT),
    "duplicate": Kind(
        "The message comes more than once.", "comes {count} times", _CLIENT, options={"count": Option(2, "how often in all", 2)}
    ),
    "reorder": Kind(
        "The message comes after the next one in its direction.",
        "waits for the next one, for at most {seconds:g} s",
        _CLIENT,
        options={"seconds": Option(0.25, "how long it waits for a next one")},
    ),
    "truncate": Kind(
        "Only the beginning of the message comes.", "", _CLIENT, options={"keep": Option(0.5, "what part of it", most=1)}
    ),
    "corrupt": Kind("Bytes of the message are replaced by others.", "", _CLIENT, options={"count": Option(1, "how many", 1)}),
    "split": Kind(
        "The message comes in pieces.",
        "comes in pieces, {seconds:g} s apart",
        DIRECTIONS,
        ("stdio", "http", *_SERVED_BOTH),
        {
            "pieces": Option(3, "how many", 2),
            "seconds": Option(0.02, "between two"),
            "at": Option("", "where: inside of characters, or of what frames the message", choices=("character", "framing")),
        },
        intact=True,
        never=_READ_WHOLE,
    ),
    "coalesce": Kind(
        "The message comes together with the next one.",
        "comes together with the next one",
        DIRECTIONS,
        ("stdio", "http", *_SERVED_BOTH),
        {"seconds": Option(0.25, "how long it waits for a next one")},
        intact=True,
        never={**_READ_WHOLE, ("to-server", "http"): _ALONE},
    ),
    "half-close": Kind(
        "The server's input ends after the message.", "the server's input ends after it", _SERVER, _PIPES, ends=True
    ),
    "exit": Kind(
        "The server is killed as soon as the message is written, or instead of it.",
        "the server is killed",
        _CLIENT[::-1],
        (*_PIPES, SERVED_HTTP),
        ends=True,
    ),
    "stderr-flood": Kind(
        "The server fills standard error before the message, and waits until its client has read that.",
        "comes behind {bytes} bytes on standard error",
        ("to-client",),
        _SERVED_BOTH,
        {"bytes": Option(1_048_576, "how many", 1)},
        intact=True,
    ),
    "id-type": Kind("The id of a request or answer has another JSON type.", "", _CLIENT),
    "id-reused": Kind("A request, or an answer, has the id of the one before it.", "", _CLIENT[::-1]),
    "unknown-notification": Kind("A notification that nobody knows comes after the message.", "", _CLIENT),
    "unsolicited-request": Kind("A `ping` that nobody sent comes after the message.", "", _CLIENT),
    "late-progress": Kind("Progress for the request comes after its answer.", "", ("to-client",)),
    "wrong-token": Kind("A progress token is another one.", "", _CLIENT),
    "status": Kind(
        "HTTP answers with a status, and the server gets nothing.",
        "HTTP answers {code}, and the server gets nothing",
        _SERVER,
        _HTTP,
        {"code": Option(503, "which", 400, 599)},
    ),
    "redirect": Kind(
        "HTTP answers with a redirect, and the server gets nothing.",
        "HTTP answers {code}, and the server gets nothing",
        _SERVER,
        _HTTP,
        {
            "location": Option("", "to which URL; the same one, if none is given"),
            "code": Option(307, "with which status", 300, 399),
        },
    ),
    "stall": Kind(
        "HTTP answers, and its body does not come.",
        "the body of the HTTP response does not come for {seconds:g} s",
        _SERVER,
        _HTTP,
        {"seconds": Option(3600.0, "for how long")},
    ),
    "cut": Kind(
        "The event stream of HTTP breaks off; a server that numbers its events is asked for the rest.",
        "the HTTP response breaks off after {events} events",
        _SERVER,
        _HTTP,
        {"events": Option(0, "after how many events")},
    ),
    "reset": Kind("The HTTP connection breaks before there is a response.", "the HTTP connection breaks", _SERVER, _HTTP),
}
"""All kinds, by name."""
