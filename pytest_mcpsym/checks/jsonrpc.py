"""Checks of what JSON-RPC 2.0 and MCP's base protocol demand of requests and their answers.

Pinned by `tests/checks/test_jsonrpc.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pytest_mcpsym.checks.finding import Finding, Registry, View, check
from pytest_mcpsym.checks.wording import anomalies, answerer, called, excerpt, shown

__all__ = ["JSONRPC", "answer_to_nobody", "answered_twice", "id_reused", "not_json_rpc", "unanswered"]

_RPC: Final = "https://www.jsonrpc.org/specification"
_BASIC: Final = "https://modelcontextprotocol.io/specification/2025-11-25/basic"


@check(
    "jsonrpc:unanswered",
    severity="error",
    sentence="A request is answered, with a result or an error, unless it is cancelled.",
    source=f"{_RPC}#response_object; {_BASIC}#responses",
    at_close=True,
)
def unanswered(view: View) -> Iterator[Finding]:
    """Find requests still open when their link closed or the log ended.

    Those of the server are warnings, because the host owed the answer; what it asked after the host had begun to close the link
    could not be answered. A `subscriptions/listen` has none as long as it lasts,
    and none if the connection just ends (its description in the 2026-07-28 schema).
    """
    for exchange in view.correlation.exchanges:
        if exchange.state != "open" or exchange.method == "subscriptions/listen":
            continue
        if exchange.direction == "to-client" and exchange.request.seq > view.closing.get(exchange.link, exchange.request.seq):
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
        sender = "the host" if exchange.direction == "to-server" else "the server"
        yield id_reused.finding(
            f"{exchange.link}: {sender} sent {called(exchange)} while another request with that id was in flight",
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
    """Find answers with an id that no request had."""
    for anomaly in view.correlation.anomalies:
        if anomaly.kind == "answer-unknown":
            frame = anomaly.frames[-1]
            sender = "the server" if frame.direction == "to-client" else "the host"
            message = f"{frame.link}: {sender} sent an answer with the id {shown(str(frame.message.id))}, which no request had"
            yield answer_to_nobody.finding(message, anomaly.frames, frame.link)


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


JSONRPC: Final = Registry((unanswered, answered_twice, id_reused, answer_to_nobody, not_json_rpc))
"""All checks of this family."""
