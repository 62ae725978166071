"""The recording that grows on disk: every entry is redacted, then written whole, before the bytes it is about are passed on.

* Whoever writes it may be killed at any moment: `pytest_mcpsym.wire.reading.read` reads what is there.
* A secret is sometimes known only after it was said. Then the file is written anew without it, beside the old one, and takes its place.
* The era is that of the first request. A client that asks in the modern era first and then falls back to `initialize` is of the
  handshake era after all. Until there is a request the head says `handshake`.
* A disk that is full ends the recording and never the conversation.

Pinned by `tests/recorder/test_file.py`.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, cast

from pytest_mcpsym.wire.frame import Direction, Envelope, Frame
from pytest_mcpsym.wire.log import Entry, Note, SideChannel, WireLog
from pytest_mcpsym.wire.reading import read
from pytest_mcpsym.wire.recording import Era, Head, LinkHead, RecordingError, entry_line, head_line
from pytest_mcpsym.wire.redact import Redactor, Rules
from pytest_mcpsym.wire.sensitive import is_secret_field

__all__ = ["LINK", "GrowingFile", "secrets_of"]

LINK: Final = "server"
"""Name of the one link of such a recording."""

_BEGIN: Final = b'{"mcpsym":'
_VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"


def secrets_of(environment: dict[str, str], more: tuple[str, ...] = ()) -> Rules:
    """Return what is secret in an environment: the variables that are named like a secret, and those that `more` names."""
    names = [name for name in environment if name in more or is_secret_field(name)]
    return Rules(secrets=tuple((name, environment[name]) for name in names))


class GrowingFile:
    """A recording of one link, written as it happens. Safe to use from several threads.

    Args:
        path: The file. A recording that was there is replaced.
        transport: What the link runs on.
        target: What was recorded: the server's command or URL.
        rules: What is secret beyond the defaults.
        clock: Source of time in seconds.
        software: What the head names as the one who recorded.

    Raises:
        OSError: The file cannot be written, or it exists and is no recording.
    """

    def __init__(
        self,
        path: Path,
        transport: Literal["stdio", "http"],
        target: str,
        *,
        rules: Rules | None = None,
        software: str = "mcpsym record",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path.resolve()
        _require_recording(self._path)
        self._clock = clock
        self._start = clock()
        self._redactor = Redactor(rules)
        self._known = self._redactor.known
        self._lock = threading.Lock()
        date = datetime.now(UTC).date().isoformat()
        self._head = Head("", (LinkHead(LINK, "handshake", transport),), software, date)
        self._is_sure = False
        self._count = 0
        self._file: int | None = None
        self._take_place(())
        self._write(Note(0, LINK, 0.0, "open", {"transport": transport, "era": "handshake", "target": target}))

    def frame(self, direction: Direction, data: bytes, envelope: Envelope | None = None) -> None:
        """Keep a frame; call it before it is passed on."""
        with self._lock:
            frame = Frame(self._count, LINK, direction, self._now(), data, envelope)
            self._keep(frame)

    def note(self, channel: SideChannel, **data: object) -> None:
        """Keep an event of a side channel."""
        with self._lock:
            self._keep(Note(self._count, LINK, self._now(), channel, data))

    def close(self) -> None:
        """Let go of the file; what comes after is not kept."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _now(self) -> float:
        return self._clock() - self._start

    def _keep(self, entry: Entry) -> None:
        if self._file is None:
            return
        try:
            if isinstance(entry, Frame) and entry.direction == "to-server" and not self._is_sure:
                self._learn_era(entry)
            self._write(entry)
        except (OSError, RecordingError) as error:
            os.close(self._file)
            self._file = None
            reason = error.strerror if isinstance(error, OSError) else error
            sys.stderr.write(f"mcpsym record: {self._path}: {reason}; the recording ends here, the conversation goes on\n")
            sys.stderr.flush()

    def _write(self, entry: Entry) -> None:
        entry = self._redactor.entry(entry)
        if self._redactor.known > self._known:
            self._known = self._redactor.known
            written = self._written()
            redacted = self._redactor.log(WireLog(written)).entries
            if redacted != written:
                self._take_place(redacted)
        _write_all(cast("int", self._file), entry_line(entry))
        self._count += 1

    def _learn_era(self, frame: Frame) -> None:
        """Take the era from a request, and write it where the file says another."""
        (link,) = self._head.links
        if link.era == "modern" and b'"initialize"' not in frame.data:
            return
        message = frame.message
        self._is_sure = message.method == "initialize"
        era: Era = "modern" if not self._is_sure and _VERSION_KEY in message.meta else "handshake"
        if era != link.era:
            self._head = replace(self._head, links=(replace(link, era=era),))
            first, *others = self._written()
            assert isinstance(first, Note)
            self._take_place((replace(first, data={**first.data, "era": era}), *others))

    def _written(self) -> tuple[Entry, ...]:
        return read(self._path.read_bytes(), str(self._path)).log.entries

    def _take_place(self, entries: tuple[Entry, ...]) -> None:
        """Write the file anew beside the old one, then put it in its place and go on there."""
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
        try:
            _write_all(file, b"".join((head_line(self._head), *map(entry_line, entries))))
            beside.replace(self._path)
        except OSError:
            os.close(file)
            beside.unlink(missing_ok=True)
            raise
        if self._file is not None:
            os.close(self._file)
        self._file = file


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _require_recording(path: Path) -> None:
    """Refuse to replace what is no recording: a mistyped name must not cost a file, or a device."""
    if not path.exists():
        return
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(_BEGIN)) in (_BEGIN, b""):
                return
    raise FileExistsError(errno.EEXIST, "it exists and is no recording, so it is not replaced", str(path))
