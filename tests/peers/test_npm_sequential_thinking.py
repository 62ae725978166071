"""`@modelcontextprotocol/server-sequential-thinking` over stdio: state on the server, refusals, and drawings on standard error."""

from __future__ import annotations

import shlex

import anyio
import pytest
from mcp_types import CallToolResult, TextContent

from pytest_mcpsym import AsyncBoard, Board
from pytest_mcpsym.plugin import Switchboard
from tests.peers.provision import npm_peer
from tests.peers.waiting import until, until_async

THINK = "thinking__sequentialthinking"


@pytest.fixture
def thinking() -> str:
    """The command that starts the server."""
    return shlex.join(npm_peer("server-sequential-thinking"))


def thought(text: str, number: int, **more: object) -> dict[str, object]:
    return {"thought": text, "thoughtNumber": number, "totalThoughts": 3, "nextThoughtNeeded": number < 3, **more}


def length_of(result: CallToolResult) -> int:
    """How many thoughts the server remembers."""
    assert result.structured_content is not None
    return int(result.structured_content["thoughtHistoryLength"])


def drawn(board: Board | AsyncBoard) -> str:
    """What the server wrote to standard error so far."""
    return "\n".join(str(note.data["text"]) for note in board.log.notes if note.channel == "stderr")


def test_the_server_remembers_the_thoughts_of_its_link(switchboard: Switchboard, thinking: str) -> None:
    with switchboard(thinking=thinking) as board:
        lengths = [length_of(board.call(THINK, thought(f"step {number}", number))) for number in (1, 2, 3)]
    assert lengths == [1, 2, 3]
    assert board.findings == ()


def test_a_revision_and_a_branch_are_thoughts_too(switchboard: Switchboard, thinking: str) -> None:
    with switchboard(thinking=thinking) as board:
        board.call(THINK, thought("guess", 1))
        board.call(THINK, thought("better", 2, isRevision=True, revisesThought=1))
        result = board.call(THINK, thought("aside", 3, branchFromThought=1, branchId="b"))
    assert result.structured_content == {
        "thoughtNumber": 3,
        "totalThoughts": 3,
        "nextThoughtNeeded": False,
        "branches": ["b"],
        "thoughtHistoryLength": 3,
    }


def test_a_thought_without_its_text_is_refused_with_a_result(switchboard: Switchboard, thinking: str) -> None:
    with switchboard(thinking=thinking) as board:
        result = board.call(THINK, {"thoughtNumber": 0})
        after = board.call(THINK, thought("fine", 1))
    assert result.is_error
    (block,) = result.content
    assert isinstance(block, TextContent)
    assert "Input validation error" in block.text
    assert after.structured_content is not None
    assert board.findings == ()


def test_the_drawings_on_standard_error_are_notes_of_the_log(switchboard: Switchboard, thinking: str) -> None:
    with switchboard(thinking=thinking) as board:
        board.call(THINK, thought("first", 1))
        board.call(THINK, thought("again", 2, isRevision=True, revisesThought=1))
        until(lambda: "again" in drawn(board), "the second drawing")
    lines = drawn(board).splitlines()
    assert lines[0] == "Sequential Thinking MCP Server running on stdio"
    assert [line.strip("│ ") for line in lines if line.startswith("│")] == [
        "💭 Thought 1/3",
        "first",
        "🔄 Revision 2/3 (revising thought 1)",
        "again",
    ]


def test_standard_error_is_no_part_of_a_snapshot(switchboard: Switchboard, thinking: str, wire_snapshot: object) -> None:
    with switchboard(thinking=thinking) as board:
        board.call(THINK, thought("only", 1))
    assert "Thought 1/3" in board.transcript(normalised=False)
    assert "Thought 1/3" not in board.transcript()
    assert board == wire_snapshot


@pytest.mark.anyio
async def test_twenty_thoughts_at_once_are_each_counted_once(switchboard: Switchboard, thinking: str) -> None:
    lengths: list[int] = []

    async def think(number: int) -> None:
        lengths.append(length_of(await board.call(THINK, thought(f"thought {number}", 1))))

    async with switchboard(thinking=thinking) as board:
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(think, number)
        await until_async(lambda: drawn(board).count("💭") == 20, "twenty drawings")
    assert sorted(lengths) == list(range(1, 21))
    assert board.findings == ()
