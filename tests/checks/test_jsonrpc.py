"""The checks of JSON-RPC and the base protocol: each with what it finds and what it leaves alone."""

from __future__ import annotations

import json

import pytest

from pytest_mcpsym.checks import Finding, run
from pytest_mcpsym.wire.log import WireLog
from tests.wire.strategies import Telling, raw


def ids(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.check for finding in findings]


def test_a_conversation_by_the_rules_has_no_findings() -> None:
    telling = Telling()
    telling.answer(telling.request("weather", "to-server", 0, "initialize"))
    telling.notify("weather", "to-server", "initialized")
    telling.answer(telling.request("weather", "to-client", 0, "roots/list"), "error")
    telling.answer(telling.call("weather", 1), "error")
    telling.call("weather", 2)
    telling.notify("weather", "to-server", "cancelled", requestId=2)
    telling.log.note("weather", "close", by="host")
    assert run(telling.log) == ()


def test_a_request_that_the_server_never_answered_is_an_error_with_its_frame_and_route() -> None:
    telling = Telling()
    call = telling.call("weather", "s-5", name="forecast")
    telling.log.note("weather", "close", by="peer")
    message = 'weather: the server did not answer tools/call forecast (id "s-5") before the peer closed the link'
    assert run(telling.log) == (Finding("jsonrpc:unanswered", "error", message, (call.seq,), "weather", "host > weather"),)


def test_a_request_that_the_host_never_answered_is_a_warning_on_the_route_that_it_was_sent_for() -> None:
    telling = Telling()
    call = telling.call("agent", 1)
    telling.request("agent", "to-client", 0, "sampling/createMessage")
    telling.answer(call)
    (finding,) = run(telling.log)
    assert (finding.check, finding.severity, finding.route) == ("jsonrpc:unanswered", "warning", "host > agent")
    assert finding.message == "agent: the host did not answer sampling/createMessage (id 0) before the log ended"


def test_what_a_server_asked_for_a_call_that_was_cancelled_needs_no_answer() -> None:
    telling = Telling()
    telling.call("agent", 1)
    telling.request("agent", "to-client", 0, "sampling/createMessage")
    telling.notify("agent", "to-server", "cancelled", requestId=1)
    telling.log.note("agent", "close", by="host")
    assert run(telling.log) == ()


def test_each_unanswered_request_is_one_finding() -> None:
    telling = Telling()
    for number in range(3):
        telling.call("weather", number)
    assert [finding.frames for finding in run(telling.log)] == [(0,), (1,), (2,)]


def test_a_subscription_needs_no_answer() -> None:
    telling = Telling()
    telling.request("weather", "to-server", 1, "subscriptions/listen")
    assert run(telling.log) == ()


def test_a_second_answer_is_an_error_that_names_all_three_frames() -> None:
    telling = Telling()
    call = telling.call("weather", 5, name="forecast")
    telling.answer(call)
    telling.answer(call)
    (finding,) = run(telling.log)
    assert (finding.check, finding.frames, finding.route) == ("jsonrpc:answered-twice", (0, 1, 2), "host > weather")
    assert finding.message == "weather: the server answered tools/call forecast (id 5) again"


@pytest.mark.parametrize(("sent", "came", "shown"), [(5, "5", '"5"'), ("5", 5, "5"), (5, 5.0, "5.0"), ("a", None, None)])
def test_an_id_that_comes_back_with_another_type_names_the_request_it_meant(
    sent: object, came: object, shown: str | None
) -> None:
    telling = Telling()
    request = telling.call("weather", sent)
    telling.answer(request, ident="b" if came is None else came)
    found = next(finding for finding in run(telling.log) if finding.check != "jsonrpc:unanswered")
    if shown is None:
        assert found.check == "jsonrpc:answer-to-nobody"
        return
    assert found.message == f"weather: the server answered tools/call tool (id {json.dumps(sent)}) with the id {shown}"
    assert (found.check, found.frames, found.route) == ("jsonrpc:id-type-changed", (0, 1), "host > weather")


def test_an_id_of_another_type_that_was_answered_before_is_not_meant() -> None:
    telling = Telling()
    telling.answer(telling.call("weather", 5))
    telling.frame("weather", "to-client", raw(id="5", result={}))
    assert ids(run(telling.log)) == ["jsonrpc:answer-to-nobody"]


