"""What each frame was sent for: which routed request was handled when a server sent it, and how that is known.

The rules are those of `pytest_mcpsym.wire.route`, which makes hops of it. Pinned by `tests/wire/test_route.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Final, cast

from pytest_mcpsym.wire.exchange import Correlation, Exchange, token_text
from pytest_mcpsym.wire.extension import CAUSE_KEY, CONTINUE
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import Cause, Entry, Evidence
from pytest_mcpsym.wire.upstream import CAUSE_HEADER, UpstreamCall, callers_of, header_of, upstream_calls

__all__ = ["LINK_OWNED", "ROUTED", "InFlight", "Placements", "cause_id", "place"]

ROUTED: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
"""Methods whose requests are hops."""

_ASKING: Final = frozenset({"request", "notification"})

LINK_OWNED: Final = frozenset({"ping", "roots/list"})
"""Requests of a server that belong to its link and are sent for nothing: some servers send them at any time."""


def cause_id(frame: Frame) -> str | None:
    """Return the id that a frame of a server names as its cause in `_meta`, as JSON text."""
    return token_text(frame.message.meta.get(CAUSE_KEY))


class InFlight:
    """The routed requests in flight while frames are read in order: says what a server's frame was sent for."""

    def __init__(self) -> None:
        self._open: dict[str, dict[int, tuple[str, Exchange]]] = {}
        self._by_id: dict[tuple[str, str], dict[int, Exchange]] = {}
        self._by_first: dict[tuple[str, str], dict[int, Exchange]] = {}
        self._by_stream: dict[tuple[str, int], tuple[int, Exchange]] = {}

    def begin(self, exchange: Exchange, ident: str, stands_for: Exchange | None = None) -> None:
        """Take note that a routed request was sent, or a `dev.mcpsym/continue` that stands for one.

        Args:
            exchange: The request with what belongs to it.
            ident: The text by which `meta` names it.
            stands_for: The routed exchange that a `dev.mcpsym/continue` goes on with.
        """
        request, routed = exchange.request, stands_for or exchange
        self._open.setdefault(exchange.link, {})[request.seq] = (ident, routed)
        self._by_id.setdefault((exchange.link, ident), {})[request.seq] = routed
        if routed.id != ident:
            self._by_first.setdefault((exchange.link, routed.id), {})[request.seq] = routed
        if request.envelope is not None:
            self._by_stream[exchange.link, request.envelope.exchange] = (request.seq, routed)

    def finish(self, exchange: Exchange) -> None:
        """Take note that it was answered or cancelled."""
        request = exchange.request
        found = self._open.get(exchange.link, {}).pop(request.seq, None)
        if found is None:
            return
        ident, routed = found
        del self._by_id[exchange.link, ident][request.seq]
        if routed.id != ident:
            del self._by_first[exchange.link, routed.id][request.seq]
        if request.envelope is not None:
            stream = (exchange.link, request.envelope.exchange)
            if self._by_stream[stream][0] == request.seq:
                del self._by_stream[stream]

    def cause(self, frame: Frame, named: str | None) -> tuple[Exchange | None, Evidence]:
        """Return what a request or notification of a server was sent for, by the strongest evidence, and that evidence.

        Args:
            frame: What the server sent.
            named: The text by which its `_meta` names a request.
        """
        if frame.message.method in LINK_OWNED:
            return None, "ambiguous"
        holders = self._by_id.get((frame.link, named)) if named is not None else None
        if holders:
            return holders[next(reversed(holders))], "meta"
        if frame.envelope is not None:
            carried = self._by_stream.get((frame.link, frame.envelope.exchange))
            if carried is not None:
                return carried[1], "stream"
        flying = self._open.get(frame.link, {})
        if len(flying) == 1 and frame.message.kind == "request":
            return next(iter(flying.values()))[1], "sole"
        return None, "ambiguous"

    def upstream(self, callers: Iterable[str], named: str | None) -> tuple[Exchange | None, Evidence]:
        """Return what a call of an HTTP API was made for, and the evidence.

        Args:
            callers: The links whose servers may have made it.
            named: The id that its header names, as JSON text. Where the handler goes on in legs, that is the id of the first request.
        """
        callers = tuple(callers)
        meant: dict[int, Exchange] = {}
        for link in callers if named is not None else ():
            for routed in chain(*(index.get((link, str(named)), {}).values() for index in (self._by_id, self._by_first))):
                meant[routed.request.seq] = routed
                if len(meant) > 1:  # It is not known which, however many there are.
                    break
        if len(meant) == 1:
            return next(iter(meant.values())), "meta"
        flying = [routed for link in callers for _, routed in islice(self._open.get(link, {}).values(), 2)]
        return (flying[0], "sole") if len(flying) == 1 else (None, "ambiguous")


