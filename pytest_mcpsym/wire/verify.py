"""Verification: a live server beside the recording of it, as a state machine without input or output.

The client talks to the recorded server (`pytest_mcpsym.wire.playback`). Give this machine what the client sends and what both servers
say; it says what goes to the live one, and at the end where the two part. Frames of the two belong together so:

* answers by the id, and progress by the token, of the client's request, which both servers were sent; nobody can tell equal requests
  apart that were in flight at once, so of these each answer is compared with an equal one first
* requests of the server by method, the first that means the same before the first at all. The live one gets what the client answered
  to the recorded one, as soon as it has; a request that was not recorded gets an error as soon as nothing more can be recorded
* other notifications by what they say, in order

What servers make up (`pytest_mcpsym.wire.minted`) is no difference, and the live server gets its own back. The order of frames is
compared where they were said during one request, alone in flight; what a server says otherwise, it says in its own time. A
`ping` is answered and not compared. Pinned by `tests/wire/test_verify.py`.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Final, Literal, cast

from pytest_mcpsym.wire.exchange import token_text
from pytest_mcpsym.wire.frame import Frame, Message, parse, parse_json
from pytest_mcpsym.wire.match import Difference, answer_differences, asked, meaning, request_differences
from pytest_mcpsym.wire.minted import Clocks, Minted, erased
from pytest_mcpsym.wire.normalise import volatile
from pytest_mcpsym.wire.playback import Reply
from pytest_mcpsym.wire.recording import line_of
from pytest_mcpsym.wire.splice import Path, find, splice

__all__ = ["Drift", "DriftKind", "Verification"]

DriftKind = Literal["differs", "missing", "added", "order", "lost"]
"""How a live server parts from its recording:

