"""The recordings of one test: which file each `recorded(...)` link is bound to, and what becomes of it.

`Tapes` belongs to one run of one test. A board that opens a recorded link asks it for the link's file, which is replayed or will be
written; after the test it says what was missed and what nobody asked for, and makes the files' contents, redacted and looked
through. It writes nothing by itself: `pytest_mcpsym.report.recordings` does, once the outcome of the test is known. Pinned by
`tests/replay/test_modes.py`.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal, cast

from pytest_mcpsym.errors import UsageError
from pytest_mcpsym.replay.played import Played
from pytest_mcpsym.replay.verified import Verified
from pytest_mcpsym.switchboard.target import Era, LinkSpec, link
from pytest_mcpsym.switchboard.views import Views
from pytest_mcpsym.wire.drift import DriftReport, Ignored
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.held import refuse_secrets
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.minted import Clocks
from pytest_mcpsym.wire.miss import Miss, MissReport
from pytest_mcpsym.wire.playback import Playback
from pytest_mcpsym.wire.reading import read
from pytest_mcpsym.wire.recording import AGAIN, Head, LinkHead, Recording, RecordingError, Transport, line_of, of_link, write
from pytest_mcpsym.wire.redact import Redactor, Rules, redact
from pytest_mcpsym.wire.render import render
from pytest_mcpsym.wire.script import scripts
from pytest_mcpsym.wire.sensitive import is_secret_field
from pytest_mcpsym.wire.verify import Drift, Verification

__all__ = ["Mode", "Recorded", "Tape", "Tapes", "recorded"]

Mode = Literal["replay", "record", "rerecord", "verify", "live"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A link that is recorded once and replayed afterwards. Made by the `recorded` fixture.

    Attributes:
        target: How the real link is opened.
        name: Name in the file's name; `None` takes the link's.
    """

    target: LinkSpec
    name: str | None = None


def recorded(target: object, /, *, name: str | None = None, **options: object) -> Recorded:
    """Describe a link that is recorded once and replayed afterwards; see the fixture of that name.

    Raises:
        TargetError: No link can be made from `target`.
        UsageError: An option that means nothing for this target, or an unusable name.
    """
    if isinstance(target, Recorded):
        raise UsageError("recorded(recorded(...)): give the server itself")
    if name is not None and (not isinstance(cast("object", name), str) or not name.strip()):
        raise UsageError(f"recorded(..., name={name!r}): a name is a text that is not empty")
    make = cast("Callable[..., LinkSpec]", link)
    try:
        return Recorded(make(target, **options), name)
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise
        raise UsageError(f"recorded(...): {str(error).partition(' ')[2]}; it takes name= and what link(...) takes") from None


@dataclass(slots=True, eq=False)
class Tape:
    """One recorded link of one board.

    Attributes:
        link: Name of the link.
        file: The recording.
        shown: The file as it is shown to people, from the root directory.
        use: Whether it is `played`, `recording`, or `verified`, which is played beside the real server.
        existed: Whether the file was there before.
        head: First line of the recording.
        board: The board that opened the link; `None` until then.
        playback: What is played; `None` while recording.
        recorded: The log of what is played; `None` while recording.
        replayed: By the `seq` of a frame of the board's log, the `seq` of the recorded frame that it replays.
        verification: Compares the real server with what is played; `None` unless it is verified.
        ignored: What is no difference of the two.
        live: What crossed to the real server.
        misses: What was missed, each with its frame on the board's log.
    """

    link: str
    file: Path
    shown: str
    use: Literal["played", "recording", "verified"]
    existed: bool
    head: Head
    playback: Playback | None = None
    recorded: WireLog | None = None
    replayed: dict[int, int] = field(default_factory=dict[int, int])
    verification: Verification | None = None
    ignored: Sequence[Ignored] = ()
    live: WireLog | None = None
    board: Views | None = None
    misses: list[tuple[Miss, Frame]] = field(default_factory=list[tuple[Miss, Frame]])

    @property
    def drifts(self) -> tuple[Drift, ...]:
        """Where the real server does not answer as recorded; nothing before its board is closed."""
        if self.verification is None or self.board is None or not self.board.closed:
            return ()
        found: list[Drift] = []
        for drift in self.verification.finished():
            left: Drift | None = drift
            for each in self.ignored:
                left = None if left is None else each.left(self.link, left)
            found += [] if left is None else [left]
        return tuple(found)

    def content(self) -> bytes:
        """Return the file for what the link's log holds, redacted.

        Raises:
            RecordingError: It would hold the value of an environment variable or credential that is a secret.
        """
        assert self.board is not None, "only a link that was opened has a log"
        log = redact(of_link(self.board.log, self.link), self.board.rules)
        data = write(log, self.head)
        environment = tuple((name, value) for name, value in os.environ.items() if is_secret_field(name))
        refuse_secrets(data, (*environment, *self.board.rules.secrets), self.shown)
        return data


