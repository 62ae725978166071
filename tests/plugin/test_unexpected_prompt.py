"""A prompt that the scripted model has no answer to fails the test, even if the server kept the refusal to itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.plugin.harness import Example

MakeExample = Callable[..., Example]

SERVER = """
import pytest
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import SamplingMessage, TextContent
from pytest_mcpsym.symmetric import Extension, peer

sym = Extension()
server = MCPServer("poet", log_level="WARNING", extensions=[sym], lifespan=sym.lifespan())

@server.tool()
async def rhyme(context: Context) -> str:
    question = SamplingMessage(role="user", content=TextContent(type="text", text="what rhymes with hello?"))
    try:
        await peer(context).create_message([question], max_tokens=5)
    except MCPError:
        pass
    return "yellow"
"""

IN_THE_BODY = (
    SERVER
    + """
def test_it(switchboard):
    with switchboard(poet=server) as board:
        board.model.when("what rhymes with goodbye").reply("sky")
        board.call("poet__rhyme")
"""
)

IN_A_FIXTURE = (
    SERVER
    + """
@pytest.fixture
def board(switchboard):
    with switchboard(poet=server) as board:
        yield board

def test_it(board):
    board.model.when("what rhymes with goodbye").reply("sky")
    board.call("poet__rhyme")
"""
)


@pytest.mark.parametrize("text", [IN_THE_BODY, IN_A_FIXTURE], ids=["body", "fixture"])
def test_it_fails_the_test_wherever_the_board_was_opened(example: MakeExample, pytester: pytest.Pytester, text: str) -> None:
    run = example(text).run_here(pytester)
    assert run.outcomes == {"failed": 1}
    run.says(
        "UnexpectedPrompt: the model has no answer to this prompt of 'poet': 'what rhymes with hello?'",
        "nearest rule: when('what rhymes with goodbye')",
        "  text: after 'what rhymes with ' it wants 'goodbye', and the prompt has 'hello?'",
        "write board.model.when('what rhymes with hello?').reply('an answer')",
    )
