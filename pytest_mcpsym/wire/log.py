"""The wire log: the one ordered account of what crossed the links of one switchboard.

Everything else (routes, findings, snapshots, recordings, reports) is a pure function of it. It is append-only and safe to append
to from several threads. Pinned by `tests/wire/test_log.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar, cast

from pytest_mcpsym.wire.frame import Direction, Envelope, Frame

__all__ = ["Cause", "Entry", "Evidence", "Note", "SideChannel", "WireLog"]

SideChannel = Literal[
    "open", "credentials", "closing", "close", "stderr", "exit", "http", "failure", "approval", "left", "quit", "fault"
]
"""Side channels of a link:

* `open`: `{"transport": "memory" | "stdio" | "http", "era": "handshake" | "modern", "target": text, "server": link}`, where
  `server` is an earlier link to the same server, if there is one; of an HTTP API that servers call `{"transport": "upstream",
  "target": text, "callers": links whose servers may call it}`
* `credentials`: `{"values": list of [name, value]}`: what the link was given that is secret, such as headers and variables, and so must
  be seen nowhere else. It is kept in no recording
* `closing`: `{}`, `{"opened": false}` or `{"dropped": true}`: the host began to close the link; what the server asks after this cannot be
  answered any more. A link that is not open by then was given up for another's failure, and owes no answer; one that is dropped owes none
  to what is in flight
* `close`: `{"by": "host" | "peer"}`, logged once, when no more frames can come
* `stderr`: `{"text": one line without its newline}`
* `exit`: `{"status": int, "asked": bool}`: exit status of the peer's process (negative: ended by that signal), and whether it
  was asked to end (its standard input had been closed)
* `quit`: `{"status": int}`: a client under test has ended by itself, with that exit status
* `http`: `{"exchange": int, "event": "request" | "response" | "closed", "method": str, "url": str, "status": int,
  "headers": list of [name, value], "by": "host" | "peer", "given_up": true, "timed_out": true}`, each with what is known at that event;
  `given_up` where the host closed a stream for which nobody waited any more, the modern cancellation, with `timed_out` where that
  was because the answer took too long. On a link with transport
  `upstream` request and response hold their bodies too, as `body` (text) or `base64`, and who closes may be a `caller`: see
  `pytest_mcpsym.wire.upstream`
* `failure`: `{"reason": text, "kind": "silent" | "failed"}`: what broke the link; of a client that is explored also how it failed
* `left`: `{kind: list of [name, circumstances]}` with the kinds `processes`, `tasks`, `threads`, `files`, `sockets` and `streams`: what
  the server left behind when the link had closed
* `approval`: `{"method": text, "name": a routed name or URI, "decision": "approved" | "refused" | "unscripted" | "undecided"}`: what the peer of this
  link wanted of another, and what the user said to it
* `fault`: `{"fault": text, "kind": text, "direction": text, "method": text, "what": "request" | "answer" | "notification" | "", "id": text |
  None, "became": text | None, "names": text | None, "did": text, "meant": text}`: what the harness did on purpose to a message with this
  method (of an answer: that of its request) and id; the id that it has since, if it has another; the request that it cancels; what became
  of it, in words; and, of a message to the server that does not stand on the log as it was sent, what was to be sent
"""

Evidence = Literal["routed", "meta", "continuation", "stream", "sole", "ambiguous"]
"""How the cause of a hop is known, strongest first. `sole` is for display and never authority."""


@dataclass(frozen=True, slots=True)
class Note:
    """One event on a side channel of a link: see `SideChannel` for its data."""

    seq: int
    link: str
    time: float
    channel: SideChannel
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Cause:
    """The switchboard's own record that it sent one frame because of another.

    Attributes:
        seq: Position in the log.
        time: Seconds since the log was opened.
        frame: `seq` of the frame that was caused (the forwarded request on the callee's link), or of the note of a request to
            an HTTP API, where the normal form keeps what it was made for.
        by: `seq` of the frame that caused it (the request on the caller's link).
        evidence: How this is known.
    """

    seq: int
    time: float
    frame: int
    by: int
    evidence: Evidence


Entry = Frame | Note | Cause
_Kind = TypeVar("_Kind", Frame, Note, Cause)


class WireLog:
    """Append-only, ordered, compared by value.

    Args:
        entries: What the log holds from the start (for logs that are read or derived).
        clock: Source of time in seconds; times in the log are relative to its first reading.
    """

    __slots__ = ("_clock", "_entries", "_lock", "_seen", "_start")

    def __init__(self, entries: Iterable[Entry] = (), *, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries: list[Entry] = list(entries)
        self._seen: dict[type, tuple[int, tuple[Entry, ...]]] = {}
        self._clock = clock
        self._start = clock()
        self._lock = threading.Lock()

    def frame(self, link: str, direction: Direction, data: bytes, envelope: Envelope | None = None) -> Frame:
        """Append a frame and return it."""
        with self._lock:
            entry = Frame(len(self._entries), link, direction, self._clock() - self._start, data, envelope)
            self._entries.append(entry)
        return entry

    def note(self, link: str, channel: SideChannel, **data: object) -> Note:
        """Append an event of a side channel and return it."""
        with self._lock:
            entry = Note(len(self._entries), link, self._clock() - self._start, channel, data)
            self._entries.append(entry)
        return entry

    def cause(self, frame: Frame, by: Frame, evidence: Evidence) -> Cause:
        """Append the record that `by` caused `frame`, and return it."""
        with self._lock:
            entry = Cause(len(self._entries), self._clock() - self._start, frame.seq, by.seq, evidence)
            self._entries.append(entry)
        return entry

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything, in order."""
        size, seen = self._seen.get(object, (0, ()))
        if size != len(self._entries):
            seen = tuple(self._entries)
            self._seen[object] = (len(seen), seen)
        return seen

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The frames, in order."""
        return self._of(Frame)

    @property
    def notes(self) -> tuple[Note, ...]:
        """The side-channel events, in order."""
        return self._of(Note)

    @property
    def causes(self) -> tuple[Cause, ...]:
        """The switchboard's cause records, in order."""
        return self._of(Cause)

    def _of(self, kind: type[_Kind]) -> tuple[_Kind, ...]:
        """Return the entries of a kind; only those that came since the last time are looked through."""
        size, seen = cast("tuple[int, tuple[_Kind, ...]]", self._seen.get(kind, (0, ())))
        if size != len(self._entries):
            later = self._entries[size:]
            seen += tuple(entry for entry in later if isinstance(entry, kind))
            self._seen[kind] = (size + len(later), seen)
        return seen

    @property
    def links(self) -> tuple[str, ...]:
        """Names of the links that left an entry, in order of the first."""
        return tuple(dict.fromkeys(entry.link for entry in self.entries if not isinstance(entry, Cause)))

    def on(self, link: str) -> tuple[Frame, ...]:
        """Return the frames of one link, in order."""
        return tuple(frame for frame in self.frames if frame.link == link)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __eq__(self, other: object) -> bool:
        return self.entries == other.entries if isinstance(other, WireLog) else NotImplemented

    __hash__ = None  # pyright: ignore[reportAssignmentType] - it grows, so it has no stable hash

    def __repr__(self) -> str:
        return f"<WireLog: {len(self.frames)} frames on {len(self.links)} links>"
