"""Resources, templates, prompts and completion of one server, used by another through the switchboard, in both eras."""

from __future__ import annotations

import json

import pytest
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    EmbeddedResource,
    PromptReference,
    ResourceLink,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)

from pytest_mcpsym import link
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.target import Era, Transport
from pytest_mcpsym.symmetric import Extension, Peer, peer
from pytest_mcpsym.wire.splice import find
from tests.switchboard.servers import ScriptedServer, Wire, text, until

pytestmark = pytest.mark.anyio
every_wire = pytest.mark.parametrize(
    ("transport", "era"), [(transport, era) for transport in ("memory", "http") for era in ("handshake", "modern")]
)


async def use(client: Peer, what: str, name: str) -> str:
    """Use one thing of the client and say what came."""
    match what:
        case "resources":
            return " ".join(str(each.uri) for each in await client.list_resources())
        case "templates":
            return " ".join(each.uri_template for each in await client.list_resource_templates())
        case "prompts":
            return " ".join(each.name for each in await client.list_prompts())
        case "read":
            return "".join(
                part.text for part in (await client.read_resource(name)).contents if isinstance(part, TextResourceContents)
            )
        case "get":
            (message,) = (await client.get_prompt(name, {"who": "you"})).messages
            return message.content.text if isinstance(message.content, TextContent) else ""
        case "complete":
            ref = (
                ResourceTemplateReference(type="ref/resource", uri=name)
                if "://" in name
                else PromptReference(type="ref/prompt", name=name)
            )
            return " ".join((await client.complete(ref, "who", "a")).completion.values)
        case _:
            return text(await client.call_tool(name))


