"""Correlation, rule by rule."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcpsym.wire.exchange import AnomalyKind, Correlation, Exchange, State, correlate
from pytest_mcpsym.wire.frame import Direction
from pytest_mcpsym.wire.log import WireLog
from tests.wire.strategies import Telling, raw


def only(correlation: Correlation) -> Exchange:
    (exchange,) = correlation.exchanges
    return exchange


def kinds(correlation: Correlation) -> list[AnomalyKind]:
    return [anomaly.kind for anomaly in correlation.anomalies]


@pytest.mark.parametrize("direction", ["to-server", "to-client"])
@pytest.mark.parametrize("kind", ["result", "error"])
def test_an_answer_ends_the_exchange_of_its_request(direction: Direction, kind: State) -> None:
    telling = Telling()
    request = telling.request("weather", direction, 5)
    answer = telling.answer(request, "error" if kind == "error" else "result")
    exchange = only(correlate(telling.log))
    assert (exchange.state, exchange.response, exchange.end) == (kind, answer, answer.seq)


def test_exchanges_come_in_order_of_their_requests_over_links_and_directions() -> None:
    telling = Telling()
    first, second = telling.request("b", "to-server", 1), telling.request("b", "to-client", 1)
    third = telling.request("a", "to-server", 1)
    telling.answer(third)
    telling.answer(first)
    assert [exchange.request for exchange in correlate(telling.log).exchanges] == [first, second, third]


def test_a_request_without_an_answer_stays_open() -> None:
    telling = Telling()
    telling.request("weather", "to-server", 5)
    telling.log.note("weather", "close", by="host")
    telling.log.note("weather", "exit", status=0, asked=True)
    assert only(correlate(telling.log)).state == "open"


@pytest.mark.parametrize(("asked", "answered"), [(5, "5"), ("5", 5), (1, True), (1, 1.0), ("a", "A")])
def test_an_id_of_another_type_or_spelling_answers_nobody(asked: object, answered: object) -> None:
    telling = Telling()
    telling.answer(telling.request("weather", "to-server", asked), ident=answered)
    correlation = correlate(telling.log)
    assert (only(correlation).state, kinds(correlation)) == ("open", ["answer-unknown"])


def test_two_requests_with_one_id_on_two_links_or_in_two_directions_are_strangers() -> None:
    telling = Telling()
    here = telling.request("a", "to-server", 1)
    telling.request("b", "to-server", 1)
    telling.request("a", "to-client", 1)
    telling.answer(here)
    assert [exchange.state for exchange in correlate(telling.log).exchanges] == ["result", "open", "open"]


def test_a_second_answer_is_an_anomaly_that_names_request_and_first_answer() -> None:
    telling = Telling()
    request = telling.request("weather", "to-server", 5)
    first, second = telling.answer(request), telling.answer(request, "error")
    correlation = correlate(telling.log)
    assert [(a.kind, a.frames) for a in correlation.anomalies] == [("answer-twice", (request, first, second))]
    assert only(correlation).response == first
    assert correlation.owner(second) == only(correlation)


@pytest.mark.parametrize("error", [raw(id=None, error={"code": -32700, "message": "?"}), raw(error={"code": 1, "message": ""})])
def test_an_error_without_an_id_answers_nobody_and_is_no_anomaly(error: bytes) -> None:
    log = WireLog()
    frame = log.frame("weather", "to-client", error)
    assert (correlate(log).owner(frame), correlate(log).anomalies) == (None, ())


def test_progress_belongs_to_the_request_whose_token_it_has() -> None:
    telling = Telling()
    telling.request("weather", "to-server", 1, meta={"progressToken": 7})
    telling.request("weather", "to-server", 2, meta={"progressToken": "7"})
    notice = telling.notify("weather", "to-client", "progress", progressToken="7", progress=1)
    correlation = correlate(telling.log)
    assert [exchange.progress for exchange in correlation.exchanges] == [(), (notice,)]
    assert correlation.owner(notice) == correlation.exchanges[1]


@pytest.mark.parametrize("token", [8, "7", None, [7], 7.0])
def test_progress_with_a_token_that_nobody_gave_is_an_anomaly(token: object) -> None:
    telling = Telling()
    telling.request("weather", "to-server", 1, meta={"progressToken": 7})
    telling.notify("weather", "to-client", "progress", progressToken=token, progress=1)
    assert kinds(correlate(telling.log)) == ["progress-unknown"]


def test_progress_of_the_requester_itself_is_an_anomaly() -> None:
    telling = Telling()
    telling.request("weather", "to-server", 1, meta={"progressToken": 7})
    telling.notify("weather", "to-server", "progress", progressToken=7, progress=1)
    assert kinds(correlate(telling.log)) == ["progress-unknown"]


def test_progress_after_the_answer_is_late_and_still_belongs_to_the_exchange() -> None:
    telling = Telling()
    request = telling.request("weather", "to-server", 1, meta={"progressToken": 7})
    answer = telling.answer(request)
    notice = telling.notify("weather", "to-client", "progress", progressToken=7, progress=1)
    correlation = correlate(telling.log)
    assert [(a.kind, a.frames) for a in correlation.anomalies] == [("progress-late", (request, answer, notice))]
    assert only(correlation).progress == (notice,)


def test_progress_goes_on_after_an_answer_that_is_a_task() -> None:
    telling = Telling()
    telling.answer(telling.request("weather", "to-server", 1, meta={"progressToken": 7}), task={"taskId": "t"})
    telling.notify("weather", "to-client", "progress", progressToken=7, progress=1)
    assert (only(correlate(telling.log)).state, kinds(correlate(telling.log))) == ("result", [])


def test_a_cancellation_ends_an_open_exchange() -> None:
    telling = Telling()
    telling.request("weather", "to-server", "x")
    notice = telling.notify("weather", "to-server", "cancelled", requestId="x")
    exchange = only(correlate(telling.log))
    assert (exchange.state, exchange.end, exchange.cancellations) == ("cancelled", notice.seq, (notice,))


def test_one_answer_after_a_cancellation_is_legal_and_leaves_it_cancelled() -> None:
    telling = Telling()
    request = telling.request("weather", "to-server", 1)
    notice = telling.notify("weather", "to-server", "cancelled", requestId=1)
    answer = telling.answer(request)
    correlation = correlate(telling.log)
    exchange = only(correlation)
    assert (exchange.state, exchange.response, exchange.end) == ("cancelled", answer, notice.seq)
    assert correlation.anomalies == ()


def test_a_second_answer_after_a_cancellation_is_an_anomaly() -> None:
    telling = Telling()
    request = telling.request("weather", "to-server", 1)
    telling.notify("weather", "to-server", "cancelled", requestId=1)
    telling.answer(request)
    telling.answer(request)
    assert kinds(correlate(telling.log)) == ["answer-twice"]


def test_a_cancellation_after_the_answer_changes_nothing() -> None:
    telling = Telling()
    answer = telling.answer(telling.request("weather", "to-server", 1))
    telling.notify("weather", "to-server", "cancelled", requestId=1)
    correlation = correlate(telling.log)
    assert (only(correlation).state, only(correlation).end, correlation.anomalies) == ("result", answer.seq, ())


@pytest.mark.parametrize(("direction", "ident"), [("to-client", 1), ("to-server", "1"), ("to-server", 2), ("to-server", None)])
def test_a_cancellation_of_what_the_sender_did_not_ask_is_an_anomaly(direction: Direction, ident: object) -> None:
    telling = Telling()
    telling.request("weather", "to-server", 1)
    telling.notify("weather", direction, "cancelled", requestId=ident)
    correlation = correlate(telling.log)
    assert (only(correlation).state, kinds(correlation)) == ("open", ["cancel-unknown"])


def test_a_server_may_cancel_the_subscription_of_its_client() -> None:
    telling = Telling()
    telling.request("weather", "to-server", 1, "subscriptions/listen")
    telling.notify("weather", "to-client", "cancelled", requestId=1)
    correlation = correlate(telling.log)
    assert (only(correlation).state, correlation.anomalies) == ("cancelled", ())


def test_an_id_may_be_used_again_after_its_answer() -> None:
    telling = Telling()
    for _ in range(2):
        telling.answer(telling.request("weather", "to-server", 1))
    correlation = correlate(telling.log)
    assert ([exchange.state for exchange in correlation.exchanges], correlation.anomalies) == (["result", "result"], ())


def test_an_id_used_again_in_flight_is_an_anomaly_and_both_requests_can_be_answered() -> None:
    telling = Telling()
    earlier, later = (telling.request("weather", "to-server", 1) for _ in range(2))
    first, second = telling.answer(earlier), telling.answer(later)
    correlation = correlate(telling.log)
    assert [(a.kind, a.frames) for a in correlation.anomalies] == [("id-reused", (earlier, later))]
    assert [exchange.response for exchange in correlation.exchanges] == [first, second]


def test_a_late_answer_of_a_cancelled_request_is_no_second_answer_of_the_next_with_its_id() -> None:
    telling = Telling()
    request = telling.request("weather", "to-server", 1)
    telling.notify("weather", "to-server", "cancelled", requestId=1)
    again = telling.request("weather", "to-server", 1)
    telling.answer(again)
    late = telling.answer(request)
    correlation = correlate(telling.log)
    assert (correlation.exchanges[0].response, correlation.anomalies) == (late, ())


def test_closing_a_modern_response_stream_cancels_the_request_that_it_was_opened_for() -> None:
    telling = Telling()
    telling.open("weather", "modern")
    telling.call("weather", 1, stream=1)
    telling.call("weather", 2, stream=2)
    note = telling.log.note("weather", "http", exchange=2, event="closed", by="host")
    states = [(exchange.state, exchange.end) for exchange in correlate(telling.log).exchanges]
    assert states == [("open", None), ("cancelled", note.seq)]


def test_closing_a_modern_link_cancels_nothing() -> None:
    telling = Telling()
    telling.open("weather", "modern")
    telling.call("weather", 1, stream=1)
    telling.log.note("weather", "closing")
    telling.log.note("weather", "http", exchange=1, event="closed", by="host")
    assert [exchange.state for exchange in correlate(telling.log).exchanges] == ["open"]


def test_a_call_that_was_given_up_is_cancelled_also_where_its_link_began_to_close_meanwhile() -> None:
    telling = Telling()
    telling.open("weather", "modern")
    telling.call("weather", 1, stream=1)
    telling.log.note("weather", "closing")
    note = telling.log.note("weather", "http", exchange=1, event="closed", by="host", given_up=True)
    exchange = only(correlate(telling.log))
    assert (exchange.state, exchange.end) == ("cancelled", note.seq)


@pytest.mark.parametrize(("era", "by"), [("handshake", "host"), ("modern", "peer")])
def test_a_stream_that_may_be_resumed_or_that_the_peer_closed_cancels_nothing(era: str, by: str) -> None:
    telling = Telling()
    telling.open("weather", era)
    telling.call("weather", 1, stream=1)
    telling.log.note("weather", "http", exchange=1, event="closed", by=by)
    assert only(correlate(telling.log)).state == "open"


@pytest.mark.parametrize(("data", "kind"), [(b"[]", "invalid"), (b"hello", "not-json"), (b'{"id":1}', "invalid")])
def test_bytes_that_are_no_message_are_anomalies_without_owner(data: bytes, kind: AnomalyKind) -> None:
    log = WireLog()
    frame = log.frame("weather", "to-client", data)
    correlation = correlate(log)
    assert (kinds(correlation), correlation.owner(frame)) == ([kind], None)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    ident = draw(st.sampled_from([0, 1, "1", None, 1.5, True, [1]]))
    return draw(
        st.sampled_from(
            [
                raw(id=ident, method="tools/call", params={"_meta": {"progressToken": ident}}),
                raw(id=ident, result={}),
                raw(id=ident, error={"code": 1, "message": ""}),
                raw(method="notifications/progress", params={"progressToken": ident}),
                raw(method="notifications/cancelled", params={"requestId": ident}),
                raw(method="notifications/cancelled", params=[ident]),
                raw(method="notifications/progress"),
                b"",
                b"[]",
            ]
        )
    )


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["to-server", "to-client"]), messages()), max_size=40))
def test_whatever_comes_each_frame_has_one_place(frames: list[tuple[str, Direction, bytes]]) -> None:
    log = WireLog()
    for frame in frames:
        log.frame(*frame)
    correlation = correlate(log)
    for exchange in correlation.exchanges:
        for frame in filter(None, [exchange.request, exchange.response, *exchange.progress, *exchange.cancellations]):
            assert correlation.owner(frame) == exchange
    broken = {anomaly.frames[-1].seq for anomaly in correlation.anomalies}
    for frame in log.frames:
        message = frame.message
        known = correlation.owner(frame) is not None or frame.seq in broken
        assert known or (message.kind == "error" and message.id in ("null", None))


def test_correlation_does_not_depend_on_other_links() -> None:
    telling = Telling()
    telling.answer(telling.request("a", "to-server", 1))
    telling.request("b", "to-server", 1)
    whole = correlate(telling.log)
    alone = correlate(telling.log.on("a"))
    assert alone.exchanges == whole.exchanges[:1]


def test_ids_are_kept_as_json_text() -> None:
    telling = Telling()
    telling.request("a", "to-server", "ü")
    assert json.loads(only(correlate(telling.log)).id) == "ü"
