"""Judge the findings of a test's boards: which were expected, which fail it, and how that reads.

Pinned by `tests/report/test_findings.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pytest_mcpsym.checks import Finding, matches
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.redact import redact

if TYPE_CHECKING:
    from pytest_mcpsym.switchboard.views import Views

__all__ = ["FAIL_ON", "FailOn", "Verdict", "judge", "route_lines"]

FailOn = Literal["error", "warning", "never"]
"""The least severity that fails a test."""

FAIL_ON: Final[tuple[FailOn, ...]] = ("error", "warning", "never")

AROUND: Final = 2
"""Frames of the same link shown before and after the frames that prove a finding."""

WIDTH: Final = 120
"""Characters of one frame that are shown."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the findings of one or more boards mean for their test.

    Attributes:
        failing: Unexpected findings that fail the test, each with the text to show.
        warned: Unexpected findings that do not.
        unmet: Expectations of the marker or of a block that nothing met.
        met_ini: Lines of ini `mcp_expect` that met a finding.
        judged: Every finding, expected or not.
    """

    failing: tuple[tuple[Finding, str], ...]
    warned: tuple[Finding, ...]
    unmet: tuple[str, ...]
    met_ini: frozenset[str]
    judged: tuple[Finding, ...]

    @property
    def failed(self) -> bool:
        """Whether the test fails."""
        return bool(self.failing or self.unmet)

    @property
    def text(self) -> str:
        """The failure, for a person."""
        parts = [text for _, text in self.failing]
        parts += [f"expected the finding {pattern!r}, and nothing like it was found" for pattern in self.unmet]
        if self.failing:
            ids = sorted({finding.check for finding, _ in self.failing})
            parts.append(f"to accept: @pytest.mark.mcp(expect={ids!r}), or `with board.expect({ids[0]!r}):` around the call")
        return "\n\n".join(parts)


def judge(
    boards: Sequence[Views],
    *,
    expected: Sequence[str] = (),
    ini: Sequence[str] = (),
    fail_on: FailOn = "error",
    final: bool = True,
    known: Iterable[Finding] = (),
) -> Verdict:
    """Judge the findings of a test's boards.

    Args:
        boards: The boards, open or closed.
        expected: Patterns of the test's marker.
        ini: Patterns of ini `mcp_expect`.
        fail_on: The least severity that fails the test.
        final: Whether the boards' last word is spoken; if not, unmet expectations are left for later.
        known: Findings that were judged before and do not count again.
    """
    failing: list[tuple[Finding, str]] = []
    warned: list[Finding] = []
    judged: list[Finding] = []
    met: set[str] = set()
    earlier = list(known)
    unmet = [] if not final else [pattern for pattern in expected]
    for board in boards:
        blocks = list(board.expectations)
        for finding in board.findings:
            hits = [pattern for pattern in (*expected, *ini) if matches(pattern, finding)]
            covering = [block for block in blocks if block.covers(finding) and matches(block.pattern, finding)]
            met.update(hits)
            unmet = [pattern for pattern in unmet if pattern not in hits]
            for block in covering:
                block.met = True
            if finding in earlier:
                continue
            judged.append(finding)
            if hits or covering:
                continue
            if fail_on == "never" or (fail_on == "error" and finding.severity == "warning"):
                warned.append(finding)
            else:
                failing.append((finding, _text(finding, board)))
        if final:
            unmet += [block.pattern for block in blocks if not block.met]
    return Verdict(tuple(failing), tuple(warned), tuple(unmet), frozenset(met).intersection(ini), tuple(judged))


def route_lines(board: Views) -> list[str]:
    """Return the routes of a board as lines, `(no routed call)` if there are none."""
    text = str(board.routes)
    return text.splitlines() if text else ["(no routed call)"]


def _text(finding: Finding, board: Views) -> str:
    head = f"{finding.check} on link {finding.link!r}: {finding.message}"
    route = f"\n  route: {finding.route}" if finding.route else ""
    return f"{head}{route}\n" + "\n".join(f"  {line}" for line in _excerpt(finding, redact(board.log, board.rules)))


def _excerpt(finding: Finding, log: WireLog) -> list[str]:
    """The frames that prove a finding, with their neighbours on the same link."""
    frames = log.on(finding.link)
    hits = [index for index, frame in enumerate(frames) if frame.seq in finding.frames]
    shown = sorted({near for hit in hits for near in range(hit - AROUND, hit + AROUND + 1) if 0 <= near < len(frames)})
    return [_line(frames[index], marked=index in hits) for index in shown]


def _line(frame: Frame, *, marked: bool) -> str:
    arrow = f"host → {frame.link}" if frame.direction == "to-server" else f"{frame.link} → host"
    data = frame.data.decode("utf-8", "backslashreplace").encode("unicode_escape").decode() if _odd(frame.data) else frame.data.decode()
    text = data if len(data) <= WIDTH else data[: WIDTH - 1] + "…"
    return f"{'>' if marked else ' '} frame {frame.seq}  {arrow}  {text}"


def _odd(data: bytes) -> bool:
    try:
        return not data.decode().isprintable()
    except UnicodeDecodeError:
        return True
