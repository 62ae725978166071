"""Servers subscribe to each other's resources: one subscription with the owner, updates only to subscribers, and an end to all of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import anyio
import pytest
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resources import TextResource
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    EmptyResult,
    ListResourcesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    Tool,
    UnsubscribeRequestParams,
)

from pytest_mcpsym import link
from pytest_mcpsym.errors import AnswerTimeout
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard import legs
from pytest_mcpsym.switchboard.target import Era, Transport
from pytest_mcpsym.symmetric import Extension, peer
from pytest_mcpsym.wire.log import WireLog
from tests.switchboard.servers import ScriptedServer, Wire, demo, text, until

pytestmark = pytest.mark.anyio
every_era = pytest.mark.parametrize("era", ["handshake", "modern"])
eras_of_two = pytest.mark.parametrize(
    "eras",
    [{"watcher": one, "board": other} for one in ("handshake", "modern") for other in ("handshake", "modern")],
    ids=lambda eras: "-".join(eras.values()),
)

NOTE, OTHER = "note://one", "note://two"
_Ctx = ServerRequestContext[Any, Any]


def board_of_handshake() -> Server[Any]:
    """The owner of two notes, in the handshake era: the SDK's high-level server serves no subscriptions there."""
    subscribed: dict[str, _Ctx] = {}

    async def tools(ctx: _Ctx, params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[Tool(name="touch", input_schema={"type": "object"})])

    async def touch(ctx: _Ctx, params: CallToolRequestParams) -> CallToolResult:
        uri = str((params.arguments or {})["uri"])
        for each, holder in list(subscribed.items()):
            if uri == each or uri.startswith(f"{each}/"):
                await holder.session.send_resource_updated(uri)
        return CallToolResult(content=[TextContent(type="text", text="touched")])

    async def resources(ctx: _Ctx, params: PaginatedRequestParams | None) -> ListResourcesResult:
        return ListResourcesResult(resources=[Resource(uri=uri, name=uri) for uri in (NOTE, OTHER)])

    async def read(ctx: _Ctx, params: ReadResourceRequestParams) -> ReadResourceResult:
        return ReadResourceResult(contents=[TextResourceContents(uri=params.uri, text="")])

    async def subscribe(ctx: _Ctx, params: SubscribeRequestParams) -> EmptyResult:
        if "forbidden" in params.uri:
            raise MCPError(-32002, "no such note", {"uri": params.uri})
        subscribed[params.uri] = ctx
        return EmptyResult()

    async def unsubscribe(ctx: _Ctx, params: UnsubscribeRequestParams) -> EmptyResult:
        subscribed.pop(params.uri, None)
        return EmptyResult()

    return Server(
        "board",
        on_list_tools=tools,
        on_call_tool=touch,
        on_list_resources=resources,
        on_read_resource=read,
        on_subscribe_resource=subscribe,
        on_unsubscribe_resource=unsubscribe,
    )


def board_of_modern() -> MCPServer:
    """The same in the modern era."""
    server = MCPServer("board", log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def touch(context: Context, uri: str) -> str:
        await context.notify_resource_updated(uri)
        return "touched"

    for uri in (NOTE, OTHER):
        server.add_resource(TextResource(uri=uri, name=uri, text=""))
    return server


def owner(era: Era) -> object:
    return board_of_handshake() if era == "handshake" else board_of_modern()


def watcher() -> MCPServer:
    """A server that watches notes, in the ways that the tests need."""
    sym = Extension()
    server = MCPServer("watcher", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def watch(context: Context, uris: list[str], touched: list[str]) -> str:
        client, seen = peer(context), list[str]()
        async with client.subscribe(*uris) as updates:
            for uri in touched:
                await client.call_tool("board__touch", {"uri": uri})
            async for uri in updates:
                seen.append(uri)
                if len(seen) == len(uris):
                    return " ".join(seen)
        return ""

    @server.tool(structured_output=False)
    async def wait(context: Context, uri: str) -> str:
        async with peer(context).subscribe(uri) as updates:
            return await anext(updates)

    @server.tool(structured_output=False)
    async def leave(context: Context, uri: str) -> str:
        async with peer(context).subscribe(uri):
            pass
        return "left"

    @server.tool(structured_output=False)
    async def idle(context: Context, uri: str) -> str:
        carrier = peer(context)._carrier  # pyright: ignore[reportPrivateUsage] - the API never forgets to unsubscribe
        await carrier.ask("resources/subscribe", {"uri": uri}, None, None)
        return "ended without a word"

    @server.tool(structured_output=False)
    async def refused(context: Context, uri: str) -> str:
        try:
            async with peer(context).subscribe(uri):
                return "subscribed"
        except MCPError as error:
            return f"{error.code} {error.message} {json.dumps(error.error.data)}"

    return server


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


async def test_a_subscription_that_its_owner_ends_is_an_error_of_whoever_waits(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None:
        request = await wire.hear_request("subscriptions/listen")
        meta = f'"_meta":{{"io.modelcontextprotocol/subscriptionId":{json.dumps(request.id)}}}'
        honoured = f'"notifications":{{"resourceSubscriptions":["{NOTE}"]}}'
        await wire.say(
            f'{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{{honoured},{meta}}}}}'
        )
        await wire.answer(request, f'{{"resultType":"complete",{meta}}}')

    closing = ScriptedServer(play, '{"resources":{"subscribe":true}}', modern=True)
    async with switchboard(watcher=watcher(), board=closing, era="modern") as board:
        with pytest.raises(MCPError, match="it ended the subscription to 'note://one'") as refused:
            await board.call("watcher__wait", uri=f"board+{NOTE}")
    assert refused.value.error.data == {"reason": "closed", "link": "board"}


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
