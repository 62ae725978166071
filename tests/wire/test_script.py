"""What `wire/script.py` promises: each frame of a server is in one script, behind what it waited for."""

from __future__ import annotations

from hypothesis import given

from pytest_mcpsym.wire.frame import Envelope
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.script import Answer, Cancel, LinkScripts, Reference, Send, scripts
from tests.wire.strategies import Telling, conforming_logs


def _told(telling: Telling) -> list[list[object]]:
    """Return the steps of each script: seqs of frames to send, and what is waited for."""
    return [[_step(step) for step in script.steps] for script in scripts(telling.log)["a"].scripts]


def _step(step: Send | Answer | Cancel) -> object:
    match step:
        case Send():
            return step.frame.seq
        case Answer():
            return f"answer {step.answer.seq}"
        case Cancel():
            return "cancel"


def _only(telling: Telling) -> LinkScripts:
    return scripts(telling.log)["a"]


def test_answer_and_progress_are_in_the_script_of_their_request() -> None:
    telling = Telling()
    one = telling.request("a", "to-server", 1, meta={"progressToken": 9})
    two = telling.request("a", "to-server", 2)
    telling.answer(two)
    telling.notify("a", "to-client", "progress", progressToken=9, progress=1)
    telling.answer(one)
    assert _told(telling) == [[], [3, 4], [2]]


def test_ids_and_tokens_of_the_client_are_to_be_rewritten() -> None:
    telling = Telling()
    one = telling.request("a", "to-server", 1, meta={"progressToken": 9})
    telling.notify("a", "to-client", "progress", progressToken=9, progress=1)
    telling.request("a", "to-client", 1, "sampling/createMessage", meta={"dev.mcpsym/cause": 1})
    telling.answer(one)
    steps = _only(telling).scripts[1].steps
    assert [step.references for step in steps if isinstance(step, Send)] == [
        (Reference(("params", "progressToken"), "token", 1),),
        (Reference(("params", "_meta", "dev.mcpsym/cause"), "id", 1),),
        (Reference(("id",), "id", 1),),
    ]


def test_what_was_recorded_after_an_answer_of_the_client_waits_for_it() -> None:
    telling = Telling()
    call = telling.request("a", "to-server", 1)
    telling.answer(telling.request("a", "to-client", 1, "sampling/createMessage"))
    telling.answer(call)
    assert _told(telling) == [[], [1, "answer 2", 3]]


def test_a_request_of_the_server_is_in_the_script_of_the_request_that_it_names_as_its_cause() -> None:
    telling = Telling()
    telling.request("a", "to-server", 1)
    telling.request("a", "to-server", 2)
    telling.request("a", "to-client", 7, "sampling/createMessage", meta={"dev.mcpsym/cause": 1})
    assert _told(telling) == [[], [2], []]


def test_a_notification_is_in_the_script_of_the_request_whose_stream_carried_it() -> None:
    telling = Telling()
    telling.request("a", "to-server", 1, "completion/complete", stream=4)
    telling.request("a", "to-server", 2, stream=5)
    telling.notify("a", "to-client", "message", stream=4, level="info", data="x")
    assert _told(telling) == [[], [2], []]


def test_what_comes_on_the_stream_of_an_answered_request_belongs_to_the_link() -> None:
    telling = Telling()
    telling.answer(telling.request("a", "to-server", 1, stream=4))
    telling.request("a", "to-server", 2, stream=5)
    telling.notify("a", "to-client", "message", stream=4, level="info", data="x")
    assert _told(telling) == [[], [1], [3]]


def test_only_the_first_answer_of_the_client_is_waited_for() -> None:
    telling = Telling()
    telling.request("a", "to-server", 1)
    asked = telling.request("a", "to-client", 7, "sampling/createMessage")
    telling.answer(asked, content="first")
    telling.answer(asked, content="second")
    assert _told(telling) == [[], [1, "answer 2"]]


def test_frames_of_the_link_follow_the_last_frame_of_the_client() -> None:
    telling = Telling()
    telling.notify("a", "to-client", "message", level="info", data="early")
    first = telling.request("a", "to-server", 1, "initialize")
    telling.answer(first)
    telling.notify("a", "to-server", "initialized")
    telling.notify("a", "to-client", "tools/list_changed")
    roots = telling.request("a", "to-client", 0, "roots/list")
    telling.answer(telling.request("a", "to-server", 2))
    telling.answer(roots, roots=[])
    telling.notify("a", "to-client", "message", level="info", data="late")
    assert _told(telling) == [[0], [2], [4, 5, "answer 8", 9], [7]]


def test_a_cancelled_exchange_waits_for_its_cancellation() -> None:
    telling = Telling()
    telling.request("a", "to-server", 1)
    telling.notify("a", "to-client", "message", level="info", data="x")
    telling.notify("a", "to-server", "cancelled", requestId=1)
    telling.notify("a", "to-client", "message", level="info", data="y")
    assert _told(telling) == [[], [1, "cancel", 3]]


def test_a_response_stream_that_the_host_closed_is_a_cancellation_in_the_modern_era() -> None:
    telling = Telling()
    telling.open("a", "modern")
    telling.request("a", "to-server", 1, stream=3)
    telling.log.note("a", "http", exchange=3, event="closed", by="host")
    assert _told(telling) == [[], ["cancel"]]


