"""Checks of a client, over the log of a server that follows the protocol and surprises it: `pytest_mcpsym.explore` runs them.

They are no part of the default checks, because the client of a board is the harness itself. Pinned by `tests/checks/test_client.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, cast

from pytest_mcpsym.checks.cancellation import unknown_request
from pytest_mcpsym.checks.finding import Check, Finding, Registry, View, check
from pytest_mcpsym.checks.jsonrpc import answer_to_nobody, answered_twice, id_reused, id_type_changed
from pytest_mcpsym.checks.lifecycle import before_initialized
from pytest_mcpsym.checks.progress import PROGRESS
from pytest_mcpsym.checks.wording import called, excerpt, shown
from pytest_mcpsym.wire.exchange import Exchange
from pytest_mcpsym.wire.frame import Frame, Message

__all__ = [
    "CLIENT",
    "failed",
    "headers",
    "left_in_flight",
    "made_up_cursor",
    "malformed_answer",
    "not_json_rpc",
    "not_resumed",
    "unanswered",
]

_SPEC: Final = "https://modelcontextprotocol.io/specification"
_HANDSHAKE: Final = f"{_SPEC}/2025-11-25"
_MODERN: Final = f"{_SPEC}/2026-07-28"
_HTTP: Final = f"{_HANDSHAKE}/basic/transports#streamable-http"
_LISTEN: Final = "subscriptions/listen"
_SESSION: Final = "mcp-session-id"
_VERSION: Final = "mcp-protocol-version"
_SINCE_HEADER: Final = ("2025-06-18", "2025-11-25")
"""Revisions of the handshake era in which each request over HTTP names the revision."""

_LONG: Final = 1.0
"""Seconds after which a question is no longer one that came when the client was about to leave."""


@check(
    "client:failed",
    severity="error",
    sentence="A client survives whatever the protocol allows a server, and comes to an end.",
    source="faults F08 and F36 of the catalogue",
)
def failed(view: View) -> Iterator[Finding]:
    """Find clients that raised, died, or fell silent."""
    for note in view.log.notes:
        if note.channel == "failure":
            frames = [frame for frame in view.log.frames if frame.seq < note.seq][-1:]
            yield failed.finding(str(note.data.get("reason")), frames, note.link)


@check(
    "client:unanswered",
    severity="error",
    sentence="A client answers what the server asks, with a result or an error.",
    source=f"{_HANDSHAKE}/basic#responses",
    at_close=True,
)
def unanswered(view: View) -> Iterator[Finding]:
    """Find questions of the server that were never answered, unless they came when the client was about to leave."""
    silent = {note.link for note in view.log.notes if note.channel == "failure" and note.data.get("kind") == "silent"}
    closed = {note.link: note.time for note in view.log.notes if note.channel == "close"}
    for exchange in view.correlation.exchanges:
        if exchange.direction == "to-client" and exchange.state == "open":
            stayed = closed.get(exchange.link, 0.0) - exchange.request.time
            if stayed > _LONG or exchange.link in silent:
                text = f"{exchange.link}: the client did not answer {called(exchange)}"
                yield unanswered.finding(text, (exchange.request,), exchange.link)


@check(
    "client:left-in-flight",
    severity="error",
    sentence="A client that ends by itself has the answers to its requests, or has cancelled them.",
    source=f"{_HANDSHAKE}/basic/utilities/cancellation",
    at_close=True,
)
def left_in_flight(view: View) -> Iterator[Finding]:
    """Find requests that a client left behind as if they were answered. One that died or hung is no matter of this check."""
    ended = {note.link for note in view.log.notes if note.channel == "failure"}
    for exchange in view.correlation.exchanges:
        if exchange.direction == "to-server" and exchange.state == "open" and not ended and exchange.method != _LISTEN:
            text = f"{exchange.link}: the client ended as if {called(exchange)} had been answered"
            yield left_in_flight.finding(text, (exchange.request,), exchange.link)


@check(
    "client:not-json-rpc",
    severity="error",
    sentence="Whatever a client sends is one JSON-RPC 2.0 message in UTF-8.",
    source=f"https://www.jsonrpc.org/specification; {_HANDSHAKE}/basic#messages",
)
def not_json_rpc(view: View) -> Iterator[Finding]:
    """Find frames of clients that are no JSON-RPC message."""
    for anomaly in view.correlation.anomalies:
        frame = anomaly.frames[-1]
        if anomaly.kind in ("invalid", "not-json") and frame.direction == "to-server":
            reason = shown(str(frame.message.reason), 200)
            text = f"{frame.link}: the client sent something that is no JSON-RPC message ({reason}): {excerpt(frame.data)}"
            yield not_json_rpc.finding(text, (frame,), frame.link)


def _object(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _misshapen(method: str, result: Mapping[str, object]) -> str | None:
    """Return what is wrong with what a client answers to a server."""
    if method == "roots/list":
        roots = result.get("roots")
        if not isinstance(roots, list):
            return "`roots` is no array"
        if not all(isinstance(_object(root).get("uri"), str) for root in cast("list[object]", roots)):
            return "a root has no `uri`"
    elif method == "sampling/createMessage":
        missing = [name for name in ("role", "content", "model") if name not in result]
        return f"it lacks {', '.join(missing)}" if missing else None
    elif method == "elicitation/create" and result.get("action") not in ("accept", "decline", "cancel"):
        return "`action` is none of accept, decline and cancel"
    return None


@check(
    "client:malformed-answer",
    severity="error",
    sentence="What a client answers to `roots/list`, `sampling/createMessage` and `elicitation/create` has the shape that the schema gives.",
    source=f"{_HANDSHAKE}/client/roots; {_HANDSHAKE}/client/sampling; {_HANDSHAKE}/client/elicitation",
)
def malformed_answer(view: View) -> Iterator[Finding]:
    """Find results of clients without the members that they must have."""
    for exchange in view.correlation.exchanges:
        answer = exchange.response
        if exchange.direction != "to-client" or answer is None or answer.message.kind != "result":
            continue
        wrong = _misshapen(exchange.method, answer.message.result)
        if wrong is not None:
            text = f"{exchange.link}: the client answered {called(exchange)} with a result that is none: {wrong}"
            yield malformed_answer.finding(text, (exchange.request, answer), exchange.link)


@check(
    "client:made-up-cursor",
    severity="error",
    sentence="A client asks for a page with a cursor as the server gave it.",
    source=f"{_HANDSHAKE}/server/utilities/pagination#implementation-guidelines",
)
def made_up_cursor(view: View) -> Iterator[Finding]:
    """Find cursors that the server never gave for that list."""
    given: set[tuple[str, str, object]] = set()
    answers = {each.response.seq: each for each in view.correlation.exchanges if each.response is not None}
    for frame in view.log.frames:
        message = frame.message
        if frame.direction == "to-client" and message.kind == "result" and frame.seq in answers:
            given.add((frame.link, answers[frame.seq].method, message.result.get("nextCursor")))
        elif message.kind == "request" and frame.direction == "to-server" and str(message.method).endswith("/list"):
            cursor = message.params.get("cursor")
            if cursor is not None and (frame.link, str(message.method), cursor) not in given:
                text = f"{frame.link}: the client asked {message.method} for the cursor {shown(repr(cursor))}, which no answer gave"
                yield made_up_cursor.finding(text, (frame,), frame.link)


@check(
    "client:not-resumed",
    severity="error",
    sentence="After `input_required` a client asks again under a new id, with an answer for each thing needed and the `requestState` as it came.",
    source=f"{_MODERN}/basic/utilities/mrtr",
)
def not_resumed(view: View) -> Iterator[Finding]:
    """Find requests that bring `requestState` or answers which do not belong to what the server needed."""
    needed: dict[tuple[str, str], list[tuple[Exchange, Mapping[str, object]]]] = {}
    for exchange in view.correlation.exchanges:
        if exchange.direction != "to-server":
            continue
        params = exchange.request.message.params
        key = (exchange.link, exchange.method)
        earlier = [each for each in needed.get(key, ()) if each[0].end is not None and each[0].end < exchange.request.seq]
        if "inputResponses" in params or "requestState" in params:
            wrong = _wrong_leg(params, [result for _, result in earlier])
            if wrong is not None:
                text = f"{exchange.link}: the client asked {called(exchange)} again, {wrong}"
                frames = [exchange.request] if not earlier else [cast("Frame", earlier[-1][0].response), exchange.request]
                yield not_resumed.finding(text, frames, exchange.link)
        if exchange.response is not None and exchange.response.message.result.get("resultType") == "input_required":
            needed.setdefault(key, []).append((exchange, exchange.response.message.result))


def _wrong_leg(params: Mapping[str, object], needed: list[Mapping[str, object]]) -> str | None:
    """Return what is wrong with a request that goes on; nothing if it fits anything that was needed."""
    reasons: list[str] = []
    for result in needed:
        wanted = set(_object(result.get("inputRequests")))
        brought = set(_object(params.get("inputResponses")))
        if params.get("requestState") != result.get("requestState"):
            reasons.append("with another `requestState` than it was given")
        elif wanted - brought:
            reasons.append(f"without an answer for {', '.join(sorted(map(shown, wanted - brought)))}")
        else:
            return None
    return reasons[-1] if reasons else "though nothing was needed"


@check(
    "client:headers",
    severity="error",
    sentence="A client sends the HTTP headers that its revision asks for.",
    source=f"{_HTTP}; {_HANDSHAKE}/basic/transports#protocol-version-header; {_MODERN}/basic/transports",
)
def headers(view: View) -> Iterator[Finding]:
    """Find requests without the headers that they must have: `Accept`, the session, the revision, and what the modern era repeats."""
    sessions: dict[str, str] = {}
    revisions: dict[str, str] = {}
    eras = {note.link: note.data.get("era") for note in view.log.notes if note.channel == "open"}
    for frame in view.log.frames:
        if frame.envelope is None:
            continue
        message = frame.message
        if frame.direction == "to-client":
            sessions.setdefault(frame.link, frame.envelope.header(_SESSION) or "")
            if isinstance(agreed := message.result.get("protocolVersion"), str):
                revisions[frame.link] = agreed
            continue
        missing = list(_missing(frame, message, eras.get(frame.link) == "modern", sessions, revisions))
        if missing:
            text = f"{frame.link}: the client sent {message.method or 'an answer'} without {', '.join(missing)}"
            yield headers.finding(text, (frame,), frame.link)


def _missing(
    frame: Frame, message: Message, modern: bool, sessions: Mapping[str, str], revisions: Mapping[str, str]
) -> Iterator[str]:
    assert frame.envelope is not None
    accept = frame.envelope.header("accept") or ""
    if not all(kind in accept or "*/*" in accept for kind in ("application/json", "text/event-stream")):
        yield "`Accept: application/json, text/event-stream`"
    if modern:
        if message.kind == "request":
            yield from (
                f"`{name}: {value}`"
                for name, value in (("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", str(message.method)))
                if frame.envelope.header(name.lower()) != value
            )
    elif message.method != "initialize":
        session = sessions.get(frame.link)
        if session and frame.envelope.header(_SESSION) != session:
            yield "its `Mcp-Session-Id`"
        revision = revisions.get(frame.link)
        if revision in _SINCE_HEADER and frame.envelope.header(_VERSION) != revision:
            yield f"`MCP-Protocol-Version: {revision}`"


def _of_clients(each: Check) -> Check:
    """Return a check of both sides as one that finds what clients do, and calls them so."""

    def find(view: View) -> Iterator[Finding]:
        sent = {frame.seq for frame in view.log.frames if frame.direction == "to-server"}
        for finding in each.find(view):
            if finding.frames and finding.frames[-1] in sent:
                yield replace(finding, severity="error", message=finding.message.replace("the host", "the client", 1))

    return replace(each, find=find, severity="error")


CLIENT: Final = Registry(
    (
        unanswered,
        left_in_flight,
        not_json_rpc,
        malformed_answer,
        made_up_cursor,
        not_resumed,
        headers,
        *map(_of_clients, (answered_twice, answer_to_nobody, id_type_changed, id_reused, unknown_request, before_initialized)),
        *map(_of_clients, PROGRESS.values()),
        failed,
    )
)
"""All checks of a client."""
