"""Checks of progress: it was asked for, it grows, and it ends before the answer. Pinned by `tests/checks/test_progress.py`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from pytest_mcpsym.checks.finding import Finding, Registry, Severity, View, check
from pytest_mcpsym.checks.wording import anomalies, called, sender, shown
from pytest_mcpsym.wire.frame import Frame

__all__ = ["PROGRESS", "after_result", "not_increasing", "unknown_token"]

_SPEC: Final = "https://modelcontextprotocol.io/specification/2025-11-25/basic/utilities/progress"


def _in_order(earlier: Frame, later: Frame) -> Severity:
    """Two HTTP streams may overtake each other, so only the order on one of them proves anything."""
    one, other = earlier.envelope, later.envelope
    return "error" if one is None or other is None or one.exchange == other.exchange else "warning"


@check(
    "progress:after-result",
    severity="error",
    sentence="Progress ends before the answer to its request.",
    source=f"{_SPEC}#behavior-requirements",
)
def after_result(view: View) -> Iterator[Finding]:
    """Find progress for requests that had been answered; a task's progress may go on after its handle."""
    for exchange, frames in anomalies(view, "progress-late"):
        yield after_result.finding(
            f"{exchange.link}: {sender(frames[-1].direction)} sent progress for {called(exchange)} after its answer",
            frames,
            exchange.link,
            view.route(exchange),
            _in_order(frames[-2], frames[-1]),
        )


@check(
    "progress:unknown-token",
    severity="error",
    sentence="Progress has the token of a request that asked for it, with its JSON type, on the link of that request.",
    source=f"{_SPEC}#progress-flow",
)
def unknown_token(view: View) -> Iterator[Finding]:
    """Find progress with a token that no request on the link gave."""
    for anomaly in view.correlation.anomalies:
        if anomaly.kind == "progress-unknown":
            frame = anomaly.frames[-1]
            token = shown(repr(frame.message.params.get("progressToken")))
            message = f"{frame.link}: {sender(frame.direction)} sent progress with the token {token}, which no request gave"
            yield unknown_token.finding(message, anomaly.frames, frame.link)


@check(
    "progress:not-increasing",
    severity="error",
    sentence="The value of progress increases with each notification.",
    source=f"{_SPEC}#progress-flow",
)
def not_increasing(view: View) -> Iterator[Finding]:
    """Find progress that goes back (an error, on one stream) or stands still (a warning)."""
    for exchange in view.correlation.exchanges:
        for earlier, later in pairwise(exchange.progress):
            before, after = _value(earlier), _value(later)
            if before is None or after is None or after > before:
                continue
            yield not_increasing.finding(
                f"{exchange.link}: progress for {called(exchange)} went from {before:g} to {after:g}",
                (earlier, later),
                exchange.link,
                view.route(exchange),
                "warning" if before == after else _in_order(earlier, later),
            )


def _value(frame: Frame) -> int | float | None:
    value = frame.message.params.get("progress")
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


PROGRESS: Final = Registry((after_result, unknown_token, not_increasing))
"""All checks of this family."""
