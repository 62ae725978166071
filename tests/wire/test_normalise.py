"""The normal form: what is replaced, what stays, and its properties."""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcpsym.wire.exchange import correlate
from pytest_mcpsym.wire.frame import Direction, Envelope, Frame
from pytest_mcpsym.wire.log import Cause, Note, WireLog
from pytest_mcpsym.wire.normalise import normalise
from pytest_mcpsym.wire.route import routes
from tests.wire.strategies import Telling, conforming_logs, raw, renamed, reshuffled


def bodies(telling: Telling) -> list[dict[str, object]]:
    """Return the normal form's frames as parsed JSON without `jsonrpc`."""
    parsed = (cast("dict[str, object]", json.loads(frame.data)) for frame in normalise(telling.log).frames)
    return [{key: value for key, value in body.items() if key != "jsonrpc"} for body in parsed]


def meta_of(meta: dict[str, object]) -> object:
    telling = Telling()
    telling.request("a", "to-server", "r", "tools/call", {"name": "t"})
    telling.request("a", "to-client", "s", "sampling/createMessage", meta=meta)
    return cast("dict[str, dict[str, object]]", bodies(telling)[1])["params"]["_meta"]


def test_ids_become_numbers_of_the_requests_on_their_link_and_in_their_direction() -> None:
    telling = Telling()
    for link, direction in [("a", "to-server"), ("a", "to-server"), ("a", "to-client"), ("b", "to-server")]:
        request = telling.request(link, cast("Direction", direction), f"{link}-{len(telling.log)}", "ping")
        telling.answer(request)
    assert [body["id"] for body in bodies(telling)] == [1, 1, 2, 2, 1, 1, 1, 1]


def test_an_answer_with_an_id_of_another_type_shows_as_unknown() -> None:
    telling = Telling()
    telling.answer(telling.request("a", "to-server", 5, "ping"), ident="5")
    assert [body["id"] for body in bodies(telling)] == [1, "<unknown:1>"]


def test_an_unknown_id_on_another_link_is_another_unknown() -> None:
    telling = Telling()
    for link in ["a", "b", "a"]:
        telling.frame(link, "to-client", raw(id="x", result={}))
    assert [body["id"] for body in bodies(telling)] == ["<unknown:1>", "<unknown:1>", "<unknown:2>"]


def test_what_the_host_says_of_causes_is_its_own_business() -> None:
    telling = Telling()
    telling.request("a", "to-server", 9, "ping", meta={"dev.mcpsym/cause": 9})
    assert bodies(telling)[0]["params"] == {"_meta": {"dev.mcpsym/cause": 9}}


def test_an_error_for_nobody_keeps_its_null_id() -> None:
    telling = Telling()
    telling.frame("a", "to-client", raw(id=None, error={"code": -32700, "message": ""}))
    assert bodies(telling)[0]["id"] is None


def test_progress_tokens_become_numbers_and_unknown_ones_show() -> None:
    telling = Telling()
    telling.request("a", "to-server", 7, "tools/list")
    telling.request("a", "to-server", 8, "tools/call", {"name": "t"}, meta={"progressToken": "p"})
    telling.notify("a", "to-client", "progress", progressToken="p", progress=0.5)
    telling.notify("a", "to-client", "progress", progressToken="q", progress=0.5)
    _, unknown, call, known = bodies(telling)
    assert unknown["params"] == {"progressToken": "<unknown:1>", "progress": 0.5}
    assert call["params"] == {"name": "t", "_meta": {"progressToken": 1}}
    assert known["params"] == {"progressToken": 1, "progress": 0.5}


def test_a_cancellation_names_the_number_of_its_request() -> None:
    telling = Telling()
    telling.call("a", "x")
    telling.call("a", "y")
    telling.notify("a", "to-server", "cancelled", requestId="y", reason="enough")
    telling.notify("a", "to-server", "cancelled", requestId="z")
    assert [body.get("params") for body in bodies(telling)] == [
        {"requestId": "<unknown:1>"},
        {"name": "tool"},
        {"name": "tool"},
        {"requestId": 2, "reason": "enough"},
    ]


@pytest.mark.parametrize(
    ("meta", "becomes"),
    [
        ({"dev.mcpsym/cause": "r"}, {"dev.mcpsym/cause": 1}),
        ({"dev.mcpsym/cause": "q"}, {"dev.mcpsym/cause": "<unknown:1>"}),
        ({"io.modelcontextprotocol/subscriptionId": "r"}, {"io.modelcontextprotocol/subscriptionId": 1}),
        ({"io.modelcontextprotocol/related-task": {"taskId": "t"}}, {"io.modelcontextprotocol/related-task": {"taskId": "<task:1>"}}),
        ({"traceparent": "a", "tracestate": "b", "baggage": "a"}, {"traceparent": "<trace:1>", "tracestate": "<trace:2>", "baggage": "<trace:1>"}),
        ({"dev.mcpsym/budget": {"deadlineMs": 99.5, "hops": 3}}, {"dev.mcpsym/budget": {"deadlineMs": "<ms>", "hops": 3}}),
        ({"requestState": "s", "mine": "r"}, {"requestState": "s", "mine": "r"}),
    ],
)  # fmt: skip  # a row is one rule
def test_volatile_meta_is_replaced_and_the_rest_kept(meta: dict[str, object], becomes: object) -> None:
    assert meta_of(meta) == becomes


