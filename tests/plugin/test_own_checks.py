"""A project's own checks run beside ours, and ini, marker and command line say which run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.plugin.harness import SERVERS, Example, ini

MakeExample = Callable[..., Example]

CONFTEST = """
from pytest_mcpsym.checks import check


@check("house:no-lists", severity="error", sentence="Nobody lists tools.", source="this test")
def no_lists(view):
    for exchange in view.correlation.exchanges:
        if exchange.method == "tools/list":
            yield no_lists.finding(f"{exchange.link}: tools are listed", (exchange.request,), exchange.link)


def pytest_mcp_checks():
    return [no_lists]
"""

TEST = """
import pytest
from servers import echo

{marker}
def test_it(switchboard):
    with switchboard(echo=echo()) as board:
        board.tools()
"""


def project(example: MakeExample, *lines: str, marker: str = "") -> Example:
    files = {"conftest.py": CONFTEST, "servers.py": SERVERS, "pytest.ini": ini(*lines)}
    return example(TEST.format(marker=marker), **files)


def test_a_finding_of_ones_own_check_fails_the_test(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = project(example).run_here(pytester)
    assert run.outcomes == {"failed": 1}
    run.says("house:no-lists on link 'echo': tools are listed")


@pytest.mark.parametrize("line", ["mcp_checks = -house:*", "mcp_checks = jsonrpc:*"])
def test_ini_selects(example: MakeExample, pytester: pytest.Pytester, line: str) -> None:
    assert project(example, line).run_here(pytester).outcomes == {"passed": 1}


def test_a_marker_selects_and_is_stronger_than_ini(example: MakeExample, pytester: pytest.Pytester) -> None:
    marked = project(example, "mcp_checks = house:*", marker="@pytest.mark.mcp(checks=['-house:no-lists'])")
    assert marked.run_here(pytester).outcomes == {"passed": 1}


def test_the_command_line_selects_and_is_stronger_than_a_marker(example: MakeExample, pytester: pytest.Pytester) -> None:
    marked = project(example, marker="@pytest.mark.mcp(checks=['house:*'])")
    assert marked.run_here(pytester, "--mcp-checks=jsonrpc:*,progress:*").outcomes == {"passed": 1}


def test_a_pattern_on_the_command_line_may_name_ones_own_check(example: MakeExample, pytester: pytest.Pytester) -> None:
    assert project(example).run_here(pytester, "--mcp-checks=house:no-lists").outcomes == {"failed": 1}


def test_a_wrong_pattern_on_the_command_line_is_one_line(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = project(example).run_here(pytester, "--mcp-checks=-house:no-list")
    assert run.status == pytest.ExitCode.USAGE_ERROR
    lines = [text for text in run.text.splitlines() if text]
    assert lines == ["ERROR: --mcp-checks: '-house:no-list' selects no check; did you mean 'house:no-lists'?"]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("[len]", "pytest_mcp_checks: len is no check; decorate it with @check(...) of pytest_mcpsym.checks"),
        ("3", "pytest_mcp_checks returned 3; return a list of checks"),
    ],
)
def test_what_is_no_check_is_one_line(example: MakeExample, pytester: pytest.Pytester, returned: str, message: str) -> None:
    files = {"conftest.py": f"def pytest_mcp_checks(): return {returned}\n", "servers.py": SERVERS}
    run = example(TEST.format(marker=""), **files).run_here(pytester, "-q", "-rN")
    assert run.outcomes == {"error": 1}
    run.says(message)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("weather:house:*", "'weather:house:*' selects no check; checks run over all links, so leave the link out"),
        ("-house:no-list", "'-house:no-list' selects no check; did you mean 'house:no-lists'?"),
    ],
)
def test_a_wrong_pattern_of_a_marker_is_one_line(
    example: MakeExample, pytester: pytest.Pytester, pattern: str, message: str
) -> None:
    run = project(example, marker=f"@pytest.mark.mcp(checks=['{pattern}'])").run_here(pytester, "-q", "-rN")
    assert run.outcomes == {"error": 1}
    run.says(f"@pytest.mark.mcp(checks=...): {message}")


LIMITED = """
import pytest
from servers import echo

{marker}
def test_it(switchboard):
    with switchboard(echo=echo()) as board:
        board.call("echo__say", message="hello hello hello")
"""


@pytest.mark.parametrize(
    ("line", "marker", "outcome"),
    [
        ("mcp_max_context_tokens = 3", "", "failed"),
        ("mcp_max_context_tokens = 300", "@pytest.mark.mcp(max_context_tokens=3)", "failed"),
        ("mcp_max_context_tokens = 3", "@pytest.mark.mcp(max_context_tokens=None)", "passed"),
        ("mcp_max_context_tokens = 3", "@pytest.mark.mcp(checks=['-budget:*'])", "passed"),
        ("mcp_max_context_tokens = 3", "@pytest.mark.mcp(expect=['budget:context'])", "passed"),
    ],
)
def test_limits_of_ini_and_marker_reach_the_checks(
    example: MakeExample, pytester: pytest.Pytester, line: str, marker: str, outcome: str
) -> None:
    made = example(LIMITED.format(marker=marker), **{"servers.py": SERVERS, "pytest.ini": ini(line)})
    run = made.run_here(pytester)
    assert run.outcomes == {outcome: 1}
    if outcome == "failed":
        run.says(
            "budget:context on link 'echo': about 12 tokens entered the context of host, which may take 3 (max_context_tokens)"
        )
