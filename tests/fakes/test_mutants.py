"""Every mutant is named by a check that has to name it, and no healthy peer by any."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import cast

import anyio
import pytest

from fake_servers.mutants import MUTANTS, REASONS, Cell, Mutant, Outcome, absences, cells, detect, made, wander
from fake_servers.mutants.session import Way
from pytest_mcpsym.checks import DEFAULT
from pytest_mcpsym.switchboard.target import Era


def _by_turns(row: int, mutant: Mutant) -> Cell:
    era, way = mutant.eras[row % len(mutant.eras)], mutant.ways[row % len(mutant.ways)]
    return Cell(mutant, cast("Era", era), cast("Way", way), mutant.client)


CONTROLS = [cell for cell in cells() if cell.mutant is None]
EVERYWHERE = frozenset({"F16", "F25", "F38"})
"""Rows of which one place says little about the others: legs hide who waits, and processes hold credentials in another way."""
PLACES = [
    cell
    for row, mutant in enumerate(MUTANTS)
    for cell in (cells([mutant])[len(CONTROLS) :] if mutant.row in EVERYWHERE else [_by_turns(row, mutant)])
]
"""Each other mutant once, in eras and on transports by turns; `mcpsym mutants` has them all."""


def named(cell: Cell) -> str:
    return f"{cell.name}-{cell.era}-{cell.way}"


@cache
def outcomes() -> dict[Cell, Outcome]:
    """The sessions, held all at once: each spends most of its time waiting."""
    return {each.cell: each for each in anyio.run(detect, CONTROLS + PLACES)}


@pytest.mark.parametrize("cell", PLACES, ids=named)
def test_a_check_names_the_bug(cell: Cell) -> None:
    outcome = outcomes()[cell]
    assert outcome.named is not None, f"the checks found {outcome.found or 'nothing'}"
    assert outcome.after is not None
    assert 0 < outcome.after <= outcome.frames


@pytest.mark.parametrize("cell", CONTROLS, ids=named)
def test_nothing_is_found_on_a_healthy_peer(cell: Cell) -> None:
    assert outcomes()[cell].found == ()


def test_nothing_is_found_in_random_use_of_healthy_peers() -> None:
    found = anyio.run(wander, range(30))
    assert {seed: checks for seed, checks in found.items() if checks} == {}


def test_every_mutant_has_a_name_of_its_own_and_says_what_it_does() -> None:
    assert [name for name, count in Counter(each.name for each in MUTANTS).items() if count > 1] == []
    assert [each.name for each in MUTANTS if not each.about] == []


def test_every_row_is_in_the_table_in_each_era_and_on_each_transport_or_it_says_why_not() -> None:
    assert sorted({each.row for each in MUTANTS}) == [f"F{number:02}" for number in range(1, 39)]
    assert {each.word for each in absences()} == set(REASONS)
    assert len(cells()) - len(CONTROLS) + len(absences()) == len(MUTANTS) * 6


def test_a_mutant_can_exist_somewhere() -> None:
    assert [each.name for each in MUTANTS if not (each.eras and each.ways)] == []


def test_the_checks_that_have_to_name_a_mutant_exist() -> None:
    assert {check for each in MUTANTS for check in each.checks} - set(DEFAULT) == set()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: cast("Mutant", each).name)
def test_a_process_finds_the_mutant_by_its_name(mutant: Mutant) -> None:
    assert type(made(mutant.name)) is mutant.make


def test_a_name_of_no_mutant_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no mutant 'Nobody'; there are SharedIds"):
        made("Nobody")
