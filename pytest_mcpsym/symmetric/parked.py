"""The modern binding of the extension, on the server's side: a handler that is parked between the legs of its call.

The 2026-07-28 revision knows no requests from server to client. So a leg of `tools/call` ends with the calls that the handler wants
made (`resultType: dev.mcpsym/calls`) and a continuation; the client makes them and sends `dev.mcpsym/continue` with the answers,
which begins the next leg, until the handler is done. Meanwhile the handler waits in a task of the server's lifespan. Nothing
assumes that the client continues: a handler that was not continued in time, whose leg was cancelled or whose server shuts down is
cancelled. A continuation is random, used once, and bound to the principal and, on a stream, to the connection that it was given to.
Pinned by `tests/symmetric/test_parked.py`.
"""

from __future__ import annotations

import itertools
import math
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar, cast, overload

import anyio
import anyio.abc
from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension as SDKExtension
from mcp.server.extension import MethodBinding, compose_tool_call_handler
from mcp.server.request_state import authenticated_principal
from mcp_types import INTERNAL_ERROR, METHOD_NOT_FOUND, CallToolRequestParams, RequestParams
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field

from pytest_mcpsym.symmetric import sdk
from pytest_mcpsym.symmetric.continuation import REMEMBERED_FOR, RefusedContinuation, Spent, check_responses
from pytest_mcpsym.symmetric.declared import NotSymmetric, declaration
from pytest_mcpsym.symmetric.names import CALLS, CANCEL, CONTINUE, IDENTIFIER
from pytest_mcpsym.symmetric.run import FollowingChannel, ParkedRun
from pytest_mcpsym.symmetric.sealed import SealedTools
from pytest_mcpsym.symmetric.spending import Budget

__all__ = ["LEG_LIMIT", "TIME_TO_LIVE", "CancelParams", "ContinueParams", "Extension", "install"]

TIME_TO_LIVE: Final = 300.0
"""Seconds that a parked handler waits to be continued."""

LEG_LIMIT: Final = 25.0
"""Seconds that a leg stays open without news before the client is asked to wait for more."""

_AppT = TypeVar("_AppT")
_ValueT = TypeVar("_ValueT")
_Context = ServerRequestContext[Any, Any]


class ContinueParams(RequestParams):
    """`dev.mcpsym/continue`: answers to calls of the legs before, each `{"result": …}` or `{"error": …}`."""

    continuation: str
    responses: dict[str, Any] = Field(default_factory=dict[str, Any])


class CancelParams(RequestParams):
    """`dev.mcpsym/cancel`: nobody will continue."""

    continuation: str


@dataclass(eq=False, slots=True)
class _Lot:
    """Where the handlers of one lifespan are parked.

    Attributes:
        value: What the lifespan gave to handlers.
        host: The task that entered it; on a stream, the parent of all tasks that handle the connection's requests.
        tasks: The handlers.
        number: Tells it from every other lot of the extension, for ever.
        runs: The handlers' calls.
    """

    value: object
    host: int
    tasks: anyio.abc.TaskGroup
    number: int
    runs: set[ParkedRun] = field(default_factory=set[ParkedRun])


@dataclass(eq=False, slots=True)
class _Parked:
    channel: FollowingChannel
    owner: object


