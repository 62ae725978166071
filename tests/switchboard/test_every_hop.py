"""Parallel calls, progress and cancellation cross two hops in both eras, in memory, over pipes and over HTTP."""

from __future__ import annotations

import shlex
import sys

import pytest

from pytest_mcpsym import link
from pytest_mcpsym.errors import AnswerTimeout
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.target import Era, Transport
from pytest_mcpsym.wire.log import WireLog
from tests.switchboard.hops import SERVERS
from tests.switchboard.servers import text, until

# The transports are tested on both loops of their own.
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
    pytest.mark.parametrize("transport", ["memory", "stdio", "sockets"]),
    pytest.mark.parametrize("era", ["handshake", "modern"]),
]


def made(name: str, transport: Transport) -> object:
    """One of the two servers, over a transport."""
    if transport == "stdio":
        return shlex.join([sys.executable, "-m", "tests.switchboard.hops", name])
    return link(SERVERS[name](), transport=transport)


def given_up(log: WireLog) -> bool:
    """Whether the first server was told that nobody waits; over HTTP a modern client closes the stream."""
    told = any(frame.message.method == "notifications/cancelled" for frame in log.on("first"))
    return told or any(note.link == "first" and note.data.get("by") == "host" and "exchange" in note.data for note in log.notes)


async def test_calls_of_one_handler_are_open_together(switchboard: Switchboard, era: Era, transport: Transport) -> None:
    async with switchboard(second=made("second", transport), first=made("first", transport), era=era) as board:
        assert text(await board.options(timeout=10).call("second__together", count=3)) == "met met met"


async def test_progress_reaches_whoever_asked_for_it(switchboard: Switchboard, era: Era, transport: Transport) -> None:
    heard: list[tuple[float, float | None]] = []
    async with switchboard(second=made("second", transport), first=made("first", transport), era=era) as board:
        asking = board.options(timeout=10, progress=lambda done, total, _: heard.append((done, total)))
        await asking.call("second__ask", tool="first__steps")
    # Legs carry none of the progress of their calls, and all that the handler reports.
    assert heard == ([(0, 3), (1, 3), (2, 3)] if era == "handshake" else [(0, 1)])


async def test_a_call_that_is_given_up_is_given_up_below(switchboard: Switchboard, era: Era, transport: Transport) -> None:
    async with switchboard(second=made("second", transport), first=made("first", transport), era=era) as board:
        with pytest.raises(AnswerTimeout):
            await board.options(timeout=0.5).call("second__ask", tool="first__sleep")
        await until(lambda: given_up(board.log))
        assert text(await board.call("first__steps")) == "done"