def test_a_cancellation_that_came_too_late_is_not_waited_for() -> None:
    telling = Telling()
    telling.answer(telling.request("a", "to-server", 1))
    telling.notify("a", "to-server", "cancelled", requestId=1)
    telling.notify("a", "to-client", "message", level="info", data="x")
    assert _told(telling) == [[], [1, 3]]


def test_notifications_of_a_subscription_follow_what_they_followed() -> None:
    telling = Telling()
    telling.request("a", "to-server", "s", "subscriptions/listen", stream=1)
    meta = {"io.modelcontextprotocol/subscriptionId": "s"}
    telling.notify("a", "to-client", "subscriptions/acknowledged", stream=1, _meta=meta)
    telling.answer(telling.request("a", "to-server", 2, stream=2))
    telling.notify("a", "to-client", "resources/updated", stream=1, uri="x", _meta=meta)
    assert _told(telling) == [[], [1], [3, 4]]
    send = _only(telling).scripts[2].steps[1]
    assert isinstance(send, Send)
    assert (send.carrier, send.references) == (
        1,
        (Reference(("params", "_meta", "io.modelcontextprotocol/subscriptionId"), "id", 1),),
    )


def test_without_http_a_frame_goes_on_the_stream_that_it_would_have_come_on() -> None:
    telling = Telling()
    call = telling.request("a", "to-server", 1)
    telling.notify("a", "to-client", "message", level="info", data="x")
    telling.answer(call)
    telling.notify("a", "to-server", "initialized")
    telling.notify("a", "to-client", "message", level="info", data="y")
    found = [step.carrier for script in _only(telling).scripts for step in script.steps if isinstance(step, Send)]
    assert found == [1, 1, None]


def test_with_http_a_frame_goes_on_the_stream_that_carried_it_and_an_answer_never_on_the_link() -> None:
    telling = Telling()
    call = telling.request("a", "to-server", 1, stream=1)
    telling.notify("a", "to-client", "message", stream=9, level="info", data="x")
    telling.log.frame("a", "to-client", telling.answer(call).data, Envelope(9))
    assert [step.carrier for step in _only(telling).scripts[1].steps if isinstance(step, Send)] == [None, 1, 1]


def test_a_request_comes_after_those_that_had_ended_before_it() -> None:
    telling = Telling()
    one = telling.request("a", "to-server", 1)
    two = telling.request("a", "to-server", 2)
    telling.answer(two)
    three = telling.request("a", "to-server", 3)
    telling.answer(one)
    telling.answer(three)
    found = _only(telling)
    assert ([script.after for script in found.scripts], found.ended) == ([0, 0, 0, 1], (2, 1, 3))


def test_a_ping_is_optional() -> None:
    telling = Telling()
    telling.answer(telling.request("a", "to-server", 1, "ping"))
    found = _only(telling)
    assert (found.scripts[1].optional, found.ended, found.required) == (True, (), ())


def test_frames_of_the_link_never_wait_for_what_is_optional() -> None:
    telling = Telling()
    telling.notify("a", "to-server", "initialized")
    ping = telling.request("a", "to-server", 1, "ping")
    telling.notify("a", "to-client", "tools/list_changed")
    telling.answer(ping)
    assert _told(telling) == [[], [2], [3]]


def test_a_list_that_follows_the_call_of_an_unlisted_tool_is_optional_with_all_its_pages() -> None:
    telling = Telling()
    telling.answer(telling.request("a", "to-server", 1, "tools/list"), tools=[{"name": "x"}])
    telling.answer(telling.request("a", "to-server", 2, params={"name": "x"}))
    telling.answer(telling.request("a", "to-server", 3, "tools/list"), tools=[])
    telling.answer(telling.request("a", "to-server", 4, params={"name": "y"}))
    telling.answer(telling.request("a", "to-server", 5, "tools/list"), tools=[], nextCursor="2")
    telling.answer(telling.request("a", "to-server", 6, "tools/list", {"cursor": "2"}), tools=[{"name": "y"}])
    telling.answer(telling.request("a", "to-server", 7, "tools/list"), tools=[])
    assert [script.optional for script in _only(telling).scripts] == [False, False, False, False, False, True, True, False]


def test_garbage_of_the_server_follows_what_it_followed() -> None:
    telling = Telling()
    telling.frame("a", "to-server", b"?")
    telling.request("a", "to-server", 1)
    telling.frame("a", "to-client", b"[garbage")
    assert _told(telling) == [[], [2]]


@given(conforming_logs(dropped=True, garbage=True))
def test_each_frame_of_a_server_is_in_one_script(log: WireLog) -> None:
    for link, found in scripts(log).items():
        sent = sorted(step.frame.seq for script in found.scripts for step in script.steps if isinstance(step, Send))
        assert sent == [frame.seq for frame in log.on(link) if frame.direction == "to-client"]


@given(conforming_logs(dropped=True, garbage=True))
def test_the_steps_of_a_script_are_in_recorded_order_behind_what_began_it(log: WireLog) -> None:
    for found in scripts(log).values():
        for script in found.scripts:
            seqs = [
                step.frame.seq if isinstance(step, Send) else step.answer.seq
                for step in script.steps
                if not isinstance(step, Cancel)
            ]
            assert seqs == sorted(seqs)
            assert script.trigger is None or all(script.trigger.seq < seq for seq in seqs)
