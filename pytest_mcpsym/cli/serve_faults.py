"""The options `--fault` and `--fault-seed` of `mcpsym serve`. Pinned by `tests/cli/test_serve_fault.py`."""

from __future__ import annotations

import secrets
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from pytest_mcpsym.cli.error import CommandError

if TYPE_CHECKING:
    from pytest_mcpsym.faults.fault import Fault

__all__ = ["add_arguments", "fault_help", "faults_of"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="FAULT",
        help="do something to messages on purpose, as in 'drop to-client tools/call nth=2' (repeat); `--fault help` says what there is",
    )
    parser.add_argument(
        "--fault-seed",
        metavar="N",
        help="seed of faults that leave something to chance (default: 0); `random` takes one and says which",
    )


def faults_of(given: Namespace) -> tuple[Fault, ...]:
    """Return the faults of the command line, with its seed where they have none of their own, which is told.

    Raises:
        CommandError: One of them is none, or cannot be where the server is served.
    """
    from pytest_mcpsym.errors import UsageError
    from pytest_mcpsym.faults.fault import parse, unfit
    from pytest_mcpsym.faults.kinds import SERVED, SERVED_HTTP

    where = SERVED if given.http is None and given.sse is None else SERVED_HTTP
    try:
        faults = tuple(parse(text, where) for text in cast("list[str]", given.fault))
    except UsageError as error:
        raise CommandError(f"--fault: {error}; `mcpsym serve --fault help` lists them") from None
    for wrong in filter(None, (unfit(fault, where) for fault in faults)):
        raise CommandError(f"--fault: {wrong}")
    seed = _seed(cast("str | None", given.fault_seed), bool(faults))
    if seed:
        sys.stderr.write(f"fault seed: {seed}\n")
        sys.stderr.flush()
    return tuple(replace(fault, options={"seed": seed, **fault.options}) if seed else fault for fault in faults)


def _shown(default: float | str) -> str:
    return f"{default:g}" if isinstance(default, (int, float)) else default or "..."


def _seed(given: str | None, has_faults: bool) -> int:
    if given is None:
        return 0
    if not has_faults:
        raise CommandError("--fault-seed is for --fault, and there is none")
    if given != "random":
        try:
            return int(given)
        except ValueError:
            raise CommandError(f"--fault-seed takes a whole number or `random`, not {given!r}") from None
    return secrets.randbelow(1_000_000) + 1


def fault_help() -> str:
    """What `--fault` takes, as lines of text."""
    from pytest_mcpsym.faults.kinds import KINDS, SELECTORS, SERVED, SERVED_HTTP, Option

    def options(known: Mapping[str, Option], indent: str) -> list[str]:
        return [
            f"{indent}{name}={_shown(option.default)}  {option.about}" + (f" ({option.bounds})" if option.choices else "")
            for name, option in known.items()
        ]

    lines = ["--fault 'KIND [DIRECTION] [METHOD] [NAME=VALUE ...]', as in --fault 'drop to-client tools/call nth=2'", ""]
    lines += ["DIRECTION is to-server or to-client, METHOD a pattern with *; an answer has the method of its request.", ""]
    for name, kind in KINDS.items():
        where = {SERVED: "stdio", SERVED_HTTP: "HTTP"}
        places = " and ".join(text for place, text in where.items() if kind.fits(place))
        ways = [way for way in kind.directions if not all((way, place) in kind.never for place in where if kind.fits(place))]
        lines += [f"{name}  {kind.about} ({', '.join(ways)}; on {places})", *options(kind.options, "    ")]
    return "\n".join([*lines, "", "Which of the messages that match, for every kind:", *options(SELECTORS, "    "), ""])