* `differs`: it says something else
* `missing`: it does not say what was recorded
* `added`: it says what was not recorded
* `order`: it says the same later or earlier
* `lost`: it is gone, or did not answer in time; nothing after that was compared
"""

_ODD: Final = "something that is no JSON-RPC"
_NOT_RECORDED: Final = b'"error":{"code":-32603,"message":"mcp verify: the recorded server did not ask this"}'


@dataclass(frozen=True, slots=True)
class Drift:
    """One place where a live server parts from its recording.

    Attributes:
        kind: How.
        label: What it is about, as in `answer to tools/call forecast`.
        line: Line of the recorded frame; `None` where there is none.
        differences: For `differs`, where the two frames part; `sent` is what the live server says.
        shown: What was said, where it is not in the differences.
    """

    kind: DriftKind
    label: str
    line: int | None
    differences: tuple[Difference, ...] = ()
    shown: str = ""


@dataclass(slots=True, eq=False)
class _Said:
    """A frame of one of the two servers.

    Attributes:
        data: Its bytes, without secrets.
        key: Text that it shares with frames that mean the same.
        label: What it is, for people.
        shown: The rest of it, for people.
        line: Line of the recording, for a recorded one.
        during: The request that it belongs to, or that was the only one in flight; `None` otherwise.
        raw: The frame as it came.
        early: Whether it is progress of a request that was not answered yet.
        partner: For a request of the server: the same one of the other server.
        answer: For a recorded request of the server: what the client answered.
    """

    data: bytes
    key: str
    label: str
    shown: str
    line: int | None
    during: _Call | None
    raw: bytes
    early: bool = False
    partner: _Said | None = None
    answer: bytes | None = None


@dataclass(slots=True)
class _Call:
    """A request of the client that both servers were sent.

    Attributes:
        key: Text that it shares with requests that mean the same.
        token: Its progress token.
        equals: This one and all that mean the same and were in flight at once.
        refused: Whether it has no recorded answer because of a miss.
        found: Where the two answers differ.
        progress: What the recorded and the live server told of it.
    """

    method: str
    label: str
    key: str
    token: str | None
    equals: list[_Call] = field(default_factory=list["_Call"])
    cancelled: bool = False
    refused: bool = False
    recorded: Frame | None = None
    live: bytes | None = None
    found: tuple[Difference, ...] = ()
    progress: tuple[list[_Said], list[_Said]] = field(default_factory=lambda: ([], []))


class Verification:
    """Compares one link with its recording.

    Args:
        redact: Replaces secrets in what the live server says as they were replaced in the recording.
        clocks: When it was recorded, and when this is; `None` takes no number for a time.
    """

    def __init__(self, *, redact: Callable[[bytes], bytes] = bytes, clocks: Clocks | None = None) -> None:
        self._redact = redact
        self._minted = Minted(clocks)
        self._latest: dict[str, _Call] = {}
        self._calls: dict[str, _Call] = {}
        self._all: list[_Call] = []
        self._by_token: dict[str, _Call] = {}
        self._told: tuple[list[_Said], list[_Said]] = ([], [])
        self._asked: tuple[list[_Said], list[_Said]] = ([], [])
        self._holders: dict[str, deque[_Said]] = defaultdict(deque)
        self._tokens: dict[str, bytes] = {}
        self._odd: tuple[list[tuple[bytes, int]], list[bytes]] = ([], [])
        self.ended: str | None = None

    # --- what the client sends

    def sent(self, data: bytes) -> tuple[bytes, ...]:
        """Take a frame of the client that the recording knows, and return what the live server is sent."""
        message = parse(data)
        match message.kind:
            case "request":
                what = asked(data)
                call = _Call(what.method, what.label, what.key, token_text(message.meta.get("progressToken")))
                before = self._latest.get(call.key)
                call.equals = before.equals if before is not None and any(map(_in_flight, before.equals)) else []
                call.equals.append(call)
                self._latest[call.key] = call
                self._all.append(call)
                self._calls[str(message.id)] = call
                if call.token is not None:
                    self._by_token[call.token] = call
                return (self._minted.carried(data),)
            case "notification":
                return (self._notification(data, message),)
            case "result" | "error":
                return self._answer(data, str(message.id))
            case _:
                return (data,)

    def refused(self, ident: str) -> tuple[bytes, ...]:
        """Take note that the client's request has no recorded answer because of a miss, and return what the live server is sent."""
        if ident in self._calls:
            self._calls[ident].refused = True
        return self._settle()

    def _notification(self, data: bytes, message: Message) -> bytes:
        if message.method == "notifications/cancelled":
            call = self._calls.get(token_text(message.params.get("requestId")) or "")
            if call is not None:
                call.cancelled = True
            return data
        token = self._tokens.get(token_text(message.params.get("progressToken")) or "")
        if message.method == "notifications/progress" and token is not None:
            return splice(data, {("params", "progressToken"): token})
        return self._minted.carried(data)

    def _answer(self, data: bytes, ident: str) -> tuple[bytes, ...]:
        holders = self._holders.get(ident)
        if not holders:
            return ()
        said = holders.popleft()
        said.answer = data
        return self._given(said)

    def _given(self, said: _Said) -> tuple[bytes, ...]:
        """What the live server is answered, once both are known."""
        if said.partner is None or said.answer is None:
            return ()
        ident = find(said.partner.raw, ("id",)) or b"null"
        return (splice(self._minted.carried(said.answer), {("id",): ident}),)

    # --- what the servers say

    def recorded(self, reply: Reply) -> tuple[bytes, ...]:
        """Take what the recorded server says, and return what the live one is sent because of it."""
        if reply.recorded is None:
            return ()
        message, line = parse(reply.data), line_of(reply.recorded)
        match message.kind:
            case "result" | "error":
                call = self._calls.get(str(message.id))
                if call is not None and call.recorded is None:
                    call.recorded = Frame(reply.recorded.seq, reply.recorded.link, "to-client", 0.0, reply.data)
                    self._compare(call)
                return self._settle()
            case "request" if message.method != "ping":
                said = self._said(reply.data, reply.data, message, None, line)
                self._asked[0].append(said)
                self._holders[str(message.id)].append(said)
                waiting = [other for other in self._asked[1] if other.partner is None and _method(other) == _method(said)]
                return self._pair(said, waiting[0]) if waiting else ()
            case "notification":
                self._hear(reply.data, reply.data, message, line)
            case "request":
                pass
            case _:
                self._odd[0].append((reply.data, line))
        return ()

    def live(self, data: bytes) -> tuple[bytes, ...]:
        """Take what the live server says, and return what it is sent because of it."""
        message = parse(data)
        match message.kind:
            case "result" | "error":
                call = self._calls.get(str(message.id))
                if call is not None and call.live is None:
                    call.live = data
                    self._compare(call)
                return ()
            case "request" if message.method == "ping":
                return (b'{"jsonrpc":"2.0","id":' + (find(data, ("id",)) or b"null") + b',"result":{}}',)
            case "request":
                said = self._said(data, self._redact(data), message, None, None)
                self._asked[1].append(said)
                rivals = [other for other in self._asked[0] if other.partner is None and _method(other) == _method(said)]
                rivals.sort(key=lambda other: other.key != said.key)
                return self._pair(rivals[0], said) if rivals else self._settle()
            case "notification":
                self._hear(data, self._redact(data), message, None)
            case _:
                self._odd[1].append(self._redact(data))
        return ()

    def answered(self, ident: str) -> bool:
        """Whether the live server has answered a request of the client, or need not any more."""
        call = self._calls.get(ident)
        return self.ended is not None or call is None or call.cancelled or call.live is not None

    def label(self, ident: str) -> str:
        """What a request of the client asks, for people."""
        return self._calls[ident].label

    def owed(self) -> bool:
        """Whether the live server has not said yet all that the recorded one has."""
        if self.ended is not None:
            return False
        waiting = any(call.recorded is not None and call.live is None and not call.cancelled for call in self._all)
        return waiting or any(len(live) < len(recorded) for recorded, live in (self._told, self._asked))

    def _settle(self) -> tuple[bytes, ...]:
        """Refuse what the live server asks and the recorded one did not, if the recorded one will ask nothing more."""
        if any(call.recorded is None and not (call.cancelled or call.refused) for call in self._calls.values()):
            return ()
        out: list[bytes] = []
        for said in self._asked[1]:
            if said.partner is None and said.answer is None:
                said.answer = _NOT_RECORDED
                out.append(b'{"jsonrpc":"2.0","id":' + (find(said.raw, ("id",)) or b"null") + b"," + _NOT_RECORDED + b"}")
        return tuple(out)

    def _pair(self, recorded: _Said, live: _Said) -> tuple[bytes, ...]:
        recorded.partner, live.partner = live, recorded
        token = find(live.raw, ("params", "_meta", "progressToken"))
        known = token_text(parse(recorded.raw).meta.get("progressToken"))
        if token is not None and known is not None:
            self._tokens[known] = token
        paths = {path[1:] for path, _ in volatile(parse(live.raw), None)}
        self._minted.learn(_part(recorded.raw, "params"), _part(live.raw, "params"), paths)
        return self._given(recorded)

    def _hear(self, raw: bytes, data: bytes, message: Message, line: int | None) -> None:
        call = self._by_token.get(token_text(message.params.get("progressToken")) or "")
        progress = message.method == "notifications/progress" and call is not None
        group = call.progress if progress and call is not None else self._told
        group[line is None].append(self._said(raw, data, message, call if progress else None, line))

    def _said(self, raw: bytes, data: bytes, message: Message, call: _Call | None, line: int | None) -> _Said:
        edits: dict[Path, bytes | None] = {path: b'"<made up>"' for path, _ in volatile(message, None) if find(data, path)}
        label, shown, key = str(message.method), "", data.decode("utf-8", "backslashreplace")
        try:
            what = asked(splice(data, edits) if edits else data)
            label, shown, key = what.label, what.shown, erased(what.key)
        except ValueError:  # nested just too deeply to be compared
            pass
        waited = [one for one in self._all if (one.live if line is None else one.recorded) is None and not one.cancelled]
        # The client has a recorded answer no sooner than the live one is there.
        alone = sum(one.live is None and not one.cancelled for one in self._all) < 2
        during = call or (waited[0] if alone and len(waited) == 1 else None)
        return _Said(data, key, label, shown, line, during, raw, early=call in waited)

    def _compare(self, call: _Call) -> None:
        """Compare two answers, and learn from them."""
        if call.recorded is None or call.live is None:
            return
        recorded, live = call.recorded.data, call.live
        known = set(volatile(parse(recorded), call.method))
        paths = {path for path, _ in known}
        call.found = tuple(self._telling(answer_differences(recorded, self._redact(live)), paths))
        if call.method not in ("initialize", "server/discover"):
            for root in ("result", "error"):
                inner = {path[1:] for path in paths if path[0] == root}
                self._minted.learn(_part(recorded, root), _part(live, root), inner)

    def _telling(self, found: tuple[Difference, ...], paths: set[Path]) -> Iterator[Difference]:
        """Yield the differences without what is made up."""
        for one in found:
            recorded, live = (None if text is None else meaning(text.encode()) for text in (one.recorded, one.sent))
            texts = isinstance(recorded, str) and isinstance(live, str)
            if not texts or not (one.path in paths or self._minted.same(cast("str", recorded), cast("str", live))):
                yield one

    # --- the end

    def finished(self) -> tuple[Drift, ...]:
        """Return where the live server parted from its recording: what was recorded in order of its lines, then what was added."""
        for call in self._all:
            if len(call.equals) > 1 and call is call.equals[0]:
                self._match_equals(call.equals)
        found = [*self._answers(), *self._requests()]
        for call in self._all:
            if not call.cancelled:
                found += self._aligned(*call.progress, f" of {call.label}")
        found += [*self._aligned(*self._told, ""), *self._no_messages()]
        if self.ended is not None:
            found = [Drift("lost", self.ended, None), *(one for one in found if one.kind != "missing")]
        return tuple(sorted(found, key=lambda one: (one.kind != "lost", one.line is None, one.line or 0)))

    @property
    def compared(self) -> int:
        """How many answers were compared."""
        return sum(call.recorded is not None and call.live is not None for call in self._all)

    def _match_equals(self, calls: list[_Call]) -> None:
        """Compare the answers to equal calls once more, each with an equal one if there is one."""
        both = [call for call in calls if call.recorded is not None and call.live is not None]
        left = [call.live for call in both if call.live is not None]
        odd: list[tuple[_Call, bytes]] = []
        for call in both:
            recorded = call.recorded.data if call.recorded is not None else b""
            same = next((live for live in left if not answer_differences(recorded, self._redact(live))), None)
            if same is None:
                odd.append((call, recorded))
            else:
                left.remove(same)
                call.found = ()
        for (call, recorded), live in zip(odd, left, strict=True):
            paths = {path for path, _ in volatile(parse(recorded), call.method)}
            call.found = tuple(self._telling(answer_differences(recorded, self._redact(live)), paths))

    def _answers(self) -> Iterator[Drift]:
        for call in self._all:
            label = f"answer to {call.label}"
            line = None if call.recorded is None else line_of(call.recorded)
            if call.cancelled or call.refused:
                continue
            if call.recorded is not None and call.live is None:
                yield Drift("missing", label, line)
            elif call.recorded is None and call.live is not None:
                yield Drift("added", label, None, shown=self._redact(call.live).decode())
            elif found := self._unexplained(call.found):
                yield Drift("differs", label, line, found)

    def _no_messages(self) -> Iterator[Drift]:
        """Compare what is no JSON-RPC, in any order."""
        left = list(self._odd[1])
        for data, line in self._odd[0]:
            if data in left:
                left.remove(data)
            else:
                yield Drift("missing", _ODD, line, shown=data.decode("utf-8", "backslashreplace"))
        yield from (Drift("added", _ODD, None, shown=data.decode("utf-8", "backslashreplace")) for data in left)

    def _requests(self) -> Iterator[Drift]:
        for said in self._asked[0]:
            if said.partner is None:
                yield Drift("missing", said.label, said.line, shown=said.shown)
            elif found := self._differences(said, said.partner):
                yield Drift("differs", said.label, said.line, found)
        yield from (Drift("added", said.label, None, shown=said.shown) for said in self._asked[1] if said.partner is None)

    def _differences(self, recorded: _Said, live: _Said) -> tuple[Difference, ...]:
        if recorded.key == live.key:
            return ()
        paths = {path for path, _ in volatile(parse(recorded.data), None)}
        return self._unexplained(tuple(self._telling(request_differences(asked(recorded.data), asked(live.data)), paths)))

    def _unexplained(self, found: tuple[Difference, ...]) -> tuple[Difference, ...]:
        """Return the differences that are not the live server's own, as is known once the client has said all."""
        return tuple(one for one in found if not self._minted.explained(_value(one.recorded), _value(one.sent)))

    def _aligned(self, recorded: list[_Said], live: list[_Said], whose: str) -> list[Drift]:
        """Compare two rows of notifications: in their order what was said during one request, in any order all else."""
        found: list[Drift] = []
        rows: dict[int, tuple[list[_Said], list[_Said]]] = defaultdict(lambda: ([], []))
        for side, some in enumerate((recorded, live)):
            for one in some:
                rows[id(one.during)][side].append(one)
        absent, extra = rows.pop(id(None), ([], []))
        for mine, theirs in rows.values():
            same, *moved = _compared(mine, theirs)
            late = [one for one, other in same if one.early and not other.early]
            found += [Drift("order", one.label + whose, one.line, shown=one.shown) for one in late]
            for one, other in _meet(*moved):
                found.append(Drift("order", one.label + whose, one.line, shown=one.shown))
                moved[0].remove(one)
                moved[1].remove(other)
            absent += moved[0]
            extra += moved[1]
        for one, other in _meet(absent, extra):
            absent.remove(one)
            extra.remove(other)
        for one in list(absent):
            changed = next((other for other in extra if _method(other) == _method(one)), None)
            if changed is not None:
                absent.remove(one)
                extra.remove(changed)
                if differences := self._differences(one, changed):
                    found.append(Drift("differs", one.label + whose, one.line, differences))
        found += [Drift("missing", one.label + whose, one.line, shown=one.shown) for one in absent]
        return found + [Drift("added", one.label + whose, None, shown=one.shown) for one in extra]


