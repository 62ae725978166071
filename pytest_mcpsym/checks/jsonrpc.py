"""Checks of what JSON-RPC 2.0 and MCP's base protocol demand of requests and their answers.

Pinned by `tests/checks/test_jsonrpc.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final, cast

from pytest_mcpsym.checks.finding import Finding, Registry, View, check
from pytest_mcpsym.checks.wording import anomalies, answerer, called, excerpt, sender, shown
from pytest_mcpsym.wire.exchange import TIMED_OUT, Exchange, opposite
from pytest_mcpsym.wire.extension import CANCEL
from pytest_mcpsym.wire.frame import Direction, Frame
from pytest_mcpsym.wire.log import Note

__all__ = [
    "JSONRPC",
    "answer_to_nobody",
    "answered_twice",
    "id_reused",
    "id_type_changed",
    "not_json_rpc",
    "silence",
    "unanswered",
]

_RPC: Final = "https://www.jsonrpc.org/specification"
_BASIC: Final = "https://modelcontextprotocol.io/specification/2025-11-25/basic"


@check(
    "jsonrpc:unanswered",
    severity="error",
    sentence="A request is answered, with a result or an error, unless it is cancelled; one that the host gave up since it took too long is a warning.",
    source=f"{_RPC}#response_object; {_BASIC}#responses",
    at_close=True,
)
def unanswered(view: View) -> Iterator[Finding]:
    """Find requests still open when their link closed or the log ended, and those that the host waited for in vain.

    Those of the server are warnings, because the host owed the answer; what it asked after the host had begun to close the link
    could not be answered, and what it asked for a call that was cancelled need not be; nor need anything once the client has quit. What HTTP refused was told so by its status. A `subscriptions/listen` has none as long as it lasts,
    and none if the connection just ends (its description in the 2026-07-28 schema).
    """
    refused = _refusals(view, _BROKEN)
    closing = {note.link: note for note in view.log.notes if note.channel == "closing"}
    left = {note.link for note in view.log.notes if note.channel == "quit"}
    yield from _in_vain(view)
    for exchange in view.correlation.exchanges:
        if exchange.state != "open" or exchange.method == "subscriptions/listen" or exchange.link in left:
            continue
        if exchange.direction == "to-client" and _is_moot(exchange, view):
            continue
        if _is_refused(exchange.request, refused) or _last_words(exchange, closing):
            continue
        by = view.closings.get(exchange.link)
        when = f"before the {by} closed the link" if by else "before the log ended"
        yield unanswered.finding(
            f"{exchange.link}: {answerer(exchange)} did not answer {called(exchange)} {when}",
            (exchange.request,),
            exchange.link,
            view.route(exchange),
            "error" if exchange.direction == "to-server" else "warning",
        )


_PATIENCE: Final = 1.0
"""Seconds that a host has to wait before it can be said that it waited in vain: a test of deadlines waits for less."""


def _in_vain(view: View) -> Iterator[Finding]:
    """Find requests that were given up because no answer came in time: no progress either, and their server waited for nobody."""
    gave_up = {note.seq: note.time for note in view.log.notes if note.data.get("timed_out") is True}
    late: list[tuple[Exchange, float]] = []
    for exchange in view.correlation.exchanges:
        if exchange.state != "cancelled" or exchange.direction != "to-server" or exchange.response or exchange.progress:
            continue
        frame = next(iter(exchange.cancellations), None)
        if frame is not None and str(frame.message.params.get("reason")).startswith(TIMED_OUT):
            late.append((exchange, frame.time - exchange.request.time))
        elif exchange.end in gave_up:
            late.append((exchange, gave_up[exchange.end] - exchange.request.time))
    waiting = _waiting(view) if late else frozenset[int]()
    for exchange, seconds in late:
        if seconds >= _PATIENCE and exchange.request.seq not in waiting:
            yield unanswered.finding(
                f"{exchange.link}: the server did not answer {called(exchange)} within {seconds:.2g} s, and the host gave it up",
                (exchange.request, *exchange.cancellations[:1]),
                exchange.link,
                view.route(exchange),
                "warning",
            )


def _waiting(view: View) -> frozenset[int]:
    """Return the cancelled requests, by `seq`, whose server waited for what it had asked for when they were."""
    found: set[int] = set()
    for asked in view.correlation.exchanges:
        owner, _ = view.placements.handling.get(asked.request.seq, (None, "ambiguous"))
        if asked.direction == "to-client" and owner is not None and owner.end is not None and _lasts(asked, owner.end):
            found.add(owner.request.seq)
    return frozenset(found)


def _lasts(asked: Exchange, end: int) -> bool:
    """Whether a request had no answer when what it was asked for ended, or was cancelled because of that."""
    return asked.response is None or asked.response.seq > end


@check(
    "jsonrpc:answered-twice",
    severity="error",
    sentence="A request is answered once.",
    source=f"{_RPC}#response_object; {_BASIC}#responses",
)
def answered_twice(view: View) -> Iterator[Finding]:
    """Find answers to requests that had been answered."""
    for exchange, frames in anomalies(view, "answer-twice"):
        yield answered_twice.finding(
            f"{exchange.link}: {answerer(exchange)} answered {called(exchange)} again",
            frames,
            exchange.link,
            view.route(exchange),
        )


@check(
    "jsonrpc:id-reused",
    severity="error",
    sentence="The id of a request in flight is not used for another request.",
    source=f"{_BASIC}#requests",
)
def id_reused(view: View) -> Iterator[Finding]:
    """Find requests with the id of a request in flight."""
    for exchange, frames in anomalies(view, "id-reused"):
        yield id_reused.finding(
            f"{exchange.link}: {sender(exchange.direction)} sent {called(exchange)} while another request with that id was in flight",
            frames,
            exchange.link,
            view.route(exchange),
        )


@check(
    "jsonrpc:answer-to-nobody",
    severity="error",
    sentence="An answer has the id of the request that it answers, with the same type.",
    source=f"{_RPC}#response_object; {_BASIC}#responses",
)
def answer_to_nobody(view: View) -> Iterator[Finding]:
    """Find answers with an id that no request had, nor anything that was meant to be one."""
    broken = {
        (frame.link, opposite(frame.direction), frame.message.id)
        for anomaly in view.correlation.anomalies
        if anomaly.kind == "invalid" and (frame := anomaly.frames[-1]).message.id is not None
    }
    for frame, meant in view.once(_strays):
        refused = frame.message.kind == "error" and (frame.link, frame.direction, frame.message.id) in broken
        if meant is None and not refused:
            message = f"{frame.link}: {sender(frame.direction)} sent an answer with the id {_id(frame)}, which no request had"
            yield answer_to_nobody.finding(message, (frame,), frame.link)


@check(
    "jsonrpc:id-type-changed",
    severity="error",
    sentence="An id comes back with the JSON type that it was sent with.",
    source=f"{_RPC}#response_object; {_BASIC}#responses",
)
def id_type_changed(view: View) -> Iterator[Finding]:
    """Find answers whose id is that of a request but for its type: `5` and `"5"`."""
    for frame, meant in view.once(_strays):
        if meant is not None:
            message = f"{frame.link}: {sender(frame.direction)} answered {called(meant)} with the id {_id(frame)}"
            yield id_type_changed.finding(message, (meant.request, frame), frame.link, view.route(meant))


def _id(frame: Frame) -> str:
    return shown(str(frame.message.id))


def _strays(view: View) -> list[tuple[Frame, Exchange | None]]:
    """Return answers with an id that no request had, each with the request that it may have meant."""
    strays = [anomaly.frames[-1] for anomaly in view.correlation.anomalies if anomaly.kind == "answer-unknown"]
    asked: dict[tuple[str, Direction, str], deque[Exchange]] = {}
    for exchange in view.correlation.exchanges if strays else ():
        asked.setdefault((exchange.link, opposite(exchange.direction), exchange.id.strip('"')), deque()).append(exchange)
    found: list[tuple[Frame, Exchange | None]] = []
    for frame in strays:
        ident = str(frame.message.id).strip('"').removesuffix(".0")
        alike = asked.get((frame.link, frame.direction, ident), deque[Exchange]())
        while alike and alike[0].end is not None and alike[0].end < frame.seq:
            alike.popleft()  # It is over for all later answers too.
        found.append((frame, alike[0] if alike and alike[0].open_at(frame.seq) else None))
    return found


@check(
    "jsonrpc:silence",
    severity="warning",
    sentence="What is no JSON-RPC message is answered with an error.",
    source=f"{_RPC}#error_object; {_RPC}#response_object",
    at_close=True,
)
def silence(view: View) -> Iterator[Finding]:
    """Find broken messages to servers that no error answered, neither one of JSON-RPC nor one of HTTP.

    A warning, because the SDK's servers on standard input and output are silent. What is a notification or an answer, only broken,
    is owed none.
    """
    broken = [
        frame
        for anomaly in view.correlation.anomalies
        if anomaly.kind in ("invalid", "not-json") and (frame := anomaly.frames[-1]).direction == "to-server" and _owed(frame)
    ]
    if not broken:
        return
    errors: dict[str, list[Frame]] = {}
    for frame in view.log.frames:
        if frame.direction == "to-client" and frame.message.kind == "error" and view.correlation.owner(frame) is None:
            errors.setdefault(frame.link, []).append(frame)
    refused = _refusals(view)
    told: dict[str, Iterator[Frame]] = {link: iter(frames) for link, frames in errors.items()}
    for frame in broken:
        answer = next((each for each in told.get(frame.link, ()) if each.seq > frame.seq), None)
        if answer is None and not _is_refused(frame, refused):
            text = f"{frame.link}: the server answered nothing to {excerpt(frame.data)}, which is no JSON-RPC message"
            yield silence.finding(text, (frame,), frame.link)


def _is_moot(asked: Exchange, view: View) -> bool:
    """Whether nobody needs the answer to a server's request: its link was being closed, or the call that it serves was cancelled."""
    served, _ = view.placements.handling.get(asked.request.seq, (None, "ambiguous"))
    is_late = asked.request.seq > view.closing.get(asked.link, asked.request.seq)
    return is_late or (served is not None and served.state == "cancelled")


