"""The checks of the handshake's order: what they find and what they leave alone."""

from __future__ import annotations

import pytest

from pytest_mcpsym.checks import run
from pytest_mcpsym.wire.frame import Direction
from pytest_mcpsym.wire.log import WireLog
from tests.wire.strategies import Telling


@pytest.mark.parametrize(
    ("direction", "method", "severity"),
    [
        ("to-server", "tools/list", "error"),
        ("to-client", "roots/list", "warning"),
        ("to-client", "ping", None),
        ("to-server", "ping", None),
    ],
)
def test_a_request_in_the_middle_of_a_handshake_is_found_unless_it_is_a_ping(
    direction: Direction, method: str, severity: str | None
) -> None:
    telling = Telling()
    telling.answer(telling.request("weather", "to-server", 0, "initialize"))
    early = telling.request("weather", direction, 1, method)
    telling.answer(early)
    telling.notify("weather", "to-server", "initialized")
    found = [(one.check, one.severity, one.frames) for one in run(telling.log)]
    assert found == ([] if severity is None else [("lifecycle:before-initialized", severity, (early.seq,))])


def test_requests_after_the_handshake_are_no_finding() -> None:
    telling = Telling()
    telling.answer(telling.request("weather", "to-server", 0, "initialize"))
    telling.notify("weather", "to-server", "initialized")
    telling.answer(telling.request("weather", "to-server", 1, "tools/list"))
    assert run(telling.log) == ()


def test_a_modern_link_has_no_handshake() -> None:
    telling = Telling()
    telling.answer(telling.request("weather", "to-server", 1, "tools/list"))
    assert run(telling.log) == ()


def late(count: int, wait: float) -> list[str]:
    """What is found of answers that come once the host has begun to close the link."""
    now = 0.0
    telling = Telling()
    telling.log = WireLog(clock=lambda: now)
    calls = [telling.call("agent", number) for number in range(count)]
    now = wait
    telling.log.note("agent", "closing")
    for call in calls:
        telling.answer(call)
    return [each.check for each in run(telling.log)]


def test_answers_that_all_come_at_the_end_are_a_finding() -> None:
    assert late(2, 1.5) == ["lifecycle:answered-at-exit"]


@pytest.mark.parametrize(("count", "wait"), [(1, 1.5), (2, 0.5)])
def test_one_answer_or_quick_ones_may_come_at_the_end(count: int, wait: float) -> None:
    assert late(count, wait) == []


@pytest.mark.parametrize(("asked", "found"), [(True, ["lifecycle:answered-at-exit"]), (False, [])])
def test_one_answer_that_comes_when_a_link_that_never_opened_is_given_up_is_enough(asked: bool, found: list[str]) -> None:
    now = 0.0
    telling = Telling()
    telling.log = WireLog(clock=lambda: now)
    request = telling.request("weather", "to-server", 0, "initialize")
    now = 20.0
    telling.answer(request)
    telling.log.note("weather", "exit", status=0, asked=asked)
    assert [each.check for each in run(telling.log)] == found


def quitted(status: int, *, answered: bool) -> list[tuple[str, int]]:
    telling = Telling()
    call = telling.call("caller", 1)
    if answered:
        telling.answer(call)
    last = telling.notify("caller", "to-client", "message")
    telling.log.note("caller", "quit", status=status)
    telling.log.note("caller", "close", by="host")
    return [(each.check, last.seq - max(each.frames)) for each in run(telling.log)]


@pytest.mark.parametrize(("status", "answered"), [(1, True), (1, False), (0, False)])
def test_a_client_that_breaks_off_is_an_error_that_shows_what_it_was_sent_last(status: int, answered: bool) -> None:
    assert quitted(status, answered=answered) == [("lifecycle:client-quit", 0)]


def test_a_client_that_leaves_when_it_has_all_its_answers_is_no_finding() -> None:
    assert quitted(0, answered=True) == []
