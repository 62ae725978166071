"""`mcpsym mutants`: what the checks make of servers, gateways and clients with one bug each, and of healthy ones, as a table.

It runs a session with each, so it needs no network and half a minute. Status 0 if every mutant is named and nothing is found on a
healthy peer, else 1. Pinned by `tests/cli/test_mutants.py`.
"""

from __future__ import annotations

import difflib
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from pytest_mcpsym.cli.error import CommandError

if TYPE_CHECKING:
    from fake_servers.mutants import Absence, Cell, Outcome

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `mcpsym mutants`."""
    parser.add_argument(
        "row", nargs="*", metavar="ROW", help="rows of the catalogue, such as F09, or names of mutants (default: all)"
    )
    parser.add_argument("--era", choices=("handshake", "modern"), help="only this era")
    parser.add_argument("--transport", choices=("memory", "stdio", "http"), help="only this transport")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="use the healthy peer N more times, at random")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(given: Namespace) -> int:
    """Run the sessions, print the table and return the exit status."""
    import anyio

    from pytest_mcpsym.fakes import mutants

    wanted = [cell for cell in mutants.cells(mutants.MUTANTS) if _wanted(cell, given)]
    for name in cast("Sequence[str]", given.row):
        _refuse_unknown(name, [each for mutant in mutants.MUTANTS for each in (mutant.row, mutant.name)])
    if not given.json and sys.stderr.isatty():
        sys.stderr.write(f"{len(wanted)} sessions\n")
    outcomes = anyio.run(mutants.detect, wanted)
    wandered = anyio.run(mutants.wander, range(cast("int", given.random)))
    absent = [each for each in mutants.absences(mutants.MUTANTS) if _wanted(each, given)]
    sys.stdout.write((_json if given.json else _table)(outcomes, wandered, absent))
    return 0 if all(each.right for each in outcomes) and not any(wandered.values()) else 1


def _wanted(cell: Cell | Absence, given: Namespace) -> bool:
    rows = cast("Sequence[str]", given.row)
    named = not rows or cell.mutant is None or cell.mutant.row in rows or cell.mutant.name in rows
    return named and given.era in (None, cell.era) and given.transport in (None, cell.way)


def _refuse_unknown(name: str, known: Sequence[str]) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, 1, cutoff=0.5) or difflib.get_close_matches(name.upper(), known, 1, 0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise CommandError(f"the catalogue has no row and no mutant {name!r}{hint}")


def _json(outcomes: Sequence[Outcome], wandered: Mapping[int, Sequence[str]], absent: Sequence[Absence]) -> str:
    from pytest_mcpsym.fakes import mutants

    rows: list[Mapping[str, object]] = [
        {
            "row": None if each.cell.mutant is None else each.cell.mutant.row,
            "mutant": None if each.cell.mutant is None else each.cell.mutant.name,
            "peer": each.cell.name,
            "about": None if each.cell.mutant is None else each.cell.mutant.about,
            "era": each.cell.era,
            "transport": each.cell.way,
            "detected_by": each.named,
            "after_frames": each.after,
            "frames": each.frames,
            "findings": list(each.found),
        }
        for each in outcomes
    ]
    rows += [
        {
            "row": each.mutant.row,
            "mutant": each.mutant.name,
            "peer": each.mutant.name,
            "about": each.mutant.about,
            "era": each.era,
            "transport": each.way,
            "not_applicable": each.word,
            "because": mutants.REASONS[each.word],
        }
        for each in absent
    ]
    for seed, found in wandered.items():
        rows.append({"row": None, "mutant": None, "seed": seed, "findings": list(found)})
    return json.dumps(rows, indent=2) + "\n"


def _table(outcomes: Sequence[Outcome], wandered: Mapping[int, Sequence[str]], absent: Sequence[Absence]) -> str:
    """One line for each mutant and check that names it, with the places, and where it cannot exist; then the words for why, and the counts."""
    from pytest_mcpsym.fakes import mutants as catalogue

    lines: list[str] = []
    mutants = [
        each
        for each in catalogue.MUTANTS
        if any(cell.mutant is each for cell in (*absent, *(outcome.cell for outcome in outcomes)))
    ]
    for mutant in mutants:
        lines.append(f"{mutant.row}  {mutant.name}: {mutant.about}")
        own = [each for each in outcomes if each.cell.mutant is mutant]
        for named in dict.fromkeys(each.named for each in own):
            places = ", ".join(
                f"{each.cell.era} {each.cell.way} ({each.after} of {each.frames})"
                if named
                else f"{each.cell.era} {each.cell.way}"
                for each in own
                if each.named == named
            )
            lines.append(f"     {named or 'MISSED'}: {places}")
        for word in dict.fromkeys(each.word for each in absent if each.mutant is mutant):
            where = (f"{each.era} {each.way}" for each in absent if each.mutant is mutant and each.word == word)
            lines.append(f"     cannot exist ({word}): {', '.join(where)}")
    controls = [each for each in outcomes if each.cell.mutant is None]
    lines += [
        f"FALSE ALARM on the healthy {'client' if each.cell.client else 'peer'}, {each.cell.era} {each.cell.way}: {', '.join(each.found)}"
        for each in controls
        if each.found
    ]
    lines += [f"FALSE ALARM in the random run {seed}: {', '.join(found)}" for seed, found in wandered.items() if found]
    seen = len(outcomes) - len(controls)
    named = sum(1 for each in outcomes if each.named)
    alarms = sum(1 for each in controls if each.found) + sum(map(bool, wandered.values()))
    runs = f" and in {len(wandered)} random runs" if wandered else ""
    counts = f"{named} of {seen} detected, {len(absent)} cannot exist, {alarms} false alarms on {len(controls)} healthy controls{runs}"
    words = list(dict.fromkeys(each.word for each in absent))
    notes = [f"{word}: {catalogue.REASONS[word]}" for word in words]
    return "\n".join([*lines, "", *notes, *([""] if notes else []), counts]) + "\n"
