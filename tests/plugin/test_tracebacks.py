"""Errors of ours end at the user's own line, and failed comparisons are explained."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.plugin.harness import Example

MakeExample = Callable[..., Example]

CALLS = {
    "plain": """
from servers import echo

def test_it(switchboard):
    with switchboard(echo=echo()) as board:
        board.call("ecko__say")
""",
    "opening": """
import pytest

def test_it(switchboard):
    with switchboard(echo="no-such-command-anywhere") as board:
        pass
""",
    "describing": """
def test_it(switchboard):
    switchboard(echo=object())
""",
    "anyio": """
import pytest
from servers import echo

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_it(switchboard, anyio_backend):
    async with switchboard(echo=echo()) as board:
        await board.call("ecko__say")
""",
    "asyncio": """
import pytest
from servers import echo

@pytest.mark.asyncio
async def test_it(switchboard):
    async with switchboard(echo=echo()) as board:
        await board.call("ecko__say")
""",
    "async opening": """
import pytest

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_it(switchboard, anyio_backend):
    async with switchboard(echo="no-such-command-anywhere") as board:
        pass
""",
    "protocol error": """
from servers import echo

def test_it(switchboard):
    with switchboard(echo=echo()) as board:
        board.client("echo").read_resource("no://such")
""",
    "routes text": """
from servers import echo

def test_it(switchboard):
    with switchboard(echo=echo()) as board:
        pass
    assert board.routes == "host > > echo"
""",
}


@pytest.mark.parametrize("kind", CALLS)
def test_an_error_of_ours_ends_at_the_users_line(example: MakeExample, pytester: pytest.Pytester, kind: str) -> None:
    run = example(CALLS[kind]).run_here(pytester, "--tb=short", "-p", "no:trio")
    assert set(run.outcomes) == {"failed"}
    places = re.findall(r"^(\S+\.py):\d+: in", run.text, re.MULTILINE)
    assert places
    assert {place.rpartition("/")[2] for place in places} == {"test_it.py"}
    assert "The above exception" not in run.text
    assert "During handling" not in run.text


@pytest.mark.skipif(pytest.version_tuple < (8, 4), reason="pytest shows groups with every frame before 8.4")
def test_pytest_trio_ends_it_there_too(example: MakeExample, pytester: pytest.Pytester) -> None:
    text = CALLS["asyncio"].replace("mark.asyncio", "mark.trio")
    run = example(text).run_here(pytester, "--tb=short", "-p", "no:asyncio")
    assert run.outcomes == {"failed": 1}
    assert "pytest_mcpsym/" not in run.text
    run.says("LinkNameError: this board has no link 'ecko'; did you mean 'echo'?")


def test_the_error_that_the_user_was_handling_stays(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example("""
from servers import echo

def test_it(switchboard):
    with switchboard(echo=echo()) as board:
        try:
            {}["first"]
        except KeyError:
            board.call("ecko__say")
""").run_here(pytester)
    run.says("KeyError: 'first'", "During handling of the above exception", "LinkNameError: this board has no link 'ecko'")


def test_full_trace_shows_everything(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(CALLS["plain"]).run_here(pytester, "--full-trace", "--tb=short")
    run.says("switchboard/engine.py:")


def test_errors_of_the_users_own_code_are_left_whole(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example("""
def helper():
    raise ValueError("mine")

def test_it(switchboard):
    helper()
""").run_here(pytester, "--tb=short")
    run.says("test_it.py:6: in test_it", "test_it.py:3: in helper")


ROUTES = """
from servers import echo

def test_it(switchboard):
    with switchboard(echo=echo()) as board:
        board.call("echo__say", message="hello")
    assert {comparison}
"""


@pytest.mark.parametrize(
    "comparison",
    [
        'board.routes == "host > agent"',
        '"host > agent" == board.routes',
        'board.routes == ["host > agent"]',
        'board.routes == ("host > agent",)',
    ],
)
def test_a_failed_comparison_of_routes_shows_both_trees(
    example: MakeExample, pytester: pytest.Pytester, comparison: str
) -> None:
    run = example(ROUTES.replace("{comparison}", comparison)).run_here(pytester)
    run.says("expected routes:", "└─ agent", "got:", "└─ echo  tools/call say (routed)")
    run.says("assert routes: under host: expected agent, got echo")


def test_without_rewritten_asserts_the_report_still_shows_the_routes(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(ROUTES.replace("{comparison}", 'board.routes == "host > agent"')).run_here(pytester, "--assert=plain")
    assert run.section("mcp routes") == "host\n└─ echo  tools/call say\n"


def test_a_route_text_that_cannot_be_read_says_where(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example(CALLS["routes text"]).run_here(pytester)
    run.says("RouteSyntaxError: route text 'host > > echo', position 7: expected ")
