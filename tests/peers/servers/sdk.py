"""Servers made with the SDK itself: `high()` on `MCPServer`, `low()` on the low-level `Server`. Both speak both eras.

Imported, they run in the test's process; run with `high` or `low` as argument, over stdio. Both have the same features:
`add` and `slow` (progress), `ask` (a form), `think` (sampling), `where` (roots), `touch` (tells subscribers), a resource and a prompt.
"""

from __future__ import annotations

import sys
from typing import Annotated

import anyio
import mcp_types as types
from mcp.server import Server, ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resolve import Elicit, ListRoots, Resolve, Sample
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.subscriptions import ResourceUpdated
from pydantic import BaseModel

NOTE = "note://1"
MODERN = "2026-07-28"


class Name(BaseModel):
    """What the form of `ask` asks for."""

    name: str


def _ask() -> Elicit[Name]:
    return Elicit("Who is it?", Name)


def _think() -> Sample:
    question = types.SamplingMessage(role="user", content=types.TextContent(text="2 + 2?"))
    return Sample([question], max_tokens=10)


def high() -> MCPServer:
    """Return a server on the SDK's high-level API."""
    server = MCPServer("high", version="1.0.0", log_level="WARNING")

    @server.tool()
    async def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @server.tool()
    async def slow(context: Context, steps: int) -> str:
        """Report progress and finish, or, without steps, never finish."""
        for step in range(1, steps + 1):
            await context.report_progress(step, steps)
        if not steps:
            await context.report_progress(1)
            await anyio.sleep_forever()
        return "done"

    @server.tool()
    async def ask(name: Annotated[Name, Resolve(_ask)]) -> str:
        """Ask the user for a name."""
        return f"Hello, {name.name}"

    @server.tool()
    async def think(said: Annotated[types.CreateMessageResult, Resolve(_think)]) -> str:
        """Ask the model."""
        assert isinstance(said.content, types.TextContent)
        return said.content.text

    @server.tool()
    async def where(roots: Annotated[types.ListRootsResult, Resolve(ListRoots)]) -> str:
        """Ask for the roots."""
        return ", ".join(str(root.uri) for root in roots.roots)

    @server.tool()
    async def touch(context: Context) -> str:
        """Tell whoever listens that the note changed."""
        await context.notify_resource_updated(NOTE)
        return "touched"

    @server.resource(NOTE, name="note", mime_type="text/plain")
    def note() -> str:
        """A note."""
        return "a note"

    @server.prompt()
    def greeting(name: str) -> str:
        """A greeting."""
        return f"Greet {name}"

    return server


_NOTHING: dict[str, object] = {"type": "object", "properties": {}}
_TOOLS = [
    types.Tool(
        name="add",
        input_schema={
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    ),
    types.Tool(name="slow", input_schema={"type": "object", "properties": {"steps": {"type": "integer"}}}),
    *(types.Tool(name=name, input_schema=_NOTHING) for name in ("ask", "think", "where", "touch")),
]
_FORM = types.ElicitRequestFormParams(
    message="Who is it?",
    requested_schema={"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
)
_QUESTION = types.CreateMessageRequestParams(
    messages=[types.SamplingMessage(role="user", content=types.TextContent(text="2 + 2?"))], max_tokens=10
)


def _text(text: str, **structured: object) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)], structured_content=structured or None)


async def _list_tools(context: ServerRequestContext, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    return types.ListToolsResult(tools=_TOOLS)


async def _list_resources(
    context: ServerRequestContext, params: types.PaginatedRequestParams | None
) -> types.ListResourcesResult:
    return types.ListResourcesResult(resources=[types.Resource(uri=NOTE, name="note")])


async def _read(context: ServerRequestContext, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    return types.ReadResourceResult(
        contents=[types.TextResourceContents(uri=params.uri, text="a note", mime_type="text/plain")]
    )


async def _list_prompts(context: ServerRequestContext, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
    return types.ListPromptsResult(prompts=[types.Prompt(name="greeting", arguments=[types.PromptArgument(name="name")])])


async def _get_prompt(context: ServerRequestContext, params: types.GetPromptRequestParams) -> types.GetPromptResult:
    said = types.TextContent(text=f"Greet {(params.arguments or {})['name']}")
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=said)])