def test_an_id_reused_in_flight_is_an_error() -> None:
    telling = Telling()
    for frame in [telling.call("weather", 5), telling.call("weather", 5)]:
        telling.answer(frame)
    (finding,) = run(telling.log)
    assert (finding.check, finding.frames) == ("jsonrpc:id-reused", (0, 1))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"Server ready", "not JSON"),
        (b'[{"jsonrpc":"2.0"}]', "a JSON array"),
        (b'{"id":1,"result":{}}', "`jsonrpc` is missing"),
        (b"\xff\xfe", "not JSON"),
        (b"", "not JSON"),
    ],
)
def test_bytes_of_a_server_that_are_no_message_are_one_error_with_reason_and_excerpt(data: bytes, reason: str) -> None:
    telling = Telling()
    frame = telling.frame("weather", "to-client", data)
    (finding,) = run(telling.log)
    assert (finding.check, finding.severity, finding.frames) == ("jsonrpc:not-json-rpc", "error", (frame.seq,))
    assert reason in finding.message
    assert finding.message.endswith(repr(data)[1:])


def test_an_excerpt_is_escaped_and_at_most_eighty_bytes() -> None:
    telling = Telling()
    telling.frame("weather", "to-client", b"\x1b[31m" + b"a" * 5_000)
    (finding,) = run(telling.log)
    assert finding.message.isprintable()
    assert finding.message.endswith(r"'\x1b[31m" + "a" * 75 + "'...")


def test_what_the_host_sent_is_not_judged_as_bytes_of_the_server() -> None:
    telling = Telling()
    telling.frame("weather", "to-server", b"garbage on purpose")
    assert ids(run(telling.log)) == ["jsonrpc:silence"]


def test_a_hostile_method_name_is_shown_harmless_and_short() -> None:
    telling = Telling()
    telling.request("weather", "to-client", "\x1b[2J", "\x1b[2J\n" + "m" * 5_000)
    (finding,) = run(telling.log)
    assert finding.message.isprintable()
    assert len(finding.message) < 300


def test_findings_come_in_order_of_their_last_frames() -> None:
    telling = Telling()
    telling.frame("weather", "to-client", b"x")
    telling.call("weather", 1)
    telling.frame("weather", "to-client", b"y")
    assert [max(finding.frames) for finding in run(telling.log)] == [0, 1, 2]


def test_a_log_of_nothing_has_no_findings() -> None:
    assert run(Telling().log) == ()


def test_a_server_request_after_the_host_began_to_close_is_no_finding() -> None:
    telling = Telling()
    telling.open("e")
    telling.log.note("e", "closing")
    telling.request("e", "to-client", 0, "roots/list")
    telling.log.note("e", "close", by="host")
    assert run(telling.log) == ()


BROKEN = [
    b"garbage",
    b'{"jsonrpc":"2.0","id":1,"method":"ping\xff"}',
    b"5",
    b"null",
    b"[]",
    b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
    b"{}",
    b'{"id":1,"method":"ping"}',
    b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1}',
    b'{"jsonrpc":"2.0","method":1,"params":"bar"}',
    b'{"jsonrpc":"2.0","id":1,"method":"ping","params":"bar"}',
    *(b'{"jsonrpc":"2.0","id":%b,"method":"ping"}' % ident for ident in (b"null", b"1.5", b"true", b"{}", b"[1]")),
]


@pytest.mark.parametrize("data", BROKEN)
def test_broken_bytes_that_no_error_answers_are_a_warning(data: bytes) -> None:
    telling = Telling()
    telling.frame("weather", "to-server", data)
    (finding,) = run(telling.log)
    assert (finding.check, finding.severity, finding.frames) == ("jsonrpc:silence", "warning", (0,))


@pytest.mark.parametrize("data", BROKEN)
def test_broken_bytes_that_an_error_answers_are_no_finding(data: bytes) -> None:
    telling = Telling()
    telling.frame("weather", "to-server", data)
    telling.frame("weather", "to-client", raw(id=None, error={"code": -32600, "message": "no"}))
    assert run(telling.log) == ()


def test_one_error_answers_one_broken_message() -> None:
    telling = Telling()
    telling.frame("weather", "to-server", b"one")
    telling.frame("weather", "to-server", b"two")
    telling.frame("weather", "to-client", raw(id=None, error={"code": -32700, "message": "no"}))
    assert [finding.frames for finding in run(telling.log)] == [(1,)]


@pytest.mark.parametrize(("status", "found"), [(400, []), (202, ["jsonrpc:silence"])])
def test_broken_bytes_that_http_refuses_are_no_finding(status: int, found: list[str]) -> None:
    telling = Telling()
    telling.frame("weather", "to-server", b"garbage", stream=3)
    telling.log.note("weather", "http", exchange=3, event="response", status=status, headers=())
    assert ids(run(telling.log)) == found


