"""What ends a parked handler, what becomes of its continuation, and that nothing is left of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup
from mcp import MCPError
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import NoBackChannelError

from pytest_mcpsym.symmetric import continuation
from pytest_mcpsym.symmetric.api import Peer, peer
from pytest_mcpsym.symmetric.names import CANCEL, CONTINUE, REFUSED_CONTINUATION
from pytest_mcpsym.symmetric.parked import Extension
from pytest_mcpsym.symmetric.run import KEPT_NOTIFICATIONS
from tests.symmetric.legs import Performing, Wire, echo, over_http, over_memory, serving, told, two_calls, wire

pytestmark = pytest.mark.anyio


async def until_unparked(sym: Extension) -> None:
    """Wait until no handler is parked."""
    with anyio.fail_after(10):
        while sym.parked:
            await anyio.wait_all_tasks_blocked()


async def expect_refusal(client: Wire, token: str, reason: str) -> None:
    """Continue with a token and see it refused for a reason."""
    error = await client.refused(CONTINUE, {"continuation": token, "responses": {}})
    assert error == {"code": -32602, "message": REFUSED_CONTINUATION, "data": {"reason": reason}}


async def test_an_unknown_continuation_is_refused() -> None:
    async with wire(two_calls(Extension())) as client:
        await expect_refusal(client, "made-up", "unknown")


async def test_a_continuation_is_good_for_one_use() -> None:
    async with wire(two_calls(Extension())) as client:
        leg = await client.begin("two")
        await client.go_on(leg, c1=told("1"))
        await expect_refusal(client, leg["continuation"], "replayed")


async def test_a_continuation_of_another_connection_is_foreign() -> None:
    server = two_calls(Extension())
    async with wire(server) as one, wire(server) as other:
        leg = await one.begin("two")
        await expect_refusal(other, leg["continuation"], "foreign")
        assert (await one.go_on(leg, c1=told("1")))["calls"]


async def test_a_used_continuation_of_another_connection_is_foreign_too() -> None:
    server = two_calls(Extension())
    async with wire(server) as one, wire(server) as other:
        leg = await one.begin("two")
        await one.go_on(leg, c1=told("1"))
        await expect_refusal(other, leg["continuation"], "foreign")


async def test_a_handler_that_is_not_continued_in_time_is_cancelled() -> None:
    sym = Extension(time_to_live=0.01)
    async with wire(two_calls(sym)) as client:
        leg = await client.begin("two")
        await until_unparked(sym)
        await expect_refusal(client, leg["continuation"], "expired")


async def test_cancelling_a_continuation_cancels_the_handler() -> None:
    sym = Extension()
    ended = anyio.Event()
    server = serving(sym)

    @server.tool(structured_output=False)
    async def waits(context: Context[Any]) -> str:
        try:
            await peer(context).call_tool("a")
        finally:
            ended.set()
        return "unreached"

    async with wire(server) as client:
        leg = await client.begin("waits")
        assert await client.ask(CANCEL, {"continuation": leg["continuation"]}) == {"resultType": "complete"}
        with anyio.fail_after(10):
            await ended.wait()
        await expect_refusal(client, leg["continuation"], "replayed")


async def test_cancelling_the_leg_that_is_open_cancels_the_handler() -> None:
    started, ended = anyio.Event(), anyio.Event()
    server = serving(Extension())

    @server.tool(structured_output=False)
    async def waits(context: Context[Any]) -> str:
        await peer(context).call_tool("a")
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        return "unreached"

    async with wire(server) as client:
        leg = await client.begin("waits")
        given = {"continuation": leg["continuation"], "responses": {"c1": {"result": told("1")}}}
        sent = await client.send(CONTINUE, given)
        with anyio.fail_after(10):
            await started.wait()
            await client.notify("notifications/cancelled", {"requestId": sent})
            await ended.wait()


@pytest.mark.parametrize("carried", ["memory", "http"])
async def test_a_caller_that_gives_up_cancels_the_handler(carried: str) -> None:
    sym = Extension()
    server = serving(sym)
    started, ended = anyio.Event(), anyio.Event()

    @server.tool(structured_output=False)
    async def works(context: Context[Any]) -> str:
        await peer(context).call_tool("a")
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        return "unreached"

    performing = Performing(echo)
    opened = over_memory(server, performing) if carried == "memory" else over_http(server, performing)
    with anyio.fail_after(10):
        async with opened as client, anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "works")
            await started.wait()
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await ended.wait()
    assert sym.parked == 0


async def test_a_handler_that_ends_while_parked_waits_for_its_result_to_be_collected() -> None:
    sym = Extension(time_to_live=0.01)
    server = serving(sym)

    @server.tool(structured_output=False)
    async def gives_up(context: Context[Any]) -> str:
        with anyio.move_on_after(0):
            await peer(context).call_tool("a")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer(context).call_tool, "b")
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        return "gave up"

    async with wire(server) as client:
        leg = await client.begin("gives_up")
        while "calls" in leg:
            leg = await client.go_on(leg)
        assert leg["content"][0]["text"] == "gave up"
        assert sym.parked == 0


async def test_a_continuation_is_bound_to_the_principal_that_it_was_given_to() -> None:
    async def authenticate(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        who = str((ctx.meta or {}).get("who"))
        token = auth_context_var.set(AuthenticatedUser(AccessToken(token="t", client_id=who, scopes=[])))
        try:
            return await call_next(ctx)
        finally:
            auth_context_var.reset(token)

    server = two_calls(Extension())
    server.middleware.append(authenticate)
    async with wire(server) as client:
        leg = await client.ask("tools/call", {"name": "two", "arguments": {}}, who="me")
        given = {"continuation": leg["continuation"], "responses": {"c1": {"result": told("1")}}}
        assert (await client.refused(CONTINUE, given, who="you"))["data"] == {"reason": "foreign"}
        assert (await client.refused(CANCEL, given, who="you"))["data"] == {"reason": "foreign"}
        assert (await client.ask(CONTINUE, given, who="me"))["calls"]


async def test_notifications_that_are_kept_are_bounded_and_the_oldest_go() -> None:
    server = serving(Extension())
    parked, reported = anyio.Event(), anyio.Event()

    @server.tool(structured_output=False)
    async def reports(context: Context[Any]) -> str:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer(context).call_tool, "a")
            await parked.wait()
            for at in range(KEPT_NOTIFICATIONS + 5):
                await context.report_progress(at)
            reported.set()
        return "done"

    async with wire(server) as client:
        leg = await client.begin("reports")
        parked.set()
        with anyio.fail_after(10):
            await reported.wait()
        given = {"continuation": leg["continuation"], "responses": {"c1": {"result": told("1")}}}
        await client.send(CONTINUE, given, progressToken="t")
        frames = [await client.receive() for _ in range(KEPT_NOTIFICATIONS + 1)]
    assert [frame["params"]["progress"] for frame in frames[:-1]] == list(range(5, KEPT_NOTIFICATIONS + 5))


async def test_the_sdks_own_elicitation_behaves_in_a_parked_handler_as_without_the_extension() -> None:
    server = serving(Extension())

    @server.tool(structured_output=False)
    async def asks(context: Context[Any]) -> str:
        request = context.request_context
        with pytest.raises(NoBackChannelError):
            await request.session.elicit_form("?", {"type": "object"}, request.request_id)
        return str(request.session.can_send_request)

    async with wire(server) as client:
        assert (await client.begin("asks"))["content"][0]["text"] == "False"


@pytest.mark.parametrize("by", ["cancel", "close"])
async def test_a_shielded_call_of_a_cancelled_handler_ends_instead_of_waiting_for_ever(by: str) -> None:
    server = serving(Extension())
    seen: list[str] = []

    @server.tool(structured_output=False)
    async def stubborn(context: Context[Any]) -> str:
        for _ in range(2):
            try:
                with anyio.CancelScope(shield=True):
                    await peer(context).call_tool("a")
            except NoBackChannelError as error:
                seen.append(error.method)
        return "unreached"

    with anyio.fail_after(10):
        async with wire(server) as client:
            leg = await client.begin("stubborn")
            if by == "cancel":
                await client.ask(CANCEL, {"continuation": leg["continuation"]})
    assert seen == ["tools/call", "tools/call"]


async def test_a_call_from_a_task_that_outlived_its_handler_is_refused() -> None:
    seen: list[int] = []

    @asynccontextmanager
    async def background(server: MCPServer[Any]) -> AsyncGenerator[TaskGroup]:
        async with anyio.create_task_group() as tasks:
            yield tasks

    server = serving(Extension(), background)

    async def late(client: Peer) -> None:
        with anyio.CancelScope(shield=True):
            for _ in range(2):
                try:
                    await client.call_tool("a")
                except MCPError as error:
                    seen.append(error.code)

    @server.tool(structured_output=False)
    async def leaves(context: Context[Any]) -> str:
        context.request_context.lifespan_context.start_soon(late, peer(context))
        await anyio.wait_all_tasks_blocked()
        return "left"

    with anyio.fail_after(10):
        async with wire(server) as client:
            leg = await client.begin("leaves")
            while "calls" in leg:
                leg = await client.go_on(leg)
    assert seen == [-32600, -32600]


async def test_after_the_last_leg_nothing_of_the_handler_is_left() -> None:
    sym = Extension()
    async with wire(two_calls(sym)) as client:
        await client.go_on(await client.go_on(await client.begin("two"), c1=told("1")), c2=told("2"))
        await anyio.wait_all_tasks_blocked()
        assert [lot.runs for lot in sym._lots] == [set()]  # pyright: ignore[reportPrivateUsage]  # no caller can see it


async def test_the_end_of_a_connection_cancels_its_handlers_and_leaves_nothing() -> None:
    sym = Extension()
    ended = anyio.Event()
    server = serving(sym)

    @server.tool(structured_output=False)
    async def waits(context: Context[Any]) -> str:
        try:
            await peer(context).call_tool("a")
        finally:
            ended.set()
        return "unreached"

    before = {task.id for task in anyio.get_running_tasks()}
    async with wire(server) as client:
        await client.begin("waits")
        assert sym.parked == 1
    assert ended.is_set()
    assert (sym.parked, {task.id for task in anyio.get_running_tasks()} - before) == (0, set())


async def test_continuing_without_declaring_the_extension_is_refused_and_keeps_the_handler() -> None:
    sym = Extension()
    async with wire(two_calls(sym)) as client:
        leg = await client.begin("two")
        bare: dict[str, object] = {"io.modelcontextprotocol/clientCapabilities": {}}
        error = await client.refused(CONTINUE, {"continuation": leg["continuation"]}, **bare)
        assert (error["code"], sym.parked) == (-32021, 1)


def test_spent_continuations_are_forgotten_in_time_and_bounded_in_number() -> None:
    now = [0.0]
    spent = continuation.Spent(10, lambda: now[0], limit=2)
    for name in "abc":
        spent.add(name, "replayed", None)
    assert [spent.refusal(name, None).reason for name in "abc"] == ["unknown", "replayed", "replayed"]
    now[0] = 10.0
    assert (spent.refusal("c", None).reason, len(spent)) == ("unknown", 0)
