"""Whatever ends a test whose call is not answered, its report says who waited for whom."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.plugin.harness import Example

MakeExample = Callable[..., Example]

HANGS = """
import os
import signal

import anyio
import pytest
from mcp.server.mcpserver import Context, MCPServer
from pytest_mcpsym.symmetric import Extension, peer

stop = []


def asking(tool):
    sym = Extension()
    server = MCPServer("asking", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")

    @server.tool()
    async def ask(context: Context) -> str:
        await peer(context).call_tool(tool)
        return "done"

    return server


def hanging():
    server = MCPServer("hanging", log_level="CRITICAL")

    @server.tool()
    async def hang() -> str:
        stop.pop()()
        await anyio.sleep_forever()
        return "never"

    return server
"""

TREE = """\
host
└─ agent  tools/call ask (frame {0})
   └─ files  tools/call hang (frame {1}): owes the answer
"""

FRAMES = {"handshake": (8, 10), "modern": (6, 8)}

SCOPE = """
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_it(switchboard):
    async with switchboard(agent=asking("files__hang"), files=hanging()) as board:
        with anyio.CancelScope() as scope:
            stop.append(scope.cancel)
            await board.call("agent__ask")
        assert not scope.cancelled_caught
"""

SIGNAL = """
def test_it(switchboard):
    def ring(*_):
        {ring}

    signal.signal(signal.SIGUSR1, ring)
    stop.append(lambda: os.kill(os.getpid(), signal.SIGUSR1))
    with switchboard(agent=asking("files__hang"), files=hanging()) as board:
        board.call("agent__ask")
"""


@pytest.mark.parametrize("era", FRAMES)
def test_a_time_limit_of_the_test_leaves_the_tree_in_the_report(
    example: MakeExample, pytester: pytest.Pytester, era: str
) -> None:
    run = example(HANGS + SCOPE).run_here(pytester, f"--mcp-era={era}", plugins="anyio")
    assert run.outcomes == {"failed": 1}
    assert run.section("mcp waiting") == TREE.format(*FRAMES[era])


def test_a_time_limit_of_a_plugin_leaves_the_tree_in_the_report(example: MakeExample) -> None:
    run = example(HANGS + SIGNAL.format(ring="pytest.fail('Timeout')")).run("--mcp-era=modern")
    assert run.outcomes == {"failed": 1}
    assert run.section("mcp waiting") == TREE.format(*FRAMES["modern"])


def test_an_interrupted_run_says_who_waited_for_whom(example: MakeExample) -> None:
    run = example(HANGS + SIGNAL.format(ring="raise KeyboardInterrupt")).run()
    assert run.status == pytest.ExitCode.INTERRUPTED
    assert run.says("interrupted; who waited for whom:\n" + TREE.format(*FRAMES["handshake"]))


def test_a_time_limit_of_the_board_says_it_in_the_error_alone(example: MakeExample, pytester: pytest.Pytester) -> None:
    body = SCOPE.replace("await board.call", "await board.options(timeout=0.5).call").replace("scope.cancel", "int")
    run = example(HANGS + body).run_here(pytester, plugins="anyio")
    assert run.says("AnswerTimeout", "who waited for whom")
    assert "mcp waiting" not in run.text


def test_a_test_that_failed_with_all_its_calls_answered_has_no_tree(example: MakeExample, pytester: pytest.Pytester) -> None:
    body = """
def test_it(switchboard):
    with switchboard(files=hanging()) as board:
        board.client("files").list_tools()
        assert False
"""
    assert "mcp waiting" not in example(HANGS + body).run_here(pytester).text
