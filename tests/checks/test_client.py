"""The checks of clients: what each finds, and what it lets pass."""

from __future__ import annotations

import json

import pytest

from pytest_mcpsym.checks.client import CLIENT
from pytest_mcpsym.checks.finding import judge
from pytest_mcpsym.wire.frame import Envelope
from pytest_mcpsym.wire.log import WireLog

Said = tuple[str, dict[str, object]]


def found(*said: Said, era: str = "handshake", http: dict[str, str] | None = None) -> list[str]:
    log = WireLog()
    log.note("server", "open", transport="stdio", era=era, target="x")
    for way, message in said:
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        headers = tuple(cast_headers(http)) if way == ">" else (("mcp-session-id", "s"),)
        envelope = None if http is None else Envelope(1, headers)
        log.frame("server", "to-server" if way == ">" else "to-client", data, envelope)
    log.note("server", "close", by="host")
    return [finding.check for finding in judge(log, CLIENT)]


def cast_headers(http: dict[str, str] | None) -> list[tuple[str, str]]:
    return list((http or {}).items())


def asked(number: int, method: str = "tools/list", **params: object) -> Said:
    return ">", {"id": number, "method": method, "params": params}


def answered(number: int, **result: object) -> Said:
    return "<", {"id": number, "result": result}


NOTHING: dict[str, object] = {}
NO_ROOTS: list[object] = []
QUESTION: Said = ("<", {"id": 0, "method": "roots/list"})
NEEDED = answered(1, resultType="input_required", inputRequests={"a": {"method": "roots/list"}}, requestState="s")
CALL = asked(1, "tools/call", name="x")


@pytest.mark.parametrize(
    ("said", "check"),
    [
        ([asked(1)], "client:left-in-flight"),
        ([(">", {"method": 5})], "client:not-json-rpc"),
        ([QUESTION, (">", {"id": 0, "result": NOTHING})], "client:malformed-answer"),
        ([QUESTION, (">", {"id": 0, "result": {"roots": [NOTHING]}})], "client:malformed-answer"),
        (
            [("<", {"id": 0, "method": "elicitation/create"}), (">", {"id": 0, "result": {"action": "yes"}})],
            "client:malformed-answer",
        ),
        (
            [("<", {"id": 0, "method": "sampling/createMessage"}), (">", {"id": 0, "result": {"role": "user"}})],
            "client:malformed-answer",
        ),
        ([asked(1, cursor="x"), answered(1)], "client:made-up-cursor"),
        ([asked(1), answered(1, nextCursor="a "), asked(2, cursor="a"), answered(2)], "client:made-up-cursor"),
        ([CALL, NEEDED, asked(2, "tools/call", name="x", inputResponses={"a": NOTHING}), answered(2)], "client:not-resumed"),
        ([CALL, NEEDED, asked(2, "tools/call", inputResponses={}, requestState="s"), answered(2)], "client:not-resumed"),
        ([CALL, answered(1), asked(2, "tools/call", requestState="s"), answered(2)], "client:not-resumed"),
        ([QUESTION, (">", {"id": "0", "result": {"roots": NO_ROOTS}})], "jsonrpc:id-type-changed"),
        ([(">", {"id": 9, "result": NOTHING})], "jsonrpc:answer-to-nobody"),
        ([QUESTION, *[(">", {"id": 0, "result": {"roots": NO_ROOTS}})] * 2], "jsonrpc:answered-twice"),
        ([asked(1), asked(1), answered(1), answered(1)], "jsonrpc:id-reused"),
        ([(">", {"method": "notifications/cancelled", "params": {"requestId": 9}})], "cancellation:unknown-request"),
        (
            [(">", {"method": "notifications/progress", "params": {"progressToken": 9, "progress": 1}})],
            "progress:unknown-token",
        ),
        ([asked(0, "initialize"), asked(1), answered(0), answered(1)], "lifecycle:before-initialized"),
    ],
)
def test_what_a_client_does_wrong_is_found(said: list[Said], check: str) -> None:
    assert found(*said) == [check]


@pytest.mark.parametrize(
    "said",
    [
        [asked(1), answered(1, nextCursor="a "), asked(2, cursor="a "), answered(2)],
        [CALL, NEEDED, asked(2, "tools/call", inputResponses={"a": NOTHING}, requestState="s"), answered(2)],
        [QUESTION, (">", {"id": 0, "error": {"code": -32601, "message": "no"}})],
        [QUESTION],
        [asked(1, "subscriptions/listen")],
        [asked(1), (">", {"method": "notifications/cancelled", "params": {"requestId": 1}})],
        [("<", {"id": 5, "result": NOTHING})],
    ],
)
def test_what_a_client_may_do_and_what_a_server_does_is_no_finding(said: list[Said]) -> None:
    assert found(*said) == []


ACCEPT = {"accept": "application/json, text/event-stream"}
HANDSHAKE = {**ACCEPT, "mcp-session-id": "s", "mcp-protocol-version": "2025-11-25"}
MODERN = {**ACCEPT, "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}


@pytest.mark.parametrize(("era", "headers"), [("handshake", HANDSHAKE), ("modern", MODERN)])
def test_a_client_sends_its_headers(era: str, headers: dict[str, str]) -> None:
    opened: list[Said] = [("<", {"id": 0, "result": {"protocolVersion": "2025-11-25"}})] if era == "handshake" else []
    assert found(*opened, asked(1), answered(1), era=era, http=headers) == []
    for name in headers:
        left = {key: value for key, value in headers.items() if key != name}
        assert found(*opened, asked(1), answered(1), era=era, http=left) == ["client:headers"]
