"""Where recordings stand and how they are written: long names, a full disk, two processes at once, links that are never opened."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.plugin.harness import Example

MakeExample = Callable[..., Example]

TEST = """
from servers import echo

def test_it(switchboard, recorded):
    with switchboard(echo=recorded(echo())) as board:
        board.call("echo__say", message="{message}")
"""
FILE = "recordings/test_it/test_it.echo.jsonl"
QUIET = ("-p", "no:cacheprovider", "--mcp-trace=off", "--mcp-record-in-ci")


def long(test: str = "a" * 240) -> str:
    """Return a test with a long name and a link with one."""
    return f"""
from servers import echo

def test_{test}(switchboard, recorded):
    with switchboard({"l" * 150}=recorded(echo())) as board:
        board.call("{"l" * 150}__say", message="hello")
"""


def test_long_names_are_cut_to_what_a_file_system_takes_and_still_told_apart(
    example: MakeExample, pytester: pytest.Pytester
) -> None:
    both = long("a" * 240) + long("a" * 241)
    first = example(both).run_here(pytester, *QUIET, "--mcp-record")
    names = [path.rpartition("/")[2] for path in first.changed]
    assert (first.outcomes, len(names), max(map(len, names)) <= 251) == ({"passed": 2}, 2, True)
    again = first.example.run_here(pytester, *QUIET)
    assert (again.outcomes, dict(again.changed)) == ({"passed": 2}, {})


def test_a_file_with_a_cut_name_is_its_tests_and_nobody_elses(example: MakeExample, pytester: pytest.Pytester) -> None:
    first = example(long()).run_here(pytester, *QUIET, "--mcp-record")
    (path,) = first.changed
    renamed = first.example.with_files({"test_it.py": "def test_other(): pass\n"}).run_here(pytester, *QUIET)
    assert renamed.status == pytest.ExitCode.TESTS_FAILED
    renamed.says(f"obsolete: {path}")


FULL = """
import resource

def pytest_configure():
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, resource.RLIM_INFINITY))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit of this kind")
@pytest.mark.parametrize("known", [True, False], ids=["rerecord", "record"])
def test_a_file_that_cannot_be_written_whole_is_not_written(example: MakeExample, known: bool) -> None:
    files = {"conftest.py": FULL, FILE: "what was recorded before\n" if known else None}
    made = example(TEST.format(message="x" * 1000)).with_files(files)
    run = made.run(*QUIET, "--mcp-rerecord", env={"PYTHONDONTWRITEBYTECODE": "1"})
    assert (run.outcomes, dict(run.changed)) == ({"passed": 1, "error": 1}, {})
    run.says(f"\n{FILE} could not be written (File too large); what was recorded before is unchanged\n")


def test_two_processes_that_record_one_test_leave_one_whole_file(example: MakeExample) -> None:
    first = example(TEST.format(message="hello")).run(*QUIET, "--mcp-record")
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(first.example.run, *QUIET, "--mcp-rerecord", folder=first.folder) for _ in range(2)]
        runs = [each.result() for each in both]
    assert [run.outcomes for run in runs] == [{"passed": 1}] * 2
    again = runs[0].example.run(*QUIET, folder=first.folder)
    assert (again.outcomes, set(again.changed) - {FILE}) == ({"passed": 1}, set())


def test_a_link_that_is_described_and_never_opened_needs_no_recording(example: MakeExample, pytester: pytest.Pytester) -> None:
    test = "def test_it(switchboard, recorded):\n    switchboard(echo=recorded('no-such-command'))\n"
    for mode in ("--mcp-record", "--mcp-replay", "--mcp-verify"):
        run = example(test).run_here(pytester, *QUIET, mode)
        assert (run.outcomes, dict(run.changed)) == ({"passed": 1}, {})


def test_a_link_that_is_opened_and_never_called_replays_its_handshake(example: MakeExample, pytester: pytest.Pytester) -> None:
    test = TEST.replace('board.call("echo__say", message="{message}")', "pass")
    first = example(test).run_here(pytester, *QUIET, "--mcp-record")
    assert set(first.changed) == {FILE}
    assert first.example.run_here(pytester, *QUIET).outcomes == {"passed": 1}


def test_a_recording_is_its_tests_from_whatever_root_directory_that_is_run(
    example: MakeExample, pytester: pytest.Pytester
) -> None:
    run = example(TEST.format(message="hello")).run_here(pytester, "--mcp-record", *QUIET)
    (file,) = run.changed
    moved = run.example.with_files({file: str(run.changed[file]).replace('"test_it.py::', '"part/tests/test_it.py::', 1)})
    assert moved.run_here(pytester, *QUIET).outcomes == {"passed": 1}


def test_what_a_failed_test_left_aside_is_named_where_there_is_no_recording(
    example: MakeExample, pytester: pytest.Pytester
) -> None:
    run = example(TEST.format(message="hello") + "    assert 0").run_here(pytester, "--mcp-record", *QUIET)
    run.example.run_here(pytester, *QUIET).says(
        "there is no recording recordings/test_it/test_it.echo.jsonl; move recordings/test_it/test_it.echo.jsonl.new there if what it "
        "holds is right, or record it with: pytest --mcp-record -k test_it"
    )


def test_what_an_xfail_recorded_is_kept_by_hand_and_then_fails_as_it_did(
    example: MakeExample, pytester: pytest.Pytester
) -> None:
    known = "import pytest\n" + TEST.format(message="hello").replace(
        "def test_it", "@pytest.mark.xfail(raises=ZeroDivisionError)\ndef test_it"
    )
    run = example(known + "    1 / 0\n").run_here(pytester, "--mcp-record", *QUIET)
    assert (run.outcomes, set(run.changed)) == ({"xfailed": 1}, {f"{FILE}.new"})
    run.says("recordings: 1 left as .new", "did not pass, or is an xfail")
    moved = run.example.with_files({FILE: str(run.changed[f"{FILE}.new"]), f"{FILE}.new": None})
    assert moved.run_here(pytester, *QUIET).outcomes == {"xfailed": 1}
    missing = run.example.run_here(pytester, *QUIET)
    assert missing.outcomes == {"failed": 1}
    missing.says(f"move {FILE}.new there")
