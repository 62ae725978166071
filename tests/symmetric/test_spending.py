"""Budget and usage in `_meta`: what is written, what is read of it with distrust, and what a handler sees of both."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pytest_mcpsym.symmetric.spending import Budget, Usage

BUDGET = "dev.mcpsym/budget"
USAGE = "dev.mcpsym/usage"


@pytest.mark.parametrize("usage", [Usage(), Usage(3), Usage(0, 0.25), Usage(7, 1.5)])
def test_a_report_is_read_as_it_was_written(usage: Usage) -> None:
    assert Usage.of(usage.meta()) == usage


def test_nothing_spent_is_not_reported() -> None:
    assert Usage().meta() == {}


def test_a_cost_is_not_spelled_with_the_error_of_its_sum() -> None:
    assert (Usage(0, 0.1) + Usage(0, 0.2)).meta() == {USAGE: {"costUsd": 0.3}}


@pytest.mark.parametrize(
    "said",
    [None, [], "7", {"tokens": -7}, {"tokens": "7"}, {"tokens": True}, {"tokens": float("nan")}, {"costUsd": float("inf")}],
)
def test_a_report_that_is_none_gives_nothing_back(said: object) -> None:
    assert Usage.of({USAGE: said}) == Usage()


def test_what_goes_beyond_a_count_is_never_negative() -> None:
    assert Usage(5, 1.0).beyond(Usage(7, 0.25)) == Usage(0, 0.75)


@pytest.mark.parametrize("budget", [Budget(), Budget(1.5, 3, 9, 100, 0.5), Budget(tokens=0), Budget(cost_usd=0.25)])
def test_a_stamp_is_read_as_it_was_written(budget: Budget) -> None:
    assert Budget.of(budget.meta()) == budget


@pytest.mark.parametrize("meta", [None, {}, {BUDGET: None}, {BUDGET: {"tokens": -1, "hops": "3", "deadlineMs": True}}])
def test_what_was_not_said_is_unknown(meta: Mapping[str, object] | None) -> None:
    assert Budget.of(meta) == Budget()


def test_what_is_left_is_never_negative() -> None:
    assert Budget(1.0, 3, 9, 100, 0.5).after(Usage(120, 0.75), 2.0) == Budget(0.0, 3, 9, 0, 0.0)
