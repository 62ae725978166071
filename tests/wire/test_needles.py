"""Looking for many byte strings at once finds what looking for each finds, wherever they stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcpsym.wire import needles as module
from pytest_mcpsym.wire.needles import Needles

SOME = st.binary(min_size=1, max_size=24).map(lambda data: bytes(byte % 3 + 97 for byte in data))
"""Few letters, so that much occurs by chance."""


def plainly(wanted: list[bytes], texts: list[bytes]) -> list[tuple[int, set[bytes]]]:
    found = [(index, {each for each in wanted if each in text}) for index, text in enumerate(texts)]
    return [(index, some) for index, some in found if some]


@given(st.lists(SOME, max_size=6), st.lists(st.tuples(SOME, SOME).map(b"".join), max_size=6))
def test_what_is_found_is_what_a_search_for_each_finds(wanted: list[bytes], texts: list[bytes]) -> None:
    assert list(Needles(wanted).in_each(texts)) == plainly(wanted, texts)


@pytest.mark.parametrize("length", [7, 8, 9, 10, 11, 12, 15, 16, 40])
def test_a_needle_is_found_at_each_position_of_a_text(length: int) -> None:
    needle = b"0123456789abcdefghijklmnopqrstuvwxyzABCD"[:length]
    for before in range(20):
        assert Needles([needle]).inside(b"." * before + needle) == {needle}


def test_a_needle_across_the_end_of_a_part_of_a_large_text_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH", 64)
    needle = b"0123456789abcdef"
    for before in range(40, 80):
        assert Needles([needle]).inside(b"." * before + needle + b"." * 100) == {needle}


def test_a_needle_that_two_texts_hold_together_is_in_neither() -> None:
    assert list(Needles([b"01234567\n89abcdef"]).in_each([b"01234567", b"89abcdef"])) == []


def test_each_of_many_texts_that_are_read_together_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH", 40)
    texts = [b"x" * 10 + (b"0123456789ab" if number % 7 == 0 else b"") for number in range(30)]
    assert [index for index, _ in Needles([b"0123456789ab"]).in_each(texts)] == [0, 7, 14, 21, 28]