_LAST: Final = 1.0
"""Seconds before the host begins to close a link in which it may still take leave of what it asked for."""


def _last_words(exchange: Exchange, closing: Mapping[str, Note]) -> bool:
    """Whether the host did not wait for an answer, because it was closing the link: it gave up a leg then, or asked even later.

    A link that was closed before it was open is waited for no more either.
    """
    note = closing.get(exchange.link)
    if note is None or exchange.direction != "to-server":
        return False
    if note.data.get("dropped"):
        return True
    if note.data.get("opened") is False:
        return True
    request = exchange.request
    return request.seq > note.seq or (exchange.method == CANCEL and note.time - request.time < _LAST)


_REFUSED: Final = 400
"""The least status of HTTP that says no."""
_BROKEN: Final = 500
"""The least status of HTTP that says that the server is broken, which answers nothing."""


def _refusals(view: View, below: int = 600) -> frozenset[tuple[str, object]]:
    """Return link and number of the HTTP requests that were refused with a status below a limit."""
    return frozenset(
        (note.link, note.data.get("exchange"))
        for note in view.log.notes
        if note.channel == "http" and isinstance(status := note.data.get("status"), int) and _REFUSED <= status < below
    )


def _is_refused(frame: Frame, refused: frozenset[tuple[str, object]]) -> bool:
    return frame.envelope is not None and (frame.link, frame.envelope.exchange) in refused


