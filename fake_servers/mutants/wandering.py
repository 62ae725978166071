"""Random use of healthy peers: whatever an ordinary host may do, in any order and at once. No check may find anything in it.

The same seed does the same, as far as the peers' timing lets it. Pinned by `tests/fakes/test_mutants.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from random import Random

import anyio
from mcp import MCPError

from pytest_mcpsym.errors import McpsymError
from pytest_mcpsym.switchboard.board import AsyncBoard
from pytest_mcpsym.switchboard.opener import Opener
from pytest_mcpsym.switchboard.settings import Settings
from pytest_mcpsym.switchboard.target import Era, link
from pytest_mcpsym.wire.log import WireLog

from .calls import JsonObject
from .carriers import Carried
from .peer import Peer

__all__ = ["wandered"]

_STEPS = 6
_AT_ONCE = 5
_WHO = ("alice", "bob", "store")

Work = Callable[[], Awaitable[object]]


async def wandered(seed: int, era: Era) -> WireLog:
    """Use three healthy peers, of which two are one server, at random, and return the log."""
    random = Random(seed)  # noqa: S311 - the same seed has to do the same
    shared, store = Carried(Peer()), Carried(Peer())
    over_http = random.random() < 0.5
    links = {name: link(shared.app if over_http else shared) for name in _WHO[:2]}
    opener = Opener({**links, "store": link(store)}, era, Settings(fail_on_findings=False))
    opener.model.script(*["it is so"] * _STEPS * _AT_ONCE)
    async with opener as board:
        for _ in range(_STEPS):
            async with anyio.create_task_group() as tasks:
                for _ in range(random.randint(1, _AT_ONCE)):
                    tasks.start_soon(_tried, _something(board, random), random.random() < 0.1)
    return board.log


async def _tried(work: Work, given_up: bool) -> None:
    with suppress(MCPError, McpsymError), anyio.move_on_after(0.005 if given_up else 30):
        await work()


async def _heard(progress: float, total: float | None, message: str | None) -> None:
    """Take progress, which is on the log already."""
    del progress, total, message


def _something(board: AsyncBoard, random: Random) -> Work:
    """One thing that a host may do."""
    name = random.choice(_WHO)
    tool, arguments = _call(random, depth=3)
    client = board.client(name)
    ways: list[Work] = [
        client.list_tools,
        partial(board.call, f"{name}__{tool}", arguments),
        partial(board.options(progress=_heard).call, f"{name}__{tool}", arguments),
        partial(client.call_tool, tool, arguments),
        partial(client.call_tool, tool, arguments, progress_callback=_heard),
    ]
    return random.choice(ways)


def _call(random: Random, depth: int) -> tuple[str, JsonObject]:
    """A call, perhaps of a call of another server, and so on."""
    tool = random.choice(("echo", "count", "log", "fail", "ask", "grow", "nothing", "relay", "relay", "relay"))
    if tool == "echo":
        return tool, {
            "text": random.choice(("", "größer", "\u2028", "x" * 5_000)),
            "number": random.getrandbits(70),
            "f": 1e300,
        }
    if tool == "count":
        return tool, {"to": random.randint(0, 5)}
    if tool != "relay" or not depth:
        return ("log" if tool == "relay" else tool), {}
    name, arguments = _call(random, depth - 1)
    return tool, {"name": f"{random.choice(_WHO)}__{name}", "arguments": arguments}
