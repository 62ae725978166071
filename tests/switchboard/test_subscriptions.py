"""Servers subscribe to each other's resources: one subscription with the owner, updates only to subscribers, and an end to all of it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack

import anyio
import pytest
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer

from pytest_mcpsym import link
from pytest_mcpsym.errors import AnswerTimeout, LinkError
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard import legs
from pytest_mcpsym.switchboard.board import AsyncBoard
from pytest_mcpsym.switchboard.target import Era, Transport
from pytest_mcpsym.symmetric import Extension, peer
from pytest_mcpsym.transport.sockets import serve_on_loopback
from pytest_mcpsym.wire.log import WireLog
from tests.switchboard.servers import HangUp, ScriptedServer, Wire, demo, text, until
from tests.switchboard.subscribing import NOTE, OTHER, board_of_handshake, board_of_modern, owner, watcher

pytestmark = pytest.mark.anyio
every_era = pytest.mark.parametrize("era", ["handshake", "modern"])
on_one_loop = pytest.mark.parametrize("anyio_backend", ["asyncio"])  # Transports are tested on both loops of their own.
eras_of_two = pytest.mark.parametrize(
    "eras",
    [{"watcher": one, "board": other} for one in ("handshake", "modern") for other in ("handshake", "modern")],
    ids=lambda eras: "-".join(eras.values()),
)


def counted(log: WireLog, *methods: str) -> list[int]:
    """How often each method was sent to the owner."""
    return [sum(frame.message.method == method for frame in log.on("board")) for method in methods]


def began(log: WireLog) -> int:
    return sum(counted(log, "resources/subscribe", "subscriptions/listen"))


def ended(log: WireLog) -> int:
    """How often a subscription was ended; over HTTP a modern client closes the stream."""
    closed = [note.data for note in log.notes if note.link == "board" and note.data.get("event") == "closed"]
    streams = sum(data["by"] == "host" for data in closed)
    return streams + sum(counted(log, "resources/unsubscribe", "notifications/cancelled"))


# --- updates


@eras_of_two
async def test_a_server_hears_that_a_resource_of_another_was_updated(switchboard: Switchboard, eras: Mapping[str, Era]) -> None:
    async with switchboard(watcher=watcher(), board=owner(eras["board"]), era=eras) as board:
        seen = await board.call("watcher__watch", uris=[f"board+{NOTE}"], touched=[NOTE])
        assert text(seen) == f"board+{NOTE}"
        await until(lambda: ended(board.log) == 1)
    assert began(board.log) == 1


@pytest.mark.parametrize("transport", ["http", "sockets"])
@every_era
async def test_over_http_too(switchboard: Switchboard, era: Era, transport: Transport) -> None:
    one, other = link(watcher(), transport=transport), link(owner(era), transport=transport)
    async with switchboard(watcher=one, board=other, era=era) as board:
        assert text(await board.call("watcher__watch", uris=[f"board+{NOTE}"], touched=[NOTE])) == f"board+{NOTE}"
        await until(lambda: ended(board.log) == 1)


def over_stdio(name: str) -> str:
    return shlex.join([sys.executable, "-m", "tests.switchboard.subscribing", name])


@every_era
@on_one_loop
async def test_over_stdio_too(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(watcher=over_stdio("watcher"), board=over_stdio(era), era=era) as board:
        assert text(await board.call("watcher__watch", uris=[f"board+{NOTE}"], touched=[NOTE])) == f"board+{NOTE}"
        await until(lambda: ended(board.log) == 1)


@every_era
async def test_updates_of_several_resources_come_by_name_and_others_do_not(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(watcher=watcher(), board=owner(era), era=era) as board:
        uris = [f"board+{NOTE}", f"board+{OTHER}"]
        seen = await board.call("watcher__watch", uris=uris, touched=["note://three", OTHER, NOTE])
    assert sorted(text(seen).split()) == sorted(uris)


@every_era
async def test_a_bare_uri_that_was_listed_is_told_as_it_was_subscribed_to(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(watcher=watcher(), board=owner(era), era=era) as board:
        await board.client("board").list_resources()
        assert text(await board.call("watcher__watch", uris=[NOTE], touched=[NOTE])) == NOTE


async def test_an_update_below_a_resource_has_its_own_uri(switchboard: Switchboard) -> None:
    async with switchboard(watcher=watcher(), board=board_of_handshake()) as board:
        seen = await board.call("watcher__watch", uris=[f"board+{NOTE}"], touched=[f"{NOTE}/part"])
    assert text(seen) == f"board+{NOTE}/part"


@every_era
async def test_several_subscribers_share_one_subscription_until_the_last_is_done(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(first=watcher(), second=watcher(), board=owner(era), era=era) as board:
        said: list[str] = []

        async def wait(name: str) -> None:
            said.append(text(await board.call(f"{name}__wait", uri=f"board+{NOTE}")))

        async with anyio.create_task_group() as tasks:
            for name in ("first", "second"):
                tasks.start_soon(wait, name)
            await until(lambda: waiting(board.log) == 2)
            assert (began(board.log), ended(board.log)) == (1, 0)
            await board.call("board__touch", uri=NOTE)
        assert said == [f"board+{NOTE}"] * 2
        await until(lambda: ended(board.log) == 1)
    assert began(board.log) == 1


@every_era
async def test_a_subscriber_that_leaves_takes_nothing_from_the_others(switchboard: Switchboard, era: Era) -> None:
    async with (
        switchboard(first=watcher(), second=watcher(), board=owner(era), era=era) as board,
        anyio.create_task_group() as tasks,
    ):

        async def wait() -> None:
            assert text(await board.call("first__wait", uri=f"board+{NOTE}")) == f"board+{NOTE}"

        tasks.start_soon(wait)
        await until(lambda: waiting(board.log) == 1)
        assert text(await board.call("second__leave", uri=f"board+{NOTE}")) == "left"
        assert (began(board.log), ended(board.log)) == (1, 0)
        await board.call("board__touch", uri=NOTE)


def waiting(log: WireLog) -> int:
    """How many requests for updates have been made."""
    return sum(b"dev.mcpsym/updates" in frame.data for frame in log.frames if frame.direction == "to-client")


@every_era
async def test_a_server_that_did_not_subscribe_hears_nothing(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(watcher=watcher(), other=watcher(), board=owner(era), era=era) as board:
        await board.call("watcher__watch", uris=[f"board+{NOTE}"], touched=[NOTE])
    assert not any(NOTE.encode() in frame.data for frame in board.log.on("other"))


# --- the end


@every_era
@pytest.mark.parametrize("tool", ["leave", "idle"])
async def test_a_subscription_ends_with_its_block_or_else_with_its_request(
    switchboard: Switchboard, era: Era, tool: str
) -> None:
    async with switchboard(watcher=watcher(), board=owner(era), era=era) as board:
        await board.call(f"watcher__{tool}", uri=f"board+{NOTE}")
        await until(lambda: ended(board.log) == 1)


@every_era
async def test_a_call_that_is_given_up_ends_its_subscription(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(watcher=watcher(), board=owner(era), era=era) as board:
        with pytest.raises(AnswerTimeout):
            await board.options(timeout=0.5).call("watcher__wait", uri=f"board+{NOTE}")
        await until(lambda: ended(board.log) == 1)


@every_era
async def test_the_sdk_clients_call_ends_its_subscription_too(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(watcher=watcher(), board=owner(era), era=era) as board:
        await board.client("watcher").call_tool("idle", {"uri": f"board+{NOTE}"})
        await until(lambda: ended(board.log) == 1)


async def acknowledge(wire: Wire, ident: str | int) -> str:
    """Take a subscription, and return what goes into whatever is said of it."""
    meta = f'"_meta":{{"io.modelcontextprotocol/subscriptionId":{json.dumps(ident)}}}'
    honoured = f'"notifications":{{"resourceSubscriptions":["{NOTE}"]}}'
    await wire.say(f'{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{{honoured},{meta}}}}}')
    return meta


async def test_a_subscription_that_its_owner_ends_is_an_error_of_whoever_waits(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None:
        request = await wire.hear_request("subscriptions/listen")
        meta = await acknowledge(wire, request.id)
        await wire.answer(request, f'{{"resultType":"complete",{meta}}}')

    closing = ScriptedServer(play, '{"resources":{"subscribe":true}}', modern=True)
    async with switchboard(watcher=watcher(), board=closing, era="modern") as board:
        with pytest.raises(MCPError, match="it ended the subscription to 'note://one'") as refused:
            await board.call("watcher__wait", uri=f"board+{NOTE}")
    assert refused.value.error.data == {"reason": "closed", "link": "board"}


@pytest.mark.mcp(expect=["jsonrpc:unanswered"])
@every_era
@on_one_loop
async def test_whoever_waits_for_a_process_that_dies_is_told_so(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(watcher=watcher(), board=over_stdio(era), era=era) as board:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait_in_vain, board, "ended with exit status 3")
            await until(lambda: waiting(board.log) == 1, 20)
            with pytest.raises(LinkError, match="ended with exit status 3"):
                await board.call("board__die")
        assert text(await board.call("watcher__refused", uri="nobody+note://one"))


@every_era
async def test_whoever_waits_for_a_server_that_hangs_up_is_told_so(switchboard: Switchboard, era: Era) -> None:
    hang_up = anyio.Event()

    async def play(wire: Wire) -> None:
        request = await wire.hear_request("subscriptions/listen" if era == "modern" else "resources/subscribe")
        if era == "modern":
            await acknowledge(wire, request.id)
        else:
            await wire.answer(request, "{}")
        await hang_up.wait()
        raise HangUp

    leaving = ScriptedServer(play, '{"resources":{"subscribe":true}}', modern=era == "modern")

    async def watch() -> None:
        async with switchboard(watcher=watcher(), board=leaving, era=era) as board, anyio.create_task_group() as tasks:
            tasks.start_soon(wait_in_vain, board, "closed the connection")
            await until(lambda: waiting(board.log) == 1)
            hang_up.set()

    with pytest.raises(LinkError, match="closed the connection"):
        await watch()


@every_era
@on_one_loop
async def test_whoever_waits_for_a_server_that_no_longer_listens_is_told_so(switchboard: Switchboard, era: Era) -> None:
    async with AsyncExitStack() as serving:
        url = await serving.enter_async_context(serve_on_loopback(owner(era).streamable_http_app, factory=True))
        async with switchboard(watcher=watcher(), board=f"{url}/mcp", era=era) as board, anyio.create_task_group() as tasks:
            tasks.start_soon(wait_in_vain, board, "broke off|ConnectError|ended the subscription")
            await until(lambda: waiting(board.log) == 1)
            await serving.aclose()


async def wait_in_vain(board: AsyncBoard, said: str) -> None:
    with pytest.raises(MCPError, match=said) as refused:
        await board.options(timeout=20).call("watcher__wait", uri=f"board+{NOTE}")
    assert refused.value.error.data["link"] == "board"


async def test_a_leg_that_waits_is_continued_from_time_to_time(
    switchboard: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(legs, "PATIENCE", 0.05)
    board = switchboard(watcher=watcher(), board=board_of_modern(), era="modern")
    async with board as opened, anyio.create_task_group() as tasks:

        async def wait() -> None:
            assert text(await opened.call("watcher__wait", uri=f"board+{NOTE}")) == f"board+{NOTE}"

        def goes_on() -> bool:
            legs = [frame for frame in opened.log.on("watcher") if frame.message.method == "dev.mcpsym/continue"]
            return any(not leg.message.params["responses"] for leg in legs)

        tasks.start_soon(wait)
        await until(goes_on)
        await opened.call("board__touch", uri=NOTE)


# --- refusals


@every_era
@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("note://nobody", "-32602 unknown resource 'note://nobody': no granted peer has listed or returned it"),
        ("nobody+note://one", "-32602 unknown resource 'nobody+note://one'"),
        ("watcher+note://one", "-32602 'watcher+note://one' is the caller's own resource"),
        ("demo+note://one", "-32601 demo takes no subscriptions"),
    ],
)
async def test_what_cannot_be_subscribed_to_is_refused(switchboard: Switchboard, era: Era, uri: str, said: str) -> None:
    quiet = MCPServer("quiet", log_level="CRITICAL", subscriptions=False) if era == "modern" else demo()
    async with switchboard(watcher=watcher(), board=owner(era), demo=quiet, era=era) as board:
        assert text(await board.call("watcher__refused", uri=uri)).startswith(said)
    assert began(board.log) == 0


@every_era
async def test_what_is_not_granted_cannot_be_subscribed_to(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(watcher=link(watcher(), grants=[f"board+{OTHER}"]), board=owner(era), era=era) as board:
        said = text(await board.call("watcher__refused", uri=f"board+{NOTE}"))
        assert '"reason": "not-granted"' in said
        assert text(await board.call("watcher__refused", uri=f"board+{OTHER}")) == "subscribed"


async def test_the_owners_refusal_reaches_the_subscriber_as_it_is(switchboard: Switchboard) -> None:
    async with switchboard(watcher=watcher(), board=board_of_handshake()) as board:
        said = text(await board.call("watcher__refused", uri="board+note://forbidden"))
        assert said == '-32002 no such note {"uri": "note://forbidden"}'
        again = text(await board.call("watcher__refused", uri="board+note://forbidden"))
        assert again == said
    assert counted(board.log, "resources/subscribe") == [2]


async def test_a_server_that_handles_no_request_has_nothing_to_subscribe_for(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None:
        await wire.say(f'{{"jsonrpc":"2.0","id":0,"method":"resources/subscribe","params":{{"uri":"board+{NOTE}"}}}}')

    def answers() -> list[str]:
        return [str(frame.message.error["message"]) for frame in board.log.on("odd") if frame.message.kind == "error"]

    async with switchboard(odd=ScriptedServer(play), board=board_of_handshake()) as board:
        await until(lambda: bool(answers()))
    assert answers() == ["odd handles no request that a subscription could belong to, and end with"]
    assert began(board.log) == 0


@every_era
async def test_whoever_waits_for_nothing_is_told_so(switchboard: Switchboard, era: Era) -> None:
    sym = Extension()
    server = MCPServer("odd", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def wait(context: Context) -> str:
        async with peer(context).subscribe() as updates:
            return await anext(updates)

    async with switchboard(odd=server, board=owner(era), era=era) as board:
        with pytest.raises(MCPError, match="nothing can be updated: this request is subscribed to no resource"):
            await board.call("odd__wait")