def _compared(mine: list[_Said], theirs: list[_Said]) -> tuple[list[tuple[_Said, _Said]], list[_Said], list[_Said]]:
    """Return the pairs that are in the same order in both rows, and what is left of each."""
    keys = [[one.key for one in row] for row in (mine, theirs)]
    if keys[0] == keys[1]:
        return list(zip(mine, theirs, strict=True)), [], []
    pairs: list[tuple[_Said, _Said]] = []
    rest: tuple[list[_Said], list[_Said]] = ([], [])
    for what, start, end, begin, stop in SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        if what == "equal":
            pairs += zip(mine[start:end], theirs[begin:stop], strict=True)
        else:
            rest[0].extend(mine[start:end])
            rest[1].extend(theirs[begin:stop])
    return pairs, *rest


def _meet(some: Sequence[_Said], others: Sequence[_Said]) -> list[tuple[_Said, _Said]]:
    """Return pairs that mean the same, wherever they stand; each is in one pair at most."""
    left: dict[str, deque[_Said]] = defaultdict(deque)
    for other in others:
        left[other.key].append(other)
    return [(one, left[one.key].popleft()) for one in some if left[one.key]]


def _in_flight(call: _Call) -> bool:
    return not (call.cancelled or call.refused) and (call.recorded is None or call.live is None)


def _value(text: str | None) -> object:
    return None if text is None else parse_json(text.encode())


def _method(said: _Said) -> str | None:
    return parse(said.raw).method


def _part(data: bytes, name: str) -> object:
    value = parse(data).value
    return cast("dict[str, object]", value).get(name) if isinstance(value, dict) else None
