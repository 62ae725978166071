"""What the host answers: the scripted model, the scripted user, the roots; and a refusal that says how to script."""

from __future__ import annotations

from typing import cast

import anyio
import anyio.lowlevel
import pytest
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import (
    CallToolResult,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestParams,
    ElicitResult,
    Root,
    SamplingMessage,
    TextContent,
)
from pydantic import BaseModel

from pytest_mcpsym import link
from pytest_mcpsym.errors import AnswerTimeout, UsageError
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.switchboard.host import Host
from pytest_mcpsym.switchboard.target import Era, Transport
from pytest_mcpsym.symmetric import Extension, peer
from tests.switchboard.servers import ScriptedServer, Wire

# The server's side of sampling and roots is deprecated since the modern era, and there for the handshake era.
pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")]
every_transport = pytest.mark.parametrize("transport", ["memory", "http", "sockets"])


class Person(BaseModel):
    """What the user is asked for."""

    name: str


def curious() -> MCPServer:
    """A server that asks the host for everything it may."""
    server = MCPServer("curious", log_level="WARNING")

    @server.tool(structured_output=False)
    async def sample(context: Context, text: str) -> str:
        message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
        try:
            result = await context.session.create_message([message], max_tokens=5)  # pyright: ignore[reportDeprecated] - it is there for the handshake era
        except MCPError as error:
            return f"{error.code} {error.message}"
        return cast("TextContent", result.content).text

    @server.tool(structured_output=False)
    async def elicit(context: Context) -> str:
        try:
            answer = await context.elicit("who?", Person)
        except MCPError as error:
            return f"{error.code} {error.message}"
        return answer.data.name if answer.action == "accept" else answer.action

    @server.tool(structured_output=False)
    async def roots(context: Context) -> str:
        found = await context.session.list_roots()  # pyright: ignore[reportDeprecated] - it is there for the handshake era
        return " ".join(f"{root.name or ''}{root.uri}" for root in found.roots)

    return server


def text(result: CallToolResult) -> str:
    """The text of a result."""
    return cast("TextContent", result.content[0]).text


def shout(params: CreateMessageRequestParams) -> str:
    """Answer with what was asked, in capitals."""
    content = params.messages[-1].content
    assert isinstance(content, TextContent)
    return content.text.upper()


@every_transport
async def test_turns_of_the_model_are_used_in_order(switchboard: Switchboard, transport: Transport) -> None:
    whole = CreateMessageResult(role="assistant", content=TextContent(type="text", text="whole"), model="m")
    async with switchboard(curious=link(curious(), transport=transport)) as board:
        board.model.script("first", shout, whole)
        assert [text(await board.call("curious__sample", text="a")) for _ in range(3)] == ["first", "A", "whole"]


@pytest.mark.parametrize("era", ["handshake", "modern"])
@every_transport
async def test_an_async_function_may_stand_behind_model_and_user(
    switchboard: Switchboard, transport: Transport, era: Era
) -> None:
    sym = Extension()
    server = MCPServer("asking", log_level="WARNING", extensions=[sym], lifespan=sym.lifespan())

    @server.tool(structured_output=False)
    async def ask(context: Context) -> str:
        client = peer(context)
        question = SamplingMessage(role="user", content=TextContent(type="text", text="why?"))
        sampled = await client.create_message([question], max_tokens=5)
        elicited = await client.elicit("who?", {"type": "object", "properties": {"name": {"type": "string"}}})
        return f"{cast('TextContent', sampled.content).text} {elicited.content}"

    async def model(params: CreateMessageRequestParams) -> str:
        await anyio.lowlevel.checkpoint()
        return shout(params)

    async def user(params: ElicitRequestParams) -> dict[str, object]:
        await anyio.lowlevel.checkpoint()
        return {"name": params.message}

    async with switchboard(asking=link(server, transport=transport), era=era) as board:
        board.model.script(model)
        board.user.script(user)
        assert text(await board.call("asking__ask")) == "WHY? {'name': 'who?'}"


async def test_a_model_that_never_answers_is_given_up_at_the_calls_time_limit(switchboard: Switchboard) -> None:
    async def model(params: CreateMessageRequestParams) -> str:
        await anyio.sleep_forever()
        raise AssertionError

    async def play(wire: Wire) -> None:
        call = await wire.hear_request("tools/call")
        request = '{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}'
        await wire.answer(call, f'{{"resultType":"input_required","inputRequests":{{"q":{request}}}}}')

    async with switchboard(asking=ScriptedServer(play)) as board:
        board.model.script(model)
        with anyio.fail_after(30), pytest.raises(AnswerTimeout):
            await board.options(timeout=0.1).call("asking__ask")


@every_transport
async def test_turns_of_the_user_are_used_in_order(switchboard: Switchboard, transport: Transport) -> None:
    def answer(params: ElicitRequestParams) -> dict[str, object]:
        return {"name": params.message}

    async with switchboard(curious=link(curious(), transport=transport)) as board:
        board.user.script({"name": "Ann"}, "decline", "cancel", answer, ElicitResult(action="accept", content={"name": "Bo"}))
        assert [text(await board.call("curious__elicit")) for _ in range(5)] == ["Ann", "decline", "cancel", "who?", "Bo"]


async def test_what_was_not_scripted_is_refused_with_the_way_to_script_it(switchboard: Switchboard) -> None:
    async with switchboard(curious=curious()) as board:
        sampled = text(await board.call("curious__sample", text="a"))
        elicited = text(await board.call("curious__elicit"))
    assert sampled == (
        "-32600 the test scripted no answer to this sampling/createMessage; add one with board.model.script('an answer')"
    )
    assert elicited == (
        "-32600 the test scripted no answer to this elicitation/create; add one with board.user.script({'field': 'value'})"
    )


async def test_a_scripted_function_that_raises_reaches_the_server_as_an_error(switchboard: Switchboard) -> None:
    def broken(params: CreateMessageRequestParams) -> str:
        raise RuntimeError("my own mistake")

    async with switchboard(curious=curious()) as board:
        board.model.script(broken)
        assert "my own mistake" in text(await board.call("curious__sample", text="a"))


async def test_roots_may_change_while_the_board_is_open(switchboard: Switchboard) -> None:
    async with switchboard(curious=curious()) as board:
        assert text(await board.call("curious__roots")) == ""
        board.roots.append("file:///a")
        board.roots.append(Root.model_validate({"uri": "file:///b", "name": "b "}))
        assert text(await board.call("curious__roots")) == "file:///a b file:///b"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_wrong_action_of_the_user_is_refused_when_it_is_scripted() -> None:
    with pytest.raises(UsageError, match="'acept' is no action; a user says 'accept', 'decline', 'cancel'"):
        Host().user.script("acept")
