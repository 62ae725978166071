"""The table that people read, in Markdown that is aligned as plain text, and the same rows for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from benchmarks.row import Row, Skipped

__all__ = ["as_json", "table"]

_HEAD: Final = ("benchmark", "measured", "against", "face", "result", "min - max", "pairs", "goal", "met", "cost", "other")
_LEFT: Final = 4
"""So many columns are words and start at the left; the others are numbers."""


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table."""
    lines = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    rule = "|".join("-" * (width + 1) + ("-" if column < _LEFT else ":") for column, width in enumerate(widths))
    head, *body = (_line(line, widths) for line in lines)
    return "\n".join([head, f"|{rule}|", *body])


def as_json(rows: Sequence[Row], skipped: Sequence[Skipped]) -> str:
    """Return rows and skipped measurements as JSON, one object."""
    told = {"rows": [{**asdict(row), "met": row.met} for row in rows], "skipped": [asdict(one) for one in skipped]}
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.ljust(width) if column < _LEFT else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join(padded)} |"


def _cells(row: Row) -> tuple[str, ...]:
    span = "-" if row.pairs == 1 else f"{_number(row, row.low)} - {_number(row, row.high)}"
    return (
        row.benchmark,
        row.measured,
        row.against,
        row.face,
        f"{_number(row, row.median)} {row.unit}",
        span,
        str(row.pairs),
        "-" if row.goal is None else f"≤ {_number(row, row.goal)}",
        {True: "yes", False: "NO", None: "-"}[row.met],
        _duration(row.cost),
        _duration(row.other),
    )


def _number(row: Row, value: float) -> str:
    return f"{value:.0f}" if row.unit == "B" else f"{value:.2f}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"
