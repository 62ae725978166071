"""Checks of HTTP sessions: one belongs to whom it was opened for, and lasts until it is ended.

Pinned by `tests/checks/test_session.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from pytest_mcpsym.checks.finding import Finding, Registry, View, check
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import Note
from pytest_mcpsym.wire.sensitive import is_secret_header

__all__ = ["SESSION", "credentials", "lost", "shared", "taken"]

_SPEC: Final = "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management"
_HEADER: Final = "mcp-session-id"
_SHORTEST: Final = 12
"""Characters of an id at least that two servers do not give by chance."""
_CANARY: Final = "mcpsym-canary"
"""The header of a link that was given no credentials."""


@dataclass(frozen=True, slots=True)
class _Session:
    """A session as it was opened."""

    link: str
    credential: tuple[tuple[str, str], ...]
    opening: Frame


@dataclass(slots=True)
class _Reading:
    """What a log says of sessions: who opened them, and what became of requests in them.

    Attributes:
        opened: Each by its server and its id.
        shared: Each that had the id of another, which is named, with the frame that gave it.
        sharing: Links with such a session: how it serves them is no finding of its own.
        uses: Each use of a session that is not ended: (session, the frame sent in it, the status of the answer).
        requests: The frames sent, by link and number of the HTTP exchange.
        ended: The ids of those that their client ended.
    """

    opened: dict[tuple[str, str], _Session] = field(default_factory=dict[tuple[str, str], _Session])
    shared: list[tuple[_Session, Frame]] = field(default_factory=list[tuple[_Session, Frame]])
    sharing: set[str] = field(default_factory=set[str])
    uses: list[tuple[_Session, Frame, int]] = field(default_factory=list[tuple[_Session, Frame, int]])
    requests: dict[tuple[str, int], Frame] = field(default_factory=dict[tuple[str, int], Frame])
    ended: set[str] = field(default_factory=set[str])


def _read(view: View) -> _Reading:
    """Return what a log says of sessions."""
    reading = _Reading()
    opens = any(each.method == "initialize" and each.request.envelope is not None for each in view.correlation.exchanges)
    for entry in view.log if opens else ():
        if isinstance(entry, Frame):
            _read_frame(reading, entry, view.servers.get(entry.link, ""))
        elif isinstance(entry, Note) and entry.channel == "http":
            number, status, event = entry.data.get("exchange"), entry.data.get("status"), entry.data.get("event")
            if event == "request" and entry.data.get("method") == "DELETE":
                reading.ended.add(_header(entry.data) or "")
            if event != "response" or not isinstance(status, int):
                continue
            frame = reading.requests.get((entry.link, number)) if isinstance(number, int) else None
            ident = None if frame is None or frame.envelope is None else frame.envelope.header(_HEADER)
            session = reading.opened.get((view.servers.get(entry.link, ""), ident or ""))
            if frame is None or session is None or ident in reading.ended:
                continue
            reading.uses.append((session, frame, status))
    return reading


def _read_frame(reading: _Reading, frame: Frame, server: str) -> None:
    envelope = frame.envelope
    if envelope is None:
        return
    if frame.direction == "to-server":
        reading.requests[frame.link, envelope.exchange] = frame
        return
    ident = envelope.header(_HEADER)
    asked = reading.requests.get((frame.link, envelope.exchange))
    if ident is not None and asked is not None and asked.message.method == "initialize" and asked.envelope is not None:
        session = _Session(frame.link, credentials(asked), asked)
        first = reading.opened.setdefault((server, ident), session)
        if first is not session and ident not in reading.ended:
            reading.shared.append((first, frame))
            reading.sharing.add(frame.link)


def credentials(frame: Frame) -> tuple[tuple[str, str], ...]:
    """Return the headers of a request that say who sends it; empty where there are none."""
    headers = () if frame.envelope is None else frame.envelope.headers
    pairs = [(name.lower(), value) for name, value in headers]
    return tuple(sorted(pair for pair in pairs if pair[0] != _HEADER and (is_secret_header(pair[0]) or pair[0] == _CANARY)))


def _header(data: Mapping[str, object]) -> str | None:
    pairs = cast("list[tuple[str, str]]", data.get("headers") or [])
    return next((value for name, value in pairs if name.lower() == _HEADER), None)


@check(
    "session:taken",
    severity="error",
    sentence="A session serves nobody but whom it was opened for.",
    source="https://modelcontextprotocol.io/specification/2025-11-25/basic/security_best_practices#session-hijacking",
)
def taken(view: View) -> Iterator[Finding]:
    """Find requests that were served in the session of another link, with other credentials than it was opened with."""
    reading = view.once(_read)
    for session, frame, status in reading.uses:
        theirs = session.link != frame.link and frame.link not in reading.sharing
        if theirs and status < 400 and credentials(frame) != session.credential:
            text = f"{frame.link}: the server answered {status} to {frame.message.method} in the session of the link {session.link!r}"
            yield taken.finding(text, (session.opening, frame), frame.link)


@check(
    "session:lost",
    severity="warning",
    sentence="A session lasts until its client ends it, also when a credential is refreshed.",
    source=f"{_SPEC}; https://github.com/stacklok/toolhive/issues/5306",
)
def lost(view: View) -> Iterator[Finding]:
    """Find sessions that a server no longer knew, or refused its own client, though nobody had ended them."""
    told: set[int] = set()
    for session, frame, status in view.once(_read).uses:
        if session.link == frame.link and status in (401, 403, 404) and session.opening.seq not in told:
            told.add(session.opening.seq)
            assert frame.envelope is not None
            refreshed = credentials(frame) != session.credential
            why = " once its credential was refreshed" if refreshed else ""
            text = f"{frame.link}: the server answered {status} to {frame.message.method} in a session of this link{why}"
            yield lost.finding(text, (session.opening, frame), frame.link)


@check(
    "session:shared",
    severity="error",
    sentence="Each session has an id of its own.",
    source=f"{_SPEC}; https://github.com/IBM/mcp-context-forge/issues/2055",
)
def shared(view: View) -> Iterator[Finding]:
    """Find session ids that a server gave again while the session that had them was open."""
    for session, frame in view.once(_read).shared:  # Two servers that count their sessions may have a short id both.
        if len((frame.envelope and frame.envelope.header(_HEADER)) or "") < _SHORTEST:
            continue
        text = f"{frame.link}: the server opened a session with the id of one that it had opened for the link {session.link!r}"
        yield shared.finding(text, (session.opening, frame), frame.link)


SESSION: Final = Registry((taken, lost, shared))
"""All checks of this family."""
