"""`mcpsym record FILE -- COMMAND`: stand between any client and any server, and keep what they say in a recording.

The client starts this command in place of the server's own and notices no difference: bytes, signals and the exit status are passed
on. Pinned by `tests/cli/test_record.py`; what is passed on and kept, by `tests/recorder/`.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from pathlib import Path
from typing import cast

from pytest_mcpsym.cli.error import CommandError
from pytest_mcpsym.recorder.file import GrowingFile, secrets_of
from pytest_mcpsym.wire.redact import Rules

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `mcpsym record`."""
    parser.usage = "mcpsym record [-h] [--secret VARIABLE] FILE -- COMMAND ..."
    parser.add_argument("file", metavar="FILE", type=Path, help="the recording; one that is there is replaced")
    parser.add_argument(
        "--secret",
        metavar="VARIABLE",
        action="append",
        default=[],
        help="an environment variable whose value is secret, though its name does not say so; may be given again",
    )


def run(given: Namespace) -> int:
    """Record until the server has ended, and end as it did."""
    command = cast("list[str] | None", given.command)
    path = cast("Path", given.file)
    if not command:
        raise CommandError(f"say what to record: mcpsym record {shlex.quote(str(path))} -- COMMAND of the server")
    _end_as(_record_command(path, command, _rules(cast("list[str]", given.secret))))
    return 0


def _rules(variables: list[str]) -> Rules:
    for variable in variables:
        if variable not in os.environ:
            raise CommandError(f"--secret {variable}: there is no environment variable of that name")
    return secrets_of(dict(os.environ), tuple(variables))


def _record_command(path: Path, command: list[str], rules: Rules) -> int:
    from pytest_mcpsym.recorder.pipes import record_command

    if shutil.which(command[0]) is None:
        raise CommandError(f"cannot run {command[0]!r}: there is no such program; is it installed, and on the PATH?")
    file = _file(path, shlex.join(command), rules)
    try:
        return record_command(command, file)
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot run {command[0]!r}: {getattr(error, 'strerror', None) or error}") from None


def _file(path: Path, target: str, rules: Rules) -> GrowingFile:
    try:
        return GrowingFile(path, "stdio", target, rules=rules)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None


def _end_as(status: int) -> None:
    """End with the status of the server, by the same signal if it was one."""
    if status < 0:
        with suppress(OSError, ValueError):  # nobody handles SIGKILL
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)
