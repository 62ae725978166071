"""What peers and routes use is limited by marker: what passes a limit is a finding of the test, in both eras."""

from __future__ import annotations

import pytest

from fake_servers import attachments, everything, files
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.board import AsyncBoard
from pytest_mcpsym.switchboard.target import Era
from tests.switchboard.servers import demo, text
from tests.switchboard.test_limits import caller

pytestmark = pytest.mark.anyio
every_era = pytest.mark.parametrize("era", ["handshake", "modern"])


def found(board: AsyncBoard) -> list[str]:
    return [each.check for each in board.findings]


def said(board: AsyncBoard) -> str:
    (finding,) = board.findings
    return finding.message


@every_era
@pytest.mark.mcp(max_context_tokens=100, expect=["everything:budget:context"])
async def test_what_enters_one_context_is_limited(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(caller=caller(), everything=everything(), era=era) as board:
        await board.call("caller__ask", tool="everything__echo", arguments={"message": "y" * 30})
        await board.call("everything__echo", message="x" * 300)
    assert said(board).startswith(
        "everything: about 185 tokens entered the context of host, which may take 100 (max_context_tokens)"
    )
    assert "most came by tools/call echo of everything in frame" in said(board)


@every_era
@pytest.mark.mcp(max_listed_tools=5, expect=["caller:budget:tools-listed"])
async def test_the_tools_that_a_server_is_shown_are_limited(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(caller=caller(), demo=demo(), free=demo(), era=era) as board:
        await board.call("caller__names")
    assert "caller was shown 10 tools, and may be shown 5 (max_listed_tools); most are of demo, 5 by tools/list" in said(board)
    assert said(board).endswith("grant it fewer, as in caller=link(..., grants=['demo__...'])")


@every_era
@pytest.mark.mcp(max_listed_tools=9, expect=["budget:tools-listed"])
async def test_the_tools_that_the_host_is_shown_are_limited(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(demo=demo(), free=demo(), era=era) as board:
        await board.tools()
    assert "host was shown 10 tools, and may be shown 9" in said(board)
    assert said(board).endswith("open fewer servers on this board, or servers with fewer tools")


@every_era
@pytest.mark.mcp(max_depth=2, max_fan_out=3, expect=["budget:depth", "caller:budget:fan-out"])
async def test_depth_and_fan_out_of_a_route_are_limited(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(first=caller(), caller=caller(), demo=demo(), era=era) as board:
        await board.call("first__ask", tool="caller__again", arguments={"tool": "demo__echo", "times": 4})
    deep, wide = sorted(board.findings, key=lambda each: each.check)
    assert "this route is 3 hops deep, and may be 2 (max_depth); the last is tools/call echo" in deep.message
    assert deep.route == "host > first > caller > demo"
    assert " made 4 calls, and may make 3 (max_fan_out); most are echo of demo, 4" in wide.message
    assert wide.route == "host > first > caller"


@every_era
@pytest.mark.mcp(max_inlined_bytes=1_000, expect=["attachments:budget:inlined"])
async def test_base64_where_a_link_would_do_is_limited(switchboard: Switchboard, era: Era) -> None:
    data = "aB3d" * 300
    async with switchboard(attachments=attachments(), files=files({"a.txt": "aB3d" * 300}), era=era) as board:
        await board.call("attachments__word_count", uri="files+file:///a.txt")
        await board.call("attachments__word_count_inline", data=data, name="a.txt")
    assert said(board).startswith(
        "attachments: the arguments of tools/call word_count_inline put 1,200 bytes of base64 into the context of host, which may take "
        "1,000 in one piece (max_inlined_bytes); they stand in frame"
    )
    assert "as arguments.data: a resource link takes its URI alone" in said(board)


@every_era
@pytest.mark.mcp(max_context_tokens=13, max_listed_tools=9, max_depth=2, max_fan_out=4, max_inlined_bytes=1)
async def test_what_reaches_a_limit_exactly_is_no_finding(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(caller=caller(), demo=demo(), era=era) as board:
        await board.tools()
        await board.call("caller__again", tool="demo__echo", times=4)
        assert text(await board.call("demo__echo", text="")) == ""
    (first, _) = board.usage.routes
    assert (board.usage.of("host").tools, first.depth, first.fan_out) == (9, 2, 4)
    assert max(peer.tokens for peer in board.usage.peers) == 13
    assert found(board) == []


@every_era
async def test_without_limits_nothing_is_found(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(everything=everything(), era=era) as board:
        await board.call("everything__echo", message="aB3d" * 10_000)
    assert found(board) == []
