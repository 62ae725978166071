"""When findings fail a test, when they are only told, and that they mask nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from runpy import run_path

import pytest

from pytest_mcpsym.checks import Finding, Registry, View, check
from pytest_mcpsym.checks import run as run_checks
from pytest_mcpsym.errors import FindingsError
from pytest_mcpsym.switchboard import switchboard as open_board
from pytest_mcpsym.switchboard import views
from pytest_mcpsym.wire.log import WireLog
from tests.plugin.harness import SERVERS, Example, ini

MakeExample = Callable[..., Example]

TWICE = """
import pytest
from servers import odd, echo

def test_it(switchboard):
    with switchboard(odd=odd()) as board:
        board.call("odd__twice")
        board.call("odd__fine")
"""


def test_a_finding_fails_a_test_whose_body_passed_with_one_error(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(TWICE).run_here(pytester)
    assert run.outcomes == {"failed": 1}
    assert run.text.count("FindingsError") == 1  # in the summary; the failure itself is the finding
    run.says(
        "FindingsError: jsonrpc:answered-twice on link 'odd': the server answered tools/call twice (id ",
        " again",
        "route: host > odd",
    )


def test_a_finding_is_shown_with_the_frames_around_it(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(TWICE).run_here(pytester)
    run.says("  > frame ", "    frame ", "host → odd", "odd → host")


def test_a_finding_says_how_to_accept_it(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(TWICE).run_here(pytester)
    run.says(
        "to accept: @pytest.mark.mcp(expect=['jsonrpc:answered-twice']), or `with board.expect('jsonrpc:answered-twice'):`"
    )


def test_a_finding_has_no_traceback_and_is_placed_at_the_test(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(TWICE).run_here(pytester, "--tb=line")
    run.says("test_it.py:5: pytest_mcpsym.errors.FindingsError: jsonrpc:answered-twice")
    assert "outcome.py" not in run.text


def test_secrets_in_findings_are_replaced(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(TWICE.replace("odd__twice", "odd__text")).run_here(pytester)
    run.says("jsonrpc:not-json-rpc")
    assert "abcdefghijklmnop" not in run.text
    assert all("abcdefghijklmnop" not in (text or "") for text in run.changed.values())


def test_a_body_that_fails_keeps_its_own_failure(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(TWICE + '    assert "the reason" == "another"\n').run_here(pytester)
    assert run.outcomes == {"failed": 1}
    run.says("FAILED test_it.py::test_it - AssertionError: assert 'the reason' == 'another'")
    assert "jsonrpc:answered-twice" in run.section("mcp findings")


def test_a_body_that_skips_stays_skipped(example: MakeExample, pytester: pytest.Pytester) -> None:
    assert example(TWICE + '    pytest.skip("not today")\n').run_here(pytester).outcomes == {"skipped": 1}


def test_a_body_that_xfails_stays_xfailed(example: MakeExample, pytester: pytest.Pytester) -> None:
    assert example(TWICE + '    pytest.xfail("known")\n').run_here(pytester).outcomes == {"xfailed": 1}


def test_a_finding_is_what_an_xfail_mark_expects(example: MakeExample, pytester: pytest.Pytester) -> None:
    marked = TWICE.replace("def test_it", "@pytest.mark.xfail(strict=True)\ndef test_it")
    assert example(marked).run_here(pytester).outcomes == {"xfailed": 1}


def test_a_unittest_method_that_fails_keeps_its_own_failure(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example("""
import pytest, unittest
from servers import odd