async def _slow(context: ServerRequestContext, steps: int) -> types.CallToolResult:
    for step in range(1, steps + 1):
        await context.session.report_progress(step, steps)
    if not steps:
        await context.session.report_progress(1)
        await anyio.sleep_forever()
    return _text("done")


async def _ask_low(
    context: ServerRequestContext, params: types.CallToolRequestParams
) -> types.CallToolResult | types.InputRequiredResult:
    answers = params.input_responses
    if answers is None and context.protocol_version >= MODERN:
        return types.InputRequiredResult(input_requests={"who": types.ElicitRequest(params=_FORM)}, request_state="asked")
    given = (answers or {}).get("who") or await context.session.elicit_form(
        _FORM.message, _FORM.requested_schema, related_request_id=context.request_id
    )
    assert isinstance(given, types.ElicitResult)
    return _text(f"Hello, {(given.content or {}).get('name')}")


async def _think_low(
    context: ServerRequestContext, params: types.CallToolRequestParams
) -> types.CallToolResult | types.InputRequiredResult:
    answers = params.input_responses
    if answers is None and context.protocol_version >= MODERN:
        return types.InputRequiredResult(input_requests={"model": types.CreateMessageRequest(params=_QUESTION)})
    given = (answers or {}).get("model") or await context.session.create_message(  # pyright: ignore[reportDeprecated] - deprecated in 2026-07-28, and tested in both eras
        _QUESTION.messages, max_tokens=_QUESTION.max_tokens, related_request_id=context.request_id
    )
    assert isinstance(given, types.CreateMessageResult)
    assert isinstance(given.content, types.TextContent)
    return _text(given.content.text)


async def _where_low(
    context: ServerRequestContext, params: types.CallToolRequestParams
) -> types.CallToolResult | types.InputRequiredResult:
    answers = params.input_responses
    if answers is None and context.protocol_version >= MODERN:
        return types.InputRequiredResult(input_requests={"roots": types.ListRootsRequest()})
    given = (answers or {}).get("roots") or await context.session.list_roots()  # pyright: ignore[reportDeprecated] - as above
    assert isinstance(given, types.ListRootsResult)
    return _text(", ".join(str(root.uri) for root in given.roots))


async def _subscribe(context: ServerRequestContext, params: types.SubscribeRequestParams) -> types.EmptyResult:
    return types.EmptyResult()


def low() -> Server:
    """Return a server on the SDK's low-level API."""
    bus = InMemorySubscriptionBus()

    async def call(
        context: ServerRequestContext, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        arguments = params.arguments or {}
        match params.name:
            case "add":
                total = arguments["a"] + arguments["b"]
                return _text(str(total), result=total)
            case "slow":
                return await _slow(context, arguments["steps"])
            case "ask":
                return await _ask_low(context, params)
            case "think":
                return await _think_low(context, params)
            case "where":
                return await _where_low(context, params)
            case _:
                if context.protocol_version < MODERN:
                    await context.session.send_resource_updated(NOTE)
                await bus.publish(ResourceUpdated(uri=NOTE))
                return _text("touched")

    return Server(
        "low",
        version="1.0.0",
        on_list_tools=_list_tools,
        on_call_tool=call,
        on_list_resources=_list_resources,
        on_read_resource=_read,
        on_subscribe_resource=_subscribe,
        on_list_prompts=_list_prompts,
        on_get_prompt=_get_prompt,
        on_subscriptions_listen=ListenHandler(bus),
    )


async def _run_low() -> None:
    server = low()
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    if sys.argv[1:] == ["high"]:
        high().run("stdio")
    else:
        anyio.run(_run_low)
