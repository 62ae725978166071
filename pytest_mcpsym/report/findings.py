"""Judge the findings of boards: which were expected, which fail the test, and how that reads.

Whatever is shown to people comes from the redacted log. Pinned by `tests/report/test_findings.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from pytest_mcpsym.checks import Finding, matches, run
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.redact import Redactor, redact

if TYPE_CHECKING:
    from pytest_mcpsym.switchboard.views import Expectation, Views

__all__ = ["FailOn", "Verdict", "judge", "one_line_each"]

FailOn = Literal["error", "warning", "never"]
"""The least severity that fails a test."""

SHOWN: Final = 10
"""Findings that are told in full; more are counted."""

AROUND: Final = 2
"""Frames of the same link shown before and after the frames that prove a finding."""

PROOFS: Final = 6
"""Frames that prove one finding shown at most."""

WIDTH: Final = 120
"""Characters of one frame that are shown."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the findings of one or more boards mean for their test.

    Attributes:
        failing: Unexpected findings that fail the test, each with its board.
        warned: Unexpected findings that do not, each with its board.
        unmet: Patterns of the marker or of a block that nothing met.
        met: Patterns of the marker and of ini `mcp_expect` that a finding met.
        judged: Every finding that was not known, expected or not, each with its board.
    """

    failing: tuple[tuple[Finding, Views], ...]
    warned: tuple[tuple[Finding, Views], ...]
    unmet: tuple[str, ...]
    met: frozenset[str]
    judged: tuple[tuple[Finding, Views], ...]

    @property
    def failed(self) -> bool:
        """Whether the test fails."""
        return bool(self.failing or self.unmet)

    @property
    def found(self) -> str:
        """Each finding that fails the test, with the frames around it."""
        parts = [f"{head}\n{frames}".rstrip() for head, frames in _told(self.failing[:SHOWN])]
        if len(self.failing) > SHOWN:
            parts.append(f"… {len(self.failing) - SHOWN} more findings")
        return "\n\n".join(parts)

    @property
    def text(self) -> str:
        """The failure, for a person: each finding with the frames around it, and how to accept it."""
        parts = [self.found] if self.failing else []
        parts += [f"expected the finding {pattern!r}, and nothing like it was found" for pattern in self.unmet]
        if self.failing:
            ids = sorted({finding.check for finding, _ in self.failing})
            parts.append(f"to accept: @pytest.mark.mcp(expect={ids!r}), or `with board.expect({ids[0]!r}):` around the call")
        return "\n\n".join(parts)


def one_line_each(findings: Iterable[tuple[Finding, Views]]) -> list[str]:
    """Return findings, each with its board, as lines of a summary."""
    return [head.splitlines()[0] for head, _ in _told(findings)]


@dataclass(slots=True)
class _Case:
    """What judging gathers."""

    spared: Callable[[Finding], bool]
    failing: list[tuple[Finding, Views]] = field(default_factory=list[tuple[Finding, "Views"]])
    warned: list[tuple[Finding, Views]] = field(default_factory=list[tuple[Finding, "Views"]])
    judged: list[tuple[Finding, Views]] = field(default_factory=list[tuple[Finding, "Views"]])
    met: set[str] = field(default_factory=set[str])

    def hear(self, finding: Finding, board: Views, patterns: Iterable[str], *, known: bool) -> None:
        """Judge one finding; a known one only meets expectations."""
        hits = [pattern for pattern in patterns if matches(pattern, finding)]
        blocks = [block for block in board.expectations if _covers(block, finding)]
        self.met.update(hits)
        for block in blocks:
            block.met = True
        if known:
            return
        self.judged.append((finding, board))
        if not hits and not blocks:
            (self.warned if self.spared(finding) else self.failing).append((finding, board))


def judge(
    boards: Sequence[Views],
    *,
    expected: Sequence[str] = (),
    ini: Sequence[str] = (),
    fail_on: FailOn = "error",
    final: bool = True,
    known: Iterable[tuple[Finding, Views]] = (),
) -> Verdict:
    """Judge the findings of a test's boards.

    Args:
        boards: The boards, open or closed.
        expected: Patterns of the test's marker.
        ini: Patterns of ini `mcp_expect`.
        fail_on: The least severity that fails the test.
        final: Whether the boards' last word is spoken; if not, unmet expectations are left for later.
        known: Findings that were judged before and do not count again, each with its board.
    """
    case = _Case(lambda finding: fail_on == "never" or (fail_on == "error" and finding.severity == "warning"))
    earlier = {(id(board), finding) for finding, board in known}
    for board in boards:
        for finding in board.findings:
            case.hear(finding, board, (*expected, *ini), known=(id(board), finding) in earlier)
    unmet: list[str] = []
    if final:
        unmet += [pattern for pattern in dict.fromkeys(expected) if pattern not in case.met]
        unmet += [block.pattern for board in boards for block in board.expectations if not block.met]
    return Verdict(tuple(case.failing), tuple(case.warned), tuple(unmet), frozenset(case.met), tuple(case.judged))


def _covers(block: Expectation, finding: Finding) -> bool:
    return block.covers(finding) and matches(block.pattern, finding)


# --- how it reads


def _told(findings: Iterable[tuple[Finding, Views]]) -> Iterable[tuple[str, str]]:
    """Yield, for each finding, what it says and the frames around it."""
    shown: dict[int, _Shown] = {}
    for finding, board in findings:
        if id(board) not in shown:
            shown[id(board)] = _Shown(board)
        view = shown[id(board)]
        yield view.head(finding), view.excerpt(finding)


class _Shown:
    """A board as people may see it."""

    def __init__(self, board: Views) -> None:
        self._log = redact(WireLog(board.log), board.rules)  # A copy: the log of an open board grows.
        # A message may quote a frame, so it is taken from the same finding in the redacted log.
        self._messages = {_key(each): each.message for each in run(self._log, board.checks, closed=board.closed)}
        self._redactor = Redactor(board.rules)

    def head(self, finding: Finding) -> str:
        """Return check, link, message and route."""
        message = self._messages.get(_key(finding)) or self._redactor.text(finding.message)
        where = f" on link {finding.link!r}" if finding.link else ""
        route = f"\n  route: {finding.route}" if finding.route else ""
        return f"{finding.check}{where}: {message.removeprefix(f'{finding.link}: ')}{route}"

    def excerpt(self, finding: Finding) -> str:
        """Return the frames that prove a finding, with their neighbours on the same link."""
        frames = self._log.on(finding.link)
        hits = [index for index, frame in enumerate(frames) if frame.seq in finding.frames]
        around = range(-AROUND, AROUND + 1)
        near = sorted({hit + step for hit in hits[:PROOFS] for step in around if 0 <= hit + step < len(frames)})
        lines = [_line(frames[index], marked=index in hits) for index in near]
        if len(hits) > PROOFS:
            lines.append(f"… {len(hits) - PROOFS} more frames prove it")
        return "\n".join(f"  {line}" for line in lines)


def _key(finding: Finding) -> tuple[str, str, tuple[int, ...]]:
    return finding.check, finding.link, finding.frames


def _line(frame: Frame, *, marked: bool) -> str:
    arrow = f"host → {frame.link}" if frame.direction == "to-server" else f"{frame.link} → host"
    text = frame.data[: 4 * WIDTH].decode("utf-8", "backslashreplace")
    if not text.isprintable():
        text = text.encode("unicode_escape").decode()
    if len(text) > WIDTH or len(frame.data) > 4 * WIDTH:
        text = text[: WIDTH - 1] + "…"
    return f"{'>' if marked else ' '} frame {frame.seq}  {arrow}  {text}"
