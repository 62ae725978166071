"""For which call a server asks, and what it asks for nobody."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_mcpsym.checks import run
from pytest_mcpsym.wire.extension import CAUSE_KEY, CONTINUE
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog
from tests.wire.strategies import Telling


def told(telling: Telling) -> list[tuple[str, str, tuple[int, ...]]]:
    found = [each for each in run(telling.log) if each.check.startswith("origin:")]
    return [(each.check, each.severity, each.frames) for each in found]


def asked(telling: Telling, cause: object = None, method: str = "sampling/createMessage", stream: int | None = None) -> Frame:
    meta = None if cause is None else {CAUSE_KEY: cause}
    frame = telling.request("agent", "to-client", f"s{len(telling.log)}", method, meta=meta, stream=stream)
    telling.answer(frame)
    return frame


def test_what_is_asked_for_a_call_in_flight_is_no_finding() -> None:
    telling = Telling()
    call = telling.call("agent", 1)
    asked(telling, 1)
    telling.answer(call)
    assert told(telling) == []


@pytest.mark.parametrize("cause", ["1", 2])
def test_a_cause_that_nobody_sent_is_an_error_also_where_only_its_type_differs(cause: object) -> None:
    telling = Telling()
    telling.answer(telling.call("agent", 1))
    call = telling.call("agent", 3)
    wrong = asked(telling, cause)
    telling.answer(call)
    assert told(telling) == [("origin:unknown-cause", "error", (wrong.seq,))]


def test_a_cause_of_another_link_is_an_error() -> None:
    telling = Telling()
    telling.answer(telling.call("code", 1))
    call = telling.call("agent", 2)
    wrong = asked(telling, 1)
    telling.answer(call)
    assert told(telling) == [("origin:unknown-cause", "error", (wrong.seq,))]


@pytest.mark.parametrize(("stream", "severity"), [(1, "error"), (2, "warning")])
def test_asking_for_a_call_that_was_answered_is_an_error_unless_it_came_on_another_stream(stream: int, severity: str) -> None:
    telling = Telling()
    call = telling.call("agent", 1, stream=1)
    telling.answer(call)
    wrong = asked(telling, 1, stream=stream)
    assert told(telling) == [("origin:unknown-cause", severity, (call.seq, wrong.seq))]


def cancelled(after: float, *, knew: bool) -> Telling:
    """A log in which a server asks for a call that was cancelled a while ago."""
    now = 0.0
    telling = Telling()
    telling.log = WireLog(clock=lambda: now)
    telling.call("agent", 1)
    first = telling.request("agent", "to-client", "s", "sampling/createMessage", meta={CAUSE_KEY: 1})
    telling.notify("agent", "to-server", "cancelled", requestId=1)
    if knew:
        telling.notify("agent", "to-client", "cancelled", requestId="s")
    else:
        telling.answer(first)
    now = after
    asked(telling, 1)
    return telling


@pytest.mark.parametrize(("after", "knew", "found"), [(0.5, False, 0), (0.5, True, 1), (1.5, False, 1)])
def test_asking_for_a_cancelled_call_is_an_error_once_the_server_knew(after: float, knew: bool, found: int) -> None:
    assert len(told(cancelled(after, knew=knew))) == found


def test_what_is_asked_while_nothing_is_in_flight_is_a_warning() -> None:
    telling = Telling()
    telling.answer(telling.call("agent", 1))
    wrong = asked(telling)
    assert told(telling) == [("origin:nobody", "warning", (wrong.seq,))]


@pytest.mark.parametrize("method", ["ping", "roots/list", "example/own"])
def test_what_belongs_to_the_link_is_asked_at_any_time(method: str) -> None:
    telling = Telling()
    asked(telling, method=method)
    assert told(telling) == []


def test_what_a_task_asks_outlives_its_call() -> None:
    telling = Telling()
    meta = {"io.modelcontextprotocol/related-task": {"taskId": "t"}}
    telling.answer(telling.request("agent", "to-client", "s", "elicitation/create", meta=meta))
    assert told(telling) == []


def both(telling: Telling, ask: Callable[[Telling], Frame]) -> tuple[Frame, Frame, Frame]:
    """Two calls in flight, and something asked."""
    one, two = telling.call("agent", 1), telling.call("agent", 2)
    frame = ask(telling)
    telling.answer(one)
    telling.answer(two)
    return one, two, frame


def test_a_symmetric_server_that_does_not_say_for_which_of_two_calls_it_asks_is_a_warning() -> None:
    telling = Telling()
    frames = both(telling, lambda each: asked(each, method="tools/call"))
    assert told(telling) == [("origin:unclear", "warning", tuple(frame.seq for frame in frames))]


def test_a_server_that_speaks_the_core_alone_cannot_say_for_which_call_it_asks() -> None:
    telling = Telling()
    both(telling, asked)
    assert told(telling) == []


def test_of_an_id_that_was_used_again_any_request_in_flight_is_a_cause() -> None:
    telling = Telling()
    first, second = telling.call("agent", 1), telling.call("agent", 1)
    telling.answer(first)
    asked(telling, 1)
    telling.answer(second)
    wrong = asked(telling, 1)
    assert [each for each in told(telling) if each[0] == "origin:unknown-cause"] == [
        ("origin:unknown-cause", "error", (second.seq, wrong.seq))
    ]


def test_of_very_many_requests_in_flight_a_finding_shows_the_oldest() -> None:
    telling = Telling()
    calls = [telling.call("agent", number) for number in range(150)]
    for call in calls[:20]:
        telling.answer(call)
    asked(telling, method="tools/call")
    (finding,) = [each for each in run(telling.log) if each.check == "origin:unclear"]
    assert "for which of 130 requests in flight" in finding.message
    assert finding.frames[:-1] == tuple(call.seq for call in calls[20:120])


def test_a_request_that_the_host_refused_since_it_may_be_for_several_calls_is_unclear() -> None:
    telling = Telling()
    calls = [telling.call("agent", 1), telling.call("agent", 2)]
    asked = telling.request("agent", "to-client", "s", "sampling/createMessage")
    telling.answer(asked, "error", data={"reason": "ambiguous"})
    for call in calls:
        telling.answer(call)
    assert told(telling) == [("origin:unclear", "warning", (*(call.seq for call in calls), asked.seq))]


def test_a_server_that_says_of_some_requests_what_they_are_for_says_it_of_each() -> None:
    telling = Telling()
    call = telling.call("agent", 1)
    asked(telling, 1)
    silent = asked(telling)
    telling.answer(call)
    assert told(telling) == [("origin:unclear", "warning", (call.seq, silent.seq))]


@pytest.mark.parametrize(
    ("name", "reason", "found"), [("b__t", "not-granted", True), ("agent__t", "not-granted", False), ("b__t", "limit", False)]
)
def test_asking_for_what_is_not_granted_is_a_warning(name: str, reason: str, found: bool) -> None:
    telling = Telling()
    call = telling.call("agent", 1)
    frame = telling.request("agent", "to-client", "s", "tools/call", {"name": name})
    telling.answer(frame, "error", data={"reason": reason})
    telling.answer(call)
    assert told(telling) == ([("origin:not-granted", "warning", (frame.seq,))] if found else [])


@pytest.mark.parametrize(("name", "found"), [("b__t", True), ("agent__t", False)])
def test_asking_in_a_leg_for_what_is_not_granted_is_a_warning(name: str, found: bool) -> None:
    telling = Telling()
    call = telling.call("agent", 1)
    asks = {"k": {"method": "tools/call", "params": {"name": name}}}
    telling.answer(call, resultType="dev.mcpsym/calls", calls=asks, continuation="c")
    refused = {"k": {"error": {"code": -32602, "message": "no", "data": {"reason": "not-granted"}}}}
    leg = telling.request("agent", "to-server", 2, CONTINUE, {"continuation": "c", "responses": refused})
    telling.answer(leg)
    assert told(telling) == ([("origin:not-granted", "warning", (leg.seq,))] if found else [])
