"""One conversation: what goes side by side, what is cancelled, what a wrong step says, and a server that lives no more."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from fake_servers.mutants.carriers import Carried
from fake_servers.mutants.peer import Peer
from pytest_mcpsym import link
from pytest_mcpsym.errors import LinkError, UsageError
from pytest_mcpsym.explore import Ask, Cancel, Reconnect, Step, Wait
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.target import Era
from pytest_mcpsym.wire.exchange import correlate
from tests.explore.buggy import BUGS
from tests.switchboard.servers import demo, process

ECHO = Ask("tools/call", {"name": "echo", "arguments": {"text": "x"}}, progress=True)
SLEEP = Ask("tools/call", {"name": "sleep", "arguments": {}})


@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_requests_go_side_by_side_and_one_is_cancelled(switchboard: Switchboard, era: Era) -> None:
    with switchboard(demo=demo(), era=era) as board:
        board.play(SLEEP, ECHO, Wait(1), Cancel(0), Cancel(7), patience=5)
    calls = [frame for frame in board.log.frames if frame.message.method == "tools/call"]
    ends = {exchange.request.seq: exchange.state for exchange in correlate(board.log).exchanges}
    assert [ends[frame.seq] for frame in calls] == ["cancelled", "result"]
    assert ["progressToken" in frame.message.meta for frame in calls] == [False, True]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_an_async_board_plays_too(switchboard: Switchboard) -> None:
    async with switchboard(demo=demo()) as board:
        await board.play(ECHO, Wait(0))
    assert [
        frame.message.method for frame in board.log.frames if frame.message.method in ("tools/call", "ping", "server/discover")
    ][-1] in (
        "ping",
        "server/discover",
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: Carried(Peer()),
        lambda: link(Carried(Peer()).app, transport="http"),
        lambda: f"{sys.executable} -m fake_servers.mutants Peer",
    ],
    ids=["memory", "http", "stdio"],
)
@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_a_conversation_goes_on_when_the_link_was_dropped(
    switchboard: Switchboard, era: Era, make: Callable[[], object]
) -> None:
    waits = Ask("tools/call", {"name": "gate", "arguments": {"name": "never"}})
    with switchboard(peer=make(), era=era) as board:
        board.play(waits, Reconnect(), ECHO, Wait(1), Cancel(0), Wait(0), patience=5)
    calls = [exchange for exchange in correlate(board.log).exchanges if exchange.method == "tools/call"]
    assert [(call.link, call.state, call.id) for call in calls] == [
        ("peer", "open", '"peer-1"'),
        ("peer_again_1", "result", '"peer-1"'),
    ]


def test_a_server_that_serves_no_second_time_is_a_link_error(switchboard: Switchboard) -> None:
    with (
        switchboard(once=Carried(BUGS["DiesOfTheThird"]()), era="handshake") as board,
        pytest.raises(LinkError, match="no room for another client"),
    ):
        board.play(Reconnect(), Reconnect())


@pytest.mark.parametrize("ident", [1000, "1_000", "", -1])
def test_a_request_has_the_id_that_it_is_given(switchboard: Switchboard, ident: int | str) -> None:
    with switchboard(demo=demo()) as board:
        board.play(Ask("tools/list", id=ident), Wait(0))
    (asked,) = [frame for frame in board.log.frames if frame.message.method == "tools/list"]
    assert cast("dict[str, object]", asked.message.value)["id"] == ident


def test_what_is_never_answered_is_cancelled_when_patience_ends(switchboard: Switchboard) -> None:
    with switchboard(demo=demo(), era="handshake") as board:
        board.play(SLEEP, patience=0.1)
    assert [frame.message.method for frame in board.log.frames][-2:] == ["ping", None]
    assert "notifications/cancelled" in [frame.message.method for frame in board.log.frames]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (("ping",), "'ping' is no step of a conversation"),
        ((Ask("a", {"x": object()}),), "cannot be sent"),
        ((Ask("a", id=True),), "has an id that no request may have"),
    ],
)
def test_a_wrong_step_says_so(switchboard: Switchboard, steps: tuple[object, ...], message: str) -> None:
    with switchboard(demo=demo()) as board, pytest.raises(UsageError, match=message):
        board.play(*cast("tuple[Step, ...]", steps))


def test_several_links_need_a_name(switchboard: Switchboard) -> None:
    with switchboard(one=demo(), two=demo()) as board:
        with pytest.raises(UsageError, match="has 2 links; say which: link='one'"):
            board.play(ECHO)
        board.play(ECHO, link="two")
    assert board.routes == "host > two"


@pytest.mark.mcp(expect=["jsonrpc:unanswered"])
def test_a_server_that_dies_is_a_link_error(switchboard: Switchboard, tmp_path: Path) -> None:
    target = process(tmp_path, "shake()\nhear()\nsys.exit(5)\n")
    with switchboard(dies=target, era="handshake") as board, pytest.raises(LinkError, match="exit status 5"):
        board.play(Ask("tools/list"))
