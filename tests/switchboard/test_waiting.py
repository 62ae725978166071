"""What a board says when the time of a call is up: who waited for whom."""

from __future__ import annotations

import re
from typing import Any

import pytest
from mcp.server.mcpserver import Context, MCPServer

from pytest_mcpsym.errors import AnswerTimeout
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.target import Era
from pytest_mcpsym.symmetric import Extension, peer
from tests.switchboard.servers import demo

pytestmark = pytest.mark.anyio


def asking(tool: str) -> MCPServer[Any]:
    """A server whose only tool calls one of another server."""
    sym = Extension()
    server = MCPServer("asking", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")

    @server.tool()
    async def ask(context: Context[Any, Any]) -> str:
        await peer(context).call_tool(tool)
        return "done"

    return server


@pytest.mark.parametrize(
    "eras", [("handshake", "handshake"), ("modern", "modern"), ("handshake", "modern"), ("modern", "handshake")]
)
async def test_the_tree_names_who_owes_the_answer(switchboard: Switchboard, eras: tuple[Era, Era]) -> None:
    servers = {"agent": asking("code__ask"), "code": asking("demo__sleep"), "demo": demo()}
    async with switchboard(**servers, era={"agent": eras[0], "code": eras[1], "demo": "modern"}) as board:
        with pytest.raises(AnswerTimeout) as caught:
            await board.options(timeout=1.5).call("agent__ask")
    drawn = re.sub(r"frame \d+", "frame n", str(caught.value)).splitlines()
    assert drawn == [
        "link 'agent': tools/call (frame n) was not answered within 1.5 s; who waited for whom:",
        "host",
        "└─ agent  tools/call ask (frame n)",
        "   └─ code  tools/call ask (frame n)",
        "      └─ demo  tools/call sleep (frame n): owes the answer",
    ]


async def test_one_server_alone_has_no_tree(switchboard: Switchboard) -> None:
    async with switchboard(demo=demo()) as board:
        with pytest.raises(AnswerTimeout, match=r"was not answered within 0\.2 s$"):
            await board.options(timeout=0.2).call("demo__sleep")
