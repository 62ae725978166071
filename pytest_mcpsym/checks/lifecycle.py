"""Checks of the handshake's order, and of the end. Pinned by `tests/checks/test_lifecycle.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, cast

from pytest_mcpsym.checks.finding import Finding, Registry, View, check
from pytest_mcpsym.checks.wording import sender, shown
from pytest_mcpsym.wire.exchange import Exchange

__all__ = ["LIFECYCLE", "answered_at_exit", "before_initialized", "left_open", "left_running"]

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
    last = max((each.request.seq for each in view.correlation.exchanges if each.method == "initialize"), default=-1)
    for frame in view.log.frames:
        if frame.seq > last and not begun:
            return
        message = frame.message
        if message.method == "initialize" and frame.direction == "to-server":
            begun.add(frame.link)
        elif message.method == "notifications/initialized" and frame.direction == "to-server":
            begun.discard(frame.link)
        elif message.kind == "request" and frame.link in begun and message.method not in _EARLY:
            text = f"{frame.link}: {sender(frame.direction)} sent {shown(str(message.method))} before the handshake was over"
            severity = "error" if frame.direction == "to-server" else "warning"
            yield before_initialized.finding(text, (frame,), frame.link, severity=severity)


GRACE: Final = 1.0
"""Seconds after which an answer is no longer one that was on its way."""


@check(
    "lifecycle:answered-at-exit",
    severity="warning",
    sentence="Answers are written when they are there, and not when the server ends.",
    source="https://github.com/DeusData/codebase-memory-mcp/issues/513",
    at_close=True,
)
def answered_at_exit(view: View) -> Iterator[Finding]:
    """Find servers whose answers, two at least, all came together when the host had begun to close the link, long after the requests.

    One is enough on a link that never opened: nothing was sent on it after the requests that were answered when it was given up.
    """
    late: dict[str, list[Exchange]] = {}
    never = _never_opened(view)
    for exchange in view.correlation.exchanges:
        closing = view.closing.get(exchange.link, never.get(exchange.link))
        if exchange.direction != "to-server" or closing is None or exchange.response is None:
            continue
        if exchange.response.seq > closing and exchange.response.time - exchange.request.time > GRACE:
            late.setdefault(exchange.link, []).append(exchange)
    for link, exchanges in late.items():
        if len(exchanges) > 1 or link in never:
            many = f"{len(exchanges)} answers" if len(exchanges) > 1 else "an answer"
            text = f"{link}: {many} came only when the host closed the link; the server keeps its output in a buffer"
            frames = [frame for each in exchanges for frame in (each.request, each.response) if frame is not None]
            yield answered_at_exit.finding(text, frames, link)


def _never_opened(view: View) -> dict[str, int]:
    """Return the links of processes that ended when they were asked to and were never open, each with its last frame to the server."""
    asked = {note.link for note in view.log.notes if note.channel == "exit" and note.data.get("asked") is True}
    links = asked - view.closing.keys()
    return {
        frame.link: frame.seq for frame in view.log.frames if links and frame.link in links and frame.direction == "to-server"
    }


@check(
    "lifecycle:left-running",
    severity="warning",
    sentence="What a server started ends with it: no process, task or thread runs on when its connection has closed.",
    source=f"{_SPEC}#shutdown",
    at_close=True,
)
def left_running(view: View) -> Iterator[Finding]:
    """Find processes that a command left behind, and processes, tasks and threads of a server in this process.

    A warning, because libraries keep such things of their own for the whole process.
    """
    for link, text in _left(view, {"processes": "process", "tasks": "task", "threads": "thread"}, "running"):
        yield left_running.finding(text, (), link)


@check(
    "lifecycle:left-open",
    severity="warning",
    sentence="What a server opened is closed with it: no file, socket or stream stays open when its connection has closed.",
    source=f"{_SPEC}#shutdown",
    at_close=True,
)
def left_open(view: View) -> Iterator[Finding]:
    """Find files, sockets and streams of a server in this process.

    A warning, because libraries keep such things of their own for the whole process.
    """
    for link, text in _left(view, {"files": "file", "sockets": "socket", "streams": "stream"}, "open"):
        yield left_open.finding(text, (), link)


def _left(view: View, kinds: Mapping[str, str], how: str) -> Iterator[tuple[str, str]]:
    """Yield the link and a sentence for each kind of thing that its server left behind."""
    for note in view.log.notes:
        for kind, one in kinds.items() if note.channel == "left" else ():
            things = cast("list[list[str]]", note.data.get(kind, []))
            if things:
                shown = ", ".join(f"{name} ({circumstances})" if circumstances else name for name, circumstances in things)
                yield note.link, f"{note.link}: the server left {f'a {one}' if len(things) == 1 else kind} {how}: {shown}"


@check(
    "lifecycle:client-quit",
    severity="error",
    sentence="A client lives through whatever a server may send it: progress that nobody waits for, many changes, a ping.",
    source="https://github.com/anthropics/claude-code/issues/47765",
    at_close=True,
)
def client_quit(view: View) -> Iterator[Finding]:
    """Find clients under test that broke off, with an exit status that says so or in the middle of what they had asked."""
    for note in view.log.notes:
        if note.channel != "quit":
            continue
        before = [frame for frame in view.log.frames if frame.link == note.link and frame.seq < note.seq]
        waited = [
            each.request
            for each in view.correlation.exchanges
            if each.link == note.link and each.direction == "to-server" and each.open_at(note.seq)
        ]
        if note.data.get("status") or waited:
            last = next((frame for frame in reversed(before) if frame.direction == "to-client"), None)
            said = "nothing" if last is None else shown(last.message.method or "an answer")
            text = (
                f"{note.link}: the client ended with status {note.data.get('status')}; the last that it had been sent is {said}"
            )
            yield client_quit.finding(text, [*waited, *([last] if last is not None else [])], note.link)


LIFECYCLE: Final = Registry((client_quit, before_initialized, answered_at_exit, left_running, left_open))
"""All checks of this family."""
