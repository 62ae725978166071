"""Checks of the handshake's order. Pinned by `tests/checks/test_lifecycle.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pytest_mcpsym.checks.finding import Finding, Registry, View, check
from pytest_mcpsym.checks.wording import sender, shown

__all__ = ["LIFECYCLE", "before_initialized"]

_SPEC: Final = "https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle"
_EARLY: Final = frozenset({"initialize", "ping", "server/discover"})
"""Requests that may come before the handshake is over; a client that speaks both eras tries `server/discover` first."""


@check(
    "lifecycle:before-initialized",
    severity="error",
    sentence="Between `initialize` and `notifications/initialized` nothing but pings is asked.",
    source=f"{_SPEC}#initialization",
)
def before_initialized(view: View) -> Iterator[Finding]:
    """Find requests in the middle of a handshake; those of a server are warnings, because the rule for it is a SHOULD."""
    begun: set[str] = set()
    for frame in view.log.frames:
        message = frame.message
        if message.method == "initialize" and frame.direction == "to-server":
            begun.add(frame.link)
        elif message.method == "notifications/initialized" and frame.direction == "to-server":
            begun.discard(frame.link)
        elif message.kind == "request" and frame.link in begun and message.method not in _EARLY:
            text = f"{frame.link}: {sender(frame.direction)} sent {shown(str(message.method))} before the handshake was over"
            severity = "error" if frame.direction == "to-server" else "warning"
            yield before_initialized.finding(text, (frame,), frame.link, severity=severity)


LIFECYCLE: Final = Registry((before_initialized,))
"""All checks of this family."""
