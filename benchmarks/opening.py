"""What it costs to open a board with one memory server and to close it, against an SDK client on the same server.

Closing a board includes its checks, which a bare client does not have.
"""

from __future__ import annotations

from collections.abc import Iterator

from anyio.from_thread import start_blocking_portal
from mcp import Client

from benchmarks.paired import each, paired, spent
from benchmarks.row import Effort, Row
from fake_servers import everything
from pytest_mcpsym.switchboard import switchboard

__all__ = ["opening"]


def opening(effort: Effort) -> Iterator[Row]:
    """A board opened and closed against a bare SDK client opened and closed, on each face."""
    server = everything()

    async def board() -> None:
        async with switchboard(everything=server):
            pass

    async def client() -> None:
        async with Client(server, mode="legacy"):
            pass

    def blocking() -> None:
        for _ in range(effort.openings):
            with switchboard(everything=server):
                pass

    with start_blocking_portal() as portal:

        def bare() -> float:
            return portal.call(each, client, effort.openings)

        pairs = paired(lambda: portal.call(each, board, effort.openings), bare, effort.rounds)
        yield pairs.row("open", "board opened and closed", "bare SDK client", "async", 2.0)
        pairs = paired(lambda: spent(blocking, effort.openings), bare, effort.rounds)
        yield pairs.row("open", "board opened and closed", "bare SDK client", "blocking")
