"""The checks of progress: each with what it finds and what it leaves alone."""

from __future__ import annotations

import pytest

from pytest_mcpsym.checks import Finding, run
from pytest_mcpsym.wire.frame import Frame
from tests.wire.strategies import Telling


def asking(telling: Telling, stream: int | None = None) -> Frame:
    return telling.request("weather", "to-server", 1, params={"name": "forecast"}, meta={"progressToken": 7}, stream=stream)


def told(findings: tuple[Finding, ...]) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(finding.check, finding.severity, finding.frames) for finding in findings]


def test_progress_by_the_rules_has_no_findings() -> None:
    telling = Telling()
    call = asking(telling)
    for value in (0, 0.5, 100):
        telling.notify("weather", "to-client", "progress", progressToken=7, progress=value)
    telling.answer(call)
    assert run(telling.log) == ()


@pytest.mark.parametrize(("late", "severity"), [(1, "error"), (2, "warning")])
def test_progress_after_the_answer_is_an_error_unless_it_came_on_another_stream(late: int, severity: str) -> None:
    telling = Telling()
    telling.answer(asking(telling, stream=1))
    telling.notify("weather", "to-client", "progress", progressToken=7, progress=1, stream=late)
    assert told(run(telling.log)) == [("progress:after-result", severity, (0, 1, 2))]


@pytest.mark.parametrize("token", ["7", 8])
def test_progress_with_a_token_that_nobody_gave_is_an_error(token: object) -> None:
    telling = Telling()
    call = asking(telling)
    telling.notify("weather", "to-client", "progress", progressToken=token, progress=1)
    telling.answer(call)
    assert told(run(telling.log)) == [("progress:unknown-token", "error", (1,))]


def test_progress_with_the_token_of_another_link_is_an_error() -> None:
    telling = Telling()
    call = asking(telling)
    telling.notify("clock", "to-client", "progress", progressToken=7, progress=1)
    telling.answer(call)
    assert told(run(telling.log)) == [("progress:unknown-token", "error", (1,))]


@pytest.mark.parametrize(("second", "severity"), [(1, "error"), (2, "warning")])
def test_progress_that_goes_back_is_an_error_and_that_stands_still_a_warning(second: int, severity: str) -> None:
    telling = Telling()
    call = asking(telling)
    for value in (2, second):
        telling.notify("weather", "to-client", "progress", progressToken=7, progress=value)
    telling.answer(call)
    assert told(run(telling.log)) == [("progress:not-increasing", severity, (1, 2))]
