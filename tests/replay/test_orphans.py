"""Recordings that no test uses fail the run, where this run should have used them; recording anew deletes them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.plugin.harness import Example, Run

MakeExample = Callable[..., Example]

TESTS = """
from servers import echo

def test_one(switchboard, recorded):
    with switchboard(echo=recorded(echo())) as board:
        board.call("echo__say", message="one")

def test_two(switchboard, recorded):
    with switchboard(echo=recorded(echo())) as board:
        board.call("echo__say", message="two")
"""
IN_A_FIXTURE = """
import pytest
from servers import echo

@pytest.fixture
def board(switchboard, recorded):
    with switchboard(echo=recorded(echo())) as opened:
        yield opened

def test_one(board):
    board.call("echo__say", message="one")
"""
ONE, TWO = (f"recordings/test_it/test_{name}.echo.jsonl" for name in ("one", "two"))


@pytest.fixture
def recorded_twice(example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Example:
    monkeypatch.delenv("CI", raising=False)
    run = example(TESTS).run_here(pytester, "--mcp-record", "-p", "no:cacheprovider")
    assert set(run.changed) == {ONE, TWO}
    return run.example


def without_two(recorded: Example, **more: str) -> Example:
    return recorded.with_files({"test_it.py": TESTS.partition("def test_two")[0], **more})


def here(made: Example, pytester: pytest.Pytester, *args: str) -> Run:
    return made.run_here(pytester, "-p", "no:cacheprovider", *args)


def test_a_run_that_uses_all_files_passes(recorded_twice: Example, pytester: pytest.Pytester) -> None:
    run = here(recorded_twice, pytester)
    assert (run.status, "recordings:" in run.text) == (0, False)


def test_a_file_whose_test_is_gone_fails_the_run(recorded_twice: Example, pytester: pytest.Pytester) -> None:
    run = here(without_two(recorded_twice), pytester)
    assert run.status == pytest.ExitCode.TESTS_FAILED
    run.says("recordings: 1 obsolete", f"obsolete: {TWO}")
    assert ONE not in run.text


def test_a_file_whose_test_opens_other_links_fails_the_run(recorded_twice: Example, pytester: pytest.Pytester) -> None:
    run = here(recorded_twice.with_files({"recordings/test_it/test_one.old.jsonl": "x"}), pytester)
    assert run.status == pytest.ExitCode.TESTS_FAILED
    run.says("obsolete: recordings/test_it/test_one.old.jsonl")


def test_a_file_whose_module_is_gone_fails_the_run(recorded_twice: Example, pytester: pytest.Pytester) -> None:
    run = here(recorded_twice.with_files({"recordings/test_gone/test_one.echo.jsonl": "x"}), pytester)
    assert run.status == pytest.ExitCode.TESTS_FAILED
    run.says("obsolete: recordings/test_gone/test_one.echo.jsonl")


@pytest.mark.parametrize(
    "args",
    [["-k", "one"], ["test_it.py::test_one"], ["--deselect", "test_it.py::test_two"], ["-m", "not slow"], ["--mcp-live"]],
)
def test_what_the_run_left_out_is_no_orphan(recorded_twice: Example, pytester: pytest.Pytester, args: list[str]) -> None:
    assert here(recorded_twice, pytester, *args).status == 0


def test_a_skipped_test_says_nothing_of_its_file(recorded_twice: Example, pytester: pytest.Pytester) -> None:
    skipped = TESTS.replace("def test_two", "import pytest\n\n@pytest.mark.skip(reason='later')\ndef test_two")
    assert here(recorded_twice.with_files({"test_it.py": skipped}), pytester).status == 0


def test_recording_anew_deletes_what_became_obsolete(recorded_twice: Example, pytester: pytest.Pytester) -> None:
    run = here(without_two(recorded_twice), pytester, "--mcp-rerecord")
    assert (run.status, run.changed[TWO]) == (0, None)
    run.says("recordings: 1 re-recorded, 1 obsolete and deleted")


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_workers_change_nothing(recorded_twice: Example, workers: str) -> None:
    whole = recorded_twice.run("-p", "no:cacheprovider", workers, plugins="xdist.plugin")
    assert (whole.status, whole.outcomes) == (0, {"passed": 2})
    run = without_two(recorded_twice).run("-p", "no:cacheprovider", workers, plugins="xdist.plugin")
    assert run.status == pytest.ExitCode.TESTS_FAILED
    run.says(f"obsolete: {TWO}")


@pytest.mark.parametrize("flag", ["--setup-only", "--setup-plan", "--collect-only"])
@pytest.mark.parametrize("mode", ["--mcp-replay", "--mcp-rerecord"])
def test_a_run_that_leaves_the_bodies_out_says_nothing_of_files_and_writes_none(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, mode: str, flag: str
) -> None:
    monkeypatch.delenv("CI", raising=False)
    run = example(IN_A_FIXTURE).run_here(pytester, "--mcp-record", "-p", "no:cacheprovider")
    assert set(run.changed) == {ONE}
    again = here(run.example, pytester, mode, flag)
    assert (again.status, again.changed, "recordings:" in again.text) == (0, {}, False), again.text


DOCTEST = """
>>> from servers import echo
>>> switchboard, recorded = getfixture("switchboard"), getfixture("recorded")
>>> with switchboard(echo=recorded(echo())) as board:
...     print(board.call("echo__say", message="one").content[0].text)
one
"""


def test_the_doctest_of_a_text_owns_its_recording(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    made = example("").with_files({"page.txt": DOCTEST})
    run = here(made, pytester, "--doctest-glob=page.txt", "--mcp-record")
    assert set(run.changed) == {"recordings/page/page.txt.echo.jsonl"}
    again = here(run.example, pytester, "--doctest-glob=page.txt")
    assert (again.status, again.outcomes, again.changed) == (0, {"passed": 1}, {}), again.text


UNITTEST = """
import unittest
import pytest
from servers import echo

class TestIt(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _given(self, switchboard, recorded):
        self.board = switchboard(echo=recorded(echo()))

    def test_one(self):
        with self.board as board:
            board.call("echo__say", message="one")
"""


def test_the_tests_of_a_unittest_class_own_their_recordings(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    run = example(UNITTEST).run_here(pytester, "--mcp-record", "-p", "no:cacheprovider")
    assert set(run.changed) == {"recordings/test_it/TestIt.test_one.echo.jsonl"}
    again = here(run.example, pytester)
    assert (again.status, again.outcomes, again.changed) == (0, {"passed": 1}, {})
