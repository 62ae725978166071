"""The command: run the benchmarks that are named, or all of them, and print one table.

It exits with 0 also when a goal is missed, because on a busy machine that proves nothing; read the table.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final, cast

from benchmarks.calls import faces, recorded_call
from benchmarks.footprint import footprint
from benchmarks.growth import growth
from benchmarks.judging import judging
from benchmarks.opening import opening
from benchmarks.recorder import recorder
from benchmarks.redaction import redaction
from benchmarks.replaying import replaying
from benchmarks.routing import continuations, hops, routes_at_once
from benchmarks.row import FULL, QUICK, Effort, Row, Skipped
from benchmarks.startup import startup
from benchmarks.table import as_json, table

__all__ = ["BENCHMARKS", "main", "measure"]

BENCHMARKS: Final[Mapping[str, Callable[[Effort], Iterable[Row | Skipped]]]] = {
    "call": recorded_call,
    "face": faces,
    "startup": startup,
    "open": opening,
    "memory": footprint,
    "growth": growth,
    "judge": judging,
    "redaction": redaction,
    "recorder": recorder,
    "replay": replaying,
    "hop": hops,
    "routes": routes_at_once,
    "sealed": continuations,
}
"""Every benchmark by name, in the order of the table."""


def main(arguments: Sequence[str] | None = None, *, effort: Effort | None = None) -> int:
    """Run the command.

    Args:
        arguments: Command line; default `sys.argv`.
        effort: How much to measure, instead of what the command line says.

    Returns:
        0. A wrong command line exits with 2, as `argparse` does.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what recording costs, as ratios.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="fewer pairs and smaller logs, no environment made with pip")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to a file as well")
    given = parser.parse_args(arguments)
    names = cast("list[str]", given.names)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {', '.join(map(repr, unknown))}; there are {', '.join(BENCHMARKS)}")
    rows, skipped = measure(names or BENCHMARKS, effort or (QUICK if given.quick else FULL))
    print(f"Python {platform.python_version()} on {platform.system()}, pytest {version('pytest')}, mcp {version('mcp')}\n")
    print(table(rows))
    for one in skipped:
        print(f"\nnot measured ({one.benchmark}): {one.why}")
    if given.json is not None:
        cast("Path", given.json).write_text(as_json(rows, skipped), encoding="utf-8")
    return 0


def measure(names: Iterable[str], effort: Effort) -> tuple[list[Row], list[Skipped]]:
    """Run benchmarks by name, and say on stderr which one is running."""
    rows: list[Row] = []
    skipped: list[Skipped] = []
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr)
        for told in BENCHMARKS[name](effort):
            if isinstance(told, Row):
                rows.append(told)
            else:
                skipped.append(told)
    return rows, skipped
