"""The command `mcpsym`: one module per subcommand, imported only when it is the one that was asked for.

A subcommand is a line in `COMMANDS` and a module with `add_arguments(parser)` and `run(given) -> exit status`. A mistake of the user
is a `CommandError`: one line on standard error and exit status 2, no traceback. Pinned by `tests/cli/`.
"""

from __future__ import annotations

import importlib
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from typing import Final, Protocol, cast

from pytest_mcpsym.cli.error import CommandError

__all__ = ["COMMANDS", "CommandError", "main"]

COMMANDS: Final[Mapping[str, str]] = {
    "mutants": "run servers with one known bug each, and say which check names it",
    "record": "record what a client and a server say, between the two",
    "serve": "run a fake server, or one of your own, on stdio or HTTP",
    "show": "print a recording as a readable transcript",
}
"""Every subcommand with one line about it; each has a module of its name in this package."""


WRAPPERS: Final = frozenset({"record"})
"""Subcommands that run another command: what follows the first `--` is kept word for word in `given.command`."""


LEAVES_REST: Final = frozenset({"serve"})
"""Subcommands that pass options on: words that they do not know are kept in `given.rest`."""


class _Subcommand(Protocol):
    """What a module of a subcommand has."""

    def add_arguments(self, parser: ArgumentParser) -> None: ...

    def run(self, given: Namespace) -> int: ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; a wrong command line leaves by `SystemExit(2)`, as argparse does.

    Args:
        arguments: Command line without the program's name; default `sys.argv[1:]`.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    listing = "\n".join(f"  {name:<8}{about}" for name, about in COMMANDS.items())
    parser = ArgumentParser(
        prog="mcpsym", usage="mcpsym COMMAND ...", description="Servers, recordings and transcripts of MCP."
    )
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = f"commands:\n{listing}\n\n`mcpsym COMMAND --help` says more about one."
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help=SUPPRESS)
    name = cast("str", parser.parse_args(words[:1]).command)
    subcommand = cast("_Subcommand", importlib.import_module(f"{__name__}.{name}"))
    inner = ArgumentParser(prog=f"mcpsym {name}", description=f"{COMMANDS[name].capitalize()}.")
    subcommand.add_arguments(inner)
    own, command = _parted(words[1:]) if name in WRAPPERS else (words[1:], None)
    given, rest = inner.parse_known_args(own, Namespace(command=command))
    if name in LEAVES_REST:
        given.rest = rest
    elif rest:
        inner.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        return subcommand.run(given)
    except CommandError as error:
        print(f"mcpsym {name}: {error}", file=sys.stderr)  # noqa: T201 - a command speaks to a terminal
        return 2


def _parted(words: list[str]) -> tuple[list[str], list[str] | None]:
    """Part a command line at its first `--`; argparse would take a second one out of the command on older Pythons."""
    if "--" not in words:
        return words, None
    place = words.index("--")
    return words[:place], words[place + 1 :]
