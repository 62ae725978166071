"""Correlation: which frames of a log form one exchange, and which fit nowhere.

An exchange is a request with what belongs to it on its link: its answer, its progress, its cancellations. `correlate` reads a
log once, in order, and never raises for what a peer sent: what breaks the protocol is an `Anomaly` that names the frames which
prove it. Ids and progress tokens are compared with their JSON type, so `5` and `"5"` are strangers. The cost is linear in the
log. Pinned by `tests/wire/test_exchange.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from pytest_mcpsym.wire.frame import Direction, Frame, Message, id_text
from pytest_mcpsym.wire.log import Cause, Entry, Note

__all__ = ["TIMED_OUT", "Anomaly", "AnomalyKind", "Correlation", "Exchange", "State", "correlate", "opposite", "token_text"]

TIMED_OUT: Final = "timed out"
"""What the reason of a cancellation begins with that came because the answer took too long: the switchboard's and the SDK's."""

State = Literal["open", "result", "error", "cancelled"]

AnomalyKind = Literal[
    "answer-twice", "answer-unknown", "id-reused", "progress-unknown", "progress-late", "cancel-unknown", "invalid", "not-json"
]
"""What a frame can be that fits nowhere, or not where it came:

* `answer-twice`: an answer to a request that had been answered; frames: request, the answer it had, this answer
* `answer-unknown`: an answer whose id, with its type, no request in the other direction had; frames: this answer
* `id-reused`: a request with the id of one still in flight; frames: the earlier request, this request
* `progress-unknown`: progress with a token that no request gave; frames: this notification
* `progress-late`: progress for a request that had been answered; frames: request, its answer, this notification
* `cancel-unknown`: cancellation of a request that the sender never made; frames: this notification
* `invalid`, `not-json`: bytes that are no JSON-RPC message; frames: this frame
"""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request with what belongs to it on its link.

    Attributes:
        link: Name of the link.
        direction: Which way the request went.
        request: The request's frame.
        id: Its id as JSON text with its type.
        method: Its method.
        state: How it ended; `open` if it did not. One that was cancelled stays `cancelled`, even if an answer came in the race.
        response: Its first answer.
        progress: Progress notifications with its token, in order.
        cancellations: `notifications/cancelled` that name it, in order.
        end: `seq` of the entry that ended it: its answer, its cancellation or, for a modern HTTP request, the note that the
            host closed its response stream. `None` while open.
    """

    link: str
    direction: Direction
    request: Frame
    id: str
    method: str
    state: State
    response: Frame | None
    progress: tuple[Frame, ...]
    cancellations: tuple[Frame, ...]
    end: int | None

    def open_at(self, seq: int) -> bool:
        """Say whether it was in flight when the entry with that `seq` was logged."""
        return self.request.seq < seq and (self.end is None or seq < self.end)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A frame that fits nowhere. The last of `frames` is the offender; the ones before it are the proof."""

    kind: AnomalyKind
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Correlation:
    """All exchanges of a log and all that fits in none.

    Attributes:
        exchanges: In order of their requests, over all links and both directions.
        anomalies: In order of the frames that gave rise to them.
    """

    exchanges: tuple[Exchange, ...]
    anomalies: tuple[Anomaly, ...]
    _owners: Mapping[int, int] = field(repr=False, compare=False)

    def owner(self, frame: Frame) -> Exchange | None:
        """Return the exchange that a frame belongs to as request, answer, progress or cancellation, if it does."""
        index = self._owners.get(frame.seq)
        return None if index is None else self.exchanges[index]


def opposite(direction: Direction) -> Direction:
    """Return the other direction."""
    return "to-client" if direction == "to-server" else "to-server"


def token_text(value: object) -> str | None:
    """Return a progress token or the id in a notification as JSON text with its type; `None` if it cannot be one."""
    return id_text(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None


# The states of one exchange. An answer may cross a cancellation on its way, so an answer to a cancelled request is legal once
# (basic/utilities/cancellation, "Timing Considerations"), and so is progress before it. A cancellation may come too late in the
# same way: it changes nothing. An answer ends progress, unless it is a task handle: progress then goes on with the same token
# for as long as the task does (basic/utilities/tasks, "Progress"). Whatever breaks these rules leaves the state as it is, still
# belongs to the exchange and is an anomaly.

_Phase = Literal["open", "result", "task", "error", "cancelled", "cancelled-answered"]
_Event = Literal["result", "task", "error", "cancel", "progress"]

_TABLE: Final[Mapping[tuple[_Phase, _Event], tuple[_Phase, AnomalyKind | None]]] = {
    ("open", "result"): ("result", None),
    ("open", "task"): ("task", None),
    ("open", "error"): ("error", None),
    ("open", "cancel"): ("cancelled", None),
    ("open", "progress"): ("open", None),
    ("result", "result"): ("result", "answer-twice"),
    ("result", "task"): ("result", "answer-twice"),
    ("result", "error"): ("result", "answer-twice"),
    ("result", "cancel"): ("result", None),
    ("result", "progress"): ("result", "progress-late"),
    ("task", "result"): ("task", "answer-twice"),
    ("task", "task"): ("task", "answer-twice"),
    ("task", "error"): ("task", "answer-twice"),
    ("task", "cancel"): ("task", None),
    ("task", "progress"): ("task", None),
    ("error", "result"): ("error", "answer-twice"),
    ("error", "task"): ("error", "answer-twice"),
    ("error", "error"): ("error", "answer-twice"),
    ("error", "cancel"): ("error", None),
    ("error", "progress"): ("error", "progress-late"),
    ("cancelled", "result"): ("cancelled-answered", None),
    ("cancelled", "task"): ("cancelled-answered", None),
    ("cancelled", "error"): ("cancelled-answered", None),
    ("cancelled", "cancel"): ("cancelled", None),
    ("cancelled", "progress"): ("cancelled", None),
    ("cancelled-answered", "result"): ("cancelled-answered", "answer-twice"),
    ("cancelled-answered", "task"): ("cancelled-answered", "answer-twice"),
    ("cancelled-answered", "error"): ("cancelled-answered", "answer-twice"),
    ("cancelled-answered", "cancel"): ("cancelled-answered", None),
    ("cancelled-answered", "progress"): ("cancelled-answered", "progress-late"),
}

_STATES: Final[Mapping[_Phase, State]] = {
    "open": "open",
    "result": "result",
    "task": "result",
    "error": "error",
    "cancelled": "cancelled",
    "cancelled-answered": "cancelled",
}


@dataclass(slots=True)
class _Draft:
    """An exchange while the log is being read."""

    index: int
    request: Frame
    id: str
    method: str
    phase: _Phase = "open"
    response: Frame | None = None
    end: int | None = None
    progress: list[Frame] | None = None
    cancellations: list[Frame] | None = None

    def finished(self) -> Exchange:
        return Exchange(
            self.request.link,
            self.request.direction,
            self.request,
            self.id,
            self.method,
            _STATES[self.phase],
            self.response,
            tuple(self.progress or ()),
            tuple(self.cancellations or ()),
            self.end,
        )


@dataclass(slots=True)
class _Earlier:
    """Earlier exchanges of an id that was reused before they were answered, oldest first."""

    open: deque[_Draft] = field(default_factory=deque[_Draft])
    cancelled: list[_Draft] = field(default_factory=list[_Draft])

    def oldest_open(self) -> _Draft | None:
        while self.open and self.open[0].phase != "open":
            self._retire(self.open.popleft())
        return self.open[0] if self.open else None

    def newest_open(self) -> _Draft | None:
        while self.open and self.open[-1].phase != "open":
            self._retire(self.open.pop())
        return self.open[-1] if self.open else None

    def newest_cancelled(self) -> _Draft | None:
        while self.cancelled and self.cancelled[-1].phase != "cancelled":
            self.cancelled.pop()
        return self.cancelled[-1] if self.cancelled else None

    def _retire(self, draft: _Draft) -> None:
        if draft.phase == "cancelled":
            self.cancelled.append(draft)


_Key = tuple[str, Direction, str]
"""Link, direction of the request, and an id or token as JSON text."""


class _Reader:
    """Reads a log in order. Holds what the next frame may refer to."""

    def __init__(self) -> None:
        self.drafts: list[_Draft] = []
        self.anomalies: list[Anomaly] = []
        self.owners: dict[int, int] = {}
        self._newest: dict[_Key, _Draft] = {}
        self._earlier: dict[_Key, _Earlier] = {}
        self._tokens: dict[_Key, _Draft] = {}
        self._posted: dict[tuple[str, int], _Draft] = {}
        self._handshake: set[str] = set()
        self._closing: set[str] = set()

    def frame(self, frame: Frame) -> None:
        message = frame.message
        match message.kind:
            case "request":
                self._request(frame, message, message.id or "", message.method or "")
            case "result":
                task = message.result.get("task")
                self._answer(frame, message.id or "", "result" if task is None or not isinstance(task, dict) else "task")
            case "error":
                # An error with a null id answers something that could not be read: nobody can say what.
                if message.id is not None and message.id != "null":
                    self._answer(frame, message.id, "error")
            case "notification":
                if message.method == "notifications/progress":
                    self._progress(frame)
                elif message.method == "notifications/cancelled":
                    self._cancel(frame)
            case "invalid" | "not-json":
                self._anomaly(message.kind, frame)

    def note(self, note: Note) -> None:
        if note.channel == "open" and note.data.get("era") == "handshake":
            self._handshake.add(note.link)
        elif note.channel == "closing":
            self._closing.add(note.link)
        if note.channel == "http" and note.data.get("event") == "closed" and note.data.get("by") == "host":
            self._stream_closed(note)

    def _stream_closed(self, note: Note) -> None:
        """Cancel as the modern era does. In the handshake era a closed stream may be resumed and cancels nothing.

        A link that is being closed closes its streams, which cancels nothing, as on a pipe; the call that was given up just before
        is one that was given up.
        """
        number = note.data.get("exchange")
        draft = self._posted.get((note.link, number)) if isinstance(number, int) else None
        given_up = note.data.get("given_up") is True or note.link not in self._closing
        if draft is not None and draft.phase == "open" and note.link not in self._handshake and given_up:
            draft.phase, draft.end = "cancelled", note.seq

    def _request(self, frame: Frame, message: Message, ident: str, method: str) -> None:
        draft = _Draft(len(self.drafts), frame, ident, method)
        self.drafts.append(draft)
        self.owners[frame.seq] = draft.index
        key = (frame.link, frame.direction, ident)
        last = self._newest.get(key)
        if last is not None and last.response is None:
            if last.phase == "open":
                self._anomaly("id-reused", last.request, frame)
            self._earlier.setdefault(key, _Earlier()).open.append(last)
        self._newest[key] = draft
        meta = message.meta
        token = token_text(meta["progressToken"]) if "progressToken" in meta else None
        if token is not None:
            self._tokens[frame.link, frame.direction, token] = draft
        if frame.envelope is not None and frame.direction == "to-server":
            self._posted[frame.link, frame.envelope.exchange] = draft

    def _answer(self, frame: Frame, ident: str, event: Literal["result", "task", "error"]) -> None:
        draft = self._answered((frame.link, opposite(frame.direction), ident))
        if draft is None:
            self._anomaly("answer-unknown", frame)
            return
        first = draft.response
        if draft.phase == "open":
            draft.end = frame.seq
        self._step(draft, event, frame)
        if first is None:
            draft.response = frame

    def _answered(self, key: _Key) -> _Draft | None:
        """Choose among the exchanges of one id: the oldest open one, else a cancelled one, else the newest."""
        newest, earlier = self._newest.get(key), self._earlier.get(key)
        if newest is None or earlier is None:
            return newest
        oldest = earlier.oldest_open()
        if oldest is not None:
            return oldest
        if newest.response is None:
            return newest
        return earlier.newest_cancelled() or newest

    def _progress(self, frame: Frame) -> None:
        token = token_text(frame.message.params.get("progressToken"))
        draft = None if token is None else self._tokens.get((frame.link, opposite(frame.direction), token))
        if draft is None:
            self._anomaly("progress-unknown", frame)
            return
        self._step(draft, "progress", frame)
        if draft.progress is None:
            draft.progress = []
        draft.progress.append(frame)

    def _cancel(self, frame: Frame) -> None:
        draft = self._cancelled(frame)
        if draft is None:
            self._anomaly("cancel-unknown", frame)
            return
        if draft.phase == "open":
            draft.end = frame.seq
        self._step(draft, "cancel", frame)
        if draft.cancellations is None:
            draft.cancellations = []
        draft.cancellations.append(frame)

    def _cancelled(self, frame: Frame) -> _Draft | None:
        ident = token_text(frame.message.params.get("requestId"))
        if ident is None:
            return None
        key = (frame.link, frame.direction, ident)
        newest, earlier = self._newest.get(key), self._earlier.get(key)
        if newest is None and frame.direction == "to-client":
            # Since 2026-07-28 a server ends a subscription by cancelling the client's request for it.
            listened = self._newest.get((frame.link, "to-server", ident))
            return listened if listened is not None and listened.method == "subscriptions/listen" else None
        if newest is None or newest.phase == "open" or earlier is None:
            return newest
        return earlier.newest_open() or newest

    def _step(self, draft: _Draft, event: _Event, frame: Frame) -> None:
        self.owners[frame.seq] = draft.index
        draft.phase, anomaly = _TABLE[draft.phase, event]
        if anomaly is not None:
            proof = (draft.request,) if draft.response is None else (draft.request, draft.response)
            self._anomaly(anomaly, *proof, frame)

    def _anomaly(self, kind: AnomalyKind, *frames: Frame) -> None:
        self.anomalies.append(Anomaly(kind, frames))


def correlate(log: Iterable[Entry]) -> Correlation:
    """Sort the frames of a log into exchanges.

    Args:
        log: A `WireLog`, or entries in the order in which they were logged.
    """
    reader = _Reader()
    for entry in log:
        if isinstance(entry, Frame):
            reader.frame(entry)
        elif not isinstance(entry, Cause):
            reader.note(entry)
    return Correlation(tuple(draft.finished() for draft in reader.drafts), tuple(reader.anomalies), reader.owners)
