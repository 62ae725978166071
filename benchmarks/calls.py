"""What a call costs: through a recorded memory link, and through the blocking face.

The recorded side is the SDK's own client on the link of an open board; the other side is the SDK's own client on the SDK's own
in-memory frames, which are neither serialised nor logged. Server, tool, arguments, what the client declares, time limit and
validation of the result are the same; the fake is not strict here, as it could be so on one side alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from anyio.from_thread import start_blocking_portal
from mcp import Client
from mcp.client.extension import advertise
from mcp.client.session import ClientRequestContext
from mcp_types import INVALID_REQUEST, CallToolResult, ErrorData, SamplingCapability, SamplingToolsCapability

from benchmarks.paired import each, paired
from benchmarks.row import Effort, Row
from fake_servers import everything
from fake_servers.everything import Everything
from pytest_mcpsym.switchboard import switchboard
from pytest_mcpsym.symmetric.names import IDENTIFIER, LISTENING_CAPABILITY

__all__ = ["faces", "recorded_call"]

ARGUMENTS = {"message": "hello"}


def _lenient() -> Everything:
    """A fake that answers what is no message no better than the SDK does."""
    server = everything()
    server.strict_json = False
    return server


async def _asked(context: ClientRequestContext, params: object) -> ErrorData:  # noqa: ARG001 - the SDK calls it so
    return ErrorData(code=INVALID_REQUEST, message="nobody is here")


async def _rooted(context: ClientRequestContext) -> ErrorData:  # noqa: ARG001 - the SDK calls it so
    return ErrorData(code=INVALID_REQUEST, message="nobody is here")


def _bare_client() -> Client:
    """A client of the SDK that says of itself what that of a link does, as what a client can do is what its server looks at."""
    return Client(
        _lenient(),
        mode="legacy",
        cache=None,
        read_timeout_seconds=60,
        sampling_callback=_asked,
        sampling_capabilities=SamplingCapability(tools=SamplingToolsCapability()),
        elicitation_callback=_asked,
        list_roots_callback=_rooted,
        extensions=[advertise(IDENTIFIER, LISTENING_CAPABILITY)],
    )


def recorded_call(effort: Effort) -> Iterator[Row]:
    """A call through a recorded memory link against the same call over the SDK's in-memory frames."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(switchboard(everything=_lenient())) as board,
        portal.wrap_async_context_manager(_bare_client()) as bare,
    ):
        recorded = portal.call(board.client, "everything")

        async def through_link() -> CallToolResult:
            return await recorded.call_tool("echo", ARGUMENTS)

        async def in_memory() -> CallToolResult:
            return await bare.call_tool("echo", ARGUMENTS)

        async def raw() -> CallToolResult:
            return await board.call("everything__echo", ARGUMENTS)

        pairs = paired(
            lambda: portal.call(each, through_link, effort.calls),
            lambda: portal.call(each, in_memory, effort.calls),
            effort.rounds,
        )
        yield pairs.row("call", "board.client(link).call_tool", "SDK client, SDK in-memory frames", "async", 1.10)
        pairs = paired(
            lambda: portal.call(each, raw, effort.calls), lambda: portal.call(each, in_memory, effort.calls), effort.rounds
        )
        yield pairs.row("call", "board.call(link__tool)", "SDK client, SDK in-memory frames", "async")


def faces(effort: Effort) -> Iterator[Row]:
    """A blocking call against an async one. Two threads take part, so time on the wall is what counts."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(switchboard(everything=everything())) as board,
        switchboard(everything=everything()) as blocking,
    ):

        async def in_loop() -> CallToolResult:
            return await board.call("everything__echo", ARGUMENTS)

        def from_thread() -> float:
            start = time.perf_counter()
            for _ in range(effort.calls):
                blocking.call("everything__echo", ARGUMENTS)
            return (time.perf_counter() - start) / effort.calls

        pairs = paired(from_thread, lambda: portal.call(each, in_loop, effort.calls, time.perf_counter), effort.rounds)
        yield pairs.row("face", "board.call, blocking", "board.call, async", "both", 1.6)
