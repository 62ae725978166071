"""Whether the cost of a frame depends on how many there are: each stage over logs of three sizes.

The cost per frame in a large and in a tiny log is compared with that in a usual one. Linear means that both ratios stay at or under
1.5. Every measurement has frames of its own, not parsed before, as they come from the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.paired import Side, paired, spent
from benchmarks.row import Effort, Row
from benchmarks.samples import copied, messages, sample
from pytest_mcpsym.checks import run
from pytest_mcpsym.wire.exchange import correlate
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.normalise import normalise
from pytest_mcpsym.wire.reading import read
from pytest_mcpsym.wire.recording import Head, LinkHead, write
from pytest_mcpsym.wire.redact import redact
from pytest_mcpsym.wire.render import render
from pytest_mcpsym.wire.route import routes

__all__ = ["LINEAR", "growth"]

LINEAR = 1.5
"""How much more a frame may cost in a large or a tiny log than in a usual one."""

TINY = 10
"""Frames in the tiny log."""

FRUGAL = 1.1
"""The same for a large recording that is written or read."""

_HEAD = Head("test_it.py::test_it", tuple(LinkHead(name, "handshake", "memory") for name in ("agent", "everything")), "", "")

_Stage = Callable[[WireLog], object]

_STAGES: tuple[tuple[str, _Stage, Callable[[WireLog], WireLog]], ...] = (
    ("exchanges", correlate, copied),
    ("routes", lambda log: str(routes(log)), copied),
    ("checks", run, copied),
    ("redact", redact, copied),
    ("normalise", normalise, lambda log: copied(redact(log))),
    ("render", render, lambda log: copied(normalise(redact(log)))),
    ("write", lambda log: write(log, _HEAD), lambda log: copied(redact(log))),
)
"""Name of each stage, the stage, and how the log is prepared for it, which is not measured."""


def growth(effort: Effort) -> Iterator[Row]:
    """The cost of a frame in a large and in a tiny log against that in a usual one, for each stage."""
    usual = max(effort.frames // 100, TINY)
    stages = [(name, _reading(stage, made)) for name, stage, made in _STAGES]
    for name, side in (("append", _append), *stages, ("read", _read)):
        for size, rounds in ((TINY, effort.rounds), (effort.frames, effort.large)):
            # Both measurements of a pair take about as long, so that noise weighs the same on each.
            total = max(size, usual)
            pairs = paired(side(size, total), side(usual, total), rounds)
            goal = FRUGAL if name in ("write", "read") and size > usual else LINEAR
            yield pairs.row("growth", f"{name}: a frame in {size:,}", f"a frame in {usual:,}", "none", goal)


def _append(size: int, total: int) -> Side:
    """Append to new logs of the given size, so many that the total is reached."""
    ready = list(messages(size))
    times = max(total // size, 1)

    def fill() -> None:
        for _ in range(times):
            log = WireLog()
            for link, direction, data in ready:
                log.frame(link, direction, data)

    return lambda: spent(fill, times * size)


def _reading(stage: _Stage, made: Callable[[WireLog], WireLog]) -> Callable[[int, int], Side]:
    """Read logs of the given size with one stage, so many that the total is reached."""

    def sized(size: int, total: int) -> Side:
        first = sample(size)
        times = max(total // size, 1)

        def measure() -> float:
            logs = [made(first) for _ in range(times)]
            return spent(lambda: [stage(log) and None for log in logs], times * size)

        return measure

    return sized


def _read(size: int, total: int) -> Side:
    """Read recordings of the given size, so many that the total is reached."""
    data = write(redact(sample(size)), _HEAD)
    times = max(total // size, 1)
    return lambda: spent(lambda: [read(data) and None for _ in range(times)], times * size)
