"""Boards under every async runner, opened in the test and in the user's own fixtures: they work, or say at once why not.

Every run is a process of its own with a time limit, because the failure that these tests look for is a hang.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.plugin.harness import Example, Run

MakeExample = Callable[..., Example]

START = """
import pytest
from pytest_mcpsym import LoopError
from servers import echo

def text(result):
    return result.content[0].text

@pytest.fixture
def plain(switchboard):
    with switchboard(echo=echo()) as board:
        yield board

def test_a_plain_test(switchboard):
    with switchboard(echo=echo()) as board:
        assert text(board.call("echo__say", message="hello")) == "hello"

def test_a_board_of_a_plain_fixture(plain):
    assert text(plain.call("echo__say", message="hello")) == "hello"
"""

ASYNC = """
{mark}
async def test_a_board_in_the_test(switchboard):
    async with switchboard(echo=echo()) as board:
        assert text(await board.call("echo__say", message="hello")) == "hello"

{mark}
async def test_two_boards_in_the_test(switchboard):
    async with switchboard(echo=echo()) as board, switchboard(echo=echo()) as other:
        assert text(await board.call("echo__say", message="1")) == "1"
        assert text(await other.call("echo__say", message="2")) == "2"

{fixture}
async def board(switchboard):
    async with switchboard(echo=echo()) as board:
        yield board

{mark}
async def test_a_board_of_an_async_fixture(board):
    assert text(await board.call("echo__say", message="hello")) == "hello"

{mark}
async def test_the_typed_client_of_an_async_fixture(board):
    assert (await board.client("echo").call_tool("say", {"message": "hello"})).content[0].text == "hello"

{mark}
async def test_a_board_that_the_test_closes(board):
    await board.aclose()
    await board.aclose()

{mark}
async def test_a_blocking_board_is_refused_here(switchboard):
    with pytest.raises(LoopError, match="async with"):
        with switchboard(echo=echo()):
            pass

{mark}
async def test_a_blocking_board_of_a_plain_fixture_is_refused_here(plain):
    with pytest.raises(LoopError, match="async with"):
        plain.call("echo__say", message="hello")
    with pytest.raises(LoopError, match="async with"):
        plain.client("echo").list_tools()
"""


def runner(mark: str, fixture: str = "@pytest.fixture") -> str:
    return START + ASYNC.replace("{mark}", mark).replace("{fixture}", fixture)


def is_quiet(run: Run) -> bool:
    """Whether nobody sees what no user should: scopes, tasks that were never awaited or destroyed, groups."""
    unwanted = ("cancel scope", "never awaited", "was destroyed", "ExceptionGroup", "GeneratorExit")
    return not [word for word in unwanted if word in run.text]


def test_anyio_on_both_loops(example: MakeExample) -> None:
    run = example(runner("@pytest.mark.anyio")).run(plugins="anyio")
    assert run.outcomes == {"passed": 2 + 2 * 7}
    assert is_quiet(run)


LOOPS = """
@pytest_asyncio.fixture(loop_scope="module")
async def far(switchboard):
    async with switchboard(echo=echo()) as board:
        yield board

@pytest_asyncio.fixture(loop_scope="module")
async def far_client(far):
    return far.client("echo")

@pytest.mark.asyncio(loop_scope="module")
async def test_a_fixture_of_the_same_loop(far):
    assert text(await far.call("echo__say", message="hello")) == "hello"

@pytest.mark.asyncio
async def test_a_fixture_of_another_loop(far):
    with pytest.raises(LoopError, match="opened on the asyncio event loop .* and is used on the asyncio event loop"):
        await far.call("echo__say", message="hello")

@pytest.mark.asyncio
async def test_a_typed_client_of_another_loop(far_client):
    with pytest.raises(LoopError, match="opened on the asyncio event loop .* and is used on the asyncio event loop"):
        await far_client.call_tool("say", {"message": "hello"})
"""


def test_pytest_asyncio_strict_and_loops_of_a_module(example: MakeExample) -> None:
    text = "import pytest_asyncio\n" + runner("@pytest.mark.asyncio", "@pytest_asyncio.fixture") + LOOPS
    run = example(text).run(plugins="asyncio")
    assert run.outcomes == {"passed": 2 + 7 + 3}
    assert is_quiet(run)


def test_pytest_asyncio_auto(example: MakeExample) -> None:
    run = example(runner("")).run("-o", "asyncio_mode=auto", plugins="asyncio")
    assert run.outcomes == {"passed": 2 + 7}
    assert is_quiet(run)


def test_pytest_asyncio_auto_with_anyio_markers(example: MakeExample) -> None:
    """Auto mode takes the async fixtures of tests that anyio runs, on a loop of their own: that must be said, not hang."""
    run = example(runner("@pytest.mark.anyio")).run("-o", "asyncio_mode=auto", plugins="asyncio anyio")
    assert run.outcomes["passed"] >= 2 + 2 * 4
    assert set(run.outcomes) <= {"passed", "failed", "error"}
    assert "LoopError: this board was opened on the asyncio event loop" in run.text or "failed" not in run.outcomes
    assert is_quiet(run)


def test_pytest_trio(example: MakeExample) -> None:
    run = example(runner("@pytest.mark.trio")).run(plugins="trio")
    assert run.outcomes == {"passed": 2 + 7}
    assert is_quiet(run)


def test_all_plugins_at_once(example: MakeExample) -> None:
    marks = {"anyio": "@pytest.mark.anyio", "asyncio": "@pytest.mark.asyncio", "trio": "@pytest.mark.trio"}
    files = {f"test_{name}.py": runner(mark) for name, mark in marks.items()}
    files["test_asyncio.py"] = "import pytest_asyncio\n" + runner(marks["asyncio"], "@pytest_asyncio.fixture")
    run = example(files).run(plugins="*")
    assert run.outcomes == {"passed": 3 * 2 + 2 * 7 + 7 + 7}
    assert is_quiet(run)


def test_a_board_that_an_async_test_leaves_open_is_an_error(example: MakeExample) -> None:
    run = example(
        START
        + """
@pytest.mark.asyncio
async def test_it(switchboard):
    board = await switchboard(echo=echo()).__aenter__()
    await board.call("echo__say", message="hello")
"""
    ).run("-k", "test_it and not plain", plugins="asyncio")
    assert (run.outcomes["passed"], run.outcomes["error"]) == (1, 1)
    run.says("this test left a board open (echo): open boards with `with` or `async with`, or close them")
    assert is_quiet(run)