class Tapes:
    """The recordings of one run of one test.

    Args:
        mode: What the run was asked to do.
        folder: Where this test's recordings are.
        stem: Returns the file's name without `.jsonl` for a link.
        test: Id of the test, the same on every event loop.
        root: What shown paths start from.
        again: The command that records this test anew.
        ignored: What is no difference of a server that is verified.
    """

    def __init__(
        self,
        mode: Mode,
        folder: Path,
        stem: Callable[[str], str],
        *,
        test: str,
        root: Path,
        again: str,
        ignored: Sequence[Ignored] = (),
    ) -> None:
        self.mode = mode
        self.tapes: list[Tape] = []
        self._folder = folder
        self._stem = stem
        self._test = test
        self._root = root
        self._again = again
        self._ignored = ignored

    def bind(
        self, link: str, recorded: Recorded, era: Era, rules: Rules, *, patience: float = 48.0
    ) -> tuple[LinkSpec, Tape | None]:
        """Return how a recorded link is opened in this run, and its tape; none in a live run.

        Args:
            link: Name of the link.
            recorded: What the test described.
            era: Era of the link.
            rules: What is secret on the board.
            patience: Seconds that a server that is verified may take for an answer.

        Raises:
            UsageError: There is no recording, it cannot be used, or this test has opened it before.
        """
        if self.mode == "live":
            return recorded.target, None
        file = self._folder / f"{self._stem(recorded.name or link)}.jsonl"
        shown = self._shown(file)
        if any(tape.file == file for tape in self.tapes):
            raise UsageError(
                f"link {link!r}: this test opened {shown} before; a file holds one opening, so give one of the two links another name: "
                "recorded(..., name=...)"
            )
        existed = file.exists()
        if self.mode == "rerecord" or (self.mode == "record" and not existed):
            tape = Tape(link, file, shown, "recording", existed, self._head(link, recorded.target, era))
            self.tapes.append(tape)
            return recorded.target, tape
        if not existed:
            aside = file.with_name(f"{file.name}.new").exists()
            keep = f"move {shown}.new there if what it holds is right, or " if aside else ""
            record = self._again.replace("rerecord", "record")
            raise UsageError(f"link {link!r}: there is no recording {shown}; {keep}record it with: {record}")
        spec, tape = self._play(link, recorded, era, rules, file)
        if self.mode == "verify":
            tape.use, tape.ignored = "verified", self._ignored
            tape.verification = Verification(redact=Redactor(rules).data, clocks=_clocks(tape.head.date))
            real = replace(recorded.target, era=era)
            target = Verified(cast("Played", spec.target), real, tape.verification, patience, rules)
            spec, tape.live = replace(spec, target=target), target.log
        self.tapes.append(tape)
        return spec, tape

    def _head(self, link: str, spec: LinkSpec, era: Era) -> Head:
        transport: Transport = "http" if spec.transport == "sockets" else spec.transport
        today = dt.datetime.now(dt.UTC).date().isoformat()
        return Head(self._test, (LinkHead(link, era, transport),), f"mcp {version('mcp')}", today)

    def _play(self, link: str, recorded: Recorded, era: Era, rules: Rules, file: Path) -> tuple[LinkSpec, Tape]:
        shown = self._shown(file)
        recording = self._read(link, file, shown, era)
        (was,) = recording.head.links
        try:
            found = scripts(recording.log).get(was.name)
        except ValueError as error:
            raise UsageError(f"link {link!r}: {shown} cannot be played: {error}; {self._remedy}") from None
        if found is None:
            raise UsageError(f"link {link!r}: {shown} holds nothing of this link; {self._remedy}")
        playback = Playback(found, redact=Redactor(rules).data)
        tape = Tape(link, file, shown, "played", existed=True, head=recording.head, playback=playback, recorded=recording.log)
        opened = next((note.data for note in recording.log.notes if note.channel == "open"), cast("Mapping[str, object]", {}))
        played = Played(
            label=str(opened.get("target", shown)),
            file=shown,
            playback=playback,
            http=was.transport == "http",
            modern=era == "modern",
            missed=lambda miss, frame: tape.misses.append((miss, frame)),
            replayed=tape.replayed,
        )
        return replace(recorded.target, transport=was.transport, target=played, headers={}), tape

    def _read(self, link: str, file: Path, shown: str, era: Era) -> Recording:
        """Return a recording that this test can play.

        Raises:
            UsageError: It is none.
        """
        try:
            recording = read(file.read_bytes(), shown)
        except OSError as error:
            raise UsageError(f"link {link!r}: {shown} cannot be read: {error.strerror or error}") from None
        except RecordingError as error:
            raise UsageError(f"link {link!r}: {str(error).replace(AGAIN, self._remedy)}") from None
        head = recording.head
        if len(head.links) != 1:
            names = ", ".join(each.name for each in head.links) or "none"
            raise UsageError(
                f"link {link!r}: {shown}:1 holds several links ({names}), and a test's recording holds one; {self._remedy}"
            )
        if head.links[0].era != era:
            was = head.links[0].era
            raise UsageError(
                f"link {link!r}: {shown}:1 was recorded in the {was} era, and this link is opened in the {era} era; "
                f"use era={was!r}, or {self._remedy}"
            )
        # `mcpsym record` names no test, and any test may play what it recorded. The root directory, and with it the folders of an id,
        # depends on where pytest was started.
        if head.test and _from_module(head.test) != _from_module(self._test):
            raise UsageError(
                f"link {link!r}: {shown}:1 was recorded by {head.test}, and this is {self._test}; set `test` in line 1 if the two "
                f"are to share what was recorded, or {self._remedy}"
            )
        return recording

    def _shown(self, file: Path) -> str:
        return file.relative_to(self._root).as_posix() if file.is_relative_to(self._root) else str(file)

    @property
    def _remedy(self) -> str:
        return f"record it again: {self._again}"

    # --- after the test

    def missed(self) -> str:
        """Return the reports of what was missed; empty if nothing was."""
        return "\n\n".join(self._report(tape, miss, frame) for tape in self.tapes for miss, frame in tape.misses)

    def _report(self, tape: Tape, miss: Miss, frame: Frame) -> str:
        assert tape.board is not None
        caller = next((hop.caller for hop in tape.board.routes.walk() if hop.exchange.request.seq == frame.seq), "host")
        test = self._test.rpartition("::")[2]
        text = str(MissReport(miss, test, tape.link, tape.shown, caller, self._again))
        return Redactor(tape.board.rules).text(text)

    def unplayed(self) -> str:
        """Return what was recorded and nobody asked for; empty if there is nothing of this."""
        texts = [text for tape in self.tapes if (text := self._unplayed(tape))]
        return "\n\n".join(texts)

    def _unplayed(self, tape: Tape) -> str:
        left = () if tape.playback is None or tape.board is None else tape.playback.remaining()
        if not left:
            return ""
        rows = [
            f"  {tape.shown}:{line_of(script.trigger)}   {script.asked.label}   {script.asked.shown}".rstrip()
            for script in left
            if script.trigger is not None and script.asked is not None
        ]
        noun = "exchange was" if len(rows) == 1 else "exchanges were"
        test = self._test.rpartition("::")[2]
        head = f"mcp unplayed in {test} · {tape.link}: {len(rows)} recorded {noun} not asked for"
        return "\n".join([head, *rows, f"to accept: {self._again}"])

    def drifted(self) -> str:
        """Return where real servers do not answer as recorded, of the boards that are closed; empty if they all do."""
        texts: list[str] = []
        for tape in self.tapes:
            drifts = tape.drifts
            if drifts:
                test = self._test.rpartition("::")[2]
                texts.append(str(DriftReport(drifts, test, tape.link, tape.shown, self._again)))
        return "\n\n".join(texts)

    def verified(self) -> Iterable[str]:
        """Return for each real server that was verified what it was told and said, as text that a person can read, secrets replaced."""
        for tape in self.opened():
            if tape.live is not None and tape.board is not None:
                told = render(redact(WireLog(tape.live), tape.board.rules), side_channels=True)
                yield f"What the real server behind {tape.link} was told and said:\n\n{told}"

    def opened(self) -> Iterable[Tape]:
        """Return the tapes whose link was opened."""
        return [tape for tape in self.tapes if tape.board is not None]


def _clocks(recorded: str) -> Clocks | None:
    """Return when a recording was made and when this is; `None` where it does not say."""
    try:
        noon = dt.datetime.combine(dt.date.fromisoformat(recorded), dt.time(12), dt.UTC)
    except ValueError:
        return None
    return Clocks(noon.timestamp(), dt.datetime.now(dt.UTC).timestamp())


def _from_module(test: str) -> str:
    """Return a test's id without the folders of its module."""
    module, _, name = test.partition("::")
    return f"{module.rpartition('/')[2]}::{name}"
