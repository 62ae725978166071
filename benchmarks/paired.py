"""Measure two sides by turns, so that what else the machine does touches both alike.

One pair is one measurement of each side, one right after the other; the order alternates from pair to pair. What is reported is the
median of the ratios of the pairs, not the ratio of two medians. Python's cyclic garbage collector is off while a side is measured
and runs to its end before.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from benchmarks.row import Face, Row

__all__ = ["Pairs", "Side", "each", "paired", "spent", "uncollected"]

Side = Callable[[], float]
"""Measures one side once; returns seconds per thing measured."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """What was measured: as many costs of the one side as of the other, in seconds."""

    one: tuple[float, ...]
    other: tuple[float, ...]

    def row(self, benchmark: str, measured: str, against: str, face: Face, goal: float | None = None) -> Row:
        """Return the row of the table that says it."""
        ratios = [one / other for one, other in zip(self.one, self.other, strict=True)]
        return Row(
            benchmark,
            measured,
            against,
            face,
            "x",
            median(ratios),
            min(ratios),
            max(ratios),
            len(ratios),
            goal,
            median(self.one),
            median(self.other),
        )


def paired(one: Side, other: Side, rounds: int) -> Pairs:
    """Measure each side once to warm it up, then both by turns."""
    one()
    other()
    ones: list[float] = []
    others: list[float] = []
    for number in range(rounds):
        turns = [(one, ones), (other, others)]
        for side, costs in turns if number % 2 == 0 else reversed(turns):
            with uncollected():
                costs.append(side())
    return Pairs(tuple(ones), tuple(others))


@contextmanager
def uncollected() -> Generator[None]:
    """Collect garbage now, and then not until the block ends."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def spent(action: Callable[[], object], per: int = 1) -> float:
    """Return the processor time of an action, in seconds, divided by how many things it does."""
    start = time.process_time()
    action()
    return (time.process_time() - start) / per


async def each(action: Callable[[], Awaitable[object]], times: int, clock: Callable[[], float] = time.process_time) -> float:
    """Return the seconds that one of many awaited actions takes on average."""
    start = clock()
    for _ in range(times):
        await action()
    return (clock() - start) / times
