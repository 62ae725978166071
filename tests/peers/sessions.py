"""Sessions that use all that a server has and return what they got as plain text: run once against it, once against its recording."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import anyio
from mcp.client.subscriptions import ResourceUpdated
from mcp_types import CallToolResult, TextContent

from pytest_mcpsym import AsyncBoard, LinkSpec, Opener, link
from pytest_mcpsym.switchboard.target import Transport
from tests.peers.progress import Told, giving_up, into
from tests.peers.waiting import logged, sent_by_host, sent_by_server, until_async

NOTE = "note://1"
_UPDATED = "notifications/resources/updated"


def real(name: str, way: Transport) -> LinkSpec:
    """Return a link to a server that is there: nothing that serves is imported before."""
    if way == "stdio":
        return link(shlex.join([sys.executable, str(Path(__file__).parent / "servers" / "sdk.py"), name]))
    if name in ("high", "low"):
        from tests.peers.servers import sdk

        target: object = sdk.high() if name == "high" else sdk.low()
    else:
        from tests.peers.servers import fast

        target = fast.fast() if name == "fast" else fast.proxy()
    return link(target, transport=way)


def answering(opener: Opener) -> Opener:
    """Give the host something to say when it is asked."""
    opener.user.script({"value": "swordfish", "name": "Ada"})
    opener.model.script("4")
    opener.roots[:] = ["file:///somewhere"]
    return opener


async def of_fastmcp(board: AsyncBoard) -> list[object]:
    """Use the server of `servers/fast.py`, or the gateway before it."""
    client, heard = board.client("peer"), list[Told]()
    got: list[object] = [tool.name for tool in await board.tools()]
    got.append(_text(await board.call("peer__add", a=1, b=2)))
    got.append(_text(await board.options(progress=into(heard)).call("peer__slow", steps=2)))
    got.append(_text(await board.call("peer__fail")))
    got.append((await client.read_resource(NOTE)).model_dump(mode="json"))
    got.append((await client.get_prompt("greeting", {"name": "Ada"})).model_dump(mode="json"))
    got += [_text(await board.call(f"peer__{tool}")) for tool in ("ask", "think", "where", "tell")]
    if not _modern(board):
        await until_async(lambda: bool(logged(board, "peer")), "the log message")
    return [*got, heard, logged(board, "peer")]


async def given_up(board: AsyncBoard) -> list[object]:
    """Give up a call of a server of `servers/sdk.py` while it works, and call it once more."""
    with anyio.CancelScope() as scope:
        await board.options(progress=giving_up(scope)).call("peer__slow", steps=0)
    return [scope.cancelled_caught, _text(await board.call("peer__add", a=1, b=2))]


async def of_sdk(board: AsyncBoard) -> list[object]:
    """Use a server of `servers/sdk.py`."""
    client, heard = board.client("peer"), list[Told]()
    got: list[object] = [tool.name for tool in await board.tools()]
    got.append(_text(await board.call("peer__add", a=1, b=2)))
    got.append(_text(await board.options(progress=into(heard)).call("peer__slow", steps=2)))
    got.append((await client.read_resource(NOTE)).model_dump(mode="json"))
    got.append((await client.get_prompt("greeting", {"name": "Ada"})).model_dump(mode="json"))
    got += [_text(await board.call(f"peer__{tool}")) for tool in ("ask", "think", "where")]
    if _modern(board):
        async with client.listen(resource_subscriptions=[NOTE]) as changes:
            got.append(_text(await board.call("peer__touch")))
            assert await anext(changes) == ResourceUpdated(NOTE)
    elif client.server_capabilities.resources and client.server_capabilities.resources.subscribe:
        await client.subscribe_resource(NOTE)  # pyright: ignore[reportDeprecated] - the handshake era has no other way
        got.append(_text(await board.call("peer__touch")))
        await until_async(lambda: bool(sent_by_server(board, "peer", _UPDATED)), "the change to be told")
    return [*got, heard]


def _modern(board: AsyncBoard) -> bool:
    return bool(sent_by_host(board, "peer", "server/discover"))


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))
