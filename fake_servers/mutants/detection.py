"""Which check names which mutant, and what the checks say of the healthy controls: a table made by running them all.

Pinned by `tests/fakes/test_mutants.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

import anyio

from pytest_mcpsym.checks import DEFAULT, Finding, run
from pytest_mcpsym.switchboard.target import Era
from pytest_mcpsym.wire.log import WireLog

from .catalogue import ERAS, MUTANTS, WAYS, Mutant
from .clients import Caller
from .conversation import CHECKS, conversed
from .peer import Peer
from .session import Way, held
from .wandering import wandered

__all__ = ["Absence", "Cell", "Outcome", "absences", "cells", "detect", "wander"]

_AT_ONCE = 12
"""Sessions that run side by side; each spends most of its time waiting."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One peer in one era on one transport; `mutant` is `None` for the healthy control, a server or a client."""

    mutant: Mutant | None
    era: Era
    way: Way
    client: bool = False

    @property
    def name(self) -> str:
        """Name of the peer."""
        return self.mutant.name if self.mutant is not None else Caller.__name__ if self.client else Peer.__name__


@dataclass(frozen=True, slots=True)
class Absence:
    """A mutant in an era on a transport in which it cannot exist, with the word for why, of `REASONS`."""

    mutant: Mutant
    era: Era
    way: Way
    word: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the checks found in one session.

    Attributes:
        cell: Who it was with.
        found: Ids of the checks that found something.
        named: The first of those that had to name the bug; `None` for a control, and where the mutant was missed.
        after: Frames until that finding was proved; all of them where only the end of the log proves it.
        frames: Frames of the session.
    """

    cell: Cell
    found: tuple[str, ...]
    named: str | None
    after: int | None
    frames: int

    @property
    def right(self) -> bool:
        """Whether the bug was named, or nothing was found where there is none."""
        return self.named is not None if self.cell.mutant is not None else not self.found


def cells(mutants: Iterable[Mutant] = MUTANTS) -> list[Cell]:
    """Every mutant in every era and on every transport in which it can exist, and before them the controls."""
    controls = [Cell(None, era, way, client) for client in (False, True) for era in ERAS for way in WAYS]
    return controls + [
        Cell(each, cast("Era", era), cast("Way", way), each.client)
        for each in mutants
        for era in each.eras
        for way in each.ways
    ]


def absences(mutants: Iterable[Mutant] = MUTANTS) -> list[Absence]:
    """Every mutant in every era and on every transport in which it cannot exist."""
    return [
        Absence(each, era, way, word)
        for each in mutants
        for era in ERAS
        for way in WAYS
        if (word := each.why_not(era, way)) is not None
    ]


async def detect(wanted: Iterable[Cell], told: Callable[[Outcome], None] = lambda _: None) -> list[Outcome]:
    """Run a session for each cell and return what was found, in order.

    Args:
        wanted: Which.
        told: Called with each outcome as soon as it is there.
    """
    places = list(wanted)
    outcomes: dict[int, Outcome] = {}
    slots = anyio.CapacityLimiter(_AT_ONCE)

    async def one(index: int, cell: Cell) -> None:
        async with slots:
            log = await _log_of(cell)
        outcomes[index] = _outcome(cell, log)
        told(outcomes[index])

    async with anyio.create_task_group() as tasks:
        for index, cell in enumerate(places):
            tasks.start_soon(one, index, cell)
    return [outcomes[index] for index in range(len(places))]


async def _log_of(cell: Cell) -> WireLog:
    make = cell.mutant.make if cell.mutant is not None else Caller if cell.client else Peer
    if cell.client:
        return await conversed(cast("Callable[[], Caller]", make), cell.era, cell.way)
    return await held(cast("Callable[[], Peer]", make), cell.era, cell.way)


async def wander(seeds: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """Use healthy peers at random, once for each seed and in the eras by turns, and return what the checks found in each run."""
    found: dict[int, tuple[str, ...]] = {}
    for seed in seeds:
        era: Era = "modern" if seed % 2 else "handshake"
        found[seed] = tuple(dict.fromkeys(each.check for each in run(await wandered(seed, era))))
    return found


def _outcome(cell: Cell, log: WireLog) -> Outcome:
    findings = run(log, CHECKS if cell.client else DEFAULT)
    found = tuple(dict.fromkeys(each.check for each in findings))
    wanted = () if cell.mutant is None else cell.mutant.checks
    first = next((each for each in findings if each.check in wanted), None)
    after = None if first is None else _after(first, log)
    return Outcome(cell, found, None if first is None else first.check, after, len(log.frames))


def _after(finding: Finding, log: WireLog) -> int:
    if not finding.frames or DEFAULT[finding.check].at_close:
        return len(log.frames)
    return sum(1 for frame in log.frames if frame.seq <= max(finding.frames))
