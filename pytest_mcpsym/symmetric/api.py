"""The client, as a server's handler sees it: one API over both bindings of the extension.

In the handshake era every call is a mirrored request on the stream of the request being handled, with that request's id under
`dev.mcpsym/cause`. In the modern era it travels in a leg of the `tools/call` being handled (`pytest_mcpsym.symmetric.parked`).
Errors of the client arrive as `MCPError` with their code, message and data. Pinned by `tests/symmetric/test_peer.py` and
`tests/symmetric/test_spending.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self, TypeVar, cast, overload
from uuid import uuid4

import anyio
import anyio.abc
from mcp import MCPError
from mcp.server.session import ServerSession
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.exceptions import NoBackChannelError
from mcp_types import (
    INTERNAL_ERROR,
    CallToolResult,
    CompleteResult,
    CreateMessageResult,
    CreateMessageResultWithTools,
    ElicitResult,
    EmptyResult,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListRootsResult,
    ListToolsResult,
    ModelPreferences,
    PaginatedResult,
    Prompt,
    PromptReference,
    ReadResourceResult,
    RequestId,
    Resource,
    ResourceTemplate,
    ResourceTemplateReference,
    Result,
    Root,
    SamplingMessage,
    Tool,
    ToolChoice,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, ValidationError

from pytest_mcpsym.symmetric import sdk
from pytest_mcpsym.symmetric.carrier import Carrier, InLegs, Mirrored
from pytest_mcpsym.symmetric.declared import NotSymmetric, declaration, require
from pytest_mcpsym.symmetric.names import IDENTIFIER, UPDATES
from pytest_mcpsym.symmetric.run import FollowingChannel
from pytest_mcpsym.symmetric.spending import Budget, Usage
from pytest_mcpsym.wire.frame import id_text
from pytest_mcpsym.wire.upstream import CAUSE_HEADER

__all__ = ["NotSymmetric", "Peer", "Updates", "budget", "cause_headers", "peer"]

_UNSUBSCRIBE_GRACE: Final = 1.0
"""Seconds that the client may take to confirm that a subscription has ended."""

_ONE_WAY: Final = "mirrored requests need a two-way stream (over HTTP: sessions, and event streams as answers)"

_ResultT = TypeVar("_ResultT", bound=BaseModel)
_PageT = TypeVar("_PageT", bound=PaginatedResult)


class _Updated(Result):
    """The answer to `dev.mcpsym/updates`."""

    uris: list[str]


class Updates:
    """The updates of subscribed resources, one URI after the other; made by `Peer.subscribe`."""

    def __init__(self, wait: Callable[[], Awaitable[list[str]]]) -> None:
        self._wait = wait
        self._known: deque[str] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while not self._known:
            self._known.extend(await self._wait())
        return self._known.popleft()


class Peer:
    """What the client offers to the one request that is being handled. Made by `peer`.

    Every method raises `NotSymmetric` if the client did not declare what it needs, `MCPError` with the client's code, message and
    data if the client refused, and `MCPError` (-32603) if its answer is not what the method calls for.
    """

    def __init__(self, session: ServerSession, carrier: Carrier) -> None:
        self._session = session
        self._carrier = carrier
        self._usage = Usage()

    @property
    def carries_progress(self) -> bool:
        """Whether progress of a call can reach its handler: mirrored requests carry it (handshake era), legs do not (modern era)."""
        return isinstance(self._carrier, Mirrored)

    @property
    def budget(self) -> Budget:
        """What the client says may still be spent: what is left of its last word on it by time, calls and what its answers reported.

        Advice, so that a handler can end well where it would be refused. What the client did not say is `None`.
        """
        return self._carrier.budget(self._usage)

    @property
    def usage(self) -> Usage:
        """What the answers to this peer's calls have reported to be spent.

        A handler that spends tokens or dollars of its own reports both together: `CallToolResult(..., _meta=(client.usage +
        Usage(tokens=120)).meta())`. One that does not need not report: the client has counted what its answers reported.
        """
        return self._usage

    async def list_tools(self) -> list[Tool]:
        """Return the tools that the client offers, all pages, under the names to call them by."""
        return [tool for page in await self._pages("tools/list", ListToolsResult) for tool in page.tools]

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, object] | None = None,
        *,
        progress: ProgressFnT | None = None,
        timeout: float | None = None,
    ) -> CallToolResult:
        """Call a tool of the client.

        Args:
            name: As `list_tools` gave it, for example `everything__echo`.
            arguments: The tool's arguments.
            progress: Receives the tool's progress: (progress, total, message). Only where `carries_progress`.
            timeout: Seconds to wait; default without limit, as the caller's own deadline cancels this request.

        Returns:
            The tool's result; `is_error` is not raised.

        Raises:
            MCPError: The client refused, the tool's server answered with a JSON-RPC error, or no answer came in time (-32001).
            ValueError: `progress` was given, and the calls of this request carry none.
        """
        params = {"name": name, "arguments": dict(arguments or {})}
        return await self._ask("tools/call", params, CallToolResult, progress=progress, timeout=timeout)

    async def list_resources(self) -> list[Resource]:
        """Return the resources that the client offers, all pages."""
        return [each for page in await self._pages("resources/list", ListResourcesResult) for each in page.resources]

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """Return the resource templates that the client offers, all pages."""
        pages = await self._pages("resources/templates/list", ListResourceTemplatesResult)
        return [each for page in pages for each in page.resource_templates]

    async def read_resource(self, uri: str, *, timeout: float | None = None) -> ReadResourceResult:
        """Read a resource, for example `everything+demo://resource/dynamic/text/1`."""
        return await self._ask("resources/read", {"uri": uri}, ReadResourceResult, timeout=timeout)

    @asynccontextmanager
    async def subscribe(self, *uris: str) -> AsyncGenerator[Updates]:
        """Subscribe to resources of the client until the block ends.

        Args:
            uris: As `list_resources` gave them, for example `board+notes://todo`.

        Returns:
            What iterates over the URIs of resources that were updated, as they were updated since the block began.

        Example:
            ```python
            async with client.subscribe("board+notes://todo") as updates:
                async for uri in updates:
                    await client.read_resource(uri)
            ```
        """
        for uri in uris:
            await self._ask("resources/subscribe", {"uri": uri}, EmptyResult)
        try:
            yield Updates(self._updated)
        finally:
            # A handler that is cancelled ends its subscriptions with its request.
            with anyio.move_on_after(_UNSUBSCRIBE_GRACE), suppress(MCPError, NoBackChannelError):
                for uri in uris:
                    await self._ask("resources/unsubscribe", {"uri": uri}, EmptyResult)

    async def _updated(self) -> list[str]:
        return (await self._ask(UPDATES, {}, _Updated)).uris

    async def list_prompts(self) -> list[Prompt]:
        """Return the prompts that the client offers, all pages."""
        return [prompt for page in await self._pages("prompts/list", ListPromptsResult) for prompt in page.prompts]

    async def get_prompt(self, name: str, arguments: Mapping[str, str] | None = None) -> GetPromptResult:
        """Return a prompt, filled in."""
        return await self._ask("prompts/get", {"name": name, "arguments": dict(arguments or {})}, GetPromptResult)

    async def complete(
        self,
        ref: PromptReference | ResourceTemplateReference,
        name: str,
        value: str,
        *,
        context: Mapping[str, str] | None = None,
    ) -> CompleteResult:
        """Return values which complete an argument.

        Args:
            ref: The prompt or the resource template.
            name: The argument.
            value: What there is of it so far.
            context: Arguments that are already chosen.
        """
        params: dict[str, object] = {"ref": _wire(ref), "argument": {"name": name, "value": value}}
        if context is not None:
            params["context"] = {"arguments": dict(context)}
        return await self._ask("completion/complete", params, CompleteResult)

    @overload
    async def create_message(
        self,
        messages: Sequence[SamplingMessage],
        *,
        max_tokens: int,
        system_prompt: str | None = None,
        temperature: float | None = None,
        stop_sequences: Sequence[str] | None = None,
        model_preferences: ModelPreferences | None = None,
        metadata: Mapping[str, object] | None = None,
        tools: None = None,
        tool_choice: None = None,
        timeout: float | None = None,
    ) -> CreateMessageResult: ...

    @overload
    async def create_message(
        self,
        messages: Sequence[SamplingMessage],
        *,
        max_tokens: int,
        system_prompt: str | None = None,
        temperature: float | None = None,
        stop_sequences: Sequence[str] | None = None,
        model_preferences: ModelPreferences | None = None,
        metadata: Mapping[str, object] | None = None,
        tools: Sequence[Tool],
        tool_choice: ToolChoice | None = None,
        timeout: float | None = None,
    ) -> CreateMessageResultWithTools: ...

    async def create_message(
        self,
        messages: Sequence[SamplingMessage],
        *,
        max_tokens: int,
        system_prompt: str | None = None,
        temperature: float | None = None,
        stop_sequences: Sequence[str] | None = None,
        model_preferences: ModelPreferences | None = None,
        metadata: Mapping[str, object] | None = None,
        tools: Sequence[Tool] | None = None,
        tool_choice: ToolChoice | None = None,
        timeout: float | None = None,
    ) -> CreateMessageResult | CreateMessageResultWithTools:
        """Ask the client's model for its next message: pure inference, the client runs no tools.

        Args:
            messages: The conversation so far.
            max_tokens: At most so many tokens.
            system_prompt: What the model is told first.
            temperature: As the model understands it.
            stop_sequences: Texts at which the model stops.
            model_preferences: Which model the client should take.
            metadata: For the model's provider.
            tools: What the model may ask for: as `list_tools` gave them, or tools of the server's own. The handler calls them.
            tool_choice: Whether it must; only with tools.
            timeout: Seconds to wait; default without limit.

        Returns:
            The message; with tools its content may be several blocks, tool uses among them.
        """
        params = {
            "messages": [_wire(message) for message in messages],
            "maxTokens": max_tokens,
            "systemPrompt": system_prompt,
            "temperature": temperature,
            "stopSequences": None if stop_sequences is None else list(stop_sequences),
            "modelPreferences": None if model_preferences is None else _wire(model_preferences),
            "metadata": None if metadata is None else dict(metadata),
            "tools": None if tools is None else [_wire(tool) for tool in tools],
            "toolChoice": None if tool_choice is None else _wire(tool_choice),
        }
        given = {name: value for name, value in params.items() if value is not None}
        if tools is None:
            return await self._ask("sampling/createMessage", given, CreateMessageResult, timeout=timeout)
        return await self._ask("sampling/createMessage", given, CreateMessageResultWithTools, timeout=timeout)

    async def elicit(
        self, message: str, requested_schema: Mapping[str, object], *, timeout: float | None = None
    ) -> ElicitResult:
        """Ask the client's user to fill in a form.

        Args:
            message: What the user reads.
            requested_schema: The form, in the flat JSON Schema that elicitation allows.
            timeout: Seconds to wait; default without limit.
        """
        params = {"mode": "form", "message": message, "requestedSchema": dict(requested_schema)}
        return await self._ask("elicitation/create", params, ElicitResult, timeout=timeout)

    async def elicit_url(
        self, message: str, url: str, *, elicitation_id: str | None = None, timeout: float | None = None
    ) -> ElicitResult:
        """Ask the client's user to open an address, where something happens that the client must not see, such as a login.

        Args:
            message: What the user reads.
            url: Where it happens.
            elicitation_id: What `notifications/elicitation/complete` calls it later; default a new one.
            timeout: Seconds to wait; default without limit.

        Returns:
            Whether the user agreed to open it; it says nothing of what happens there.
        """
        ident = uuid4().hex if elicitation_id is None else elicitation_id
        params = {"mode": "url", "message": message, "url": url, "elicitationId": ident}
        return await self._ask("elicitation/create", params, ElicitResult, timeout=timeout)

    async def list_roots(self) -> list[Root]:
        """Return the client's roots."""
        return (await self._ask("roots/list", {}, ListRootsResult)).roots

    @asynccontextmanager
    async def batch(self) -> AsyncGenerator[anyio.abc.TaskGroup]:
        """Let all calls that are started inside travel in one leg, however long it takes to start them.

        `async with peer.batch() as tasks: tasks.start_soon(peer.call_tool, "a__b", {...})`. The leg stays open until the block ends;
        the block is left when all its tasks have ended. Calls posted side by side join one leg without it. In the handshake era
        every call travels at once, and this is a plain task group.

        Raises:
            MCPError: A call failed, and none of the tasks caught that; of several, the first.
            RuntimeError: From a call that the block itself awaits, instead of starting it: it could never travel.
        """
        group = self._carrier.run.batch() if isinstance(self._carrier, InLegs) else anyio.create_task_group()
        try:
            async with group as tasks:
                yield tasks
        except BaseExceptionGroup as raised:
            refused, others = raised.split(MCPError)
            if refused is None or others is not None:
                raise
            raise _first(refused) from None

    async def _pages(self, method: str, result: type[_PageT]) -> list[_PageT]:
        pages: list[_PageT] = []
        seen: set[str] = set()
        cursor: str | None = None
        while True:
            page = await self._ask(method, {} if cursor is None else {"cursor": cursor}, result)
            pages.append(page)
            cursor = page.next_cursor
            if cursor is None:
                return pages
            if cursor in seen:
                raise MCPError(INTERNAL_ERROR, f"the client's {method} goes in circles: it gave one cursor twice")
            seen.add(cursor)

    async def _ask(
        self,
        method: str,
        params: Mapping[str, object],
        result: type[_ResultT],
        *,
        progress: ProgressFnT | None = None,
        timeout: float | None = None,
    ) -> _ResultT:
        require(self._session, method, params)
        try:
            answer = await self._carrier.ask(method, params, progress, timeout)
        except MCPError as error:
            self._usage += Usage.of(_object(error.error.data))
            raise
        self._usage += Usage.of(_object(answer.get("_meta")))
        try:
            return result.model_validate(answer, by_name=False)
        except ValidationError as error:
            raise MCPError(INTERNAL_ERROR, f"the client's answer to {method} is no {result.__name__}") from error


