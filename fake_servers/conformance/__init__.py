"""The conformance server: the fixtures that the official suite `@modelcontextprotocol/conformance` asks for.

See README.md beside this file. Pinned by `tests/fakes/test_conformance.py`; that the suite passes, by
`tests/peers/test_conformance_server.py`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

from mcp import MCPError
from mcp.server.caching import CacheHint
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    EmptyResult,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequiredResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    Prompt,
    PromptReference,
    ReadResourceRequestParams,
    ReadResourceResult,
    SetLevelRequestParams,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)

from ..server import ResumableFake  # noqa: TID252 - the package is also loaded under an alias
from .asking import ASKING, CONTEXT_PROMPT, prompt_with_context
from .content import ARGUMENTS, CONTENTS, PROMPTS, RESOURCES, TEMPLATES, completed, contents_of, prompt, said
from .probes import PROBES, session_of
from .tools import TOOLS
from .turn import Context, Failed, Run, Turn, Unanswered, is_modern, misfit

__all__ = ["Conformance", "conformance"]

RETRY = 100
"""Milliseconds after which a client shall resume a stream that broke."""

_NOT_FOUND = -32002
"""What the handshake era says of a resource that is not there; the modern one says that the parameters are wrong."""

_FRESH = CacheHint(ttl_ms=60_000, scope="public")
"""Nothing here ever changes, whatever the tools say that announce a change."""

_DOING = {**ASKING, **PROBES}


def conformance() -> Conformance:
    """Return a server with the fixtures that the official conformance suite asks for."""
    return Conformance()


class Conformance(ResumableFake[Run]):
    """A low-level server with the suite's fixtures; made by `conformance`. Two of its tools say that the tools and prompts changed."""

    may_change = NotificationOptions(prompts_changed=True, tools_changed=True)
    retry = RETRY

    def __init__(self) -> None:
        bus = InMemorySubscriptionBus()
        super().__init__(
            "conformance",
            version="1.0.0",
            instructions="Has the fixtures of the MCP conformance suite.",
            lifespan=partial(_running, bus=bus),
            cache_hints=dict.fromkeys(
                ("tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"), _FRESH
            ),
            get_tool_input_schema=lambda name: TOOLS[name].input_schema if name in TOOLS else None,
            on_list_tools=self._list_tools,
            on_call_tool=self._call,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read,
            on_list_prompts=self._list_prompts,
            on_get_prompt=self._prompt,
            on_completion=self._complete,
            on_subscribe_resource=self._subscribe,
            on_unsubscribe_resource=self._unsubscribe,
            on_subscriptions_listen=ListenHandler(bus),
        )
        self.add_request_handler("logging/setLevel", SetLevelRequestParams, self._set_level)
        self.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=self.name))

    async def _list_tools(self, _context: Context, _params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=list(TOOLS.values()))

    async def _call(self, context: Context, params: CallToolRequestParams) -> CallToolResult | InputRequiredResult:
        if params.name not in TOOLS:
            raise MCPError(INVALID_PARAMS, f"there is no tool {params.name!r}")
        arguments = params.arguments or {}
        wrong = misfit(TOOLS[params.name].input_schema, arguments)
        if wrong is not None:
            return CallToolResult(content=[said(wrong)], is_error=True)
        if params.name in CONTENTS:
            return CallToolResult(content=CONTENTS[params.name])
        try:
            done = await _DOING[params.name](Turn(context, arguments, params.request_state))
        except Unanswered as asked:
            return asked.result
        except Failed as error:
            return CallToolResult(content=[said(str(error))], is_error=True)
        return CallToolResult(content=[said(done)])

    async def _list_resources(self, _context: Context, _params: PaginatedRequestParams | None) -> ListResourcesResult:
        return ListResourcesResult(resources=RESOURCES)

    async def _list_templates(self, _context: Context, _params: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
        return ListResourceTemplatesResult(resource_templates=TEMPLATES)

    async def _read(self, context: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        found = contents_of(params.uri)
        if found is None:
            raise _no_resource(context, params.uri)
        return ReadResourceResult(contents=[found])

    async def _list_prompts(self, context: Context, _params: PaginatedRequestParams | None) -> ListPromptsResult:
        asks = Prompt(name=CONTEXT_PROMPT, description="A prompt that asks the user first")
        return ListPromptsResult(prompts=[*PROMPTS, asks] if is_modern(context) else PROMPTS)

    async def _prompt(self, context: Context, params: GetPromptRequestParams) -> GetPromptResult | InputRequiredResult:
        if params.name != CONTEXT_PROMPT:
            return prompt(params.name, params.arguments or {})
        try:
            return await prompt_with_context(Turn(context, {}, params.request_state))
        except Unanswered as asked:
            return asked.result

    async def _complete(self, _context: Context, params: CompleteRequestParams) -> CompleteResult:
        argument = params.argument
        known = isinstance(params.ref, PromptReference) and argument.name in ARGUMENTS.get(params.ref.name, ())
        return CompleteResult(completion=completed(argument.value) if known else Completion(values=[], total=0, has_more=False))

    async def _subscribe(self, context: Context, params: SubscribeRequestParams) -> EmptyResult:
        if contents_of(params.uri) is None:
            raise _no_resource(context, params.uri)
        session_of(context).subscribed.add(params.uri)
        return EmptyResult()

    async def _unsubscribe(self, context: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        session_of(context).subscribed.discard(params.uri)
        return EmptyResult()

    async def _set_level(self, context: Context, params: SetLevelRequestParams) -> EmptyResult:
        session_of(context).level = params.level
        return EmptyResult()


@asynccontextmanager
async def _running(_server: Server[Run], bus: InMemorySubscriptionBus) -> AsyncGenerator[Run]:
    yield Run(bus)


def _no_resource(context: Context, uri: str) -> MCPError:
    code = INVALID_PARAMS if is_modern(context) else _NOT_FOUND
    return MCPError(code, f"there is no resource {uri}", {"uri": uri})
