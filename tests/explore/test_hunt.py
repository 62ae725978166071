"""The search that both explorers share: what it returns, what it tries no more, and how it shortens what it found."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import strategies as st

from pytest_mcpsym.explore import Extra, Hold, Move, Tell
from pytest_mcpsym.explore.hunt import hunt

MOVES = st.lists(
    st.builds(Tell, st.integers(0, 3), st.sampled_from(["a", "b"]), times=st.integers(1, 9))
    | st.builds(Hold, st.integers(0, 3)),
    max_size=6,
)


def needs_b(moves: Sequence[Move]) -> str:
    return "broken" if any(isinstance(move, Tell) and move.method == "b" for move in moves) else ""


def test_the_shortest_example_is_returned_with_what_it_breaks() -> None:
    found = hunt(MOVES, needs_b, most=200, seeded=1)
    assert found is not None
    assert (list(found.example), found.why, found.always) == ([Tell(0, "b")], "broken", True)


def test_nothing_is_returned_where_nothing_breaks() -> None:
    assert hunt(MOVES, lambda _: "", most=20) is None


def test_no_example_is_searched_for_twice() -> None:
    tried: list[str] = []

    def attempt(moves: Sequence[Move]) -> str:
        tried.append(repr(moves))
        return ""

    hunt(MOVES, attempt, most=100)
    assert len(tried) == len(set(tried))


def test_what_breaks_only_now_and_then_is_returned_and_said_so() -> None:
    times = 0

    def attempt(moves: Sequence[Move]) -> str:
        nonlocal times
        times += bool(needs_b(moves))
        return "broken" if times == 1 and needs_b(moves) else ""

    found = hunt(MOVES, attempt, most=200, seeded=1)
    assert found is not None
    assert (found.why, found.always) == ("broken", False)


def test_members_are_shortened_part_by_part() -> None:
    long = Extra(1, {"a": 1, "b": 2, "c": 3})

    def attempt(moves: Sequence[Move]) -> str:
        return "broken" if any(isinstance(move, Extra) and "b" in move.members for move in moves) else ""

    found = hunt(st.just([long, Hold(1)]), attempt, most=5)
    assert found is not None
    assert list(found.example) == [Extra(1, {"b": 2})]


def test_an_error_of_an_attempt_is_raised() -> None:
    def attempt(moves: Sequence[Move]) -> str:
        raise LookupError(moves)

    with pytest.raises(LookupError):
        hunt(MOVES, attempt, most=5)