def user() -> MCPServer:
    """A server that uses whatever it is told of its client's."""
    sym = Extension()
    server = MCPServer("user", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")

    @server.tool(name="use", structured_output=False)
    async def use_it(context: Context, what: str, name: str = "") -> str:
        try:
            return await use(peer(context), what, name)
        except MCPError as error:
            return f"{error.code} {error.message} {json.dumps(error.error.data)}"

    return server


def library(greeting: str = "hello") -> MCPServer:
    """A server with one thing of each kind."""
    server = MCPServer("library", log_level="WARNING")

    @server.resource("book://one")
    def one() -> str:
        return f"{greeting} one"

    @server.resource("book://by/{who}")
    def by(who: str) -> str:
        return f"{greeting} by {who}"

    @server.prompt()
    def greet(who: str) -> str:
        return f"{greeting} {who}"

    @server.tool(structured_output=False)
    def lend() -> list[ResourceLink | EmbeddedResource]:
        kept = TextResourceContents(uri="book://kept", text="")
        return [
            ResourceLink(type="resource_link", name="ann", uri="book://by/ann"),
            EmbeddedResource(type="resource", resource=kept),
        ]

    @server.completion()
    async def complete(
        ref: PromptReference | ResourceTemplateReference, argument: CompletionArgument, context: CompletionContext | None
    ) -> Completion:
        name = ref.name if isinstance(ref, PromptReference) else ref.uri
        return Completion(values=[f"{argument.value}nn", name])

    return server


@every_wire
@pytest.mark.parametrize(
    ("what", "name", "told"),
    [
        ("resources", "", "library+book://one"),
        ("templates", "", "library+book://by/{who}"),
        ("prompts", "", "library__greet"),
        ("read", "library+book://one", "hello one"),
        ("read", "library+book://by/bob", "hello by bob"),
        ("get", "library__greet", "hello you"),
        ("complete", "library__greet", "ann greet"),
        ("complete", "library+book://by/{who}", "ann book://by/{who}"),
    ],
)
async def test_a_server_uses_what_another_one_offers(
    switchboard: Switchboard, transport: Transport, era: Era, what: str, name: str, told: str
) -> None:
    async with switchboard(
        user=link(user(), transport=transport), library=link(library(), transport=transport), era=era
    ) as board:
        assert text(await board.call("user__use", what=what, name=name)) == told
    hops = " > library" if what in ("read", "get") else ""
    assert board.routes == f"host > user{hops}"


@pytest.mark.parametrize(("user_era", "library_era"), [("handshake", "modern"), ("modern", "handshake")])
async def test_resources_and_prompts_cross_from_era_to_era(switchboard: Switchboard, user_era: Era, library_era: Era) -> None:
    async with switchboard(user=user(), library=library(), era={"user": user_era, "library": library_era}) as board:
        assert text(await board.call("user__use", what="read", name="library+book://one")) == "hello one"
        assert text(await board.call("user__use", what="get", name="library__greet")) == "hello you"
    assert not any(b'"ttlMs"' in frame.data for frame in board.log.on("user") if frame.message.method == "resources/read")


@pytest.mark.parametrize("era", ["handshake", "modern"])
async def test_a_bare_uri_leads_to_the_one_peer_that_listed_it(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(user=user(), library=library(), era=era) as board:
        refused = text(await board.call("user__use", what="read", name="book://one"))
        assert refused.startswith("-32602 unknown resource 'book://one': no granted peer has listed or returned it")
        await board.call("user__use", what="resources")
        assert text(await board.call("user__use", what="read", name="book://one")) == "hello one"


@pytest.mark.parametrize("era", ["handshake", "modern"])
async def test_a_bare_uri_leads_to_the_one_peer_that_returned_a_link_to_it(switchboard: Switchboard, era: Era) -> None:
    async with switchboard(user=user(), library=library(), era=era) as board:
        await board.call("user__use", what="call", name="library__lend")
        assert text(await board.call("user__use", what="read", name="book://by/ann")) == "hello by ann"
        assert "Unknown resource" in text(await board.call("user__use", what="read", name="book://kept"))


async def test_a_bare_uri_of_two_peers_is_refused_with_both(switchboard: Switchboard) -> None:
    async with switchboard(user=user(), left=library("left"), right=library("right")) as board:
        await board.call("user__use", what="resources")
        refused = text(await board.call("user__use", what="read", name="book://one"))
        assert text(await board.call("user__use", what="read", name="right+book://one")) == "right one"
    assert refused == (
        "-32602 'book://one' may be any of left+book://one, right+book://one (granted peers: left, right) "
        '{"reason": "ambiguous"}'
    )


@pytest.mark.parametrize(
    ("what", "name", "told"),
    [
        ("read", "user+book://one", "-32602 'user+book://one' is the caller's own resource"),
        (
            "get",
            "lbrary__greet",
            "-32602 unknown prompt 'lbrary__greet': there is no peer 'lbrary'; did you mean library__greet?",
        ),
        ("complete", "greet", "-32602 'greet' is no routed name; they look like peer__prompt"),
    ],
)
async def test_a_name_that_leads_nowhere_says_what_it_names(switchboard: Switchboard, what: str, name: str, told: str) -> None:
    async with switchboard(user=user(), library=library()) as board:
        assert text(await board.call("user__use", what=what, name=name)).startswith(told)


async def test_lists_keep_their_bytes_under_the_routed_uri(switchboard: Switchboard) -> None:
    entry = '{"x":-0,"uri":"a:b","name":"n","y":1e2}'

    async def play(wire: Wire) -> None:
        await wire.answer(await wire.hear_request("resources/list"), f'{{"resources":[{entry}]}}')

    async with switchboard(user=user(), odd=ScriptedServer(play, '{"resources":{}}')) as board:
        await board.call("user__use", what="resources")
    answer = next(f for f in board.log.on("user") if f.direction == "to-server" and f.message.kind == "result")
    assert find(answer.data, ("result",)) == b'{"resources":[' + entry.replace('"a:b"', '"odd+a:b"').encode() + b"]}"


async def test_a_server_without_templates_is_no_obstacle(switchboard: Switchboard) -> None:
    async def play(wire: Wire) -> None:
        request = await wire.hear_request("resources/templates/list")
        await wire.say(f'{{"jsonrpc":"2.0","id":"{request.id}","error":{{"code":-32601,"message":"no"}}}}')

    async with switchboard(user=user(), odd=ScriptedServer(play, '{"resources":{}}'), library=library()) as board:
        assert text(await board.call("user__use", what="templates")) == "library+book://by/{who}"


# --- announcements


def changing() -> MCPServer:
    """A server that says that its list of tools changed."""
    server = MCPServer("changing", log_level="WARNING")

    @server.tool(structured_output=False)
    async def change(context: Context) -> str:
        await context.session.send_tool_list_changed()
        return "changed"

    return server


async def test_a_changed_list_is_announced_to_the_peers_that_have_listed_it(switchboard: Switchboard) -> None:
    def announced(name: str) -> int:
        sent = [frame for frame in board.log.on(name) if frame.direction == "to-server"]
        return sum(frame.message.method == "notifications/tools/list_changed" for frame in sent)

    lister = ScriptedServer(list_and_wait)
    async with switchboard(lister=lister, idle=user(), changing=changing()) as board:
        await board.call("changing__change")
        assert announced("lister") == 0
        await board.call("lister__list")
        await board.call("changing__change")
        await until(lambda: announced("lister") == 1)
    assert announced("idle") == announced("changing") == 0


async def list_and_wait(wire: Wire) -> None:
    """A play: list the client's tools once."""
    request = await wire.hear_request("tools/call")
    await wire.say('{"jsonrpc":"2.0","id":0,"method":"tools/list"}')
    await wire.hear()
    await wire.answer(request, '{"content":[]}')


async def test_a_peer_that_is_not_granted_anything_of_it_hears_nothing_of_a_changed_list(switchboard: Switchboard) -> None:
    lister = link(ScriptedServer(list_and_wait), grants=["library"])
    async with switchboard(lister=lister, library=library(), changing=changing()) as board:
        await board.call("lister__list")
        await board.call("changing__change")
    assert not any(b"list_changed" in frame.data for frame in board.log.on("lister") if frame.message.kind == "notification")
