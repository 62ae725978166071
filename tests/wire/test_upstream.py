"""Calls of HTTP APIs in the log: what caused them, and that every view of the log has them."""

from __future__ import annotations

import json

import pytest

from pytest_mcpsym.wire.log import Cause, Note, WireLog
from pytest_mcpsym.wire.normalise import normalise
from pytest_mcpsym.wire.reading import read
from pytest_mcpsym.wire.recording import Head, LinkHead, RecordingError, as_written, write
from pytest_mcpsym.wire.redact import redact
from pytest_mcpsym.wire.render import render
from pytest_mcpsym.wire.route import routes
from pytest_mcpsym.wire.upstream import body_data, body_of, callers_of, upstream_calls

URL = "https://tracker.example/issues/7"
HEAD = Head("t", (LinkHead("tracker", "handshake", "memory"), LinkHead("api", None, "upstream")), "mcp 2.3.0", "2026-01-31")


def opened(*callers: str) -> WireLog:
    log = WireLog(clock=lambda: 0.0)
    for name in callers:
        log.note(name, "open", transport="memory", era="handshake", target="x")
    log.note("api", "open", transport="upstream", target="https://tracker.example", callers=list(callers))
    return log


def ask(log: WireLog, ident: object, link: str = "tracker", method: str = "tools/call", **params: object) -> None:
    given = params or {"name": "get", "arguments": {}}
    log.frame(link, "to-server", json.dumps({"jsonrpc": "2.0", "id": ident, "method": method, "params": given}).encode())


def tell(log: WireLog, ident: object, link: str = "tracker", **result: object) -> None:
    log.frame(link, "to-client", json.dumps({"jsonrpc": "2.0", "id": ident, "result": result or {"content": []}}).encode())


def call(log: WireLog, number: int = 1, cause: object = None, body: bytes = b"") -> None:
    headers = [["authorization", "Bearer secret-token-12345"], ["user-agent", "x/1"]]
    headers += [["dev-mcpsym-cause", json.dumps(cause)]] if cause is not None else []
    log.note("api", "http", exchange=number, event="request", method="GET", url=URL, headers=headers, **body_data(body))


def answer(log: WireLog, number: int = 1, status: int = 200, body: bytes = b'{"number": 7}') -> None:
    headers = [["content-type", "application/json"], ["date", "today"]]
    log.note("api", "http", exchange=number, event="response", status=status, headers=headers, **body_data(body))


def causes(log: WireLog) -> list[tuple[str, str, str]]:
    return [(hop.caller, str(hop.callee), hop.evidence) for hop in routes(log).walk() if hop.callee == "api"]


def test_the_id_in_its_header_says_what_it_was_made_for() -> None:
    log = opened("tracker")
    ask(log, 1)
    ask(log, "1", name="other")
    call(log, cause="1")
    assert causes(log) == [("tracker", "api", "meta")]
    assert [hop.target for hop in routes(log) if hop.children] == ["other"]


def test_without_it_the_only_request_in_flight_is_taken() -> None:
    log = opened("tracker")
    ask(log, 1)
    call(log)
    assert causes(log) == [("tracker", "api", "sole")]
    assert routes(log) == "host > tracker > api"


def test_of_several_requests_none_is_guessed() -> None:
    log = opened("tracker")
    ask(log, 1)
    ask(log, 2)
    call(log, cause=3)
    assert causes(log) == [("tracker", "api", "ambiguous")]
    assert routes(log) == "host > tracker x2; tracker > api"


def test_of_several_servers_none_is_guessed() -> None:
    log = opened("tracker", "other")
    ask(log, 1)
    ask(log, 1, link="other")
    call(log, cause=1)
    assert causes(log) == [("unknown", "api", "ambiguous")]


def test_a_request_that_was_answered_caused_nothing_more() -> None:
    log = opened("tracker")
    ask(log, 1)
    tell(log, 1)
    call(log, cause=1)
    assert causes(log) == [("tracker", "api", "ambiguous")]


def test_a_handler_that_goes_on_in_legs_may_name_its_first_request() -> None:
    log = opened("tracker")
    ask(log, 1)
    tell(log, 1, resultType="dev.mcpsym/calls", continuation="c", calls={})
    ask(log, 2, method="dev.mcpsym/continue", continuation="c", responses={})
    ask(log, 3)
    call(log, cause=1)
    assert causes(log) == [("tracker", "api", "meta")]
    assert routes(log)[0].children[0].callee == "api"


