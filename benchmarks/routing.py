"""What routing costs: a hop of a chain beside a call of its own, routes at once beside routes in turn, and the size of continuations.

The servers of a chain do nothing but pass a call on, so what is measured is the switchboard, the links and the SDK on both of their
ends. A hop in the middle of a chain is two exchanges, the request of the one server and the call of the next; a single call is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolResult

from benchmarks.paired import each, paired
from benchmarks.row import Effort, Row
from fake_servers import code_mode, everything
from pytest_mcpsym.switchboard import switchboard
from pytest_mcpsym.switchboard.board import AsyncBoard
from pytest_mcpsym.switchboard.target import Era
from pytest_mcpsym.symmetric import Extension, peer

__all__ = ["continuations", "hops", "routes_at_once"]

ERAS: Final[Sequence[Era]] = ("handshake", "modern")
DEPTH: Final = 8
"""Hops of the chain."""
DEEP: Final = 24
ROUTES: Final = 200
ANSWER: Final = 1_000
"""Bytes of an answer that a sealed program gets."""
LEGS: Final = 8
"""Calls that the measured program makes one after the other, each in a leg of its own."""


def relay() -> MCPServer:
    """A server that passes a call on along a route, and ends it where the route ends."""
    sym = Extension()
    server = MCPServer("relay", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def pass_on(context: Context, route: list[str]) -> CallToolResult | str:
        if not route:
            return "end"
        return await peer(context).call_tool(f"{route[0]}__pass_on", {"route": route[1:]})

    @server.tool(structured_output=False)
    async def repeat(context: Context, to: str, times: int) -> str:
        for _ in range(times):
            await peer(context).call_tool(f"{to}__pass_on", {"route": []})
        return "end"

    return server


def hops(effort: Effort) -> Iterator[Row]:
    """A hop of a chain against a call that one server makes of another, of a longer chain, and of the host."""
    links = {f"s{number}": relay() for number in range(DEEP)}
    for era in ERAS:
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(switchboard(era=era, **links)) as board:

            def cost(depth: int, calls: int, portal: BlockingPortal = portal, board: AsyncBoard = board) -> float:
                """Seconds per hop, of chains that have so many."""
                return portal.call(each, lambda: _chain(board, depth), max(calls // depth, 1)) / depth

            def wide(portal: BlockingPortal = portal, board: AsyncBoard = board) -> float:
                """Seconds per hop where one server makes all calls, one after the other."""
                return portal.call(each, lambda: _fan(board, DEPTH - 1), max(effort.calls // DEPTH, 1)) / DEPTH

            deep = partial(cost, DEPTH, effort.calls)
            pairs = paired(deep, wide, effort.rounds)
            yield pairs.row("hop", f"a hop of {DEPTH} in a row, {era} era", f"a server's call, of {DEPTH - 1}", "async", 1.15)
            pairs = paired(partial(cost, DEEP, effort.calls), deep, effort.rounds)
            yield pairs.row("hop", f"a hop of {DEEP} in a row, {era} era", f"a hop of {DEPTH}", "async", 1.15)
            pairs = paired(deep, partial(cost, 1, effort.calls), effort.rounds)
            yield pairs.row("hop", f"a hop of {DEPTH} in a row, {era} era", "a call by the host", "async")


async def _chain(board: AsyncBoard, depth: int) -> None:
    """Make one route of so many hops."""
    route = [f"s{number}" for number in range(1, depth)]
    result = await board.call("s0__pass_on", route=route)
    assert not result.is_error, result


async def _fan(board: AsyncBoard, width: int) -> None:
    """Make one route in which one server calls another so many times, one after the other."""
    result = await board.call("s0__repeat", to="s1", times=width)
    assert not result.is_error, result


def routes_at_once(effort: Effort) -> Iterator[Row]:
    """Routes at once against the same routes one after the other."""
    routes = min(ROUTES, 2 * effort.calls)
    for era in ERAS:
        links = {f"s{number}": relay() for number in range(3)}
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(switchboard(era=era, **links)) as board:

            async def at_once(board: AsyncBoard = board) -> None:
                async with anyio.create_task_group() as tasks:
                    for _ in range(routes):
                        tasks.start_soon(_chain, board, 3)

            async def in_turn(board: AsyncBoard = board) -> None:
                for _ in range(routes):
                    await _chain(board, 3)

            pairs = paired(
                lambda: portal.call(each, at_once, 1) / routes, lambda: portal.call(each, in_turn, 1) / routes, effort.large + 2
            )
            yield pairs.row("routes", f"{routes} routes at once, {era} era", f"{routes} in turn", "async", 1.15)


def continuations(effort: Effort) -> Iterator[Row]:
    """The bytes of what a client holds for a call that waits for it, parked or sealed, and how they grow from leg to leg."""
    legs = max(min(LEGS, effort.calls), 2)
    parked = _sizes({"s0": relay(), "s1": relay()}, "s0__pass_on", {"route": ["s1"]})
    yield _bytes("a parked call", "no bytes", parked[0])
    servers = {"code": code_mode(key=b"k" * 32), "everything": everything()}
    for what, keeps in (("dropped", ""), ("kept", "said += ")):
        echo = f"await everything__echo(message='x' * {ANSWER})"
        program = f"said = ''\nfor i in range({legs}):\n    {keeps}{echo}\n'done'"
        begun, *waiting = _sizes(servers, "code__run", {"program": program})
        if what == "dropped":
            yield _bytes("a sealed program that has not begun", "no bytes", begun)
            yield _bytes("a sealed program that waits for a tool", "no bytes", waiting[0])
        grown = (waiting[-1] - waiting[0]) / (len(waiting) - 1)
        yield _bytes(f"the same, an answer of {ANSWER:,} bytes later, {what}", "the leg before", grown)


def _bytes(measured: str, against: str, size: float) -> Row:
    return Row("sealed", measured, against, "async", "B", size, size, size, 1)


def _sizes(links: Mapping[str, object], tool: str, arguments: Mapping[str, object]) -> list[int]:
    """Call a tool and return the size of each continuation that came."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(switchboard(era="modern", **links)) as board:
        result = portal.call(lambda: board.call(tool, arguments))
        assert not result.is_error, result
        found = [frame.message.result.get("continuation") for frame in board.log.frames]
    return [len(each) for each in found if isinstance(each, str)]
