"""Checks of cancellation: it names a request of its sender, and it reaches what the request caused, and nothing else.

Pinned by `tests/checks/test_cancellation.py`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pytest_mcpsym.checks.finding import Finding, Registry, View, check
from pytest_mcpsym.checks.wording import called, sender, shown
from pytest_mcpsym.wire.exchange import Exchange
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.route import Hop

__all__ = ["CANCELLATION", "not_propagated", "of_another", "ran_on", "runs_on", "unknown_request"]

_SPEC: Final = "https://modelcontextprotocol.io/specification/2025-11-25/basic/utilities/cancellation"

GRACE: Final = 1.0
"""Seconds that a peer has to pass a cancellation on; what ends sooner may have crossed it."""


@check(
    "cancellation:unknown-request",
    severity="error",
    sentence="A cancellation names a request that its sender made on that link, with the id's JSON type.",
    source=f"{_SPEC}#behavior-requirements",
)
def unknown_request(view: View) -> Iterator[Finding]:
    """Find cancellations of requests that the sender never made; a host's are warnings."""
    for anomaly in view.correlation.anomalies:
        if anomaly.kind == "cancel-unknown":
            frame = anomaly.frames[-1]
            named = shown(repr(frame.message.params.get("requestId")))
            message = f"{frame.link}: {sender(frame.direction)} cancelled the request {named}, which it never made"
            severity = "error" if frame.direction == "to-client" else "warning"
            yield unknown_request.finding(message, anomaly.frames, frame.link, severity=severity)


@check(
    "cancellation:not-propagated",
    severity="error",
    sentence="Cancelling a request cancels what it caused and is still in flight.",
    source=f"{_SPEC}#behavior-requirements; symmetric extension, cancellation in both directions",
    at_close=True,
)
def not_propagated(view: View) -> Iterator[Finding]:
    """Find what went on for longer than `GRACE` after its cause had been cancelled, and was not cancelled itself in that time.

    The asking peer owes the cancellation of what it asked for, the host that of what it forwarded.
    """
    times = view.times
    last = max(times.values(), default=0.0)
    for each in _survived(view):
        cause, caused = each.cause, each.caused
        ended = times[caused.end] if caused.end is not None else times.get(view.closing.get(caused.link, -1), last)
        if cause.end is not None and ended - times[cause.end] > GRACE:
            frames = (cause.request, *cause.cancellations[:1], caused.request)
            what = f"{called(caused)} when {called(cause)} on {cause.link} was cancelled"
            text = f"{caused.link}: {each.who} did not cancel {what}"
            yield not_propagated.finding(text, frames, caused.link, view.route(each.hop.exchange))


@dataclass(frozen=True, slots=True)
class _Survivor:
    """What was in flight when its cause was cancelled, and who owed it a cancellation of its own."""

    cause: Exchange
    caused: Exchange
    hop: Hop
    who: str


def _survived(view: View) -> Iterator[_Survivor]:
    if all(exchange.state != "cancelled" for exchange in view.correlation.exchanges):
        return

    def survived(cause: Exchange, caused: Exchange) -> bool:
        return cause.state == "cancelled" and cause.end is not None and caused.open_at(cause.end)

    for parent in view.hops:
        for hop in parent.children:
            if hop.via is not None and survived(parent.exchange, hop.via):
                yield _Survivor(parent.exchange, hop.via, hop, "the server")
    for hop in view.hops:
        if hop.via is not None and not hop.refused and survived(hop.via, hop.exchange):
            yield _Survivor(hop.via, hop.exchange, hop, "the host")


def runs_on(log: WireLog) -> bool:
    """Say whether something is in flight whose cause was cancelled."""
    cancelled = any(b"notifications/cancelled" in frame.data for frame in log.frames)
    given_up = cancelled or any(note.data.get("given_up") is True for note in log.notes)
    return given_up and any(each.caused.end is None for each in _survived(View(log)))


_CROSSED: Final = 8
"""Entries of the log that may come between an answer and the note of the closed stream that brought it about."""
_MANY: Final = 32
"""Cancellations before an answer that are looked at."""
_SAYS_SO: Final = re.compile(r"\bcancell?ed\b", re.IGNORECASE)
"""What the error of a request says that was cancelled; JSON-RPC has no code for it."""


@check(
    "cancellation:of-another",
    severity="error",
    sentence="Cancelling a request cancels no other.",
    source=f"{_SPEC}#behavior-requirements; https://github.com/IBM/mcp-context-forge/issues/2057",
)
def of_another(view: View) -> Iterator[Finding]:
    """Find requests answered as cancelled which nobody had cancelled, within `GRACE` after another was cancelled that they did not need."""
    said = [
        each
        for each in view.correlation.exchanges
        if each.state == "error" and not each.cancellations and _SAYS_SO.search(str(_error(each).get("message")))
    ]
    if not said:
        return
    ended = sorted((each for each in view.correlation.exchanges if each.state == "cancelled"), key=lambda each: each.end or 0)
    ends = [each.end or 0 for each in ended]
    needed = {each.exchange.request.seq for each in view.hops if each.children}
    for exchange in said:
        assert exchange.response is not None
        if exchange.request.seq in needed or exchange.request.seq in view.placements.legs:
            continue
        first = bisect_left(ends, exchange.request.seq)
        last = bisect_left(ends, exchange.response.seq + _CROSSED)
        since = exchange.response.time - GRACE
        at_once = [
            each
            for each in ended[max(first, last - _MANY) : last]
            if each.direction == exchange.direction and view.times[each.end or 0] >= since
        ]
        other = next((each for each in at_once if each.id == exchange.id), at_once[-1] if at_once else None)
        if other is not None:
            what = f"{called(exchange)} was answered as cancelled when {called(other)} on {other.link} was"
            text = f"{exchange.link}: {what}, and nobody had cancelled it"
            frames = (exchange.request, other.request, *other.cancellations[:1], exchange.response)
            ordered = sorted(frames, key=lambda frame: frame.seq)
            yield of_another.finding(text, ordered, exchange.link, view.route(exchange))


def _error(exchange: Exchange) -> Mapping[str, object]:
    return {} if exchange.response is None else exchange.response.message.error


@check(
    "cancellation:ran-on",
    severity="warning",
    sentence="What is cancelled ends: a server tells no progress of it and asks nothing for it any more.",
    source=f"{_SPEC}#behavior-requirements; symmetric extension, budget",
)
def ran_on(view: View) -> Iterator[Finding]:
    """Find progress of a request longer than `GRACE` after it was cancelled. What is asked for one is of `origin:unknown-cause`."""
    for exchange in view.correlation.exchanges:
        if exchange.state != "cancelled" or exchange.direction != "to-server" or not exchange.progress:
            continue
        last = exchange.progress[-1]
        began = exchange.cancellations[0].time if exchange.cancellations else None
        if began is not None and last.time - began > GRACE:
            text = f"{exchange.link}: the server told progress of {called(exchange)} {last.time - began:.2g} s after it was cancelled"
            yield ran_on.finding(
                text, (exchange.request, *exchange.cancellations[:1], last), exchange.link, view.route(exchange)
            )


CANCELLATION: Final = Registry((unknown_request, not_propagated, of_another, ran_on))
"""All checks of this family."""
