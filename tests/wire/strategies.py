"""Logs for tests: told step by step (`Telling`) or drawn at random (`conforming_logs`)."""

from __future__ import annotations

import json
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from random import Random
from typing import cast

from hypothesis import strategies as st

from pytest_mcpsym.wire.exchange import opposite
from pytest_mcpsym.wire.frame import Direction, Envelope, Frame, Kind
from pytest_mcpsym.wire.log import Cause, Entry, Evidence, WireLog


def raw(**members: object) -> bytes:
    """Return one JSON-RPC message."""
    text = json.dumps({"jsonrpc": "2.0", **members}, separators=(",", ":"), ensure_ascii=False)
    return re.sub("[\ud800-\udfff]", lambda lone: f"\\u{ord(lone[0]):04x}", text).encode()


class Telling:
    """Writes a log step by step. Times are all zero."""

    def __init__(self) -> None:
        self.log = WireLog(clock=lambda: 0.0)

    def open(self, link: str, era: str = "handshake") -> None:
        self.log.note(link, "open", transport="memory", era=era, target="somewhere:4711")

    def frame(self, link: str, direction: Direction, data: bytes, stream: int | None = None) -> Frame:
        return self.log.frame(link, direction, data, None if stream is None else Envelope(stream))

    def request(
        self,
        link: str,
        direction: Direction,
        ident: object,
        method: str = "tools/call",
        params: Mapping[str, object] | None = None,
        *,
        meta: Mapping[str, object] | None = None,
        stream: int | None = None,
    ) -> Frame:
        members = dict(params or {})
        if meta is not None:
            members["_meta"] = dict(meta)
        return self.frame(link, direction, raw(id=ident, method=method, params=members), stream)

    def answer(self, request: Frame, kind: Kind = "result", *, ident: object = ..., **members: object) -> Frame:
        number = json.loads(request.message.id or "null") if ident is ... else ident
        body = {"code": -32603, "message": "no", **members} if kind == "error" else members
        stream = None if request.envelope is None else request.envelope.exchange
        return self.frame(request.link, opposite(request.direction), raw(id=number, **{kind: body}), stream)

    def notify(self, link: str, direction: Direction, method: str, *, stream: int | None = None, **params: object) -> Frame:
        return self.frame(link, direction, raw(method=f"notifications/{method}", params=params), stream)

    def caused(self, frame: Frame, by: Frame, evidence: Evidence = "routed") -> Cause:
        return self.log.cause(frame, by, evidence)

    def call(
        self, link: str, ident: object, by: Frame | None = None, *, name: str = "tool", stream: int | None = None
    ) -> Frame:
        """Write a tool call to a server, forwarded for another frame or the host's own."""
        frame = self.request(link, "to-server", ident, params={"name": name}, stream=stream)
        if by is not None:
            self.caused(frame, by)
        return frame


LINKS = ("agent", "code", "everything", "clock")