@dataclass(frozen=True, slots=True)
class Placements:
    """What each frame of a log was sent for.

    Attributes:
        records: The cause record that counts, by `seq` of the frame that it explains.
        forwarded: For a request to a server that was forwarded: the asking frame, by `seq` of the request.
        handling: For a request or notification of a server: the routed exchange during which it was sent, or `None`, and the
            evidence, by `seq` of the frame. For a notification only `meta` and `stream` count.
        legs: For a `dev.mcpsym/continue`, and for a routed request sent again with the input that its server required: the routed
            exchange that it goes on with, by `seq` of the request.
        upstream: For a call of an HTTP API: the routed exchange for which it was made, or `None`, and the evidence, by `seq` of the
            note of its request.
    """

    records: Mapping[int, Cause] = field(default_factory=dict[int, Cause])
    forwarded: Mapping[int, Frame] = field(default_factory=dict[int, Frame])
    handling: Mapping[int, tuple[Exchange | None, Evidence]] = field(
        default_factory=dict[int, tuple[Exchange | None, Evidence]]
    )
    legs: Mapping[int, Exchange] = field(default_factory=dict[int, Exchange])
    upstream: Mapping[int, tuple[Exchange | None, Evidence]] = field(
        default_factory=dict[int, tuple[Exchange | None, Evidence]]
    )

    def parent(self, frame: Frame, correlation: Correlation) -> tuple[Exchange | None, Evidence]:
        """Return the routed exchange for which a server sent an asking frame, and the evidence."""
        if frame.message.kind in _ASKING:
            return self.handling.get(frame.seq, (None, "ambiguous"))
        answered = correlation.owner(frame)
        if answered is None:
            return None, "ambiguous"
        leg = self.legs.get(answered.request.seq, answered if answered.method in ROUTED else None)
        return (None, "ambiguous") if leg is None else (leg, "continuation")


def place(log: Iterable[Entry], correlation: Correlation) -> Placements:
    """Find out what each frame of a log was sent for, in one pass."""
    entries = tuple(log)
    frames = {entry.seq: entry for entry in entries if isinstance(entry, Frame)}
    records = {
        entry.frame: entry
        for entry in entries
        if isinstance(entry, Cause)
        and entry.by in frames
        and entry.frame in frames
        and _counts(frames[entry.frame], frames[entry.by], correlation)
    }
    forwarded = {seq: frames[record.by] for seq, record in records.items() if frames[seq].direction == "to-server"}
    ends = {exchange.end: exchange for exchange in correlation.exchanges if exchange.end is not None}
    flying = InFlight()
    handling: dict[int, tuple[Exchange | None, Evidence]] = {}
    legs: dict[int, Exchange] = {}
    continued: dict[tuple[str, str, str], Exchange] = {}
    calling, upstream = _upstream_causes(entries, frames, correlation)
    for entry in entries:
        seq = entry.seq
        if seq in ends:
            flying.finish(ends[seq])
            _remember(ends[seq], legs, continued)
        if not isinstance(entry, Frame):
            if seq in calling and seq not in upstream:
                callers, call = calling[seq]
                upstream[seq] = flying.upstream(callers, header_of(call.request, CAUSE_HEADER))
            continue
        message = entry.message
        kind, method = message.kind, message.method
        if method is None or kind not in _ASKING:
            continue
        if entry.direction == "to-client":
            record = records.get(seq)
            found = flying.cause(entry, cause_id(entry)) if record is None else _recorded(record, frames, correlation)
            handling[seq] = found
        elif kind == "request" and (method in ROUTED or method == CONTINUE):
            leg = continued.get(_goes_on(entry)) if continued else None
            if leg is not None:
                legs[seq] = leg
            if leg is not None or method in ROUTED:
                flying.begin(cast("Exchange", correlation.owner(entry)), str(message.id), leg)
    return Placements(records, forwarded, handling, legs, upstream)


