"""What a server may do of its own will, as values whose `repr` is the code that makes them.

A move says at which request of its client it is made: 0 is the first one, which in the handshake era is `initialize`. A move that does
not fit (there is no such request, the client did not declare what it needs, the protocol forbids it there) is not made. Pinned by
`tests/explore/test_actor.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Final, Literal

__all__ = [
    "Answer",
    "Declare",
    "Extra",
    "Hold",
    "Http",
    "List",
    "Move",
    "Need",
    "Pages",
    "Question",
    "Report",
    "Stubborn",
    "Tell",
    "Version",
]

Json = Mapping[str, object]

PARTS: Final = {"shorten": "parts"}
"""Marks members that may be shortened part by part; see `pytest_mcpsym.explore.hunt`."""
MEANT: Final = {"shorten": "never"}
"""Marks members that stay as they are."""


class _Shown:
    """Shows what differs from the defaults: the first two values by their place, the others by name."""

    def __repr__(self) -> str:
        shown: list[str] = []
        for place, each in enumerate(fields(self)):  # pyright: ignore[reportArgumentType]  # only dataclasses inherit this
            value: object = getattr(self, each.name)
            default = each.default_factory() if each.default_factory is not MISSING else each.default
            if default is MISSING or value != default or type(value) is not type(default):
                by_place = place < 2 and len(shown) == place
                shown.append(repr(value) if by_place else f"{each.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(frozen=True, repr=False)
class Tell(_Shown):
    """Send a notification: before the answer to a request or after it. What needs a handshake waits for its end.

    Attributes:
        at: Which request.
        method: Method of the notification.
        params: Its params.
        times: How many of them.
        after: Whether they come after the answer.
    """

    at: int
    method: str
    params: Json = field(default_factory=dict[str, object])
    times: int = 1
    after: bool = False


@dataclass(frozen=True, repr=False)
class Report(_Shown):
    """Send progress of a request that asked for it.

    Attributes:
        at: Which request.
        steps: The values of `progress`, growing.
        more: Other members, such as `total` and `message`.
        after: Whether it comes after the answer, too late. It should not, and clients have died of it, so they are tried.
    """

    at: int
    steps: Sequence[float] = (1,)
    more: Json = field(default_factory=dict[str, object], metadata=PARTS)
    after: bool = False


@dataclass(frozen=True, repr=False)
class Question(_Shown):
    """Ask the client something before a request is answered; the answer to the request waits for the answer to this. Handshake era.

    Attributes:
        at: Which request.
        method: `ping`, `roots/list`, `sampling/createMessage` or `elicitation/create`.
        params: Its params.
        id: Its id; where it was used before, the next one that was not.
        given_up: Whether it is cancelled at once, and its answer not waited for.
    """

    at: int
    method: str
    params: Json = field(default_factory=dict[str, object])
    id: int | str = 0
    given_up: bool = False


@dataclass(frozen=True, repr=False)
class Need(_Shown):
    """Answer a request with `input_required`, and the one that brings what was needed as usual. Modern era.

    Attributes:
        at: Which request.
        requests: What is needed of the client, by key.
        state: `requestState`.
    """

    at: int
    requests: Mapping[str, Json] = field(default_factory=dict[str, Json], metadata=PARTS)
    state: str | None = None


@dataclass(frozen=True, repr=False)
class Hold(_Shown):
    """Answer a request late: once another has been made, or the client has been quiet for a moment.

    Attributes:
        at: Which request.
        until: The other request.
    """

    at: int
    until: int | None = None


@dataclass(frozen=True, repr=False)
class Answer(_Shown):
    """Answer a request with this; with neither a result nor an error as usual.

    Attributes:
        at: Which request.
        method: Its method; a request with another one is answered as usual.
        result: The result.
        error: The error in its place.
        name: The tool, prompt or URI that is meant; default any.
    """

    at: int
    method: str
    result: Json | None = None
    error: Json | None = None
    name: str | None = field(default=None, metadata=MEANT)


@dataclass(frozen=True, repr=False)
class Extra(_Shown):
    """Put members into the result of a request, beside those that are there.

    Attributes:
        at: Which request.
        members: The members.
    """

    at: int
    members: Json = field(default_factory=dict[str, object], metadata=PARTS)


@dataclass(frozen=True, repr=False)
class List(_Shown):
    """List more, from a request on.

    Attributes:
        at: Which request.
        kind: What is listed.
        entries: The entries, after those that are always listed.
    """

    at: int
    kind: Literal["tools", "resources", "prompts"]
    entries: Sequence[Json] = field(default=(), metadata=PARTS)


@dataclass(frozen=True, repr=False)
class Pages(_Shown):
    """List page by page.

    Attributes:
        size: Entries on a page.
        cursor: What each cursor begins with; the number of the page follows.
    """

    size: int = 1
    cursor: str = ""


@dataclass(frozen=True, repr=False)
class Declare(_Shown):
    """Declare these capabilities, and no others.

    Attributes:
        capabilities: The capabilities.
    """

    capabilities: Json = field(default_factory=dict[str, object], metadata=PARTS)


@dataclass(frozen=True, repr=False)
class Version(_Shown):
    """Agree on this revision, whichever the client asks for. Handshake era; a client that does not know it may leave.

    Attributes:
        revision: The revision.
    """

    revision: str


@dataclass(frozen=True, repr=False)
class Stubborn(_Shown):
    """Answer requests that the client has cancelled all the same."""


@dataclass(frozen=True, repr=False)
class Http(_Shown):
    """How it answers over HTTP.

    Attributes:
        json: Whether an answer that comes alone is JSON, and no event stream.
        session: Whether it has sessions. Handshake era.
        listens: Whether it answers `GET` with a stream, and not with 405. Handshake era.
        before: What is written on an event stream before each message, such as a comment or an event without data.
    """

    json: bool = False
    session: bool = True
    listens: bool = True
    before: str = ""


Move = Tell | Report | Question | Need | Hold | Answer | Extra | List | Pages | Declare | Version | Stubborn | Http
