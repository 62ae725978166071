"""What a benchmark yields: rows of the table, and what could not be measured. Plain values, compared by value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["FULL", "QUICK", "Effort", "Face", "Row", "Skipped", "Unit"]

Unit = Literal["x", "B"]
"""`x`: cost of the measured side over cost of the other side. `B`: bytes per frame."""

Face = Literal["async", "blocking", "both", "none"]
"""The face of the board that is used; `none` where no board is open."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Attributes:
        rounds: Pairs of measurements of one row; the order within a pair alternates.
        calls: Calls in one measurement.
        openings: Boards opened and closed in one measurement.
        starts: Pairs of pytest processes.
        frames: Frames in the large log; the usual log has a hundredth, and no fewer than ten.
        large: Pairs in which the large log takes part.
        installs: Whether a bare environment may be made with pip.
    """

    rounds: int
    calls: int
    openings: int
    starts: int
    frames: int
    large: int
    installs: bool


FULL: Final = Effort(rounds=31, calls=200, openings=10, starts=15, frames=100_000, large=3, installs=True)
QUICK: Final = Effort(rounds=9, calls=100, openings=5, starts=9, frames=10_000, large=3, installs=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        benchmark: Name of the benchmark, as the command takes it.
        measured: The measured side, in words.
        against: The other side, in words.
        face: The face of the board that is used.
        unit: What `median`, `low`, `high` and `goal` count.
        median: Median over the pairs.
        low: Smallest over the pairs.
        high: Largest over the pairs.
        pairs: Number of pairs.
        goal: What `median` should not exceed; `None` where the row only reports.
        cost: Median cost of the measured side, in seconds per thing measured; `None` where no time is measured.
        other: The same of the other side.
    """

    benchmark: str
    measured: str
    against: str
    face: Face
    unit: Unit
    median: float
    low: float
    high: float
    pairs: int
    goal: float | None = None
    cost: float | None = None
    other: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; `None` where there is none."""
        return None if self.goal is None else self.median <= self.goal


@dataclass(frozen=True, slots=True)
class Skipped:
    """What could not be measured here, and why."""

    benchmark: str
    why: str
