"""Names of files: safe on every file system, never shared, and readable wherever they can be."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcpsym.naming import LONGEST, file_stem

HASHED = re.compile(r".*-[0-9a-f]{8}", re.DOTALL)

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=300) | st.text("aAbB/:.[]", min_size=1, max_size=6)


@pytest.mark.parametrize("name", ["test_it", "TestTrip.test_plan[oslo-3]", "test_it[a b]", "test_größe", "test_it[1.5]"])
def test_a_safe_name_is_kept(name: str) -> None:
    assert file_stem(name) == name


@pytest.mark.parametrize(
    "name", ["test_it[a/b]", "test_it[a:b]", "test_it[\\x00]", "test_it ", "con", "NUL", "com1.x", "test_it[\u0301]", "/"]
)
def test_a_lossy_or_reserved_name_gets_a_hash(name: str) -> None:
    assert HASHED.fullmatch(file_stem(name))


def test_names_that_lose_the_same_get_different_hashes() -> None:
    assert file_stem("test_it[a/b]") != file_stem("test_it[a:b]")


def test_a_name_that_differs_only_by_case_from_another_gets_a_hash() -> None:
    assert file_stem("test_it", others={"test_it", "test_other"}) == "test_it"
    assert file_stem("test_it", others={"test_IT"}) != file_stem("test_IT", others={"test_it"})
    assert HASHED.fullmatch(file_stem("test_it", others={"test_IT"}))


def test_a_long_name_is_cut_and_gets_a_hash() -> None:
    stem = file_stem(f"test_it[{'x' * 200}]")
    assert len(stem) == LONGEST
    assert HASHED.fullmatch(stem)


def test_a_cut_leaves_identifiers_whole() -> None:
    sentence = "TestTrip.test_" + "_".join(["a_long_sentence"] * 8)
    assert file_stem(sentence + "[1]").startswith(sentence)


@given(NAMES)
def test_a_name_fits_every_file_system(name: str) -> None:
    stem = file_stem(name)
    assert 0 < len(stem.encode()) <= 210
    assert not re.search(r'[<>:"/\\|?*\x00-\x1f]', stem)
    assert stem == stem.strip(" .")


@given(NAMES, NAMES)
def test_different_names_never_share_a_file_even_where_case_is_folded(one: str, two: str) -> None:
    both = (one, two)
    if one != two:
        assert file_stem(one, others=both).casefold() != file_stem(two, others=both).casefold()


@given(NAMES)
def test_a_name_depends_on_nothing_but_the_names(name: str) -> None:
    assert file_stem(name) == file_stem(name, others={name})
