"""Where a test scripts nothing, the host tells a replayed server what it told it when it was recorded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.plugin.harness import Example, Run, ini

MakeExample = Callable[..., Example]

SERVER = """
import sys

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import SamplingMessage, TextContent
from pydantic import BaseModel


class Wish(BaseModel):
    color: str


def curious():
    server = MCPServer("curious", log_level="ERROR")

    @server.tool(structured_output=False)
    async def ask(question: str, context: Context) -> str:
        message = SamplingMessage(role="user", content=TextContent(type="text", text=question))
        said = await context.session.create_message(messages=[message], max_tokens=10)
        return said.content.text

    @server.tool(structured_output=False)
    async def wish(context: Context) -> str:
        given = await context.elicit("which color?", Wish)
        return given.action + " " + (given.data.color if given.action == "accept" else "")

    @server.tool(structured_output=False)
    async def roots(context: Context) -> str:
        return ",".join(str(root.uri) for root in (await context.session.list_roots()).roots)

    return server
"""

MODERN = """
from mcp.server.lowlevel import Server
from mcp_types import (CallToolResult, CreateMessageRequest, CreateMessageRequestParams, ElicitRequest, ElicitRequestFormParams,
    InputRequiredResult, ListRootsRequest, ListToolsResult, SamplingMessage, TextContent, Tool)


def curious():
    async def list_tools(context, params):
        return ListToolsResult(tools=[Tool(name=name, input_schema={"type": "object"}) for name in ("ask", "wish", "roots")])

    async def call_tool(context, params):
        answers = params.input_responses
        if not answers:
            text = TextContent(type="text", text=(params.arguments or {}).get("question", ""))
            asked = {
                "ask": CreateMessageRequest(params=CreateMessageRequestParams(
                    messages=[SamplingMessage(role="user", content=text)], max_tokens=10)),
                "wish": ElicitRequest(params=ElicitRequestFormParams(
                    message="which color?", requested_schema={"type": "object", "properties": {"color": {"type": "string"}}})),
                "roots": ListRootsRequest(),
            }[params.name]
            return InputRequiredResult(input_requests={"one": asked}, request_state=params.name)
        one = answers["one"]
        said = {"ask": lambda: one.content.text, "wish": lambda: one.action + " " + str((one.content or {}).get("color", "")),
            "roots": lambda: ",".join(str(root.uri) for root in one.roots)}[params.name]()
        return CallToolResult(content=[TextContent(type="text", text=said)])

    return Server("curious", on_list_tools=list_tools, on_call_tool=call_tool)
"""

TEST = """
import asks

def test_it(switchboard, recorded):
    with switchboard(peer=recorded(asks.curious())) as board:
        {scripted}
        assert board.{call}("{peer}ask", {{"question": "2+2?"}}).content[0].text == "four"
        assert board.{call}("{peer}ask", {{"question": "3+3?"}}).content[0].text == "six"
        assert board.{call}("{peer}wish", {{}}).content[0].text == "accept blue"
        assert board.{call}("{peer}roots", {{}}).content[0].text == "file:///home/ada"
"""
SCRIPTED = """
        real = {"2+2?": "four", "3+3?": "six"}
        board.model.script(*[lambda params: real[params.messages[-1].content.text]] * 2)
        board.user.script({"color": "blue"})
        board.roots.append("file:///home/ada")
"""
FILE = "recordings/test_it/test_it.peer.jsonl"
_DEPRECATED = "    ignore:The (sampling|roots) capability is deprecated"
QUIET = ("-p", "no:cacheprovider", "--mcp-trace=off")


@pytest.fixture(autouse=True)
def _no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)


def recorded(example: MakeExample, pytester: pytest.Pytester, era: str, typed: bool = False) -> Run:
    """Record the test with a scripted host, and leave the script out afterwards."""
    names = {"call": 'client("peer").call_tool', "peer": ""} if typed else {"call": "call", "peer": "peer__"}
    files = {"asks.py": SERVER if era == "handshake" else MODERN, "pytest.ini": ini(_DEPRECATED)}
    made = example(TEST.format(scripted=SCRIPTED, **names), **files)
    first = made.run_here(pytester, *QUIET, "--mcp-record", f"--mcp-era={era}")
    assert first.outcomes == {"passed": 1}, first.text
    return first.example.with_files({"test_it.py": TEST.format(scripted="", **names)}).run_here(
        pytester, *QUIET, f"--mcp-era={era}"
    )


@pytest.mark.parametrize("typed", [False, True], ids=["call", "client"])
@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_a_host_that_is_not_scripted_says_what_was_recorded(
    example: MakeExample, pytester: pytest.Pytester, era: str, typed: bool
) -> None:
    run = recorded(example, pytester, era, typed)
    assert run.outcomes == {"passed": 1}, run.text
    verified = run.example.run_here(pytester, *QUIET, f"--mcp-era={era}", "--mcp-verify")
    assert verified.outcomes == {"passed": 1}, verified.text


@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_what_is_scripted_otherwise_is_a_miss(example: MakeExample, pytester: pytest.Pytester, era: str) -> None:
    run = recorded(example, pytester, era)
    other = TEST.format(scripted="board.model.script('five', 'six')", call="call", peer="peer__")
    again = run.example.with_files({"test_it.py": other}).run_here(pytester, *QUIET, f"--mcp-era={era}")
    assert again.outcomes == {"failed": 1}
    again.says("mcp replay miss in test_it", 'recorded "four"', 'sent "five"')


@pytest.mark.parametrize(
    ("era", "place"),
    [
        ("handshake", ["elicitation/create   ", "params.message"]),
        ("modern", ["answer to tools/call wish   ", "result.inputRequests.one.params.message"]),
    ],
)
def test_a_server_that_asks_something_else_is_told_when_verifying(
    example: MakeExample, pytester: pytest.Pytester, era: str, place: list[str]
) -> None:
    run = recorded(example, pytester, era)
    other = run.example.files["asks.py"].replace("which color?", "which colour?")
    again = run.example.with_files({"asks.py": other}).run_here(pytester, *QUIET, f"--mcp-era={era}", "--mcp-verify")
    assert again.outcomes == {"failed": 1}
    again.says(*place, "1 field differs", 'recorded "which color?"', 'live "which colour?"')
    assert again.text.count("   recorded ") == 1


CALLER = """
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from pytest_mcpsym.symmetric import Extension, peer