def _owed(frame: Frame) -> bool:
    """Whether broken bytes are owed an answer: not where they are a notification or an answer, but for their flaw."""
    value = frame.message.value
    if not isinstance(value, dict):
        return True
    members = cast("dict[str, object]", value)
    return not {"result", "error"} & members.keys() and ("id" in members or not isinstance(members.get("method"), str))


@check(
    "jsonrpc:not-json-rpc",
    severity="error",
    sentence="Whatever a server sends is one JSON-RPC 2.0 message in UTF-8.",
    source=f"{_RPC}; {_BASIC}#messages",
)
def not_json_rpc(view: View) -> Iterator[Finding]:
    """Find frames of servers that are no JSON-RPC message."""
    for anomaly in view.correlation.anomalies:
        frame = anomaly.frames[-1]
        if anomaly.kind in ("invalid", "not-json") and frame.direction == "to-client":
            reason = shown(str(frame.message.reason), 200)
            message = f"{frame.link}: the server sent something that is no JSON-RPC message ({reason}): {excerpt(frame.data)}"
            yield not_json_rpc.finding(message, anomaly.frames, frame.link)


JSONRPC: Final = Registry((unanswered, answered_twice, id_reused, answer_to_nobody, id_type_changed, not_json_rpc, silence))
"""All checks of this family."""
