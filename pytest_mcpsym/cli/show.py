"""`mcpsym show FILE`: a recording as a readable transcript, or as JSON lines.

What is shown is redacted once more, in case a file was edited by hand. Pinned by `tests/cli/test_show.py`.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import cast

from pytest_mcpsym.cli.error import CommandError
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.normalise import normalise
from pytest_mcpsym.wire.reading import read
from pytest_mcpsym.wire.recording import Recording, RecordingError, of_link, write
from pytest_mcpsym.wire.redact import redact
from pytest_mcpsym.wire.render import render

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `mcpsym show`."""
    parser.add_argument("file", metavar="FILE", type=Path, help="the recording")
    parser.add_argument("--link", metavar="NAME", help="show this link alone")
    parser.add_argument("--normalised", action="store_true", help="replace what differs from run to run, as snapshots do")
    parser.add_argument("--raw", action="store_true", help="show notes too: standard error, exits, HTTP exchanges")
    parser.add_argument("--json", action="store_true", help="print the head and one entry per line as JSON, like the file")


def run(given: Namespace) -> int:
    """Print the transcript and return 0."""
    recording = _read(cast("Path", given.file))
    log = redact(recording.log)
    if given.link is not None:
        log = _only(recording, log, cast("str", given.link))
    if given.normalised:
        log = normalise(log)
    text = write(log, recording.head) if given.json else render(log, side_channels=bool(given.raw)).encode()
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()
    return 0


def _read(file: Path) -> Recording:
    try:
        return read(file.read_bytes(), str(file))
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    except RecordingError as error:
        raise CommandError(str(error)) from None


def _only(recording: Recording, log: WireLog, link: str) -> WireLog:
    names = [each.name for each in recording.head.links]
    if link not in names:
        raise CommandError(f"the recording has no link {link!r}; it has {', '.join(map(repr, names))}")
    return of_link(log, link)
