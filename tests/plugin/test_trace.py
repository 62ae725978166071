"""Where and when transcripts are written, that they are readable and hold no secret, and how people find them."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

from tests.plugin.harness import Example, ini

MakeExample = Callable[..., Example]

TEST = """
from servers import echo

def test_it(switchboard):
    with switchboard(echo=echo()) as board:
        board.call("echo__say", message="hello", token="sk-live-abcdefghijklmnop1234")
    assert {holds}
"""

PASSES, FAILS = TEST.replace("{holds}", "1"), TEST.replace("{holds}", "0")
TRACE = "mcp-traces/test_it/test_it.txt"


@pytest.mark.parametrize(
    ("when", "text", "written"),
    [
        ("off", FAILS, False),
        ("on", FAILS, True),
        ("on", PASSES, True),
        ("retain-on-failure", FAILS, True),
        ("retain-on-failure", PASSES, False),
    ],
)
@pytest.mark.parametrize("how", ["option", "ini"])
def test_a_transcript_is_written_when_asked_for(
    example: MakeExample, pytester: pytest.Pytester, how: str, when: str, text: str, written: bool
) -> None:
    made = example(text, **({"pytest.ini": ini(f"mcp_trace = {when}")} if how == "ini" else {}))
    run = made.run_here(pytester, "-p", "no:cacheprovider", *([f"--mcp-trace={when}"] if how == "option" else []))
    assert set(run.changed) == ({TRACE} if written else set())


def test_the_option_outranks_ini(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(FAILS, **{"pytest.ini": ini("mcp_trace = on")}).run_here(pytester, "--mcp-trace=off")
    assert TRACE not in run.changed


def test_failures_are_traced_by_default_and_name_the_file(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(FAILS).run_here(pytester)
    assert run.section("mcp trace").strip() == str(run.folder / TRACE)


def test_a_run_that_traces_all_tests_names_the_folder(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(PASSES).run_here(pytester, "--mcp-trace=on")
    run.says(f"transcripts of 1 tests: {run.folder / 'mcp-traces'}")


def test_a_transcript_reads_as_links_arrows_and_pretty_json(example: MakeExample, pytester: pytest.Pytester) -> None:
    text = example(FAILS).run_here(pytester).changed[TRACE] or ""
    assert "link echo  memory  handshake  2025-11-25" in text
    assert "host → echo  tools/call  say" in text
    assert "echo → host  result of tools/call" in text


def test_what_peers_and_routes_used_stands_below_a_transcript(example: MakeExample, pytester: pytest.Pytester) -> None:
    text = example(FAILS).run_here(pytester).changed[TRACE] or ""
    assert text.splitlines()[-3:] == [
        "# usage",
        "host  63 bytes in context, about 16 tokens  0 tools listed",
        "host > echo  1 call  depth 1  fan-out 0",
    ]


def test_a_transcript_holds_no_secret(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(FAILS).run_here(pytester)
    assert "abcdefghijklmnop" not in (run.changed[TRACE] or "abcdefghijklmnop")


def test_junit_has_the_path_as_a_property(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(FAILS).run_here(pytester, "--junitxml=report.xml")
    report = ET.fromstring(run.changed["report.xml"] or "")  # noqa: S314  # pytest wrote it a moment ago
    properties = [(each.get("name"), each.get("value")) for each in report.iter("property")]
    assert properties == [("mcp_trace", str(run.folder / TRACE))]


def test_tests_of_one_name_in_different_folders_and_on_different_loops_have_their_own(
    example: MakeExample, pytester: pytest.Pytester
) -> None:
    looped = """
import pytest
from servers import echo

@pytest.mark.anyio
async def test_it(switchboard):
    async with switchboard(echo=echo()) as board:
        await board.call("echo__say", message="hello")
    assert 0
"""
    files = {"a/__init__.py": "", "a/test_it.py": looped, "b/__init__.py": "", "b/test_it.py": FAILS}
    run = example(files).run_here(pytester, "-p", "no:asyncio", "-p", "no:trio")
    assert {path for path in run.changed if path.endswith(".txt")} == {
        "mcp-traces/a/test_it/test_it[asyncio].txt",
        "mcp-traces/a/test_it/test_it[trio].txt",
        "mcp-traces/b/test_it/test_it.txt",
    }


def test_a_transcript_of_a_fixtures_board_goes_on_to_its_end(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example("""
import pytest
from servers import odd

@pytest.fixture
def board(switchboard):
    with switchboard(odd=odd()) as board:
        yield board

def test_it(board):
    assert 0
""").run_here(pytester)
    assert "odd  exit" in (run.changed[TRACE] or "")


def test_a_test_without_boards_has_no_trace(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(PASSES + "\ndef test_other(): assert 0\n").run_here(pytester, "-p", "no:cacheprovider")
    assert run.outcomes == {"passed": 1, "failed": 1}
    assert run.changed == {}


def test_a_transcript_that_cannot_be_written_fails_nothing_else(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(FAILS, **{"mcp-traces": "a file where the folder should be"}).run_here(pytester)
    assert run.outcomes == {"failed": 1}
    assert "could not be written" in run.section("mcp trace")


def test_workers_of_xdist_write_theirs(example: MakeExample) -> None:
    run = example(FAILS).run("-n1", "-p", "no:cacheprovider", plugins="xdist")
    assert set(run.changed) == {TRACE}
    assert run.section("mcp trace").strip() == str(run.folder / TRACE)
