"""What the boards of a test add to pytest's reports of it: a failure for unexpected findings, sections, the trace.

The body's own outcome is never masked: findings fail a test that passed, and are a section where it failed or was skipped. Pinned by
`tests/plugin/test_findings.py` and `tests/plugin/test_trace.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from pytest_mcpsym import options
from pytest_mcpsym.errors import FindingsError, McpsymError, ReplayError, VerifyError
from pytest_mcpsym.items import ItemState, own_stem_of, recorder_stem
from pytest_mcpsym.report.findings import Verdict, judge, one_line_each
from pytest_mcpsym.report.recordings import commit, refuse_drift, refuse_misses, refuse_unplayed
from pytest_mcpsym.report.routes import trees
from pytest_mcpsym.switchboard.board import Board
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.redact import Redactor, redact
from pytest_mcpsym.wire.waiting import given_up

if TYPE_CHECKING:
    from _pytest._code.code import TerminalRepr

    from pytest_mcpsym.checks import Finding
    from pytest_mcpsym.report.findings import FailOn
    from pytest_mcpsym.switchboard.views import Views

__all__ = ["TRACES", "after_body", "after_fixtures", "complete", "waiting_lines"]

TRACES = "mcp-traces"
"""Folder below the root directory in which transcripts are written."""


def after_body(item: pytest.Item, state: ItemState) -> None:
    """Judge the boards of a test whose body passed.

    Raises:
        ReplayError: A recording was asked for what it does not hold, or was not played to its end.
        VerifyError: A real server does not answer as recorded.
        UnexpectedPrompt: The model of a board that is still open had no answer to a prompt.
        FindingsError: There are unexpected findings, or expected ones are missing.
    """
    closed = all(board.closed for board in state.boards)
    refuse_misses(state)
    if closed:
        refuse_unplayed(state)
        refuse_drift(state)
    for board in state.boards:
        missed = board.take_missed()
        if missed is not None:
            raise missed
    verdict = _judge(item, state, final=closed)
    _tell(item, state, verdict.warned)
    if verdict.failed:
        raise FindingsError(verdict.text)


def after_fixtures(item: pytest.Item, state: ItemState) -> None:
    """Judge what only the teardown of fixtures could show; where the test had failed before, the summary of the run tells it.

    Raises:
        ReplayError: As `after_body`.
        VerifyError: As `after_body`.
        FindingsError: As `after_body`.
        pytest.fail.Exception: A board is still open.
    """
    left = _left_open(state)
    if not state.failed and state.called:
        refuse_misses(state)
        refuse_unplayed(state)
        refuse_drift(state)
    verdict = _judge(item, state, final=True)
    _tell(item, state, (*verdict.failing, *verdict.warned) if state.failed else verdict.warned)
    if verdict.failed and not state.failed:
        raise FindingsError(verdict.text)
    if left and state.failed:
        state.warned.append(f"{item.nodeid}: {left}")
    elif left:
        pytest.fail(left, pytrace=False)


def _left_open(state: ItemState) -> str:
    """Close the boards that a test left open, as far as that is possible from here, and say so; nothing if there were none."""
    left = [board for board in state.boards if not board.closed]
    for board in left:
        if isinstance(board, Board):
            board.close()
    names = "; ".join(", ".join(board.log.links) for board in left)
    return f"this test left a board open ({names}): open boards with `with` or `async with`, or close them" if left else ""


def _judge(item: pytest.Item, state: ItemState, *, final: bool) -> Verdict:
    ini = options.expected_by_ini(item.config)
    verdict = judge(
        state.boards,
        expected=[pattern for marker in item.iter_markers("mcp") for pattern in marker.kwargs.get("expect", [])],
        ini=ini,
        fail_on=cast("FailOn", options.fail_on(item.config)),
        final=final,
        known=state.judged,
    )
    state.judged += verdict.judged
    state.met_ini |= verdict.met.intersection(ini)
    return verdict


def _tell(item: pytest.Item, state: ItemState, findings: Sequence[tuple[Finding, Views]]) -> None:
    state.warned += [f"{item.nodeid}: {line}" for line in one_line_each(findings)]


def complete(item: pytest.Item, state: ItemState, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
    """Add to a report what the boards show, and at the end what the summary of the run needs."""
    error = call.excinfo.value if call.excinfo is not None else None
    missed = state.tapes.missed() if state.tapes is not None and error is not None and not state.failed else ""
    state.failed = state.failed or error is not None
    state.unclean = state.unclean or report.failed or hasattr(report, "wasxfail")
    state.called = state.called or report.when == "call"
    left_out = report.when == "teardown" and not state.called and not state.unclean
    state.skipped = state.skipped or left_out or (report.skipped and not hasattr(report, "wasxfail"))
    if isinstance(error, (FindingsError, ReplayError, VerifyError)):
        report.longrepr = _at_the_test(item, call)
    elif error is not None:
        if missed and report.failed:  # What the caller made of a miss says less than the miss.
            report.sections.insert(0, ("what the test said", str(report.longrepr)))
            report.longrepr = _at_the_test(item, _told(ReplayError(missed)))
        if report.when != "teardown":
            state.judged.clear()  # A unittest method that failed was judged as if it had passed; here its findings are only told.
        verdict = _judge(item, state, final=report.when == "teardown")
        _tell(item, state, verdict.warned)
        if verdict.failing:
            report.sections.append(("mcp findings", verdict.text))
    if (
        error is not None
        and not isinstance(error, VerifyError)
        and state.tapes is not None
        and (drifted := state.tapes.drifted())
    ):
        report.sections.append(("mcp verify", drifted))
    if report.failed and state.boards and not state.shown:
        state.shown = True
        report.sections.append(("mcp routes", "\n".join(trees(state.boards))))
        if purpose := _done_on_purpose(state):
            report.sections.append(("mcp faults, done on purpose", "\n".join(purpose)))
        waited = [] if isinstance(error, McpsymError) else waiting_lines(state)
        if waited:
            report.sections.append(("mcp waiting", "\n".join(waited)))
    if state.boards:
        _trace(item, state, report)
    if report.when == "teardown":
        wrong = commit(state)
        if wrong:
            report.outcome = "failed"
            report.longrepr = f"{report.longrepr}\n\n{wrong}" if report.longrepr else wrong
        report.__dict__["mcpsym"] = {
            "recordings": state.kept,
            "files": [str(tape.file) for tape in state.tapes.opened()] if state.tapes is not None else [],
            "module": str(item.path),
            "stem": recorder_stem(item),
            "passed": not state.unclean and not state.skipped and report.passed,
            "links": sorted({link for board in state.boards for link in board.log.links}),
            "warned": state.warned,
            "met_ini": sorted(state.met_ini),
            "traced": state.trace is not None,
        }


def waiting_lines(state: ItemState) -> list[str]:
    """Return who waited for whom in the calls of a test that something else than the board gave up: its own time limit, Ctrl-C."""
    return [line for board in state.boards for line in map(Redactor(board.rules).text, given_up(board.log))]


def _told(error: Exception) -> pytest.CallInfo[None]:
    """Return the outcome of a call that raised an error."""

    def fail() -> None:
        raise error

    return pytest.CallInfo[None].from_call(fail, "call")


def _done_on_purpose(state: ItemState) -> list[str]:
    """The faults that were done in a test, so that nobody takes what came of them for a bug of a server."""
    from pytest_mcpsym.faults.blame import done

    faulty = [board for board in state.boards if any(note.channel == "fault" for note in board.log.notes)]
    return [line for board in faulty for line in done(redact(WireLog(board.log), board.rules))]


def _at_the_test(item: pytest.Item, call: pytest.CallInfo[None]) -> TerminalRepr:
    """Return the text of a `FindingsError` without a traceback; its place is the test."""
    assert call.excinfo is not None
    shown = call.excinfo.getrepr(style="value")
    if shown.reprcrash is not None:
        shown.reprcrash.path = str(item.path)
        shown.reprcrash.lineno = (item.location[1] or 0) + 1
    return shown


# --- traces


def _trace(item: pytest.Item, state: ItemState, report: pytest.TestReport) -> None:
    """Write the transcripts of a test's boards when they are asked for, and say where; once more when its fixtures are gone."""
    when = options.trace(item.config)
    if state.trace is None:
        due = report.failed if when == "retain-on-failure" else when == "on" and (report.failed or report.when == "call")
        if not due:
            return
        path = _trace_path(item)
        if not _write(path, state, report):
            return
        state.trace = path
        item.user_properties.append(("mcp_trace", str(path)))
        report.user_properties.append(("mcp_trace", str(path)))
        report.sections.append(("mcp trace", str(path)))
    elif report.when == "teardown":
        _write(state.trace, state, report)


def _trace_path(item: pytest.Item) -> Path:
    root = item.config.rootpath
    inside = item.path.relative_to(root) if item.path.is_relative_to(root) else Path(item.path.name)
    return root / TRACES / inside.with_suffix("") / f"{own_stem_of(item)}.txt"


def _write(path: Path, state: ItemState, report: pytest.TestReport) -> bool:
    texts = [f"{board.transcript(normalised=False)}\n# usage\n{board.usage}\n" for board in state.boards]
    text = "\n".join([*texts, *(state.tapes.verified() if state.tapes is not None else ())])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        report.sections.append(("mcp trace", f"could not be written: {error}"))
        return False
    return True