@pytest.mark.parametrize("data", [b'{"method":"notifications/x"}', b'{"id":1,"result":{}}'])
def test_a_broken_notification_or_answer_is_owed_nothing(data: bytes) -> None:
    telling = Telling()
    telling.frame("weather", "to-server", data)
    assert run(telling.log) == ()


def test_a_check_of_silence_waits_for_the_end_of_the_log() -> None:
    telling = Telling()
    telling.frame("weather", "to-server", b"garbage")
    assert run(telling.log, closed=False) == ()


def test_an_error_with_the_id_of_a_broken_request_answers_it() -> None:
    telling = Telling()
    telling.frame("weather", "to-server", b'{"jsonrpc":"2.0","id":99}')
    telling.frame("weather", "to-client", raw(id=99, error={"code": -32600, "message": "no"}))
    assert run(telling.log) == ()


@pytest.mark.parametrize(("status", "found"), [(404, []), (500, ["jsonrpc:unanswered"])])
def test_a_request_that_http_refuses_is_answered_but_not_one_that_breaks_the_server(status: int, found: list[str]) -> None:
    telling = Telling()
    telling.request("weather", "to-server", 1, "tools/list", stream=3)
    telling.log.note("weather", "http", exchange=3, event="response", status=status, headers=())
    assert ids(run(telling.log)) == found


def left_open(method: str, sent: float, closed: float) -> list[str]:
    """What is found of a request that the host sent at a time, and closed the link at another."""
    now = 0.0
    telling = Telling()
    telling.log = WireLog(clock=lambda: now)
    now = min(sent, closed)
    if closed <= sent:
        telling.log.note("weather", "closing")
    now = sent
    telling.request("weather", "to-server", 1, method)
    now = closed
    if closed > sent:
        telling.log.note("weather", "closing")
    return ids(run(telling.log))


@pytest.mark.parametrize(("method", "sent", "closed"), [("tools/list", 2, 1), ("dev.mcpsym/cancel", 1, 1.5)])
def test_what_the_host_says_while_it_leaves_is_owed_no_answer(method: str, sent: float, closed: float) -> None:
    assert left_open(method, sent, closed) == []


@pytest.mark.parametrize(("method", "closed"), [("tools/list", 1.5), ("dev.mcpsym/cancel", 3)])
def test_what_the_host_asked_before_is_owed_one(method: str, closed: float) -> None:
    assert left_open(method, 1, closed) == ["jsonrpc:unanswered"]


@pytest.mark.parametrize(
    ("seconds", "reason", "found"),
    [(2.0, "timed out after 2 s", True), (0.5, "timed out after 0.5 s", False), (2.0, "nobody waits any more", False)],
)
def test_a_request_that_the_host_gave_up_since_no_answer_came_is_a_warning(seconds: float, reason: str, found: bool) -> None:
    now = 0.0
    telling = Telling()
    telling.log = WireLog(clock=lambda: now)
    telling.call("weather", 1)
    now = seconds
    telling.notify("weather", "to-server", "cancelled", requestId=1, reason=reason)
    assert [(each.check, each.severity) for each in run(telling.log)] == ([("jsonrpc:unanswered", "warning")] if found else [])


@pytest.mark.parametrize("timed_out", [True, False])
def test_a_modern_request_over_http_that_was_given_up_is_a_warning_where_it_took_too_long(timed_out: bool) -> None:
    now = 0.0
    telling = Telling()
    telling.log = WireLog(clock=lambda: now)
    telling.open("weather", "modern")
    telling.call("weather", 1, stream=1)
    now = 2.0
    more = {"timed_out": True} if timed_out else {}
    telling.log.note("weather", "http", exchange=1, event="closed", by="host", given_up=True, **more)
    assert [each.check for each in run(telling.log)] == (["jsonrpc:unanswered"] if timed_out else [])


def test_a_request_that_was_given_up_while_its_server_waited_for_another_is_not_that_servers_fault() -> None:
    now = 0.0
    telling = Telling()
    telling.log = WireLog(clock=lambda: now)
    telling.call("agent", 1)
    asked = telling.request("agent", "to-client", 0, params={"name": "clock__now"})
    telling.call("clock", 1, by=asked)
    now = 2.0
    for link in ("clock", "agent"):
        telling.notify(link, "to-server", "cancelled", requestId=1, reason="timed out")
    telling.notify("agent", "to-client", "cancelled", requestId=0)
    assert [(each.check, each.link) for each in run(telling.log)] == [("jsonrpc:unanswered", "clock")]