@pytest.mark.parametrize(
    ("method", "params", "result", "asked", "answered"),
    [
        ("tools/list", {"cursor": "c"}, {"nextCursor": "d"}, {"cursor": "<cursor:1>"}, {"nextCursor": "<cursor:2>"}),
        ("tools/call", {"requestState": "s"}, {"requestState": "s"}, {"requestState": "<state:1>"}, {"requestState": "<state:1>"}),
        ("tools/call", {}, {"continuation": "k"}, {}, {"continuation": "<continuation:1>"}),
        ("tools/call", {"taskId": "mine"}, {"taskId": "mine", "createdAt": "now"}, {"taskId": "mine"}, {"taskId": "mine", "createdAt": "now"}),
        ("tools/call", {}, {"task": {"taskId": "t", "createdAt": "1", "lastUpdatedAt": "2"}},
         {}, {"task": {"taskId": "<task:1>", "createdAt": "<time>", "lastUpdatedAt": "<time>"}}),
        ("tasks/get", {"taskId": "t"}, {"taskId": "t", "createdAt": "1"}, {"taskId": "<task:1>"}, {"taskId": "<task:1>", "createdAt": "<time>"}),
        ("tasks/list", {}, {"tasks": [{"taskId": "t"}, {"taskId": "u"}]}, {}, {"tasks": [{"taskId": "<task:1>"}, {"taskId": "<task:2>"}]}),
        ("elicitation/create", {"elicitationId": "e"}, {}, {"elicitationId": "<elicitation:1>"}, {}),
        ("resources/list", {}, {"resources": [{"annotations": {"lastModified": "1"}}]},
         {}, {"resources": [{"annotations": {"lastModified": "<time>"}}]}),
        ("tools/call", {}, {"content": [{"annotations": {"lastModified": "1"}}], "structuredContent": {"lastModified": "1"}},
         {}, {"content": [{"annotations": {"lastModified": "<time>"}}], "structuredContent": {"lastModified": "1"}}),
        ("prompts/get", {}, {"messages": [{"content": {"annotations": {"lastModified": "1"}}}]},
         {}, {"messages": [{"content": {"annotations": {"lastModified": "<time>"}}}]}),
        ("tools/call", {"arguments": {"id": 5, "cursor": "c", "taskId": "t"}}, {}, {"arguments": {"id": 5, "cursor": "c", "taskId": "t"}}, {}),
        ("tools/list", {"cursor": 5}, {"nextCursor": None}, {"cursor": 5}, {"nextCursor": None}),
    ],
)  # fmt: skip  # a row is one rule
def test_values_are_replaced_where_the_protocol_puts_them_and_nowhere_else(
    method: str, params: dict[str, object], result: dict[str, object], asked: object, answered: object
) -> None:
    telling = Telling()
    telling.request("a", "to-server", 1, method, params)
    telling.frame("a", "to-client", raw(id=1, result=result))
    assert [body.get("params", body.get("result")) for body in bodies(telling)] == [asked, answered]


def test_an_error_that_lists_elicitations_shows_the_number_of_each() -> None:
    telling = Telling()
    call = telling.call("a", 1)
    telling.answer(call, "error", code=-32042, data={"elicitations": [{"elicitationId": "e", "mode": "url"}]})
    telling.notify("a", "to-client", "elicitation/complete", elicitationId="e")
    notice, _, error = bodies(telling)
    assert notice["params"] == {"elicitationId": "<elicitation:1>"}
    assert cast("dict[str, object]", error["error"])["data"] == {
        "elicitations": [{"elicitationId": "<elicitation:1>", "mode": "url"}]
    }


def test_all_other_bytes_of_a_frame_stay_as_they_are() -> None:
    log = WireLog()
    log.frame(
        "a", "to-server", b'{ "jsonrpc":"2.0", "params": {"n": -0, "n": 1e2, "u":"\\u00fc"},"method" :"tools/call","id":"x" }'
    )
    assert normalise(log).frames[0].data == (
        b'{ "jsonrpc":"2.0", "params": {"n": -0, "n": 1e2, "u":"\\u00fc"},"method" :"tools/call","id":1 }'
    )


@pytest.mark.parametrize("data", [b"", b"[1]", b'{"id":7,"result":{}}', b"\xff"])
def test_what_is_no_message_stays_as_it_is(data: bytes) -> None:
    log = WireLog()
    log.frame("a", "to-client", data)
    assert normalise(log).frames[0].data == data


