"""What `wire/playback.py` promises: the recorded answers to the recorded requests, in their order, and never a wrong one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import cast

import pytest
from hypothesis import given

from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.match import path_text
from pytest_mcpsym.wire.miss import Miss
from pytest_mcpsym.wire.playback import Outcome, Playback
from pytest_mcpsym.wire.reading import read
from pytest_mcpsym.wire.recording import Head, LinkHead, write
from pytest_mcpsym.wire.redact import Redactor, redact
from pytest_mcpsym.wire.script import scripts
from tests.wire.strategies import Telling, conforming_logs, raw


def _playback(log: WireLog) -> Playback:
    return Playback(scripts(log)["a"])


def _call(ident: object, name: str = "tool", meta: object = None, **arguments: object) -> bytes:
    params: dict[str, object] = {"name": name, "arguments": arguments}
    return raw(id=ident, method="tools/call", params=params if meta is None else {**params, "_meta": meta})


def _recorded(*calls: tuple[str, Mapping[str, object], str]) -> Telling:
    """Tell calls one after the other: name, arguments, answer."""
    telling = Telling()
    for number, (name, arguments, answer) in enumerate(calls):
        request = telling.frame("a", "to-server", _call(number, name, **arguments))
        telling.answer(request, text=answer)
    return telling


def _data(outcome: Outcome) -> list[bytes]:
    assert outcome.miss is None
    return [reply.data for reply in outcome.replies]


def _texts(outcome: Outcome) -> list[object]:
    return [json.loads(data).get("result", {}).get("text") for data in _data(outcome)]


def _miss(outcome: Outcome) -> Miss:
    assert outcome.miss is not None
    assert outcome.replies == ()
    return outcome.miss


ADD: tuple[str, Mapping[str, object], str] = ("add", {"a": 1, "b": 2}, "3")


def test_a_recorded_request_is_answered_with_the_id_that_the_client_gave() -> None:
    playback = _playback(_recorded(ADD).log)
    assert _data(playback.receive(_call("x-9", "add", b=2, a=1.0))) == [b'{"jsonrpc":"2.0","id":"x-9","result":{"text":"3"}}']


def test_other_arguments_are_never_answered() -> None:
    miss = _miss(_playback(_recorded(ADD).log).receive(_call(1, "add", a=40, b=2)))
    assert (miss.reason, miss.label, miss.line, [path_text(one.path) for one in miss.differences]) == (
        "unknown",
        "tools/call add",
        2,
        ["params.arguments.a"],
    )


def test_a_miss_names_the_request_that_fails_and_leaves_the_recording_as_it_was() -> None:
    playback = _playback(_recorded(ADD).log)
    assert playback.receive(_call("x", "add", a=40)).failed == (b'"x"',)
    assert _texts(playback.receive(_call(2, "add", a=1, b=2))) == ["3"]


def test_equal_requests_are_answered_in_recorded_order() -> None:
    playback = _playback(_recorded(("next", {}, "1"), ("next", {}, "2")).log)
    assert [_texts(playback.receive(_call(n, "next"))) for n in (5, 6)] == [["1"], ["2"]]


def test_a_request_that_was_played_already_is_a_miss() -> None:
    playback = _playback(_recorded(ADD).log)
    playback.receive(_call(1, "add", a=1, b=2))
    miss = _miss(playback.receive(_call(2, "add", a=1, b=2)))
    assert (miss.reason, miss.differences, miss.played, miss.total, miss.next) == ("played", (), 1, 1, None)


def test_a_server_with_state_is_not_answered_for_in_another_order() -> None:
    telling = _recorded(("get", {}, "0"), ("increment", {}, "ok"), ("get", {}, "1"))
    playback = _playback(telling.log)
    assert _texts(playback.receive(_call(1, "get"))) == ["0"]
    miss = _miss(playback.receive(_call(2, "get")))
    assert (miss.reason, miss.line, miss.played, miss.total, miss.next) == ("early", 6, 1, 3, "tools/call increment")


def test_concurrent_requests_may_come_in_any_order() -> None:
    telling = Telling()
    one, two = (telling.frame("a", "to-server", _call(n, name)) for n, name in ((1, "x"), (2, "y")))
    telling.answer(one, text="x")
    telling.answer(two, text="y")
    playback = _playback(telling.log)
    assert [_texts(playback.receive(_call(n, name))) for n, name in ((1, "y"), (2, "x"))] == [["y"], ["x"]]


def test_requests_that_nobody_asked_remain() -> None:
    playback = _playback(_recorded(ADD, ("sub", {}, "0")).log)
    playback.receive(_call(1, "add", a=1, b=2))
    assert [script.asked.label for script in playback.remaining() if script.asked] == ["tools/call sub"]


def test_a_method_that_was_never_recorded_has_no_nearest_recording() -> None:
    miss = _miss(_playback(_recorded(ADD).log).receive(raw(id=1, method="prompts/list")))
    assert (miss.reason, miss.label, miss.line) == ("unknown", "prompts/list", None)


def test_of_two_near_recordings_the_one_that_was_not_played_is_named() -> None:
    playback = _playback(_recorded(("add", {"a": 1}, "1"), ("add", {"a": 2}, "2")).log)
    playback.receive(_call(1, "add", a=1))
    assert _miss(playback.receive(_call(2, "add", a=3))).line == 4


# --- frames of the server


def test_progress_carries_the_token_of_the_client() -> None:
    telling = Telling()
    call = telling.request("a", "to-server", 1, params={"name": "tool", "arguments": {}}, meta={"progressToken": 1})
    telling.notify("a", "to-client", "progress", progressToken=1, progress=0.5)
    telling.answer(call)
    data = _data(_playback(telling.log).receive(_call(7, meta={"progressToken": "t"})))
    assert [json.loads(one).get("params") for one in data] == [{"progressToken": "t", "progress": 0.5}, None]


def test_progress_that_the_client_did_not_ask_for_is_left_out() -> None:
    telling = Telling()
    call = telling.request("a", "to-server", 1, params={"name": "tool", "arguments": {}}, meta={"progressToken": 1})
    telling.notify("a", "to-client", "progress", progressToken=1, progress=0.5)
    telling.answer(call)
    assert len(_data(_playback(telling.log).receive(_call(7)))) == 1


def test_numbers_and_keys_of_the_answer_stay_as_they_were_spelled() -> None:
    telling = Telling()
    telling.frame("a", "to-server", _call(1))
    telling.frame("a", "to-client", b'{ "id":1, "result" :{"n":-0,"n":1e2}, "jsonrpc":"2.0"}')
    assert _data(_playback(telling.log).receive(_call(8))) == [b'{ "id":8, "result" :{"n":-0,"n":1e2}, "jsonrpc":"2.0"}']


def _sampling() -> Telling:
    telling = Telling()
    call = telling.frame("a", "to-server", _call(1))
    asked = telling.request("a", "to-client", 5, "sampling/createMessage", {"messages": []}, meta={"dev.mcpsym/cause": 1})
    telling.answer(asked, content="yes")
    telling.answer(call, text="done")
    return telling


def test_the_answer_waits_for_the_client_to_answer_the_server() -> None:
    playback = _playback(_sampling().log)
    (asked,) = _data(playback.receive(_call("k")))
    assert json.loads(asked)["params"]["_meta"] == {"dev.mcpsym/cause": "k"}
    assert _texts(playback.receive(raw(id=5, result={"content": "yes"}))) == ["done"]


def test_another_answer_to_the_server_is_a_miss_that_fails_the_request() -> None:
    playback = _playback(_sampling().log)
    playback.receive(_call("k"))
    outcome = playback.receive(raw(id=5, result={"content": "no"}))
    miss = _miss(outcome)
    assert (miss.reason, miss.label, miss.line, outcome.failed) == ("answer", "answer to sampling/createMessage", 4, (b'"k"',))
    assert [(path_text(one.path), one.recorded, one.sent) for one in miss.differences] == [("result.content", '"yes"', '"no"')]


def test_frames_of_the_link_come_after_the_notification_that_they_followed() -> None:
    telling = Telling()
    telling.notify("a", "to-client", "message", data="hello")
    telling.notify("a", "to-server", "initialized")
    telling.notify("a", "to-client", "tools/list_changed")
    playback = _playback(telling.log)
    assert [json.loads(reply.data)["method"] for reply in playback.open()] == ["notifications/message"]
    first, second = (playback.receive(raw(method="notifications/initialized")) for _ in range(2))
    assert ([json.loads(one)["method"] for one in _data(first)], _data(second)) == (["notifications/tools/list_changed"], [])


def test_a_cancelled_exchange_stays_open_until_it_is_cancelled() -> None:
    telling = Telling()
    telling.frame("a", "to-server", _call(1))
    telling.notify("a", "to-server", "cancelled", requestId=1)
    telling.notify("a", "to-client", "message", data="stopped")
    playback = _playback(telling.log)
    assert _data(playback.receive(_call("c"))) == []
    assert len(_data(playback.receive(raw(method="notifications/cancelled", params={"requestId": "c"})))) == 1


def test_closing_a_response_stream_cancels_too() -> None:
    telling = Telling()
    telling.open("a", "modern")
    telling.request("a", "to-server", 1, params={"name": "tool", "arguments": {}}, stream=3)
    telling.log.note("a", "http", exchange=3, event="closed", by="host")
    telling.notify("a", "to-client", "message", data="stopped")
    playback = _playback(telling.log)
    playback.receive(_call("c"))
    assert (len(playback.closed('"c"')), playback.closed('"unknown"')) == (1, ())


def test_a_reply_names_the_request_on_whose_stream_it_goes() -> None:
    outcome = _playback(_recorded(ADD).log).receive(_call("x", "add", a=1, b=2))
    assert [(reply.carrier, reply.recorded and reply.recorded.seq) for reply in outcome.replies] == [(b'"x"', 1)]


# --- what is optional


def test_a_ping_is_answered_even_if_it_was_not_recorded() -> None:
    assert _data(_playback(_recorded(ADD).log).receive(raw(id="p", method="ping"))) == [
        b'{"jsonrpc":"2.0","id":"p","result":{}}'
    ]


def test_a_list_that_the_client_sent_by_itself_need_not_be_asked() -> None:
    telling = _recorded(ADD)
    telling.answer(telling.request("a", "to-server", 8, "tools/list", {}), tools=[])
    telling.answer(telling.frame("a", "to-server", _call(9, "sub")), text="0")
    playback = _playback(telling.log)
    playback.receive(_call(1, "add", a=1, b=2))
    assert (_texts(playback.receive(_call(2, "sub"))), playback.remaining()) == (["0"], ())


@pytest.mark.parametrize(
    "data",
    [b"garbage", b"[]", b"{}", raw(id=99, result={}), raw(method="notifications/odd"), raw(method="notifications/cancelled")],
)
def test_what_was_not_asked_for_is_met_with_silence(data: bytes) -> None:
    assert _playback(_recorded(ADD).log).receive(data) == Outcome()


# --- what servers make up, and secrets


def _states(*states: str) -> Telling:
    telling = Telling()
    for number, state in enumerate(states):
        telling.request("a", "to-server", number, "dev.mcpsym/continue", {"continuation": state, "responses": {}})
    for request in telling.log.frames:
        telling.answer(request, text=f"after {request.message.params['continuation']}")
    return telling


def _continue(state: str) -> bytes:
    return raw(id=50, method="dev.mcpsym/continue", params={"continuation": state, "responses": {}})


def test_a_recorded_continuation_leads_to_its_own_answer() -> None:
    playback = _playback(_states("c-1", "c-2").log)
    assert [_texts(playback.receive(_continue(state))) for state in ("c-2", "c-1")] == [["after c-2"], ["after c-1"]]


def test_a_continuation_that_was_never_recorded_is_not_compared() -> None:
    assert _texts(_playback(_states("c-1").log).receive(_continue("minted today"))) == ["after c-1"]


def test_a_continuation_of_another_exchange_is_a_miss() -> None:
    playback = _playback(_states("c-1", "c-2").log)
    playback.receive(_continue("c-2"))
    miss = _miss(playback.receive(_continue("c-2")))
    assert (miss.reason, [(path_text(one.path), one.recorded, one.sent) for one in miss.differences]) == (
        "state",
        [("params.continuation", '"c-1"', '"c-2"')],
    )


def test_what_goes_on_from_an_answer_is_nearest_to_what_went_on_from_it() -> None:
    playback = _playback(_states("c-1", "c-2").log)
    again = raw(id=50, method="dev.mcpsym/continue", params={"continuation": "c-2", "responses": {"x": 1}})
    assert _miss(playback.receive(again)).line == 3


def _with_secrets(*secrets: str) -> Telling:
    telling = Telling()
    for number, secret in enumerate(secrets):
        telling.answer(telling.frame("a", "to-server", _call(number, password=secret)), text=f"{number}")
    return telling


def test_another_secret_in_the_place_of_a_secret_is_the_same_request() -> None:
    log = redact(_with_secrets("hunter22").log)
    redactor = Redactor()
    redactor.data(b'{"password":"something seen before"}')
    playback = Playback(scripts(log)["a"], redact=redactor.data)
    assert _texts(playback.receive(_call(1, password="other-one"))) == ["0"]


def test_one_secret_twice_is_not_two_secrets() -> None:
    playback = Playback(scripts(redact(_with_secrets("hunter22", "hunter23").log))["a"], redact=Redactor().data)
    playback.receive(_call(1, password="same-one"))
    miss = _miss(playback.receive(_call(2, password="same-one")))
    assert (miss.reason, [path_text(one.path) for one in miss.differences]) == ("secret", ["params.arguments.password"])


# --- whole recordings


def _renamed(frame: Frame, rename: Callable[[object], object]) -> bytes:
    """Rename the ids and tokens that the client made up."""
    message = cast("dict[str, object]", json.loads(frame.data))
    params = cast("dict[str, object]", message.get("params", {}))
    meta = cast("dict[str, object]", params.get("_meta", {}))
    asks, server = frame.message.kind == "request", frame.direction == "to-client"
    places = [(meta, "progressToken"), (meta, "dev.mcpsym/cause"), (params, "progressToken"), (params, "requestId")]
    for members, key in [*places, *([(message, "id")] if asks != server else [])]:
        if key in members:
            members[key] = rename(members[key])
    return raw(**{key: value for key, value in message.items() if key != "jsonrpc"})


def _name(value: object) -> object:
    return f"renamed {json.dumps(value)}"


@given(conforming_logs(dropped=True))
def test_a_client_that_does_the_same_gets_the_same(log: WireLog) -> None:
    head = Head("t", tuple(LinkHead(link, "handshake", "memory") for link in log.links), "s", "d")
    for link, found in scripts(read(write(redact(log), head)).log).items():
        playback = Playback(found)
        sent = [reply.data for reply in playback.open()]
        for frame in log.on(link):
            if frame.direction == "to-server":
                sent += _data(playback.receive(_renamed(frame, _name)))
        assert sorted(sent) == sorted(_renamed(frame, _name) for frame in log.on(link) if frame.direction == "to-client")
        assert playback.remaining() == ()


@given(conforming_logs(dropped=True, garbage=True))
def test_no_frame_of_a_client_breaks_a_playback(log: WireLog) -> None:
    for link, found in scripts(log).items():
        playback = Playback(found)
        playback.open()
        for frame in log.on(link):
            playback.receive(frame.data)


def test_a_thousand_equal_requests_are_each_answered_once() -> None:
    playback = _playback(_recorded(*[("next", cast("Mapping[str, object]", {}), str(n)) for n in range(1000)]).log)
    assert [_texts(playback.receive(_call(n, "next"))) for n in range(1000)] == [[str(n)] for n in range(1000)]
