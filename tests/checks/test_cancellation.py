"""The checks of cancellation: each with what it finds and what it leaves alone."""

from __future__ import annotations

import pytest

from pytest_mcpsym.checks import Finding, run
from pytest_mcpsym.wire.frame import Direction
from pytest_mcpsym.wire.log import WireLog
from tests.wire.strategies import Telling


class Timed(Telling):
    """A telling with a clock that the test moves."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.log = WireLog(clock=lambda: self.now)


def found(telling: Telling) -> list[tuple[str, str, str]]:
    findings: tuple[Finding, ...] = run(telling.log)
    return [(one.check, one.severity, one.link) for one in findings if one.check.startswith("cancellation:")]


@pytest.mark.parametrize(("direction", "severity"), [("to-client", "error"), ("to-server", "warning")])
def test_a_cancellation_of_a_request_that_its_sender_never_made_is_found(direction: Direction, severity: str) -> None:
    telling = Telling()
    telling.answer(telling.call("weather", 1))
    telling.notify("weather", direction, "cancelled", requestId="1")
    assert found(telling) == [("cancellation:unknown-request", severity, "weather")]


def chain(telling: Timed, *, by_agent: bool, by_host: bool, after: float) -> None:
    """An agent's call is cancelled while what it asked for is in flight, whose answer comes some time later."""
    telling.call("agent", 1)
    asked = telling.request("agent", "to-client", 0, params={"name": "clock__now"})
    forwarded = telling.call("clock", 5, by=asked)
    telling.notify("agent", "to-server", "cancelled", requestId=1)
    if by_agent:
        telling.notify("agent", "to-client", "cancelled", requestId=0)
    if by_host:
        telling.notify("clock", "to-server", "cancelled", requestId=5)
    telling.now += after
    telling.answer(forwarded)
    telling.answer(asked)


def test_a_cancellation_that_is_passed_on_is_no_finding() -> None:
    telling = Timed()
    chain(telling, by_agent=True, by_host=True, after=60)
    assert found(telling) == []


def test_a_server_that_does_not_cancel_what_it_asked_for_is_an_error() -> None:
    telling = Timed()
    chain(telling, by_agent=False, by_host=False, after=60)
    assert found(telling) == [("cancellation:not-propagated", "error", "agent")]


def test_a_host_that_does_not_cancel_what_it_forwarded_is_an_error() -> None:
    telling = Timed()
    chain(telling, by_agent=True, by_host=False, after=60)
    assert found(telling) == [("cancellation:not-propagated", "error", "clock")]


def test_an_answer_that_crosses_the_cancellation_is_no_finding() -> None:
    telling = Timed()
    chain(telling, by_agent=False, by_host=False, after=0.5)
    assert found(telling) == []


@pytest.mark.parametrize(
    ("says", "after", "errors"),
    [
        ("Request cancelled", 0.1, ["cancellation:of-another"]),
        ("canceled by client", 0.1, ["cancellation:of-another"]),
        ("no such thing", 0.1, []),
        ("Request cancelled", 1.5, []),
    ],
)
def test_a_request_answered_as_cancelled_when_another_was_is_an_error(says: str, after: float, errors: list[str]) -> None:
    telling = Timed()
    telling.call("ann", 1)
    his = telling.call("bob", 1)
    telling.notify("ann", "to-server", "cancelled", requestId=1)
    telling.now += after
    telling.answer(his, "error", message=says)
    assert [check for check, _, _ in found(telling)] == errors


def test_a_request_answered_as_cancelled_since_what_it_needed_was_is_no_finding() -> None:
    telling = Timed()
    call = telling.call("agent", 1)
    asked = telling.request("agent", "to-client", 0, params={"name": "clock__now"})
    telling.call("clock", 5, by=asked)
    telling.notify("clock", "to-server", "cancelled", requestId=5)
    telling.answer(asked, "error", message="cancelled")
    telling.answer(call, "error", message="cancelled")
    assert found(telling) == []


@pytest.mark.parametrize(("after", "runs_on"), [(1.5, True), (0.5, False)])
def test_progress_long_after_a_cancellation_is_a_warning(after: float, runs_on: bool) -> None:
    telling = Timed()
    telling.request("weather", "to-server", 1, meta={"progressToken": 1})
    telling.notify("weather", "to-server", "cancelled", requestId=1)
    telling.now += after
    telling.notify("weather", "to-client", "progress", progressToken=1, progress=1)
    assert found(telling) == ([("cancellation:ran-on", "warning", "weather")] if runs_on else [])


@pytest.mark.parametrize(("after", "late"), [(1.5, True), (0.5, False)])
def test_a_cancellation_that_is_passed_on_too_late_is_an_error(after: float, late: bool) -> None:
    telling = Timed()
    telling.call("agent", 1)
    telling.call("clock", 5, by=telling.request("agent", "to-client", 0, params={"name": "clock__now"}))
    telling.notify("agent", "to-server", "cancelled", requestId=1)
    telling.now += after
    telling.notify("agent", "to-client", "cancelled", requestId=0)
    telling.notify("clock", "to-server", "cancelled", requestId=5)
    assert found(telling) == ([("cancellation:not-propagated", "error", "agent")] if late else [])