def caller():
    sym = Extension()
    server = MCPServer("caller", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def ask(context: Context, text: str) -> str:
        try:
            return (await peer(context).call_tool("echo__say", {"message": text})).content[0].text
        except MCPError as error:
            return error.error.data["reason"]

    return server
"""
APPROVED = """
from pytest_mcpsym import link
from servers import echo
import caller

def test_it(switchboard, recorded):
    with switchboard(caller=recorded(link(caller.caller(), approve=["echo__*"])), echo=echo()) as board:
        {scripted}
        said = [board.call("caller__ask", text=text).content[0].text for text in ("a", "b", "c")]
    assert said == ["a", "not-approved", "c"]
    assert [note.data["decision"] for note in board.log.notes if note.channel == "approval"] == ["approved", "refused", "approved"]
"""


@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_what_the_user_approved_is_recalled_and_verified(example: MakeExample, pytester: pytest.Pytester, era: str) -> None:
    args = (*QUIET, f"--mcp-era={era}")
    first = example(APPROVED.format(scripted="board.user.approve(True, False, True)"), **{"caller.py": CALLER}).run_here(
        pytester, *args, "--mcp-record"
    )
    assert first.outcomes == {"passed": 1}, first.text
    silent = first.example.with_files({"test_it.py": APPROVED.format(scripted="")})
    for mode in ("--mcp-replay", "--mcp-verify"):
        run = silent.run_here(pytester, *args, mode)
        assert run.outcomes == {"passed": 1}, run.text
    other = first.example.with_files({"test_it.py": APPROVED.format(scripted="board.user.approve(True, True, True)")})
    run = other.run_here(pytester, *args)
    assert run.outcomes == {"failed": 1}
    run.says("mcp replay miss in test_it", "the user did not approve")


TWO = """
import anyio, pytest
import asks

SAID = {{"left": "four", "right": "five"}}

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_it(switchboard, recorded):
    async with switchboard(left=recorded(asks.curious()), right=recorded(asks.curious())) as board:
        if {scripted}:
            board.model.script(*[lambda params, origin: SAID[origin.link]] * 2)
        for name in {order}:
            assert (await board.call(name + "__ask", question="2+2?")).content[0].text == SAID[name]
"""


@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_two_links_that_ask_the_same_are_each_told_their_own(example: MakeExample, pytester: pytest.Pytester, era: str) -> None:
    files = {"asks.py": SERVER if era == "handshake" else MODERN, "pytest.ini": ini(_DEPRECATED)}
    args = (*QUIET, f"--mcp-era={era}")
    first = example(TWO.format(scripted=True, order=["left", "right"]), **files).run_here(pytester, *args, "--mcp-record")
    assert first.outcomes == {"passed": 1}, first.text
    other = first.example.with_files({"test_it.py": TWO.format(scripted=False, order=["right", "left"])})
    run = other.run_here(pytester, *args)
    assert run.outcomes == {"passed": 1}, run.text


AT_ONCE = """
import anyio, pytest
from collections import deque
import asks

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_it(switchboard, recorded):
    first_is_told_last = anyio.Event()
    answers = deque(["four", "five"])

    async def model(params):
        mine = answers.popleft()
        if mine == "four":
            await first_is_told_last.wait()
        else:
            first_is_told_last.set()
        return mine

    async with switchboard(peer=recorded(asks.curious())) as board:
        if {scripted}:
            board.model.script(model, model)
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(lambda: board.call("peer__ask", question="2+2?"))
"""


@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_what_is_asked_twice_at_once_is_told_each_its_own(example: MakeExample, pytester: pytest.Pytester, era: str) -> None:
    files = {"asks.py": SERVER if era == "handshake" else MODERN, "pytest.ini": ini(_DEPRECATED)}
    args = (*QUIET, f"--mcp-era={era}")
    first = example(AT_ONCE.format(scripted=True), **files).run_here(pytester, *args, "--mcp-record")
    assert first.outcomes == {"passed": 1}, first.text
    run = first.example.with_files({"test_it.py": AT_ONCE.format(scripted=False)}).run_here(pytester, *args)
    assert run.outcomes == {"passed": 1}, run.text
