"""The normal form of a log: what stays the same when the same thing happens again.

Entries come in canonical order (`pytest_mcpsym.wire.order`), numbered anew, at time zero. Values that differ from run to run
are replaced where the protocol puts them, and nowhere else; all other bytes of a frame stay as they are.

| where | becomes |
|---|---|
| `id`, `requestId`; `dev.mcpsym/cause` and `subscriptionId` in `_meta` | number of the request on its link and way, from 1 |
| `progressToken` | number of the token on its link and way, from 1 |
| an id or token that fits no request | `"<unknown:n>"` |
| `taskId`, cursors, `elicitationId`, `requestState`, `continuation` | `"<task:n>"`, `"<cursor:n>"`, …: one number per value |
| `traceparent`, `tracestate`, `baggage` | `"<trace:n>"` |
| `createdAt`, `lastUpdatedAt`, `lastModified` | `"<time>"`: whether two times fall together is chance |
| `deadlineMs` of a budget | `"<ms>"` |
| HTTP: exchange numbers, `mcp-session-id`, event ids, ports | numbers from 1, `<session:n>`, `<event:n>`, `<port>` |
| calls of HTTP APIs: the `dev-mcpsym-cause` header | number of the request that it names, else `<unknown:n>` |
| HTTP: `date`, `content-length`, `user-agent`, `server` and the headers of one connection | left out |

The normal form of a normal form is itself. Ids that name the same request stay the same, so whatever `correlate` and `routes`
say of a log, they say of its normal form, save that ids reused in flight are told apart and that requests cancelled by closing
an HTTP stream are open. Pinned by `tests/wire/test_normalise.py`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, cast

from pytest_mcpsym.wire.exchange import Exchange, opposite, token_text
from pytest_mcpsym.wire.extension import BUDGET_KEY, CAUSE_KEY, CONTINUE, TRACE_KEYS
from pytest_mcpsym.wire.frame import Envelope, Frame, Message
from pytest_mcpsym.wire.log import Cause, Entry, Note, WireLog
from pytest_mcpsym.wire.order import Identities, canonical
from pytest_mcpsym.wire.splice import splice
from pytest_mcpsym.wire.upstream import CAUSE_HEADER

__all__ = ["normalise", "volatile"]

_Path = tuple[str | int, ...]

_DROPPED: Final = frozenset({
    "date", "content-length", "user-agent", "server", "connection", "accept-encoding", "transfer-encoding",
})  # fmt: skip  # one line reads as the list that it is
_WITH_PORT: Final = frozenset({"host", "origin", "referer", "location", "www-authenticate"})
_PORT: Final = re.compile(r"(?<=[\w\].-]):[0-9]{1,5}(?![0-9\w:.])")
_TASK_METHODS: Final = frozenset({"tasks/get", "tasks/result", "tasks/cancel", "tasks/update"})
_TASK_FIELDS: Final = (("taskId", "task"), ("createdAt", "time"), ("lastUpdatedAt", "time"))
_SUBSCRIPTION: Final = "io.modelcontextprotocol/subscriptionId"
_RELATED_TASK: Final = "io.modelcontextprotocol/related-task"


def _at(value: object, path: _Path) -> object:
    """Return what is at a path of parsed JSON, `None` where nothing is."""
    found = value
    for key in path:
        if isinstance(found, dict) and isinstance(key, str):
            found = cast("dict[str, object]", found).get(key)
        elif isinstance(found, list) and isinstance(key, int):
            found = cast("list[object]", found)[key]
        else:
            return None
    return found


def _indexes(value: object) -> range:
    return range(len(cast("list[object]", value))) if isinstance(value, list) else range(0)


def volatile(message: Message, asked: str | None) -> Iterator[tuple[_Path, str]]:
    """Yield the paths at which the protocol puts a volatile text, with its kind. Nothing need be there.

    Args:
        message: A request, notification, result or error.
        asked: For an answer: the method of its request.
    """
    if message.kind == "error":
        # URLElicitationRequired lists the elicitations that must be completed first.
        for index in _indexes(_at(message.value, ("error", "data", "elicitations"))):
            yield ("error", "data", "elicitations", index, "elicitationId"), "elicitation"
        return
    root = "result" if message.kind == "result" else "params"
    meta = (root, "_meta")
    if message.meta:
        for key in TRACE_KEYS:
            yield (*meta, key), "trace"
        yield (*meta, _RELATED_TASK, "taskId"), "task"
    if root == "result":
        yield from _kinds_of_result(message, asked)
        return
    yield ("params", "requestState"), "state"
    yield ("params", "continuation"), "continuation"
    yield ("params", "cursor"), "cursor"
    yield ("params", "elicitationId"), "elicitation"
    if message.method in _TASK_METHODS:
        yield ("params", "taskId"), "task"
    elif message.method == "notifications/tasks/status":
        for key, kind in _TASK_FIELDS:
            yield ("params", key), kind
    elif message.method == "sampling/createMessage":
        yield from _kinds_of_messages(message, ("params", "messages"))


def _kinds_of_result(message: Message, asked: str | None) -> Iterator[tuple[_Path, str]]:
    yield ("result", "requestState"), "state"
    yield ("result", "continuation"), "continuation"
    yield ("result", "nextCursor"), "cursor"
    for key, kind in _TASK_FIELDS:
        yield ("result", "task", key), kind
        if asked in _TASK_METHODS:
            yield ("result", key), kind
    if asked == "tasks/list":
        for index in _indexes(message.result.get("tasks")):
            for key, kind in _TASK_FIELDS:
                yield ("result", "tasks", index, key), kind
    for name in ("resources", "resourceTemplates"):
        if asked in ("resources/list", "resources/templates/list"):
            for index in _indexes(message.result.get(name)):
                yield ("result", name, index, "annotations", "lastModified"), "time"
    if asked in ("tools/call", "sampling/createMessage", "tasks/result", CONTINUE):
        yield from _kinds_of_content(message, ("result", "content"))
    if asked == "prompts/get":
        yield from _kinds_of_messages(message, ("result", "messages"))


def _kinds_of_messages(message: Message, path: _Path) -> Iterator[tuple[_Path, str]]:
    for index in _indexes(_at(message.value, path)):
        yield from _kinds_of_content(message, (*path, index, "content"))


def _kinds_of_content(message: Message, path: _Path) -> Iterator[tuple[_Path, str]]:
    yield (*path, "annotations", "lastModified"), "time"
    for index in _indexes(_at(message.value, path)):
        yield (*path, index, "annotations", "lastModified"), "time"


class _Numbers:
    """Gives out the numbers. All are given in canonical order, so that a second normalisation gives the same ones."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.ids: dict[int, int] = {}
        self.tokens: dict[int, int] = {}
        self._known: dict[tuple[object, ...], int] = {}
        self._next: Counter[object] = Counter()
        for entry in entries:
            if isinstance(entry, Frame) and entry.message.kind == "request":
                where = (entry.link, entry.direction)
                self.ids[entry.seq] = self._new("id", *where)
                if token_text(entry.message.meta.get("progressToken")) is not None:
                    self.tokens[entry.seq] = self._new("token", *where)

    def _new(self, *counted: object) -> int:
        self._next[counted] += 1
        return self._next[counted]

    def placeholder(self, kind: str, value: object, *where: object) -> str:
        """Return the placeholder of a value: the same for the same kind, value and place."""
        key = (kind, *where, value)
        if key not in self._known:
            self._known[key] = self._new(kind)
        return f"<{kind}:{self._known[key]}>"

    def exchange(self, link: str, number: int) -> int:
        """Return the number of an HTTP exchange on its link."""
        key = ("exchange", link, number)
        if key not in self._known:
            self._known[key] = self._new("exchange", link)
        return self._known[key]