class Extension(SDKExtension):
    """The symmetric extension for a modern server; in the handshake era nothing is to be installed.

    `sym = Extension()`, then `MCPServer(..., extensions=[sym], lifespan=sym.lifespan())`, or `sym.lifespan(mine)` for a lifespan of
    your own, whose value reaches handlers unchanged. A low-level or FastMCP server takes `install(server)`. One extension belongs to
    one server, with any number of connections.

    Args:
        time_to_live: Seconds that a handler waits to be continued.
        leg_limit: Seconds that a leg stays open without news, once the handler has made a call.
        sealed: Tools whose state travels in the continuation.
    """

    identifier = IDENTIFIER

    def __init__(
        self, *, time_to_live: float = TIME_TO_LIVE, leg_limit: float = LEG_LIMIT, sealed: SealedTools | None = None
    ) -> None:
        self._time_to_live = time_to_live
        self._leg_limit = leg_limit
        self._sealed = sealed
        self._parked: dict[str, _Parked] = {}
        self._spent = Spent(REMEMBERED_FOR, time.monotonic)
        self._lots: list[_Lot] = []
        self._numbers = itertools.count()

    @property
    def parked(self) -> int:
        """How many handlers wait to be continued."""
        return len(self._parked)

    @overload
    def lifespan(self, inner: None = None) -> Callable[[object], AbstractAsyncContextManager[dict[str, Any]]]: ...

    @overload
    def lifespan(
        self, inner: Callable[[_AppT], AbstractAsyncContextManager[_ValueT]]
    ) -> Callable[[_AppT], AbstractAsyncContextManager[_ValueT]]: ...

    def lifespan(
        self, inner: Callable[[Any], AbstractAsyncContextManager[Any]] | None = None
    ) -> Callable[[Any], AbstractAsyncContextManager[Any]]:
        """Return the lifespan that holds parked handlers, inside of one of your own."""
        outer = _no_lifespan if inner is None else inner

        @asynccontextmanager
        async def held(app: object) -> AsyncGenerator[Any]:
            async with outer(app) as value, self._lot(value):
                yield value

        return held

    def methods(self) -> list[MethodBinding]:
        """Serve `dev.mcpsym/continue` and `dev.mcpsym/cancel` in the modern era."""
        versions = frozenset(MODERN_PROTOCOL_VERSIONS)
        return [
            MethodBinding(CONTINUE, ContinueParams, self._continue, versions),
            MethodBinding(CANCEL, CancelParams, self._cancel, versions),
        ]

    async def intercept_tool_call(self, params: CallToolRequestParams, ctx: _Context, call_next: CallNext) -> HandlerResult:
        """Run the handler so that it can be parked, if the client of a modern request declared the extension; else as ever."""
        if not _may_claim(ctx):
            return await call_next(ctx)
        if self._sealed is not None and self._sealed.serves(params.name):
            return await self._sealed.begin(ctx, params)
        lot = self._lot_of(ctx)
        if lot is None:
            return await call_next(ctx)
        channel = FollowingChannel(sdk.channel_of(ctx.session), ParkedRun())
        channel.run.tell(_budget(ctx))
        session = sdk.session_over(channel, ctx.session, ctx.meta)
        lot.tasks.start_soon(self._handle, lot, channel.run, call_next, replace(ctx, session=session))
        return await self._leg(channel, ctx)

    @asynccontextmanager
    async def _lot(self, value: object) -> AsyncGenerator[None]:
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            lot = _Lot(value, anyio.get_current_task().id, tasks, next(self._numbers))
            self._lots.append(lot)
            try:
                yield
            except Exception as error:  # noqa: BLE001 - raised again below: the task group would wrap it
                failure = error
            finally:
                self._lots.remove(lot)
                for run in lot.runs:
                    run.cancel()
                tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def _lot_of(self, ctx: _Context) -> _Lot | None:
        """Return the lot of a request's connection.

        A value tells lifespans apart unless they share one (`None`, an application's state). Then a stream's lot is that of the
        parent task; what remains, several HTTP servers in one process that share a value, park in the one that began first.
        """
        lots = [lot for lot in self._lots if lot.value is ctx.lifespan_context] or self._lots
        parent = anyio.get_current_task().parent_id
        return next((lot for lot in lots if lot.host == parent), next(iter(lots), None))

    def _owner(self, ctx: _Context) -> object:
        """Return who may continue what this request began: the principal, on the connection where there is one."""
        lot = self._lot_of(ctx)
        return (authenticated_principal(ctx), lot.number if lot is not None else None)

    async def _continue(self, ctx: _Context, params: ContinueParams) -> HandlerResult:
        if not _may_claim(ctx):
            raise NotSymmetric(f"the client did not declare {IDENTIFIER} on this request", modern=True)
        if self._sealed is not None and self._sealed.claims(params.continuation):
            result = await self._sealed.resume(ctx, params.continuation, params.responses)
        else:
            channel = self._find(ctx, params.continuation).channel
            check_responses(params.responses, channel.run.strangers(params.responses))
            self._use_up(ctx, params.continuation)
            channel.run.scope.deadline = math.inf
            channel.run.tell(_budget(ctx))
            channel.run.answer(params.responses)
            result = await self._leg(channel, ctx)
        return result if _is_leg(result) else sdk.tool_result(result, ctx.protocol_version)

    async def _cancel(self, ctx: _Context, params: CancelParams) -> HandlerResult:
        if self._sealed is not None and self._sealed.claims(params.continuation):
            await self._sealed.discard(ctx, params.continuation)
            return {}
        channel = self._find(ctx, params.continuation).channel
        self._use_up(ctx, params.continuation)
        channel.run.cancel()
        return {}

    def _find(self, ctx: _Context, continuation: str) -> _Parked:
        owner = self._owner(ctx)
        parked = self._parked.get(continuation)
        if parked is None:
            raise self._spent.refusal(continuation, owner)
        if parked.owner != owner:
            raise RefusedContinuation("foreign")
        if parked.channel.run.scope.cancel_called:
            raise RefusedContinuation("expired")
        return parked

    def _use_up(self, ctx: _Context, continuation: str) -> None:
        del self._parked[continuation]
        self._spent.add(continuation, "replayed", self._owner(ctx))

    async def _leg(self, channel: FollowingChannel, ctx: _Context) -> HandlerResult:
        """Return the end of a leg: calls and a continuation, or the handler's result."""
        run = channel.run
        try:
            await channel.follow(sdk.channel_of(ctx.session), sdk.log_levels(ctx.session, ctx.meta))
            calls = await run.leg(self._leg_limit)
        except BaseException:
            run.cancel()
            raise
        finally:
            channel.unfollow()
        if calls is None:
            run.collected.set()
            return run.result()
        continuation = run.continuation = secrets.token_urlsafe(32)
        self._parked[continuation] = _Parked(channel, self._owner(ctx))
        run.scope.deadline = anyio.current_time() + self._time_to_live
        return {"resultType": CALLS, "calls": calls, "continuation": continuation}

    async def _handle(self, lot: _Lot, run: ParkedRun, call_next: CallNext, ctx: _Context) -> None:
        """Run a handler until its outcome was written."""
        lot.runs.add(run)
        try:
            with run.scope:
                try:
                    run.finish(await call_next(ctx), None)
                except Exception as error:  # noqa: BLE001 - it is raised in the leg that is open
                    run.finish(None, error)
                await run.collected.wait()
        finally:
            lot.runs.discard(run)
            if not run.finished:
                run.finish(None, MCPError(INTERNAL_ERROR, "the handler was cancelled"))
            parked = self._parked.pop(run.continuation, None)
            if parked is not None:
                self._spent.add(run.continuation, "expired", parked.owner)


