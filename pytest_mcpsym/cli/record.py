"""`mcpsym record FILE -- COMMAND`, or `--http URL`: stand between any client and any server, and keep what they say in a recording.

On stdio the client starts this command in place of the server's own and notices no difference: bytes, signals and the exit status are
passed on. Over HTTP it is given the recorder's address in place of the server's. Pinned by `tests/cli/test_record.py`; what is passed on and kept, by `tests/recorder/`.
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
from typing import Literal, cast
from urllib.parse import urlsplit, urlunsplit

from pytest_mcpsym.cli.error import CommandError
from pytest_mcpsym.cli.listening import listen
from pytest_mcpsym.recorder.file import GrowingFile, secrets_of
from pytest_mcpsym.wire.redact import Rules

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `mcpsym record`."""
    parser.usage = "mcpsym record [-h] [--secret VARIABLE] FILE (-- COMMAND ... | --http URL [--port N])"
    parser.add_argument("file", metavar="FILE", type=Path, help="the recording; one that is there is replaced")
    parser.add_argument("--http", metavar="URL", help="record the server at this URL")
    parser.add_argument(
        "--port", metavar="N", type=int, help="with --http: listen on http://127.0.0.1:N (default: a free port)"
    )
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
    url, port = cast("str | None", given.http), cast("int | None", given.port)
    if url is not None and command is None:
        return _record_url(path, _checked(url), port or 0, _rules(cast("list[str]", given.secret)))
    if not command or url is not None or port is not None:
        shown = f"mcpsym record {shlex.quote(str(path))}"
        raise CommandError(f"say what to record, one of: {shown} -- COMMAND of the server; {shown} --http URL --port N")
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
    file = _file(path, "stdio", shlex.join(command), rules)
    try:
        return record_command(command, file)
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot run {command[0]!r}: {getattr(error, 'strerror', None) or error}") from None


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return url
    except ValueError:
        pass  # a port that is none, or brackets that do not match
    raise CommandError(f"--http {url}: give the URL of the server, such as http://127.0.0.1:8000/mcp")


def _record_url(path: Path, url: str, port: int, rules: Rules) -> int:
    from pytest_mcpsym.recorder.proxy import HOST, record_url

    listener = listen(HOST, port, free="--port 0")
    file = _file(path, "http", url, rules)
    parts = urlsplit(url)
    own = urlunsplit(("http", f"{HOST}:{listener.getsockname()[1]}", parts.path, parts.query, ""))
    sys.stderr.write(f"recording on {own}\n")
    sys.stderr.flush()
    return record_url(url, listener, file)


def _file(path: Path, transport: Literal["stdio", "http"], target: str, rules: Rules) -> GrowingFile:
    try:
        return GrowingFile(path, transport, target, rules=rules)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None


def _end_as(status: int) -> None:
    """End with the status of the server, by the same signal if it was one."""
    if status < 0:
        with suppress(OSError, ValueError):  # nobody handles SIGKILL
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)