def budget(context: object) -> Budget:
    """Return what the client said, with the request that is being handled, may still be spent; for any server, symmetric or not.

    Args:
        context: What the handler was given, as `peer` takes it.
    """
    found = getattr(context, "request_context", None) or context
    return Budget.of(cast("Mapping[str, object] | None", getattr(found, "meta", None)))


def cause_headers(context: object) -> dict[str, str]:
    """Return HTTP headers that say for which request a server calls an API: `client.get(url, headers=cause_headers(ctx))`.

    A board on which the API is a link can then tell which call caused it, also where several are in flight. To any other API the
    header means nothing.

    Args:
        context: What the handler was given, as `peer` takes it.
    """
    found = getattr(context, "request_context", None) or context
    ident = sdk.wire_request_id(found, getattr(found, "request_id", None))
    return {} if ident is None else {CAUSE_HEADER: id_text(ident)}


def peer(context: object) -> Peer:
    """Return the client as the peer of the request that is being handled.

    Args:
        context: What the handler was given: `Context` of `MCPServer` or FastMCP, or the low-level server's request context.

    Raises:
        NotSymmetric: The client did not declare the extension, or this request cannot carry calls to the client.
        TypeError: `context` is no request context.
    """
    found = getattr(context, "request_context", None) or context
    session = getattr(found, "session", None)
    if not isinstance(session, ServerSession):
        raise TypeError(f"peer() takes the context of the request being handled, not {type(context).__name__}")
    modern = session.protocol_version in MODERN_PROTOCOL_VERSIONS
    if session.client_capabilities is None and not modern:
        raise NotSymmetric(f"without a session a server does not see what the client declares, and {_ONE_WAY}", modern=False)
    if declaration(session.client_capabilities) is None:
        raise NotSymmetric(f"the client did not declare {IDENTIFIER}: it offers no tools to servers", modern=modern)
    if modern:
        channel = sdk.channel_of(session)
        if not isinstance(channel, FollowingChannel):
            why = "in the modern era calls travel in legs of tools/call, on a server with symmetric.Extension and its lifespan"
            raise NotSymmetric(why, modern=True)
        return Peer(session, InLegs(channel.run))
    request_id: RequestId | None = sdk.wire_request_id(found, getattr(found, "request_id", None))
    if request_id is None or not session.can_send_request:
        raise NotSymmetric(_ONE_WAY, modern=False)
    return Peer(session, Mirrored(session, request_id, budget(found)))


def _first(group: BaseExceptionGroup[MCPError]) -> MCPError:
    """Return the first error in a group."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _object(value: object) -> Mapping[str, object] | None:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else None


def _wire(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)