def install(server: object, extension: Extension | None = None) -> Extension:
    """Install the extension into a server that was built without it; call it before the server serves.

    Args:
        server: A low-level `Server` of the SDK with a handler of `tools/call`; an `MCPServer` or a FastMCP server works too.
        extension: One of your own; default a new one.

    Returns:
        The extension that was installed.

    Raises:
        TypeError: It is no server.
        ValueError: It serves no `tools/call`, or has the extension already.
    """
    low_level = sdk.low_level(server)
    entry = low_level.get_request_handler("tools/call")
    if entry is None:
        raise ValueError("install() needs a server that handles tools/call")
    if IDENTIFIER in low_level.extensions:
        raise ValueError(f"{IDENTIFIER} is installed in this server already")
    extension = extension or Extension()
    low_level.add_request_handler("tools/call", entry.params_type, compose_tool_call_handler([extension], entry.handler))
    for binding in extension.methods():
        low_level.add_request_handler(binding.method, binding.params_type, _modern_only(binding))
    low_level.lifespan = extension.lifespan(low_level.lifespan)
    low_level.extensions[IDENTIFIER] = extension.settings()
    return extension


def _modern_only(binding: MethodBinding) -> Callable[[_Context, Any], Awaitable[HandlerResult]]:
    async def handler(ctx: _Context, params: Any) -> HandlerResult:
        if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            raise MCPError(METHOD_NOT_FOUND, "Method not found", binding.method)
        return await binding.handler(ctx, params)

    return handler


def _may_claim(ctx: _Context) -> bool:
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS and declaration(ctx.session.client_capabilities) is not None


def _budget(ctx: _Context) -> Budget:
    return Budget.of(cast("Mapping[str, object] | None", ctx.meta))


def _is_leg(result: HandlerResult) -> bool:
    return isinstance(result, dict) and result.get("resultType") == CALLS


@asynccontextmanager
async def _no_lifespan(_: object) -> AsyncGenerator[dict[str, Any]]:
    yield {}