def test_http_is_kept_without_what_differs_from_run_to_run() -> None:
    log = WireLog()
    asked = (
        ("Host", "127.0.0.1:49152"),
        ("Mcp-Session-Id", "abc"),
        ("User-Agent", "x/1"),
        ("Last-Event-ID", "e"),
        ("Accept", "a/b"),
    )
    told = (("date", "today"), ("content-length", "5"), ("mcp-session-id", "abc"), ("authorization", "kept:80"))
    log.frame("a", "to-server", raw(id=9, method="ping"), Envelope(17, asked))
    log.frame("a", "to-client", raw(id=9, result={}), Envelope(17, told, 200, "e"))
    assert [frame.envelope for frame in normalise(log).frames] == [
        Envelope(1, (("Host", "127.0.0.1:<port>"), ("Mcp-Session-Id", "<session:1>"), ("Last-Event-ID", "<event:1>"), ("Accept", "a/b"))),
        Envelope(1, (("mcp-session-id", "<session:1>"), ("authorization", "kept:80")), 200, "<event:1>"),
    ]  # fmt: skip  # one line for each direction


def test_of_the_notes_only_the_opening_is_kept_and_without_its_target() -> None:
    telling = Telling()
    telling.open("a", "modern")
    telling.log.note("a", "stderr", text="hello")
    telling.log.note("a", "exit", status=0, asked=True)
    assert normalise(telling.log).notes == (Note(0, "a", 0.0, "open", {"transport": "memory", "era": "modern"}),)


def test_entries_are_numbered_anew_and_cause_records_with_them() -> None:
    telling = Telling()
    telling.log.note("agent", "stderr", text="shifts all numbers")
    run = telling.call("agent", "r")
    asked = telling.request("agent", "to-client", "m", meta={"dev.mcpsym/cause": "r"})
    telling.call("clock", "c", asked)
    telling.answer(run)
    normal = normalise(telling.log)
    assert [entry.seq for entry in normal] == [0, 1, 2, 3, 4]
    assert normal.causes == (Cause(3, 0.0, 2, 1, "routed"),)


def test_a_sole_cause_that_the_order_would_hide_is_written_down() -> None:
    telling = Telling()
    outer = telling.call("agent", 1)
    asked = telling.request("agent", "to-client", 1)
    sole = telling.request("agent", "to-client", 2)
    telling.call("agent", 2, asked)
    telling.answer(outer)
    before, after = routes(telling.log), routes(normalise(telling.log))
    assert before == str(after)
    assert [hop.evidence for hop in after.walk()] == [hop.evidence for hop in before.walk()] == ["routed", "sole", "sole"]
    assert sole.message.id == "2"


LOGS = conforming_logs(dropped=True, garbage=True)


@given(LOGS)
def test_the_normal_form_of_a_normal_form_is_itself(log: WireLog) -> None:
    once = normalise(log)
    assert normalise(once) == once


@given(LOGS)
def test_no_frame_is_lost_or_doubled(log: WireLog) -> None:
    def count(of: WireLog) -> Counter[tuple[str, Direction, str, str | None]]:
        return Counter((f.link, f.direction, f.message.kind, f.message.method) for f in of.frames)

    assert count(normalise(log)) == count(log)


@given(conforming_logs(dropped=True))
def test_ids_and_tokens_of_other_types_and_spellings_give_the_same_normal_form(log: WireLog) -> None:
    def other(ident: object) -> object:
        return f"renamed-{ident}" if isinstance(ident, int) else 1_000_000 + int(str(ident)[1:])

    assert normalise(renamed(log, other)) == normalise(log)


@given(conforming_logs(dropped=True), st.randoms(use_true_random=False))
def test_the_interleaving_of_links_does_not_show(log: WireLog, rng: Random) -> None:
    assert normalise(reshuffled(log, rng)) == normalise(log)


@given(conforming_logs(dropped=True))
def test_routes_and_states_are_those_of_the_log(log: WireLog) -> None:
    normal = normalise(log)
    assert Counter(hop.evidence for hop in routes(normal).walk()) == Counter(hop.evidence for hop in routes(log).walk())
    assert sorted((e.link, e.method, e.state) for e in correlate(normal).exchanges) == sorted(
        (e.link, e.method, e.state) for e in correlate(log).exchanges
    )


@given(conforming_logs())
def test_conforming_logs_hold_no_anomaly(log: WireLog) -> None:
    assert correlate(log).anomalies == ()


def test_frames_of_the_normal_form_are_at_time_zero() -> None:
    log = WireLog()
    log.frame("a", "to-server", raw(id=9, method="ping"))
    assert [frame.time for frame in normalise(log).frames if isinstance(frame, Frame)] == [0.0]
