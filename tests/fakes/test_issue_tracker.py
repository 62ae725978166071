"""The issue tracker over its own seeded issues."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import cast

import pytest
from mcp import MCPError
from mcp_types import CallToolResult, TextContent, TextResourceContents

from fake_servers import issue_tracker
from pytest_mcpsym import AsyncBoard, Switchboard, link
from pytest_mcpsym.switchboard.target import Era

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "http"])
async def board(request: pytest.FixtureRequest, switchboard: Switchboard, era: Era) -> AsyncGenerator[AsyncBoard]:
    async with switchboard(tracker=link(issue_tracker(), transport=request.param), era=era) as opened:
        yield opened


def said(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


async def call(board: AsyncBoard, tool: str, **arguments: object) -> dict[str, object]:
    result = await board.call(f"tracker__{tool}", arguments)
    assert result.structured_content is not None, said(result)
    return result.structured_content


def numbers(page: dict[str, object]) -> list[int]:
    return [cast("int", issue["number"]) for issue in cast("list[dict[str, object]]", page["issues"])]


async def test_cursors_lead_through_all_issues_from_the_newest_on(board: AsyncBoard) -> None:
    found: list[int] = []
    cursor: object = None
    while True:
        page = await call(board, "list_issues", limit=10, **({"cursor": cursor} if cursor else {}))
        found += numbers(page)
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert (found, page["total"]) == (list(range(25, 0, -1)), 25)


async def test_a_cursor_holds_when_issues_are_filed_meanwhile(board: AsyncBoard) -> None:
    first = await call(board, "list_issues", limit=2)
    await call(board, "create_issue", title="late")
    assert numbers(await call(board, "list_issues", limit=2, cursor=first["nextCursor"])) == [23, 22]


async def test_issues_are_chosen_by_state_and_label(board: AsyncBoard) -> None:
    page = await call(board, "list_issues", state="closed", label="bug", limit=100)
    issues = cast("list[dict[str, object]]", page["issues"])
    assert issues
    assert all(issue["state"] == "closed" and "bug" in cast("list[str]", issue["labels"]) for issue in issues)


async def test_an_issue_is_filed_commented_labelled_and_closed(board: AsyncBoard) -> None:
    number = (await call(board, "create_issue", title="It breaks", labels=["docs", "bug"]))["number"]
    await call(board, "add_comment", number=number, body="Here too")
    await call(board, "update_issue", number=number, state="closed", labels=["bug"])
    assert await call(board, "get_issue", number=number) == {
        "number": 26,
        "title": "It breaks",
        "body": "",
        "author": "mcp",
        "state": "closed",
        "labels": ["bug"],
        "comments": [{"author": "mcp", "body": "Here too"}],
    }


async def test_an_issue_is_a_resource(board: AsyncBoard) -> None:
    (content,) = (await board.client("tracker").read_resource("issue://7")).contents
    assert isinstance(content, TextResourceContents)
    assert json.loads(content.text) == await call(board, "get_issue", number=7)


@pytest.mark.parametrize(("uri", "why"), [("issue://999", "there is no issue 999"), ("issue://seven", "names no issue")])
async def test_a_resource_that_is_not_there_is_an_error(board: AsyncBoard, uri: str, why: str) -> None:
    with pytest.raises(MCPError, match=why) as refused:
        await board.client("tracker").read_resource(uri)
    assert refused.value.error.code == -32602


async def test_the_tools_say_what_they_change_and_answer_with(board: AsyncBoard) -> None:
    tools = await board.tools()
    assert [tool.annotations and tool.annotations.read_only_hint for tool in tools] == [True, True, False, False, False]
    assert all(tool.annotations and tool.annotations.open_world_hint is False for tool in tools)
    assert all(tool.output_schema for tool in tools)


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        ("get_issue", {"number": 99}, "there is no issue 99 (the last one is 25)"),
        ("get_issue", {"number": 0}, "greater than or equal to 1"),
        ("list_issues", {"cursor": "nonsense"}, "'nonsense' is no cursor of this tracker; begin without one"),
        ("list_issues", {"label": "bugs"}, "no issue has the label 'bugs' (labels: bug, docs, feature, question)"),
        ("list_issues", {"state": "done"}, "'open' or 'closed'"),
        ("list_issues", {"limit": 101}, "less than or equal to 100"),
        ("create_issue", {"title": " "}, "an issue needs a title"),
        ("add_comment", {"number": 1, "body": ""}, "a comment needs some text"),
        ("update_issue", {"number": 1}, "there is nothing to change"),
    ],
)
async def test_what_cannot_be_is_an_error_result(board: AsyncBoard, tool: str, arguments: dict[str, object], why: str) -> None:
    result = await board.call(f"tracker__{tool}", arguments)
    assert result.is_error
    assert why in said(result)


async def test_the_same_seed_gives_the_same_issues(switchboard: Switchboard) -> None:
    async with switchboard(one=issue_tracker(seed=1), same=issue_tracker(seed=1), other=issue_tracker(seed=2)) as board:
        seen = [(await board.call(f"{name}__get_issue", number=3)).structured_content for name in ("one", "same", "other")]
    assert seen[0] == seen[1] != seen[2]


def test_an_api_without_a_token_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"give api and token .*, or neither"):
        issue_tracker(api="https://tracker.example")
