"""Checks of cancellation: it names a request of its sender, and it reaches what the request caused.

Pinned by `tests/checks/test_cancellation.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pytest_mcpsym.checks.finding import Finding, Registry, View, check
from pytest_mcpsym.checks.wording import called, sender, shown
from pytest_mcpsym.wire.exchange import Exchange
from pytest_mcpsym.wire.route import Hop

__all__ = ["CANCELLATION", "not_propagated", "unknown_request"]

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
    """Find what went on for longer than `GRACE` after its cause had been cancelled, and was never cancelled itself.

    The asking peer owes the cancellation of what it asked for, the host that of what it forwarded.
    """
    if all(exchange.state != "cancelled" for exchange in view.correlation.exchanges):
        return
    times = view.times
    last = max(times.values(), default=0.0)

    def ran_on(cause: Exchange, caused: Exchange) -> bool:
        if cause.state != "cancelled" or caused.state == "cancelled" or cause.end is None or not caused.open_at(cause.end):
            return False
        ended = times[caused.end] if caused.end is not None else times.get(view.closing.get(caused.link, -1), last)
        return ended - times[cause.end] > GRACE

    def found(cause: Exchange, caused: Exchange, hop: Hop, who: str) -> Finding:
        frames = (cause.request, *cause.cancellations[:1], caused.request)
        message = f"{caused.link}: {who} did not cancel {called(caused)} when {called(cause)} on {cause.link} was cancelled"
        return not_propagated.finding(message, frames, caused.link, view.route(hop.exchange))

    for parent in view.hops:
        for hop in parent.children:
            if hop.via is not None and ran_on(parent.exchange, hop.via):
                yield found(parent.exchange, hop.via, hop, "the server")
    for hop in view.hops:
        if hop.via is not None and not hop.refused and ran_on(hop.via, hop.exchange):
            yield found(hop.via, hop.exchange, hop, "the host")


CANCELLATION: Final = Registry((unknown_request, not_propagated))
"""All checks of this family."""