class _Normaliser:
    """Replaces the volatile values of one log, frame by frame in canonical order."""

    def __init__(self, log: WireLog) -> None:
        order = canonical(log)
        self.entries = order.entries
        self._named = order.named
        self._identities = Identities(order.correlation)
        self._correlation = order.correlation
        self._upstream = order.upstream
        self._numbers = _Numbers(order.entries)

    def frame(self, frame: Frame, seq: int) -> Frame:
        edits = {} if frame.message.kind in ("invalid", "not-json") else self._edits(frame)
        envelope = None if frame.envelope is None else self._envelope(frame.link, frame.envelope)
        return Frame(seq, frame.link, frame.direction, 0.0, splice(frame.data, edits) if edits else frame.data, envelope)

    def _edits(self, frame: Frame) -> dict[_Path, bytes]:
        message, owner = frame.message, self._correlation.owner(frame)
        edits: dict[_Path, bytes] = {}

        def put(path: _Path, new: object) -> None:
            edits[path] = json.dumps(new).encode()

        root = "result" if message.kind == "result" else "params"
        for path, number in (*self._own(frame, owner), *self._references(frame, root)):
            put(path, number)
        if isinstance(_at(message.meta, (BUDGET_KEY, "deadlineMs")), (int, float)):
            put((root, "_meta", BUDGET_KEY, "deadlineMs"), "<ms>")
        for path, kind in volatile(message, None if owner is None else owner.method):
            value = _at(message.value, path)
            if isinstance(value, str):
                put(path, "<time>" if kind == "time" else self._numbers.placeholder(kind, value))
        return edits

    def _own(self, frame: Frame, owner: Exchange | None) -> Iterator[tuple[_Path, int | str]]:
        """Yield the ids and tokens by which a frame belongs to an exchange, with what they become."""
        message = frame.message
        if frame.seq in self._numbers.tokens:
            yield ("params", "_meta", "progressToken"), self._numbers.tokens[frame.seq]
        match message.kind, message.method:
            case "notification", "notifications/cancelled":
                path, numbers, asked = ("params", "requestId"), self._numbers.ids, frame.direction
            case "notification", "notifications/progress":
                path, numbers, asked = ("params", "progressToken"), self._numbers.tokens, opposite(frame.direction)
            case "notification", _:
                return
            case kind, _:
                asked = frame.direction if kind == "request" else opposite(frame.direction)
                path, numbers = ("id",), self._numbers.ids
        text = token_text(_at(message.value, path))
        if owner is not None:
            yield path, numbers[owner.request.seq]
        elif text is not None:
            yield path, self._numbers.placeholder("unknown", text, path[-1] == "progressToken", frame.link, asked)

    def _references(self, frame: Frame, root: str) -> Iterator[tuple[_Path, int | str]]:
        """Yield the members of a server's `_meta` that name a request of the host by its id, with what they become."""
        for key in (CAUSE_KEY, _SUBSCRIPTION):
            ident = token_text(frame.message.meta.get(key))
            if ident is None or frame.direction == "to-server":
                continue
            found = self._identities.find(frame.link, ident, frame.seq)
            unknown = ("unknown", ident, False, frame.link, "to-server")
            yield (
                (root, "_meta", key),
                self._numbers.placeholder(*unknown) if found is None else self._numbers.ids[found.request.seq],
            )

    def note(self, note: Note, seq: int) -> Note:
        data = {key: value for key, value in note.data.items() if key != "target"}
        if note.channel == "http":
            data["exchange"] = self._numbers.exchange(note.link, cast("int", data["exchange"]))
            pairs = cast("Iterable[tuple[str, str]]", data.get("headers", ()))
            named, _ = self._upstream.get(note.seq, (None, "ambiguous"))
            headers = [
                [
                    name,
                    self._cause(note.link, value, named) if name.lower() == CAUSE_HEADER else self._header(name.lower(), value),
                ]
                for name, value in pairs
                if name.lower() not in _DROPPED
            ]
            data |= {"headers": headers} if "headers" in data else {}
        return Note(seq, note.link, 0.0, note.channel, data)

    def _cause(self, link: str, value: str, named: Exchange | None) -> str:
        """Return what becomes of the id in the cause header of a call that was made for a request, if it names that request."""
        if named is not None and value in (named.id, str(self._numbers.ids[named.request.seq])):
            return str(self._numbers.ids[named.request.seq])
        return self._numbers.placeholder("unknown", value, "cause", link)

    def _envelope(self, link: str, envelope: Envelope) -> Envelope:
        headers = tuple(
            (name, self._header(name.lower(), value)) for name, value in envelope.headers if name.lower() not in _DROPPED
        )
        event = None if envelope.event_id is None else self._numbers.placeholder("event", envelope.event_id)
        return replace(envelope, exchange=self._numbers.exchange(link, envelope.exchange), headers=headers, event_id=event)

    def _header(self, name: str, value: str) -> str:
        if name == "mcp-session-id":
            return self._numbers.placeholder("session", value)
        if name == "last-event-id":
            return self._numbers.placeholder("event", value)
        if name in TRACE_KEYS:
            return self._numbers.placeholder("trace", value)
        return _PORT.sub(":<port>", value) if name in _WITH_PORT else value


def normalise(log: WireLog) -> WireLog:
    """Return the normal form of a log. Its cost is linear in the log.

    Example:
        >>> log = WireLog()
        >>> _ = log.frame("weather", "to-server", b'{"jsonrpc": "2.0", "id": "k-81", "method": "ping"}')
        >>> normalise(log).frames[0].data
        b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}'
    """
    return WireLog(_numbered(_Normaliser(log)))


def _numbered(normaliser: _Normaliser) -> Sequence[Entry]:
    places = {entry.seq: place for place, entry in enumerate(normaliser.entries) if not isinstance(entry, Cause)}
    entries: list[Entry] = []
    for seq, entry in enumerate(normaliser.entries):
        match entry:
            case Frame():
                entries.append(normaliser.frame(entry, seq))
            case Note():
                entries.append(normaliser.note(entry, seq))
            case Cause():
                entries.append(Cause(seq, 0.0, places[entry.frame], places[entry.by], entry.evidence))
    return entries