def _upstream_causes(
    entries: Sequence[Entry], frames: Mapping[int, Frame], correlation: Correlation
) -> tuple[dict[int, tuple[tuple[str, ...], UpstreamCall]], dict[int, tuple[Exchange | None, Evidence]]]:
    """Return the calls of HTTP APIs with the links they may come from, and what cause records say of them; by `seq`."""
    links = callers_of(entries)
    calling = {call.request.seq: (links[call.link], call) for call in upstream_calls(entries)}
    recorded: dict[int, tuple[Exchange | None, Evidence]] = {}
    for entry in entries if calling else ():
        if isinstance(entry, Cause) and entry.frame in calling:
            by = frames.get(entry.by)
            known = None if by is None else correlation.owner(by)
            recorded[entry.frame] = (None, "ambiguous") if known is None else (known, entry.evidence)
    return calling, recorded


def _goes_on(frame: Frame) -> tuple[str, str, str]:
    """Return what a request to a server has in common with the answer that it goes on from, if it goes on from one."""
    params = frame.message.params
    if frame.message.method == CONTINUE:
        return frame.link, "continuation", str(params.get("continuation"))
    if "requestState" in params:
        return frame.link, "requestState", str(params["requestState"])
    return frame.link, "inputResponses" if "inputResponses" in params else "", _called(frame)


def _called(frame: Frame) -> str:
    params = frame.message.params
    return f"{frame.message.method} {params.get('name', params.get('uri'))}"


def _remember(ended: Exchange, legs: Mapping[int, Exchange], continued: dict[tuple[str, str, str], Exchange]) -> None:
    """Take note of what may go on from an answer: a continuation, or a request for input."""
    first = legs.get(ended.request.seq, ended if ended.method in ROUTED else None)
    if first is None or ended.response is None:
        return
    result = ended.response.message.result
    if "continuation" in result:
        continued[ended.link, "continuation", str(result["continuation"])] = first
    if result.get("resultType") == "input_required":
        continued[ended.link, "requestState", str(result.get("requestState"))] = first
        continued[ended.link, "inputResponses", _called(ended.request)] = first


def _counts(frame: Frame, by: Frame, correlation: Correlation) -> bool:
    """Say whether a cause record can be true: that a request was forwarded, or what a server's frame was sent for."""
    kind, method = frame.message.kind, frame.message.method
    if frame.direction == "to-server":
        return kind == "request" and by.direction == "to-client" and by.seq < frame.seq
    if method in LINK_OWNED or not (kind == "request" or (kind == "notification" and correlation.owner(frame) is None)):
        return False
    owner = correlation.owner(by)
    during = owner is not None and owner.link == frame.link and owner.direction == "to-server" and owner.method in ROUTED
    return by.seq == frame.seq or (during and by.seq < frame.seq)


def _recorded(record: Cause, frames: Mapping[int, Frame], correlation: Correlation) -> tuple[Exchange | None, Evidence]:
    if record.by == record.frame:
        return None, "ambiguous"
    return correlation.owner(frames[record.by]), record.evidence
