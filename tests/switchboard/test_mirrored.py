"""Arguments that a tool's schema wants in HTTP headers are sent there; a schema that says it wrongly is no tool's."""

from __future__ import annotations

import pytest
from mcp.server import Server, ServerRequestContext
from mcp_types import ListToolsResult, PaginatedRequestParams, Tool

from fake_servers import conformance
from pytest_mcpsym import Board, Switchboard, link
from pytest_mcpsym.switchboard.mirrored import Mirrored
from pytest_mcpsym.switchboard.target import Era, Transport

REGION = b'{"name": "where", "inputSchema": {"properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}}'
CALL = b'{"name": "where", "arguments": {"region": "north"}}'


def wrong() -> Server:
    """A server one of whose two tools wants a header that cannot be sent."""
    region = {"type": "string", "x-mcp-header": "no token"}
    tools = [
        Tool(name="where", input_schema={"type": "object", "properties": {"region": region}}),
        Tool(name="there", input_schema={"type": "object"}),
    ]

    async def listed(_context: ServerRequestContext, _params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=tools)

    return Server("wrong", on_list_tools=listed)


def sent(board: Board) -> list[str | None]:
    """The header of each call."""
    calls = [frame for frame in board.log.frames if frame.message.method == "tools/call"]
    return [call.envelope and call.envelope.header("mcp-param-region") for call in calls]


def test_an_argument_of_a_tool_that_was_listed_is_sent_as_a_header_at_once(switchboard: Switchboard) -> None:
    with switchboard(peer=link(conformance(), transport="http"), era="modern") as board:
        board.tools()
        board.call("peer__test_x_mcp_header", region="north")
        board.call("peer__test_x_mcp_header")
    assert sent(board) == ["north", None]


def test_the_tools_are_listed_when_the_server_misses_the_header(switchboard: Switchboard) -> None:
    with switchboard(peer=link(conformance(), transport="http"), era="modern") as board:
        board.call("peer__test_x_mcp_header", region="north")
    assert sent(board) == [None, "north"]


@pytest.mark.mcp(expect=["listing:header"])
def test_a_tool_whose_header_is_no_token_is_left_out_and_is_a_finding(switchboard: Switchboard) -> None:
    with switchboard(peer=link(wrong(), transport="http"), era="modern") as board:
        assert [tool.name for tool in board.tools()] == ["peer__there"]


@pytest.mark.parametrize(("transport", "era"), [("memory", "modern"), ("http", "handshake")])
def test_without_http_or_before_the_modern_era_such_a_tool_is_a_tool(
    switchboard: Switchboard, transport: Transport, era: Era
) -> None:
    with switchboard(peer=link(wrong(), transport=transport), era=era) as board:
        assert [tool.name for tool in board.tools()] == ["peer__where", "peer__there"]


def test_what_a_tool_wants_is_forgotten_when_it_is_listed_otherwise() -> None:
    known = Mirrored(applies=True)
    known.learn(REGION)
    assert known.headers(CALL) == {"Mcp-Param-Region": "north"}
    known.learn(b'{"name": "where", "inputSchema": {"type": "object"}}')
    assert known.headers(CALL) == {}


def test_a_link_that_is_not_modern_or_not_http_mirrors_nothing() -> None:
    known = Mirrored(applies=False)
    known.learn(REGION)
    assert known.headers(CALL) == {}