class _Play:
    """Plays peers that follow the protocol: each call is a generator that stops wherever another may go on."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.telling = Telling()
        self._count = 0

    def ident(self) -> object:
        """Return an id or token that no other has."""
        self._count += 1
        return self._count if self.rng.random() < 0.5 else f"k{self._count}"

    def setup(self, link: str) -> Iterator[None]:
        first = self.telling.request(link, "to-server", self.ident(), "initialize", {"protocolVersion": "2025-11-25"})
        yield
        self.telling.answer(first, protocolVersion="2025-11-25")
        self.telling.notify(link, "to-server", "initialized")
        yield
        if self.rng.random() < 0.5:
            roots = self.telling.request(link, "to-client", self.ident(), "roots/list")
            yield
            self.telling.answer(roots, roots=[])
        listed = self.telling.request(link, "to-server", self.ident(), "tools/list", {"cursor": f"page-{self._count}"})
        yield
        self.telling.answer(listed, tools=[])

    def call(self, link: str, by: Frame | None, depth: int) -> Iterator[None]:
        rng, telling = self.rng, self.telling
        ident, token = self.ident(), self.ident()
        stream = self._count if rng.random() < 0.5 else None
        params = {"name": "tool", "arguments": {"n": rng.randrange(3)}}
        request = telling.request(link, "to-server", ident, "tools/call", params, meta={"progressToken": token}, stream=stream)
        if by is not None:
            telling.caused(request, by)
        yield
        for _ in range(rng.randrange(4)):
            match rng.randrange(6):
                case 0:
                    telling.notify(link, "to-client", "progress", progressToken=token, progress=1, stream=stream)
                case 1:
                    telling.notify(link, "to-client", "message", level="info", data="working", stream=stream)
                case 2:
                    telling.notify(link, "to-client", "resources/list_changed")
                case _:
                    yield from self._ask(link, ident, stream, depth)
            yield
        if rng.random() < 0.2:
            telling.notify(link, "to-server", "cancelled", requestId=ident)
            yield
            if rng.random() < 0.5:
                return
        telling.answer(request, "error" if rng.random() < 0.2 else "result")

    def _ask(self, link: str, ident: object, stream: int | None, depth: int) -> Iterator[None]:
        """Let a server ask its client for something while it handles a request."""
        rng, telling = self.rng, self.telling
        method = rng.choice(["tools/call", "tools/call", "tools/list", "sampling/createMessage", "ping"])
        params: dict[str, object] = {"name": "other__tool"} if method == "tools/call" else {"messages": []}
        meta = {"dev.mcpsym/cause": ident} if rng.random() < 0.5 else None
        asked = telling.request(link, "to-client", self.ident(), method, params, meta=meta, stream=stream)
        yield
        if method == "tools/call" and depth < 3 and rng.random() < 0.8:
            yield from self.call(rng.choice(LINKS), asked, depth + 1)
        yield
        telling.answer(asked)


def play(seed: int, *, links: int = 4, calls: int = 3, dropped: bool = False, garbage: bool = False) -> WireLog:
    """Return the log of some peers: concurrent and nested calls, progress, cancellation, sampling, lists and pings.

    Args:
        seed: The same seed gives the same log.
        links: How many links are set up first; up to four are called in any case.
        calls: How many calls the host makes, all at once.
        dropped: Let some calls stop anywhere, so that requests stay unanswered.
        garbage: Add frames, notes and cause records that fit nowhere.
    """
    rng = Random(seed)  # no secret is made of it
    peers = _Play(rng)
    for link in LINKS:
        peers.telling.open(link)
    running = [peers.setup(link) for link in LINKS[:links]]
    running += [peers.call(rng.choice(LINKS), None, 0) for _ in range(calls)]
    while running:
        one = rng.choice(running)
        if (dropped and rng.random() < 0.03) or _ended(one):
            running.remove(one)
        if garbage and rng.random() < 0.2:
            _misbehave(peers)
    return peers.telling.log


def conforming_logs(*, dropped: bool = False, garbage: bool = False) -> st.SearchStrategy[WireLog]:
    """Draw logs as `play` makes them. They conform only while `dropped` and `garbage` are not asked for."""
    # Numbers drawn one by one are mostly zeros, which makes dull plays; a seed makes them lively.
    return st.builds(
        play,
        st.integers(0, 2**32),
        links=st.integers(0, 4),
        calls=st.integers(0, 6),
        dropped=st.just(dropped),
        garbage=st.just(garbage),
    )


def _ended(play: Iterator[None]) -> bool:
    """Play on to the next stop, and say whether there was none."""
    return not any(True for _ in islice(play, 1))


def _misbehave(play: _Play) -> None:
    rng, telling = play.rng, play.telling
    link, direction = rng.choice(LINKS), rng.choice(cast("tuple[Direction, ...]", ("to-server", "to-client")))
    old = rng.randrange(1, 40)
    ident = rng.choice([old, f"k{old}"])
    match rng.randrange(8):
        case 0:
            telling.frame(link, direction, b"[garbage")
        case 1:
            telling.frame(link, direction, raw(id=ident, result={}))
        case 2:
            telling.request(link, direction, ident, "tools/call", {"name": "again"}, meta={"progressToken": old})
        case 3:
            telling.notify(link, direction, "progress", progressToken=ident)
        case 4:
            telling.notify(link, direction, "cancelled", requestId=ident)
        case 5:
            telling.request(link, "to-client", ident, meta={"dev.mcpsym/cause": rng.randrange(20)}, stream=old)
        case 6:
            telling.log.note(link, "http", event="closed", by="host", exchange=old)
        case _:
            frames = telling.log.frames
            if frames:
                telling.log.cause(rng.choice(frames), rng.choice(frames), "routed")


def reshuffled(log: WireLog, rng: Random) -> WireLog:
    """Interleave the links of a log anew: each keeps its own order, and no frame comes before what it needs.

    A forwarded request needs the frame that it was forwarded for; the answer to that frame needs the answer to the forwarded
    request.
    """
    causes = {cause.frame: cause for cause in log.causes}
    answers = _answers(log)
    needs: dict[int, list[int]] = defaultdict(list)
    for cause in causes.values():
        needs[cause.frame].append(cause.by)
        if cause.by in answers and cause.frame in answers and answers[cause.frame] < answers[cause.by]:
            needs[answers[cause.by]].append(answers[cause.frame])
    queues = {link: deque(log.on(link)) for link in log.links}
    entries: list[Entry] = [replace(note, seq=place) for place, note in enumerate(log.notes) if note.channel == "open"]
    places: dict[int, int] = {}
    while any(queues.values()):
        ready = [queue for queue in queues.values() if queue and all(need in places for need in needs[queue[0].seq])]
        frame = rng.choice(ready).popleft()
        places[frame.seq] = len(entries)
        entries.append(replace(frame, seq=len(entries)))
        if frame.seq in causes:
            cause = causes[frame.seq]
            entries.append(replace(cause, seq=len(entries), frame=places[cause.frame], by=places[cause.by]))
    return WireLog(entries)


def _answers(log: WireLog) -> dict[int, int]:
    asked: dict[tuple[str, Direction, str | None], int] = {}
    found: dict[int, int] = {}
    for frame in log.frames:
        message = frame.message
        if message.kind == "request":
            asked[frame.link, frame.direction, message.id] = frame.seq
        elif message.kind in ("result", "error"):
            key = (frame.link, opposite(frame.direction), message.id)
            if key in asked:
                found[asked[key]] = frame.seq
    return found


def renamed(log: WireLog, rename: Callable[[object], object]) -> WireLog:
    """Rename all request ids and progress tokens of a log, wherever the protocol puts them."""
    return WireLog(replace(entry, data=_renamed(entry.data, rename)) if isinstance(entry, Frame) else entry for entry in log)


def _renamed(data: bytes, rename: Callable[[object], object]) -> bytes:
    message = cast("dict[str, object]", json.loads(data))
    params = cast("dict[str, object]", message.get("params", {}))
    meta = cast("dict[str, object]", params.get("_meta", {}))
    places = [(message, "id"), (params, "requestId"), (params, "progressToken")]
    for members, key in [*places, (meta, "progressToken"), (meta, "dev.mcpsym/cause")]:
        if key in members:
            members[key] = rename(members[key])
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