def busy() -> WireLog:
    log = opened("tracker")
    ask(log, 5)
    ask(log, 6, name="other")
    call(log, 1, cause=6, body=b'{"a": 1}')
    call(log, 2, cause=5)
    answer(log, 2)
    call(log, 3)
    answer(log, 1, 500, b"\xff\x00")
    tell(log, 6)
    call(log, 4)
    log.note("api", "http", exchange=4, event="closed", by="peer", reason="ReadTimeout")
    tell(log, 5)
    return log


def said(log: WireLog) -> list[tuple[str, str, list[str]]]:
    return sorted((hop.target, hop.evidence, [child.evidence for child in hop.children]) for hop in routes(log).walk())


def test_the_normal_form_says_the_same_and_is_its_own() -> None:
    log = busy()
    normal = normalise(log)
    assert said(normal) == said(log)
    assert normalise(normal) == normal


def test_the_normal_form_does_not_depend_on_how_calls_were_interleaved() -> None:
    one, other = opened("tracker"), opened("tracker")
    for log, order in ((one, (1, 2)), (other, (2, 1))):
        ask(log, 1)
        ask(log, 2, name="other")
        for number, ident in enumerate(order, 1):
            call(log, number, cause=ident)
        for number in (2, 1):
            answer(log, number)
    assert render(normalise(one)) == render(normalise(other))


def test_the_transcript_shows_it_between_the_request_and_its_answer() -> None:
    shown = render(normalise(redact(busy())))
    assert (
        """
host → tracker  tools/call  get  #1
    {"name": "get", "arguments": {}}

tracker → api  GET https://tracker.example/issues/7  #2  because host → tracker #1 (meta)
    authorization: Bearer <authorization:1>
    dev-mcpsym-cause: 1

api → tracker  HTTP 200 of GET https://tracker.example/issues/7  #2
    content-type: application/json
    {"number": 7}
"""
        in shown
    )
    assert "HTTP 500 of GET https://tracker.example/issues/7  #4\n    content-type: application/json\n    2 bytes\n" in shown
    assert "api → tracker  closed by peer: GET https://tracker.example/issues/7  #3  ReadTimeout\n" in shown
    assert "secret-token" not in shown


def test_a_recording_holds_it() -> None:
    for log in (busy(), normalise(busy())):
        kept = as_written(log)
        found = read(write(redact(kept), HEAD))
        assert found.log == redact(kept)
        assert len(found.log.causes) == len(log.causes)
        assert found.head == HEAD
        assert routes(found.log) == str(routes(log))


def test_a_link_to_a_server_still_needs_its_era() -> None:
    data = write(as_written(busy()), HEAD).replace(b'"era":"handshake",', b"")
    with pytest.raises(RecordingError, match=r"`era` is missing in `links\.tracker`"):
        read(data)


def test_a_cause_record_of_a_note_that_is_no_call_is_refused() -> None:
    log = as_written(WireLog([*opened("tracker"), Cause(2, 0.0, 1, 1, "sole")]))
    assert not log.causes


@pytest.mark.parametrize("body", [b"", b"text", "ø".encode(), b"\xff"])
def test_a_body_is_kept_byte_for_byte(body: bytes) -> None:
    assert body_of(Note(0, "api", 0.0, "http", body_data(body))) == body


def test_calls_are_read_from_their_notes() -> None:
    first, second, third, fourth = upstream_calls(busy())
    assert [(each.number, each.status, each.exchange.state) for each in (first, second, third, fourth)] == [
        (1, 500, "result"),
        (2, 200, "result"),
        (3, None, "open"),
        (4, None, "cancelled"),
    ]
    assert first.method == "GET"
    assert first.url == URL


def test_the_http_notes_of_other_links_are_no_calls() -> None:
    log = WireLog()
    log.note("web", "open", transport="http", era="modern", target="x")
    log.note("web", "http", exchange=1, event="request", method="POST", url="http://x", headers=[])
    assert (callers_of(log), upstream_calls(log)) == ({}, ())
