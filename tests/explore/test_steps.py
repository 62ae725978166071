"""Conversations without one of their steps: the others mean what they meant."""

from __future__ import annotations

import pytest

from pytest_mcpsym.explore import Ask, Cancel, Reconnect, Step, Wait
from pytest_mcpsym.explore.steps import without

A, B, C = Ask("a"), Ask("b", {"x": 1}), Ask("c", progress=True, id="")


@pytest.mark.parametrize(
    ("place", "left"),
    [
        (0, [B, Reconnect(), C, Wait(1)]),
        (1, [A, Reconnect(), C, Cancel(0), Wait(1)]),
        (2, [A, B, C, Cancel(0), Wait(2)]),
        (3, [A, B, Reconnect(), Cancel(0)]),
        (4, [A, B, Reconnect(), C, Wait(2)]),
    ],
)
def test_a_step_is_left_out_with_those_that_mean_it(place: int, left: list[Step]) -> None:
    assert without([A, B, Reconnect(), C, Cancel(0), Wait(2)], place) == left


@pytest.mark.parametrize("step", [A, B, C, Cancel(1), Wait(2), Reconnect()])
def test_the_text_of_a_step_makes_it_again(step: Step) -> None:
    names = {each.__name__: each for each in (Ask, Cancel, Wait, Reconnect)}
    assert eval(repr(step), names) == step  # noqa: S307 - of this file
