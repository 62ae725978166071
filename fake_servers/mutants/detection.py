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
from .peer import Peer
from .session import Way, held
from .wandering import wandered

__all__ = ["Cell", "Outcome", "cells", "detect", "wander"]

_AT_ONCE = 12
"""Sessions that run side by side; each spends most of its time waiting."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One peer in one era on one transport; `mutant` is `None` for the healthy control."""

    mutant: Mutant | None
    era: Era
    way: Way


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
    controls = [Cell(None, era, way) for era in ERAS for way in WAYS]
    return controls + [
        Cell(each, cast("Era", era), cast("Way", way)) for each in mutants for era in each.eras for way in each.ways
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
            log = await held(Peer if cell.mutant is None else cell.mutant.make, cell.era, cell.way)
        outcomes[index] = _outcome(cell, log)
        told(outcomes[index])

    async with anyio.create_task_group() as tasks:
        for index, cell in enumerate(places):
            tasks.start_soon(one, index, cell)
    return [outcomes[index] for index in range(len(places))]


async def wander(seeds: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """Use healthy peers at random, once for each seed and in the eras by turns, and return what the checks found in each run."""
    found: dict[int, tuple[str, ...]] = {}
    for seed in seeds:
        era: Era = "modern" if seed % 2 else "handshake"
        found[seed] = tuple(dict.fromkeys(each.check for each in run(await wandered(seed, era))))
    return found


def _outcome(cell: Cell, log: WireLog) -> Outcome:
    findings = run(log)
    found = tuple(dict.fromkeys(each.check for each in findings))
    wanted = () if cell.mutant is None else cell.mutant.checks
    first = next((each for each in findings if each.check in wanted), None)
    after = None if first is None else _after(first, log)
    return Outcome(cell, found, None if first is None else first.check, after, len(log.frames))


def _after(finding: Finding, log: WireLog) -> int:
    if not finding.frames or DEFAULT[finding.check].at_close:
        return len(log.frames)
    return sum(1 for frame in log.frames if frame.seq <= max(finding.frames))