class TestIt(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def boards(self, switchboard):
        self.switchboard = switchboard

    def test_it(self):
        with self.switchboard(odd=odd()) as board:
            board.call("odd__twice")
        self.assertEqual("the reason", "another")
""").run_here(pytester)
    assert run.outcomes == {"failed": 1}
    run.says("AssertionError: 'the reason' != 'another'")
    assert "jsonrpc:answered-twice" in run.section("mcp findings")


def test_raises_around_a_board_swallows_no_finding(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example("""
import pytest
from servers import odd

def test_it(switchboard):
    with pytest.raises(Exception):
        with switchboard(odd=odd()) as board:
            board.call("odd__twice")
            board.call("odd__fine")
            raise ValueError
""").run_here(pytester)
    assert run.outcomes == {"failed": 1}
    run.says("FindingsError: jsonrpc:answered-twice")


FIXTURE = """
import pytest
from servers import odd

@pytest.fixture
def board(switchboard):
    with switchboard(odd=odd()) as board:
        yield board

def test_it(board):
    board.call("odd__{tool}")
    board.call("odd__fine")
"""


def test_a_board_that_a_fixture_holds_open_is_judged_after_the_body(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(FIXTURE.replace("{tool}", "twice")).run_here(pytester)
    assert run.outcomes == {"failed": 1}
    run.says("FindingsError: jsonrpc:answered-twice")


@check("closing:seen", severity="error", sentence="Nobody closes.", source="here", at_close=True)
def seen(view: View) -> Iterator[Finding]:
    yield seen.finding("echo: it closed", view.log.frames[-1:], "echo")


def only_closing(log: WireLog, _: Registry, *, closed: bool) -> tuple[Finding, ...]:
    return run_checks(log, Registry([seen]), closed=closed)


def test_what_only_closing_shows_is_told_at_teardown(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "run", only_closing)
    run = example("""
import pytest
from servers import echo

@pytest.fixture
def board(switchboard):
    with switchboard(echo=echo()) as board:
        yield board

def test_passes(board):
    board.call("echo__say", message="hello")

def test_fails(board):
    assert 0
""").run_here(pytester)
    assert run.outcomes == {"passed": 1, "failed": 1, "error": 1}
    run.says(
        "ERROR at teardown of test_passes", "ERROR test_it.py::test_passes - pytest_mcpsym.errors.FindingsError: closing:seen"
    )
    run.says("warning: test_it.py::test_fails: closing:seen on link 'echo'")


def test_all_boards_of_a_test_are_judged(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example("""
from servers import odd

def test_it(switchboard):
    for name in ("one", "two"):
        with switchboard(**{name: odd()}) as board:
            board.call(f"{name}__twice")
            board.call(f"{name}__fine")
""").run_here(pytester)
    assert run.outcomes == {"failed": 1}
    run.says("answered-twice on link 'one'", "answered-twice on link 'two'", "board 1 (one)", "board 2 (two)")


def test_a_marker_expects_a_finding(example: MakeExample, pytester: pytest.Pytester) -> None:
    marked = TWICE.replace("def test_it", "@pytest.mark.mcp(expect=['odd:jsonrpc:answered-*'])\ndef test_it")
    assert example(marked).run_here(pytester).outcomes == {"passed": 1}


def test_a_marker_that_nothing_meets_fails_the_test(example: MakeExample, pytester: pytest.Pytester) -> None:
    marked = TWICE.replace("def test_it", "@pytest.mark.mcp(expect=['jsonrpc:unanswered'])\ndef test_it").replace(
        "twice", "fine"
    )
    run = example(marked).run_here(pytester)
    assert run.outcomes == {"failed": 1}
    run.says("FindingsError: expected the finding 'jsonrpc:unanswered', and nothing like it was found")


def test_a_marker_on_a_test_that_opens_no_board_is_unmet(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example("""
import pytest

@pytest.mark.mcp(expect=["jsonrpc:unanswered"])
def test_it(switchboard):
    pass
""").run_here(pytester)
    assert run.outcomes == {"failed": 1}
    run.says("expected the finding 'jsonrpc:unanswered'")


def test_an_unmet_marker_is_no_news_where_the_body_failed(example: MakeExample, pytester: pytest.Pytester) -> None:
    marked = TWICE.replace("def test_it", "@pytest.mark.mcp(expect=['jsonrpc:unanswered'])\ndef test_it").replace(
        "twice", "fine"
    )
    run = example(marked + "    assert 0\n").run_here(pytester)
    assert run.outcomes == {"failed": 1}
    assert "expected the finding" not in run.text


BLOCK = """
from servers import odd

def test_it(switchboard):
    with switchboard(odd=odd()) as board:
        with board.expect("{pattern}"):
            board.call("odd__{inside}")
            board.call("odd__fine")
        board.call("odd__{outside}")
        board.call("odd__fine")
"""


@pytest.mark.parametrize(
    ("pattern", "inside", "outside", "outcome"),
    [
        ("jsonrpc:answered-twice", "twice", "fine", "passed"),
        ("odd:jsonrpc:*", "twice", "fine", "passed"),
        ("other:jsonrpc:*", "twice", "fine", "failed"),
        ("jsonrpc:answered-twice", "twice", "twice", "failed"),
        ("jsonrpc:answered-twice", "fine", "fine", "failed"),
    ],
)
def test_a_block_expects_findings_inside_it_and_fails_without(
    example: MakeExample, pytester: pytest.Pytester, pattern: str, inside: str, outside: str, outcome: str
) -> None:
    text = BLOCK.replace("{pattern}", pattern).replace("{inside}", inside).replace("{outside}", outside)
    assert example(text).run_here(pytester).outcomes == {outcome: 1}


def test_a_line_of_ini_expects_findings_of_one_link(example: MakeExample, pytester: pytest.Pytester) -> None:
    expecting = example(TWICE, **{"pytest.ini": ini("mcp_expect = odd:jsonrpc:*")})
    assert expecting.run_here(pytester).outcomes == {"passed": 1}
    other = example(TWICE, **{"pytest.ini": ini("mcp_expect = weather:jsonrpc:*")})
    assert other.run_here(pytester).outcomes == {"failed": 1}


def test_an_unmet_line_of_ini_warns_where_its_link_was_on_a_board(example: MakeExample, pytester: pytest.Pytester) -> None:
    lines = ini("mcp_expect =", "    odd:jsonrpc:*", "    weather:progress:*")
    run = example(TWICE.replace("twice", "fine"), **{"pytest.ini": lines}).run_here(pytester)
    assert run.outcomes == {"passed": 1}
    run.says("warning: ini mcp_expect names 'odd:jsonrpc:*', and no board of this run met it")
    assert "weather" not in run.text


def as_warnings(log: WireLog, checks: Registry, *, closed: bool) -> tuple[Finding, ...]:
    return tuple(replace(each, severity="warning") for each in run_checks(log, checks, closed=closed))


@pytest.mark.parametrize(
    ("fail_on", "severity", "outcome"),
    [("error", "warning", "passed"), ("warning", "warning", "failed"), ("never", "error", "passed")],
)
def test_mcp_fail_on_says_what_fails(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, fail_on: str, severity: str, outcome: str
) -> None:
    if severity == "warning":
        monkeypatch.setattr(views, "run", as_warnings)
    run = example(TWICE, **{"pytest.ini": ini(f"mcp_fail_on = {fail_on}")}).run_here(pytester)
    assert run.outcomes == {outcome: 1}
    assert ("warning: test_it.py::test_it: jsonrpc:answered-twice on link 'odd'" in run.text) == (outcome == "passed")


def test_findings_stop_a_run_as_failures_do(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(TWICE + "\ndef test_next(): pass\n").run_here(pytester, "-x")
    assert run.outcomes == {"failed": 1}


def test_last_failed_runs_a_test_that_failed_by_findings_only(example: MakeExample, pytester: pytest.Pytester) -> None:
    made = example(TWICE + "\ndef test_next(): pass\n")
    first = made.run_here(pytester)
    assert first.outcomes == {"failed": 1, "passed": 1}
    assert made.run_here(pytester, "--lf", folder=first.folder).outcomes == {"failed": 1}


def test_workers_of_xdist_tell_the_controller_of_warnings(example: MakeExample) -> None:
    run = example(TWICE, **{"pytest.ini": ini("mcp_fail_on = never", "mcp_expect = odd:progress:*")}).run(
        "-n2", plugins="xdist"
    )
    assert run.outcomes == {"passed": 1}
    run.says(
        "warning: test_it.py::test_it: jsonrpc:answered-twice on link 'odd'", "warning: ini mcp_expect names 'odd:progress:*'"
    )


def test_each_rerun_is_judged_anew(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example("""
from servers import odd

runs = []

def test_it(switchboard):
    runs.append(1)
    with switchboard(odd=odd()) as board:
        board.call("odd__twice" if len(runs) == 1 else "odd__fine")
        board.call("odd__fine")
""").run_here(pytester, "--reruns", "1")
    assert run.outcomes == {"passed": 1, "rerun": 1}


@pytest.fixture
def odd(tmp_path: Path) -> str:
    """The server that misbehaves, for boards that no example opens."""
    (tmp_path / "servers.py").write_text(SERVERS, encoding="utf-8")
    return str(run_path(str(tmp_path / "servers.py"))["odd"]())


def talk_outside_pytest(odd: str, *, last: int = 1) -> None:
    with open_board(odd=odd) as board:
        board.call("odd__twice")
        board.call("odd__fine")
        _ = 1 / last


def test_outside_pytest_closing_raises_findings(odd: str) -> None:
    with pytest.raises(FindingsError, match="jsonrpc:answered-twice on link 'odd'"):
        talk_outside_pytest(odd)


def test_outside_pytest_closing_masks_no_exception_in_flight(odd: str) -> None:
    with pytest.raises(ZeroDivisionError):
        talk_outside_pytest(odd, last=0)


def test_findings_never_depend_on_rewritten_asserts(example: MakeExample) -> None:
    run = example(TWICE).run("--assert=plain", "-W", "ignore::pytest.PytestConfigWarning", python=("-O",))
    assert run.outcomes == {"failed": 1}
    run.says("FindingsError: jsonrpc:answered-twice on link 'odd'")


def test_a_board_that_a_plain_test_leaves_open_is_an_error_and_closed(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example("""
from servers import odd

boards = []

def test_it(switchboard):
    boards.append(switchboard(odd=odd()).__enter__())

def test_next():
    assert boards[0].closed
""").run_here(pytester)
    assert run.outcomes == {"passed": 2, "error": 1}
    run.says("this test left a board open (odd): open boards with `with` or `async with`, or close them")
    assert "pytest_runtest_teardown" not in run.text
