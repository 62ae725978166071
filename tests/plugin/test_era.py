"""The era of a test's boards: ini < marker < command line < factory, and `both` once per era."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.plugin.harness import Example, ini

MakeExample = Callable[..., Example]

SAYS = """
import pytest
from servers import echo

def spoken(switchboard, **more):
    with switchboard(echo=echo(), **more) as board:
        return board.client("echo").protocol_version

{marker}
def test_it(switchboard, request):
    print("ERA", request.node.name, spoken(switchboard{factory}))
"""


def says(marker: str = "", factory: str = "") -> str:
    return SAYS.replace("{marker}", marker).replace("{factory}", factory)


def test_every_server_speaks_the_handshake_era_by_default(example: MakeExample, pytester: pytest.Pytester) -> None:
    assert "ERA test_it 2025-11-25" in example(says()).run_here(pytester, "-s").text


@pytest.mark.parametrize(
    ("in_ini", "marker", "option", "factory", "expected"),
    [
        ("modern", "", "", "", "modern"),
        ("modern", "handshake", "", "", "handshake"),
        ("handshake", "handshake", "modern", "", "modern"),
        ("handshake", "handshake", "handshake", "modern", "modern"),
    ],
)
def test_ini_yields_to_marker_to_command_line_to_factory(
    example: MakeExample, pytester: pytest.Pytester, in_ini: str, marker: str, option: str, factory: str, expected: str
) -> None:
    text = says(f"@pytest.mark.mcp(era={marker!r})" if marker else "", f", era={factory!r}" if factory else "")
    options = [f"--mcp-era={option}"] if option else []
    run = example(text, **{"pytest.ini": ini(f"mcp_era = {in_ini}")}).run_here(pytester, "-s", *options)
    assert run.outcomes == {"passed": 1}
    assert f"ERA test_it {'2026-07-28' if expected == 'modern' else '2025-11-25'}" in run.text


def test_the_closest_marker_counts(example: MakeExample, pytester: pytest.Pytester) -> None:
    text = (
        says("@pytest.mark.mcp(expect=[])\n@pytest.mark.mcp(era='modern')")
        + "\npytestmark = pytest.mark.mcp(era='handshake')\n"
    )
    assert "ERA test_it 2026-07-28" in example(text).run_here(pytester, "-s").text


@pytest.mark.parametrize("how", ["ini", "marker", "option"])
def test_both_runs_a_test_once_per_era(example: MakeExample, pytester: pytest.Pytester, how: str) -> None:
    text = says("@pytest.mark.mcp(era='both')" if how == "marker" else "")
    made = example(text, **({"pytest.ini": ini("mcp_era = both")} if how == "ini" else {}))
    run = made.run_here(pytester, "-s", *(["--mcp-era=both"] if how == "option" else []))
    assert run.outcomes == {"passed": 2}
    run.says("ERA test_it[handshake] 2025-11-25", "ERA test_it[modern] 2026-07-28")


def test_one_era_from_the_command_line_adds_no_id_to_a_test_of_both(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(says("@pytest.mark.mcp(era='both')")).run_here(pytester, "-s", "--mcp-era=modern")
    run.says("ERA test_it 2026-07-28")


def test_both_reaches_tests_through_fixtures_and_classes(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example("""
import pytest
from servers import echo

@pytest.fixture
def version(switchboard):
    with switchboard(echo=echo()) as board:
        return board.client("echo").protocol_version

@pytest.mark.mcp(era="both")
class TestIt:
    @pytest.mark.parametrize("number", [1])
    def test_it(self, version, number):
        pass
""").run_here(pytester, "-v")
    assert run.outcomes == {"passed": 2}
    run.says("TestIt::test_it[handshake-1]", "TestIt::test_it[modern-1]")


def test_both_adds_nothing_to_tests_without_a_board(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example("def test_it(): pass\n").run_here(pytester, "--mcp-era=both", "-v")
    run.says("test_it.py::test_it PASSED")


@pytest.mark.parametrize(
    "body",
    [
        "def test_it(request):\n    request.getfixturevalue('switchboard')\n",
        "import unittest\n\n@pytest.mark.usefixtures('switchboard')\nclass TestIt(unittest.TestCase):\n    def test_it(self): pass\n",
    ],
)
def test_both_where_nothing_can_be_parametrised_says_so(example: MakeExample, pytester: pytest.Pytester, body: str) -> None:
    run = example("import pytest\n" + body).run_here(pytester, "--mcp-era=both")
    assert "passed" not in run.outcomes
    run.says("era 'both' needs a parametrised test: name the `switchboard` fixture as an argument")


def test_the_factory_takes_one_era(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(says(factory=", era='both'")).run_here(pytester)
    assert run.outcomes == {"failed": 1}
    run.says(
        "UsageError: era='both' parametrises the test, so it is for the marker, ini mcp_era or --mcp-era; here give one era"
    )


def test_the_factory_takes_an_era_per_link(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example("""
from servers import echo

def test_it(switchboard):
    with switchboard(old=echo(), new=echo(), era={"new": "modern"}) as board:
        assert [board.client(name).protocol_version for name in ("old", "new")] == ["2025-11-25", "2026-07-28"]
""").run_here(pytester)
    assert run.outcomes == {"passed": 1}
