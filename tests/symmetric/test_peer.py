"""One API over both bindings: every primitive, as it goes over the wire in each era, and what is refused without asking."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import (
    ModelPreferences,
    PromptReference,
    ResourceTemplateReference,
    SamplingMessage,
    TextContent,
    Tool,
    ToolChoice,
)

from pytest_mcpsym.symmetric import Extension, NotSymmetric, Peer, peer
from pytest_mcpsym.symmetric.names import CAUSE_KEY, CONTINUE, FULL_CAPABILITY, IDENTIFIER
from tests.symmetric.legs import Wire, handshake, text, told, wire

pytestmark = pytest.mark.anyio

Use = Callable[[Peer], Awaitable[object]]

FULL: dict[str, Any] = {"extensions": {IDENTIFIER: FULL_CAPABILITY}, "elicitation": {"form": {}, "url": {}}, "roots": {}}
HI = [SamplingMessage(role="user", content=TextContent(type="text", text="hi"))]
SAID = {"role": "assistant", "content": {"type": "text", "text": "hello"}, "model": "m"}
USES: dict[str, tuple[Use, str, dict[str, Any], dict[str, Any], Callable[[Any], bool]]] = {
    "call_tool": (
        lambda client: client.call_tool("a__b", {"n": None}),
        "tools/call",
        {"name": "a__b", "arguments": {"n": None}},
        told("x"),
        lambda result: text(result) == "x",
    ),
    "read_resource": (
        lambda client: client.read_resource("a+demo://1"),
        "resources/read",
        {"uri": "a+demo://1"},
        {"contents": [{"uri": "a+demo://1", "text": "x"}]},
        lambda result: result.contents[0].text == "x",
    ),
    "get_prompt": (
        lambda client: client.get_prompt("a__p", {"k": "v"}),
        "prompts/get",
        {"name": "a__p", "arguments": {"k": "v"}},
        {"messages": [{"role": "user", "content": {"type": "text", "text": "x"}}]},
        lambda result: result.messages[0].content.text == "x",
    ),
    "complete a prompt": (
        lambda client: client.complete(PromptReference(name="a__p"), "k", "v"),
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "a__p"}, "argument": {"name": "k", "value": "v"}},
        {"completion": {"values": ["vw"]}},
        lambda result: result.completion.values == ["vw"],
    ),
    "complete a template": (
        lambda client: client.complete(ResourceTemplateReference(uri="a+demo://{k}"), "k", "v", context={"j": "1"}),
        "completion/complete",
        {
            "ref": {"type": "ref/resource", "uri": "a+demo://{k}"},
            "argument": {"name": "k", "value": "v"},
            "context": {"arguments": {"j": "1"}},
        },
        {"completion": {"values": []}},
        lambda result: result.completion.values == [],
    ),
    "create_message": (
        lambda client: client.create_message(HI, max_tokens=5, system_prompt="be brief", temperature=0.0, stop_sequences=["."]),
        "sampling/createMessage",
        {
            "messages": [{"role": "user", "content": {"type": "text", "text": "hi"}}],
            "maxTokens": 5,
            "systemPrompt": "be brief",
            "temperature": 0.0,
            "stopSequences": ["."],
        },
        SAID,
        lambda result: result.content.text == "hello",
    ),
    "create_message with tools": (
        lambda client: client.create_message(
            HI,
            max_tokens=5,
            tools=[Tool(name="a__b", input_schema={"type": "object"})],
            tool_choice=ToolChoice(mode="auto"),
            model_preferences=ModelPreferences(speed_priority=1),
            metadata={"k": 1},
        ),
        "sampling/createMessage",
        {
            "messages": [{"role": "user", "content": {"type": "text", "text": "hi"}}],
            "maxTokens": 5,
            "modelPreferences": {"speedPriority": 1.0},
            "metadata": {"k": 1},
            "tools": [{"name": "a__b", "inputSchema": {"type": "object"}}],
            "toolChoice": {"mode": "auto"},
        },
        {**SAID, "content": [{"type": "tool_use", "id": "1", "name": "a__b", "input": {}}]},
        lambda result: result.content[0].name == "a__b",
    ),
    "elicit": (
        lambda client: client.elicit("sure?", {"type": "object", "properties": {}}),
        "elicitation/create",
        {"mode": "form", "message": "sure?", "requestedSchema": {"type": "object", "properties": {}}},
        {"action": "accept", "content": {}},
        lambda result: result.action == "accept",
    ),
    "elicit_url": (
        lambda client: client.elicit_url("log in", "https://example.org/login", elicitation_id="e1"),
        "elicitation/create",
        {"mode": "url", "message": "log in", "url": "https://example.org/login", "elicitationId": "e1"},
        {"action": "accept"},
        lambda result: result.action == "accept",
    ),
    "list_roots": (
        lambda client: client.list_roots(),
        "roots/list",
        {},
        {"roots": [{"uri": "file:///x"}]},
        lambda result: str(result[0].uri) == "file:///x",
    ),
}

UNDECLARED: list[tuple[Use, str, dict[str, Any]]] = [
    (lambda client: client.list_tools(), "tools/list", {"extensions": {IDENTIFIER: {"tools": {}}}}),
    (lambda client: client.read_resource("x://y"), "resources/read", {"extensions": {IDENTIFIER: {"resources": {}}}}),
    (lambda client: client.get_prompt("p"), "prompts/get", {"extensions": {IDENTIFIER: {"prompts": {}}}}),
    (
        lambda client: client.complete(PromptReference(name="p"), "a", ""),
        "completion/complete",
        {"extensions": {IDENTIFIER: {"prompts": {}}}},
    ),
    (
        lambda client: client.create_message(HI, max_tokens=1),
        "sampling/createMessage",
        {"extensions": {IDENTIFIER: {"sampling": {}}}},
    ),
    (lambda client: client.elicit("?", {}), "elicitation/create", {"elicitation": {"form": {}}}),
    (lambda client: client.elicit_url("?", "https://x.org"), "elicitation/create", {"elicitation": {"url": {}}}),
    (lambda client: client.list_roots(), "roots/list", {"roots": {}}),
]

LISTS: dict[str, tuple[Use, str, list[dict[str, Any]]]] = {
    "tools": (
        lambda client: client.list_tools(),
        "tools/list",
        [{"name": name, "inputSchema": {"type": "object"}} for name in "ab"],
    ),
    "resources": (
        lambda client: client.list_resources(),
        "resources/list",
        [{"uri": f"x://{name}", "name": name} for name in "ab"],
    ),
    "resourceTemplates": (
        lambda client: client.list_resource_templates(),
        "resources/templates/list",
        [{"uriTemplate": f"x://{name}", "name": name} for name in "ab"],
    ),
    "prompts": (lambda client: client.list_prompts(), "prompts/list", [{"name": name} for name in "ab"]),
}


class Client:
    """A client of either era, to which a handler's requests are equal."""

    def __init__(self, raw: Wire, era: str) -> None:
        self._raw = raw
        self._era = era
        self._leg: dict[str, Any] = {}
        self._asked: dict[str, Any] = {}
        self.call: object = None

    async def go(self) -> tuple[str, dict[str, Any]]:
        """Call the tool; return the first thing that its handler asks for."""
        if self._era == "modern":
            return self._keep(await self._raw.begin("go"))
        await self._raw.raw({"jsonrpc": "2.0", "id": "call", "method": "tools/call", "params": {"name": "go", "arguments": {}}})
        return await self._request()

    async def answer(self, result: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        """Answer what was asked with a result; return what is asked next, or `None` when the tool is done."""
        return await self._answer({"result": result})

    async def refuse(self, error: dict[str, Any]) -> None:
        """Answer what was asked with an error; the tool must be done then."""
        assert await self._answer({"error": error}) is None

    async def _answer(self, response: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        if self._era == "modern":
            key = next(iter(self._leg["calls"]))
            given = {"continuation": self._leg["continuation"], "responses": {key: response}}
            leg = await self._raw.ask(CONTINUE, given)
            return self._keep(leg) if "calls" in leg else None
        await self._raw.raw({"jsonrpc": "2.0", "id": self._asked["id"], **response})
        frame = await self._raw.receive()
        return None if frame.get("id") == "call" else self._mirrored(frame)

    async def _request(self) -> tuple[str, dict[str, Any]]:
        return self._mirrored(await self._raw.receive())

    def _mirrored(self, frame: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        self._asked = frame
        meta = frame["params"].pop("_meta")
        assert meta[CAUSE_KEY] == "call"
        return frame["method"], frame["params"]

    def _keep(self, leg: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        self._leg = leg
        (call,) = leg["calls"].values()
        return call["method"], call["params"]


@pytest.fixture(params=["modern", "handshake"])
def era(request: pytest.FixtureRequest) -> str:
    """The protocol era of the connection."""
    return str(request.param)


def using(use: Use, results: list[object]) -> MCPServer[Any]:
    """A server with one tool, which uses its peer and keeps what came of it."""
    sym = Extension()
    server = MCPServer("uses", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def go(context: Context[Any]) -> str:
        try:
            results.append(await use(peer(context)))
        except MCPError as error:
            results.append(error)
        return "done"

    return server


@asynccontextmanager
async def opened(era: str, use: Use, results: list[object], capabilities: dict[str, Any]) -> AsyncGenerator[Wire]:
    """A raw connection whose client declared `capabilities`."""
    server = using(use, results)
    if era == "handshake":
        async with handshake(server, capabilities) as raw:
            yield raw
        return
    async with wire(server) as raw:
        raw.declared = capabilities
        yield raw


@pytest.mark.parametrize("name", USES)
async def test_each_request_is_equal_in_both_eras_and_its_result_typed(name: str, era: str) -> None:
    use, method, params, result, holds = USES[name]
    results: list[Any] = []
    async with opened(era, use, results, FULL) as raw:
        client = Client(raw, era)
        assert await client.go() == (method, params)
        assert await client.answer(result) is None
    assert holds(results[0])


@pytest.mark.parametrize("name", LISTS)
async def test_each_list_is_walked_page_by_page(name: str, era: str) -> None:
    use, method, (first, second) = LISTS[name]
    results: list[Any] = []
    async with opened(era, use, results, FULL) as raw:
        client = Client(raw, era)
        assert await client.go() == (method, {})
        assert await client.answer({name: [first], "nextCursor": "more"}) == (method, {"cursor": "more"})
        assert await client.answer({name: [second]}) is None
    assert [item.name for item in results[0]] == ["a", "b"]


async def test_a_list_that_goes_in_circles_is_an_error(era: str) -> None:
    results: list[Any] = []
    async with opened(era, lambda client: client.list_tools(), results, FULL) as raw:
        client = Client(raw, era)
        await client.go()
        await client.answer({"tools": [], "nextCursor": "same"})
        assert await client.answer({"tools": [], "nextCursor": "same"}) is None
    assert "goes in circles" in str(results[0])


async def test_an_error_is_carried_with_code_message_and_data(era: str) -> None:
    results: list[Any] = []
    async with opened(era, lambda client: client.call_tool("a"), results, FULL) as raw:
        client = Client(raw, era)
        await client.go()
        await client.refuse({"code": -31999, "message": "no", "data": [1]})
    assert (results[0].code, results[0].message, results[0].data) == (-31999, "no", [1])


async def test_an_answer_of_the_wrong_shape_is_an_error_of_the_call(era: str) -> None:
    results: list[Any] = []
    async with opened(era, lambda client: client.call_tool("a"), results, FULL) as raw:
        client = Client(raw, era)
        await client.go()
        await client.answer({"content": 7})
    assert (results[0].code, results[0].message) == (-32603, "the client's answer to tools/call is no CallToolResult")


async def test_a_call_that_is_not_answered_in_time_is_an_error(era: str) -> None:
    results: list[Any] = []
    async with opened(era, lambda client: client.call_tool("a", timeout=0.01), results, FULL) as raw:
        if era == "modern":
            leg = await raw.begin("go")
            await raw.ask(CONTINUE, {"continuation": leg["continuation"], "responses": {}})
        else:
            await Client(raw, era).go()
            while "result" not in await raw.receive():
                pass
    assert results[0].code == -32001


@pytest.mark.parametrize(("use", "method", "required"), UNDECLARED)
async def test_what_the_client_did_not_declare_is_not_asked(use: Use, method: str, required: dict[str, Any], era: str) -> None:
    results: list[Any] = []
    async with opened(era, use, results, {"extensions": {IDENTIFIER: {}}}) as raw:
        await call_plainly(raw, era)
    assert isinstance(results[0], NotSymmetric)
    assert results[0].code == (-32021 if era == "modern" else -32602)
    assert (results[0].message, results[0].data) == (
        f"the client did not declare what {method} needs",
        {"requiredCapabilities": required},
    )


async def call_plainly(raw: Wire, era: str) -> None:
    """Call the tool and see its result, with nothing asked in between."""
    if era == "modern":
        assert "content" in await raw.begin("go")
        return
    await raw.raw({"jsonrpc": "2.0", "id": "call", "method": "tools/call", "params": {"name": "go", "arguments": {}}})
    assert "result" in await raw.receive()


async def test_tools_in_sampling_need_a_declaration_of_their_own(era: str) -> None:
    results: list[Any] = []
    tools = [Tool(name="t", input_schema={"type": "object"})]
    declared: dict[str, Any] = {"extensions": {IDENTIFIER: {"sampling": {}}}}
    async with opened(era, lambda client: client.create_message(HI, max_tokens=1, tools=tools), results, declared) as raw:
        await call_plainly(raw, era)
    assert results[0].data == {"requiredCapabilities": {"extensions": {IDENTIFIER: {"sampling": {"tools": {}}}}}}


async def test_the_core_sampling_capability_is_enough(era: str) -> None:
    declared: dict[str, Any] = {"extensions": {IDENTIFIER: {}}, "sampling": {"tools": {}}}
    tools = [Tool(name="t", input_schema={"type": "object"})]
    async with opened(era, lambda client: client.create_message(HI, max_tokens=1, tools=tools), [], declared) as raw:
        assert (await Client(raw, era).go())[0] == "sampling/createMessage"


async def test_a_client_that_elicits_by_url_alone_is_not_sent_a_form(era: str) -> None:
    results: list[Any] = []
    declared: dict[str, Any] = {"extensions": {IDENTIFIER: {}}, "elicitation": {"url": {}}}
    async with opened(era, lambda client: client.elicit("?", {}), results, declared) as raw:
        await call_plainly(raw, era)
    assert results[0].data == {"requiredCapabilities": {"elicitation": {"form": {}}}}


async def test_without_the_extension_there_is_no_peer(era: str) -> None:
    results: list[Any] = []
    async with opened(era, lambda client: client.list_tools(), results, {}) as raw:
        await call_plainly(raw, era)
    assert results[0].message == f"the client did not declare {IDENTIFIER}: it offers no tools to servers"
    assert results[0].data == {"requiredCapabilities": {"extensions": {IDENTIFIER: {"tools": {}}}}}


async def test_a_modern_server_without_the_extension_has_no_peer() -> None:
    results: list[object] = []
    server = MCPServer("bare", log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def go(context: Context[Any]) -> str:
        with pytest.raises(NotSymmetric, match="legs of tools/call") as refused:
            peer(context)
        results.append(refused.value.code)
        return "done"

    async with wire(server) as raw:
        await raw.begin("go")
    assert results == [-32021]


async def test_what_a_call_of_a_batch_fails_with_is_raised_by_itself(era: str) -> None:
    async def one(client: Peer) -> None:
        async with client.batch() as tasks:
            tasks.start_soon(client.call_tool, "a")

    results: list[Any] = []
    async with opened(era, one, results, FULL) as raw:
        client = Client(raw, era)
        await client.go()
        await client.refuse({"code": -32602, "message": "no", "data": {"reason": "limit"}})
    assert (results[0].code, results[0].message, results[0].data) == (-32602, "no", {"reason": "limit"})


async def test_a_batch_travels_in_the_handshake_era_too() -> None:
    async def both(client: Peer) -> str:
        async with client.batch() as tasks:
            tasks.start_soon(client.call_tool, "a")
            tasks.start_soon(client.call_tool, "b")
        return "both"

    results: list[object] = []
    async with opened("handshake", both, results, FULL) as raw:
        await raw.raw({"jsonrpc": "2.0", "id": "call", "method": "tools/call", "params": {"name": "go", "arguments": {}}})
        asked = [await raw.receive(), await raw.receive()]
        for frame in asked:
            await raw.raw({"jsonrpc": "2.0", "id": frame["id"], "result": told("x")})
        assert (await raw.receive())["id"] == "call"
    assert results == ["both"]


async def test_progress_of_a_call_reaches_the_handler_in_the_handshake_era() -> None:
    seen: list[tuple[float, float | None, str | None]] = []
    noted = anyio.Event()

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message))
        noted.set()

    async with opened("handshake", lambda client: client.call_tool("a", progress=note), [], FULL) as raw:
        await raw.raw({"jsonrpc": "2.0", "id": "call", "method": "tools/call", "params": {"name": "go", "arguments": {}}})
        asked = await raw.receive()
        token = asked["params"]["_meta"]["progressToken"]
        await raw.notify("notifications/progress", {"progressToken": token, "progress": 1, "total": 2, "message": "half"})
        with anyio.fail_after(10):
            await noted.wait()
        await raw.raw({"jsonrpc": "2.0", "id": asked["id"], "result": told("x")})
        await raw.receive()
    assert seen == [(1, 2, "half")]


async def test_progress_of_a_call_in_a_leg_is_refused_before_anything_is_asked() -> None:
    refused: list[str] = []

    async def note(progress: float, total: float | None, message: str | None) -> None: ...

    async def use(client: Peer) -> object:
        with pytest.raises(ValueError, match="tools/call: progress of a call cannot be carried to its handler") as refusal:
            await client.call_tool("a", progress=note)
        refused.append(str(refusal.value))
        return await client.call_tool("a", progress=note if client.carries_progress else None)

    results: list[object] = []
    async with opened("modern", use, results, FULL) as raw:
        client = Client(raw, "modern")
        assert await client.go() == ("tools/call", {"name": "a", "arguments": {}})
        assert await client.answer(told("x")) is None
    assert len(refused) == 1


def test_something_else_than_a_context_is_refused() -> None:
    with pytest.raises(TypeError, match="not int"):
        peer(7)


def test_the_names_need_no_sdk_and_peer_is_the_function() -> None:
    code = (
        "import sys; import pytest_mcpsym.symmetric.names; assert 'mcp' not in sys.modules;"
        "from pytest_mcpsym.symmetric import Extension, peer; assert callable(peer);"
        "import pytest_mcpsym.symmetric as door; assert door.peer is peer"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
