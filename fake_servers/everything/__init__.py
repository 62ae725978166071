"""The everything server: one of each thing that MCP has, `@modelcontextprotocol/server-everything` on the wire.

See README.md beside this file. Pinned by `tests/fakes/test_everything.py`; that it is the reference on the wire, by
`tests/peers/test_parity_everything.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult
from mcp.server.lowlevel.server import NotificationOptions
from mcp.server.models import InitializationOptions
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    CallToolRequestParams,
    CompleteRequestParams,
    EmptyResult,
    GetPromptRequestParams,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    NotificationParams,
    PaginatedRequestParams,
    PromptReference,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ServerTasksCapability,
    SetLevelRequestParams,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)
from pydantic import ValidationError

from ..data import seeded  # noqa: TID252 - the package is also loaded under an alias
from ..server import ResumableFake  # noqa: TID252 - as above
from .arguments import fitted
from .asking import ASKING, URL_ELICITATION_REQUIRED, Unanswered
from .client_tasks import client_tasks
from .documents import INSTRUCTIONS
from .http import ReferenceHttp
from .lifecycle import after_the_handshake, begin, roots_changed
from .listening import HINTS
from .plain import DOING, Call, Failed, text
from .prompts import PROMPTS, completion, messages
from .research import RESEARCH, begin_research
from .resources import STATIC, TEMPLATES, read
from .session import Context, Run, is_modern, log, running, session_of
from .task_methods import CAPABILITY, add_task_methods
from .ticking import ticking
from .tools import TOOLS, Listed, offered

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["INTERVAL", "LIFECYCLE", "PACE", "Everything", "everything", "from_environment"]

INTERVAL = 5.0
"""Seconds from one simulated message to the next, as in the reference."""

PACE = 1.0
"""Seconds from one step of a task to the next, as in the reference."""

LIFECYCLE = 0.35
"""Seconds from the end of the handshake to the request for the roots, as in the reference."""

_TEXTS = 10
"""How many made-up texts there are; the resources, of which there is no end, have them in turn."""


def everything(
    *,
    seed: int = 0,
    env: Mapping[str, str] | None = None,
    interval: float = INTERVAL,
    pace: float = PACE,
    lifecycle: float | None = None,
    quirks: bool = False,
) -> Everything:
    """Return an everything server.

    Args:
        seed: Seed of the resources' text and of the simulated messages.
        env: The environment that `get-env` shows; in process none of the test's own.
        interval: Seconds from one simulated log message or update to the next.
        pace: Seconds from one step of a task to the next.
        lifecycle: Say of its own accord what the reference says once a handshake is done: that the tools which depend on the client have
            come and, after this many seconds, a request for the roots. None: say nothing, so that every run has the same order.
        quirks: Do as the reference does where it breaks the specification: see README.md.

    Raises:
        MissingExtra: The extra `fakes` is not installed.
    """
    faker = seeded("everything", seed)
    texts = [faker.paragraph() for _ in range(_TEXTS)]
    return Everything(texts, seed=seed, env=dict(env or {}), interval=interval, pace=pace, lifecycle=lifecycle, quirks=quirks)


def from_environment(_environment: Mapping[str, str], told: Mapping[str, str]) -> dict[str, object]:
    """Return the arguments with which the server is a process: what the reference says of its own accord, and the environment."""
    return {"env": told, "lifecycle": LIFECYCLE}


class Everything(ResumableFake[Run]):
    """A low-level server with one of each thing; made by `everything`. Every list of it may change, as the reference says."""

    may_change = NotificationOptions(True, True, True)

    def __init__(
        self,
        texts: list[str],
        *,
        seed: int,
        env: Mapping[str, str],
        interval: float,
        pace: float,
        lifecycle: float | None,
        quirks: bool,
    ) -> None:
        super().__init__(
            "mcp-servers/everything",
            title="Everything Reference Server",
            version="2.0.0",
            instructions=INSTRUCTIONS,
            lifespan=partial(running, seed=seed),
            on_list_tools=self._list_tools,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read,
            on_list_prompts=self._list_prompts,
            on_subscribe_resource=self._subscribe,
            on_unsubscribe_resource=self._unsubscribe,
            on_subscriptions_listen=_listen,
            cache_hints=HINTS,
        )
        # Results are plain members: the SDK's models of them would add what the reference leaves out.
        self.add_request_handler("tools/call", CallToolRequestParams, self._call)
        self.add_request_handler("prompts/get", GetPromptRequestParams, self._prompt)
        self.add_request_handler("completion/complete", CompleteRequestParams, self._complete)
        self.add_request_handler("logging/setLevel", SetLevelRequestParams, self._set_level)
        if lifecycle is not None:
            self.middleware.append(after_the_handshake)
            self.add_notification_handler("notifications/initialized", NotificationParams, partial(begin, delay=lifecycle))
            self.add_notification_handler("notifications/roots/list_changed", NotificationParams, roots_changed)
        self._texts = texts
        self._env = env
        self._quirks = quirks
        self._pace = pace
        self.strict_json = not quirks
        self._doing = {**DOING, **ASKING, **client_tasks(pace), **ticking(interval, _say_changed)}
        self.middleware.append(_without_detail)
        if quirks:
            self.middleware.append(_malformed_is_internal)
        self.middleware.append(self._begin_task)
        add_task_methods(self)

    def streamable_http_app(self, *, stateless_http: bool = False, **options: Any) -> Starlette:
        """Return the server over Streamable HTTP, as the reference speaks it; without sessions it is the SDK's own."""
        app = super().streamable_http_app(stateless_http=stateless_http, **options)
        if not stateless_http:
            app.add_middleware(ReferenceHttp)
        return app

    def create_initialization_options(self, *args: Any, **options: Any) -> InitializationOptions:
        """Announce tasks too, as the reference does."""
        made = super().create_initialization_options(*args, **options)
        tasks = ServerTasksCapability.model_validate(CAPABILITY, by_name=False)
        return made.model_copy(update={"capabilities": made.capabilities.model_copy(update={"tasks": tasks})})

    async def _list_tools(self, context: Context, _params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[row.tool() for row in _offered(context).values()])

    async def _list_resources(self, context: Context, _params: PaginatedRequestParams | None) -> ListResourcesResult:
        made = [
            Resource(uri=uri, name=uri.removeprefix("demo://resource/session/"), mime_type="application/gzip")
            for uri in session_of(context).made
        ]
        return ListResourcesResult(resources=[*STATIC, *made])

    async def _list_templates(self, _context: Context, _params: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
        return ListResourceTemplatesResult(resource_templates=TEMPLATES)

    async def _list_prompts(self, _context: Context, _params: PaginatedRequestParams | None) -> ListPromptsResult:
        return ListPromptsResult(prompts=PROMPTS)

    async def _read(self, context: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        made = session_of(context).made
        found: dict[str, object] = {"contents": [read(params.uri, self._texts, made)]}
        if params.uri in made:
            found |= {"ttlMs": 0, "cacheScope": "private"}
        return ReadResourceResult.model_validate(found, by_name=False)

    async def _prompt(self, context: Context, params: GetPromptRequestParams) -> dict[str, object]:
        return _result(context, {"messages": messages(params.name, params.arguments or {}, self._texts)})

    async def _complete(self, context: Context, params: CompleteRequestParams) -> dict[str, object]:
        name = params.ref.name if isinstance(params.ref, PromptReference) else params.ref.uri
        settled = params.context.arguments if params.context is not None else None
        done = completion(name, params.ref.type, params.argument.name, params.argument.value, settled)
        return _result(context, done)

    async def _subscribe(self, context: Context, params: SubscribeRequestParams) -> EmptyResult:
        await log(context, "info", f"Subscribed: {params.uri}")
        session_of(context).subscribed[params.uri] = None
        return EmptyResult()

    async def _unsubscribe(self, context: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        await log(context, "info", f"No longer subscribed: {params.uri}")
        session_of(context).subscribed.pop(params.uri, None)
        return EmptyResult()

    async def _set_level(self, context: Context, params: SetLevelRequestParams) -> EmptyResult:
        session_of(context).level = params.level
        return EmptyResult()

    async def _call(self, context: Context, params: CallToolRequestParams) -> HandlerResult:
        tool = _offered(context).get(params.name)
        if tool is None:
            said = _missing(params.name)
            if self._quirks and params.task is None:
                return _result(context, _failed(f"MCP error {INVALID_PARAMS}: {said}"))
            raise MCPError(INVALID_PARAMS, said)
        if params.task is not None:
            code = INVALID_PARAMS if self._quirks else METHOD_NOT_FOUND
            raise MCPError(code, f"the tool {params.name} does not run as a task")
        if tool.task_support == "required":
            said = f"Tool {params.name} requires task augmentation"
            if self._quirks:
                return _result(context, _failed(f"MCP error {METHOD_NOT_FOUND}: {said}"))
            raise MCPError(METHOD_NOT_FOUND, said)
        arguments = fitted(tool.takes, params.arguments or {})
        if isinstance(arguments, list):
            wrong = "\n".join(arguments)
            said = f"MCP error {INVALID_PARAMS}: Input validation error: Invalid arguments for tool {tool.name}: {wrong}"
            return _result(context, _failed(said))
        call = Call(arguments, context, session_of(context), self._texts, self._env)
        try:
            return _result(context, await self._doing[tool.name](call))
        except Unanswered as asked:
            return asked.result
        except Failed as error:
            return _result(context, _failed(str(error)))
        except MCPError as error:
            if error.error.code == URL_ELICITATION_REQUIRED:
                raise
            return _result(context, _failed(f"MCP error {error.error.code}: {error.error.message}"))

    async def _begin_task(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Answer a call that begins a task. A handler could not: the SDK knows one result of `tools/call`, and lets middleware alone."""
        given = ctx.params or {}
        asks = ctx.method == "tools/call" and "task" in given and given.get("name") == RESEARCH
        if not asks or is_modern(ctx) or ctx.session.client_capabilities is None:
            return await call_next(ctx)
        params = CallToolRequestParams.model_validate(given, by_name=False)
        arguments = fitted(TOOLS[RESEARCH].takes, params.arguments or {})
        if isinstance(arguments, list):
            raise MCPError(INVALID_PARAMS, f"Invalid arguments for tool {RESEARCH}: {', '.join(arguments)}")
        return await begin_research(ctx, arguments, self._pace)


async def _listen(context: Context, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
    return await context.lifespan_context.listening.listen(context, params)


async def _say_changed(call: Call) -> None:
    if is_modern(call.context):
        await call.context.lifespan_context.listening.update_all()
        return
    for uri in list(call.session.subscribed):
        await call.context.session.send_resource_updated(uri)


async def _without_detail(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Leave out of an error what the SDK adds and the reference does not: a method's name, or an empty text."""
    try:
        return await call_next(ctx)
    except MCPError as error:
        if is_modern(ctx) or not isinstance(error.error.data, str):
            raise
        raise MCPError(error.error.code, error.error.message) from None


async def _malformed_is_internal(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Blame the server for parameters that do not fit, as the reference does."""
    try:
        return await call_next(ctx)
    except ValidationError as error:
        raise MCPError(INTERNAL_ERROR, f"the parameters do not fit: {error.error_count()} error(s)") from None


def _result(context: Context, result: dict[str, object]) -> dict[str, object]:
    return {"resultType": "complete", **result} if is_modern(context) else result


def _offered(context: Context) -> dict[str, Listed]:
    return offered(context.session.client_capabilities, modern=is_modern(context))


def _missing(name: str) -> str:
    if name in TOOLS:
        return f"Tool {name} not found: the client has not announced what it needs"
    return f"Tool {name} not found"


def _failed(said: str) -> dict[str, object]:
    return {"content": [text(said)], "isError": True}
