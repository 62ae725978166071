"""Scripts: what a recorded server said, and what each of its frames waited for.

`scripts` turns a recorded log into frozen data from which a server can be played again. Every request and every notification of the
client begins a script, and so does the opening of the link. A script is a list of steps in recorded order: frames to send, and waits
for an answer or a cancellation by the client. Each frame of the server is in one script:

1. answer, progress and cancellation of a request: in the script of that request
2. a request or notification sent while a request was handled (by the evidence that `pytest_mcpsym.wire.route` names, or because it
   came on the response stream of that request): in the script of that request
3. all else belongs to the link, as do the notifications of a subscription: in the script of the last frame that the client had sent
   before it, leaving out what is optional, so that it follows what it followed

A client's answer to a request of the server is waited for where that request is, so what was recorded after the answer comes after
it again. An exchange that was cancelled waits for its cancellation. What is recorded after a request has to have been recorded before
it: a request may be played only when all requests that had ended before it were asked. Between concurrent ones there is no order.

A `ping`, and a `tools/list` that a client sends by itself because a tool it called had not been listed, are optional: nothing else
waits for them. Pinned by `tests/wire/test_script.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from pytest_mcpsym.wire.exchange import Correlation, Exchange, correlate, token_text
from pytest_mcpsym.wire.extension import CAUSE_KEY
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import Cause, Note, WireLog
from pytest_mcpsym.wire.match import Asked, asked
from pytest_mcpsym.wire.order import Identities
from pytest_mcpsym.wire.placement import Placements, place
from pytest_mcpsym.wire.splice import Path

__all__ = ["Answer", "Cancel", "LinkScripts", "Reference", "Script", "ScriptKind", "Send", "Step", "scripts"]

ScriptKind = Literal["opening", "request", "notification"]
"""What begins a script: the link is opened, or the client sends a request or notification."""

_SUBSCRIPTION: Final = "io.modelcontextprotocol/subscriptionId"
_LISTEN: Final = "subscriptions/listen"
_OF_A_REQUEST: Final = frozenset({"notifications/cancelled", "notifications/progress"})
"""Notifications that begin no script: they speak of a request, and may come late or not at all."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A place in a frame that names a request of the client, by its id or by its progress token.

    Attributes:
        path: Where.
        by: What stands there.
        script: Number of the script that the request begins.
    """

    path: Path
    by: Literal["id", "token"]
    script: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send a frame of the server.

    Attributes:
        frame: As recorded.
        references: What is to be rewritten in it.
        carrier: Number of the script on whose HTTP response stream it goes; `None` if it goes on the link's own.
    """

    frame: Frame
    references: tuple[Reference, ...] = ()
    carrier: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Wait until the client has answered a request of the server, as it did when it was recorded."""

    request: Frame
    answer: Frame


@dataclass(frozen=True, slots=True)
class Cancel:
    """Wait until the client has cancelled the request that began the script."""


Step = Send | Answer | Cancel


@dataclass(frozen=True, slots=True)
class Script:
    """What follows one event on the client's side.

    Attributes:
        number: Its place among the scripts of its link, from 0.
        kind: What begins it.
        trigger: The frame that begins it; `None` for the opening.
        asked: What that frame means; `None` for the opening.
        steps: What follows, in order.
        optional: Whether it need not be played.
        after: How many of `LinkScripts.ended` have to begin before it.
    """

    number: int
    kind: ScriptKind
    trigger: Frame | None
    asked: Asked | None
    steps: tuple[Step, ...]
    optional: bool = False
    after: int = 0


@dataclass(frozen=True, slots=True)
class LinkScripts:
    """The scripts of one link.

    Attributes:
        link: Name of the link.
        scripts: In order of what began them; the first is the opening.
        ended: Numbers of the scripts of requests that ended and are not optional, in order of their ends.
    """

    link: str
    scripts: tuple[Script, ...]
    ended: tuple[int, ...]

    @property
    def required(self) -> tuple[Script, ...]:
        """The scripts of the requests that a replay has to ask."""
        return tuple(script for script in self.scripts if script.kind == "request" and not script.optional)


def scripts(log: WireLog) -> Mapping[str, LinkScripts]:
    """Return the scripts of each link of a recorded log. The cost is linear in the log, save for sorting.

    Raises:
        ValueError: A request of the client is nested too deeply to be compared.
    """
    correlation = correlate(log)
    sources = _Sources(correlation, place(log, correlation), Identities(correlation))
    readers = {link: _Reader(link, sources) for link in log.links}
    for entry in log:
        if not isinstance(entry, Cause):
            readers[entry.link].entry(entry)
    return {link: reader.finished() for link, reader in readers.items()}


@dataclass(frozen=True, slots=True)
class _Sources:
    correlation: Correlation
    placements: Placements
    identities: Identities


@dataclass(slots=True)
class _Draft:
    """A script while the log is being read."""

    number: int
    kind: ScriptKind
    trigger: Frame | None = None
    asked: Asked | None = None
    exchange: Exchange | None = None
    optional: bool = False
    steps: list[Step] = field(default_factory=list[Step])


class _Listing:
    """Knows which tools were listed, and so which `tools/list` a client sends by itself."""

    def __init__(self) -> None:
        self._listed: set[str] = set()
        self._due = False

    def asked(self, what: Asked) -> bool:
        """Take note of a request, and say whether it is such a `tools/list`."""
        if what.method == "tools/call" and what.target not in self._listed:
            self._due = True
        return what.method == "tools/list" and self._due

    def answered(self, answer: Frame) -> None:
        """Take note of an answer to `tools/list`."""
        result = answer.message.result
        tools = result.get("tools")
        for tool in cast("list[object]", tools) if isinstance(tools, list) else ():
            name = cast("dict[str, object]", tool).get("name") if isinstance(tool, dict) else None
            if isinstance(name, str):
                self._listed.add(name)
        self._due = self._due and result.get("nextCursor") is not None


class _Reader:
    """Reads the entries of one link in order."""

    def __init__(self, link: str, sources: _Sources) -> None:
        self._link = link
        self._sources = sources
        self._drafts = [_Draft(0, "opening")]
        self._last = self._drafts[0]
        self._begun: dict[int, _Draft] = {}
        self._holding: dict[int, _Draft] = {}
        self._streams: dict[int, _Draft] = {}
        self._listing = _Listing()
        self._cancelled = {
            one.end: one
            for one in sources.correlation.exchanges
            if one.link == link and one.direction == "to-server" and one.state == "cancelled"
        }

    def entry(self, entry: Frame | Note) -> None:
        if isinstance(entry, Frame) and entry.direction == "to-client":
            self._server(entry)
            return
        ended = self._cancelled.get(entry.seq)
        if ended is not None:
            self._last = self._begun[ended.request.seq]
            self._last.steps.append(Cancel())
        elif isinstance(entry, Frame):
            self._client(entry)

    def finished(self) -> LinkScripts:
        done = [d for d in self._drafts if d.exchange is not None and d.exchange.end is not None and not d.optional]
        ends = sorted((cast("int", cast("Exchange", draft.exchange).end), draft.number) for draft in done)
        found = [
            Script(
                draft.number,
                draft.kind,
                draft.trigger,
                draft.asked,
                tuple(draft.steps),
                draft.optional,
                bisect_left(ends, (draft.trigger.seq, -1)) if draft.trigger and draft.kind == "request" else 0,
            )
            for draft in self._drafts
        ]
        return LinkScripts(self._link, tuple(found), tuple(number for _, number in ends))

    def _client(self, frame: Frame) -> None:
        kind, owner = frame.message.kind, self._sources.correlation.owner(frame)
        if kind == "request":
            draft = self._begin("request", frame)
            draft.exchange = owner
            self._begun[frame.seq] = draft
            if frame.envelope is not None:
                self._streams[frame.envelope.exchange] = draft
        elif kind == "notification" and frame.message.method not in _OF_A_REQUEST:
            self._begin("notification", frame)
        elif owner is not None and owner.direction == "to-client" and owner.response is frame:
            # A peer that speaks out of turn may answer what it was never asked; such an answer has no owner.
            holder = self._holding[owner.request.seq]
            holder.steps.append(Answer(owner.request, frame))
            self._last = holder

    def _begin(self, kind: ScriptKind, frame: Frame) -> _Draft:
        what = asked(frame.data)
        optional = kind == "request" and (self._listing.asked(what) or what.method == "ping")
        draft = _Draft(len(self._drafts), kind, frame, what, optional=optional)
        self._drafts.append(draft)
        # What follows something optional must not be lost with it.
        self._last = self._last if optional else draft
        return draft

    def _server(self, frame: Frame) -> None:
        owner = self._sources.correlation.owner(frame)
        draft = self._place(frame, owner)
        if owner is not None and owner.request.seq == frame.seq:
            self._holding[frame.seq] = draft
        if owner is not None and owner.method == "tools/list" and owner.response is frame:
            self._listing.answered(frame)
        draft.steps.append(Send(frame, tuple(self._references(frame, owner)), self._carrier(frame, owner, draft)))

    def _carrier(self, frame: Frame, owner: Exchange | None, draft: _Draft) -> int | None:
        """Say on whose stream a frame goes: on the one it came on, or, where there was no HTTP, on the one it would have come on."""
        carrier = None if frame.envelope is None else self._streams.get(frame.envelope.exchange)
        if carrier is None and owner is not None and owner.direction == "to-server":
            carrier = self._begun[owner.request.seq]
        if carrier is None and frame.envelope is None:
            carrier = self._named(frame, _SUBSCRIPTION) or (draft if draft.kind == "request" else None)
        return None if carrier is None else carrier.number

    def _place(self, frame: Frame, owner: Exchange | None) -> _Draft:
        if owner is not None and owner.request.seq != frame.seq:
            if owner.direction == "to-client":
                return self._holding[owner.request.seq]
            if owner.method != _LISTEN:
                return self._begun[owner.request.seq]
            return self._last
        handled, _ = self._sources.placements.handling.get(frame.seq, (None, "ambiguous"))
        draft = None if handled is None else self._begun.get(handled.request.seq)
        if draft is None and frame.envelope is not None:
            draft = self._streams.get(frame.envelope.exchange)
        exchange = None if draft is None else draft.exchange
        if draft is None or exchange is None or exchange.method == _LISTEN or not exchange.open_at(frame.seq):
            return self._last
        return draft

    def _references(self, frame: Frame, owner: Exchange | None) -> Iterator[Reference]:
        message = frame.message
        if owner is not None and owner.direction == "to-server":
            number = self._begun[owner.request.seq].number
            match message.kind, message.method:
                case "notification", "notifications/progress":
                    yield Reference(("params", "progressToken"), "token", number)
                case "notification", _:
                    yield Reference(("params", "requestId"), "id", number)
                case _:
                    yield Reference(("id",), "id", number)
        root = "result" if message.kind == "result" else "params"
        for name in (CAUSE_KEY, _SUBSCRIPTION):
            named = self._named(frame, name)
            if named is not None:
                yield Reference((root, "_meta", name), "id", named.number)

    def _named(self, frame: Frame, name: str) -> _Draft | None:
        """Return the script of the request that a frame's `_meta` names by its id."""
        ident = token_text(frame.message.meta.get(name))
        found = None if ident is None else self._sources.identities.find(frame.link, ident, frame.seq)
        return None if found is None else self._begun.get(found.request.seq)
