"""The tools that show what a server does beside answering: log, report progress, break a stream, change a list, fail.

Pinned by `tests/fakes/test_conformance.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import cast, get_args

import anyio
from mcp import MCPError
from mcp.server.subscriptions import PromptsListChanged, ResourceUpdated, ToolsListChanged
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_types import MISSING_REQUIRED_CLIENT_CAPABILITY, LoggingLevel

from .content import WATCHED
from .turn import Context, Failed, Session, Turn, is_modern

__all__ = ["PROBES", "session_of"]

_LEVELS: tuple[LoggingLevel, ...] = get_args(LoggingLevel)

_BREAK = 0.2
"""Seconds that a broken stream stays broken before its call goes on."""


def session_of(context: Context) -> Session:
    """Return what is remembered of the session that a request belongs to."""
    headers = cast("Mapping[str, str]", getattr(context.request, "headers", {}))
    return context.lifespan_context.sessions.setdefault(headers.get("mcp-session-id"), Session())


async def _log(context: Context, data: str) -> None:
    """Say something at the level `info`, if the client wants that; in the modern era the SDK knows whether it does."""
    if not is_modern(context) and _LEVELS.index(session_of(context).level) > _LEVELS.index("info"):
        return
    with warnings.catch_warnings():
        # The SDK warns because 2026-07-28 deprecates logging; a test that turns warnings into errors has not asked for that.
        warnings.simplefilter("ignore", MCPDeprecationWarning)
        sending = context.session.send_log_message("info", data, related_request_id=context.request_id)  # pyright: ignore[reportDeprecated] - what is to be tested
    await sending


async def _logging(turn: Turn) -> str:
    for said in ("begun", "halfway", "done"):
        await _log(turn.context, f"The tool has {said}" if said == "begun" else f"The tool is {said}")
    return "Three messages were logged."


async def _one_message(turn: Turn) -> str:
    await _log(turn.context, "The tool has run")
    return "One message was logged."


async def _progress(turn: Turn) -> str:
    for done in (0, 50, 100):
        await turn.context.session.report_progress(done, 100, f"{done} of 100")
    return "Three reports were made."


async def _reconnection(turn: Turn) -> str:
    await _log(turn.context, "Before the stream breaks")
    if turn.context.close_sse_stream is not None:
        await turn.context.close_sse_stream()
        await anyio.sleep(_BREAK)
    await _log(turn.context, "After the stream has broken")
    return "The call outlived its stream."


async def _failing(_turn: Turn) -> str:
    raise Failed("This tool intentionally returns an error for testing")


async def _capability(turn: Turn) -> str:
    announced = turn.context.session.client_capabilities
    if announced is None or announced.sampling is None:
        data: dict[str, object] = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "this tool needs a client with sampling", data)
    return "The client has sampling."


async def _header(turn: Turn) -> str:
    return f"region={turn.arguments.get('region', '(none)')}"


async def _schema(turn: Turn) -> str:
    return f"The arguments fit the schema: {', '.join(sorted(turn.arguments)) or 'none'}."


async def _tools_changed(turn: Turn) -> str:
    await turn.context.lifespan_context.bus.publish(ToolsListChanged())
    if not turn.modern:
        await turn.context.session.send_tool_list_changed()
    return "The tools were said to have changed."


async def _prompts_changed(turn: Turn) -> str:
    await turn.context.lifespan_context.bus.publish(PromptsListChanged())
    if not turn.modern:
        await turn.context.session.send_prompt_list_changed()
    return "The prompts were said to have changed."


async def _resource_updated(turn: Turn) -> str:
    await turn.context.lifespan_context.bus.publish(ResourceUpdated(WATCHED))
    if not turn.modern and WATCHED in session_of(turn.context).subscribed:
        await turn.context.session.send_resource_updated(WATCHED)
    return f"{WATCHED} was said to have changed to all who are subscribed."


PROBES: dict[str, Callable[[Turn], Awaitable[str]]] = {
    "test_tool_with_logging": _logging,
    "test_logging_tool": _one_message,
    "test_tool_with_progress": _progress,
    "test_reconnection": _reconnection,
    "test_error_handling": _failing,
    "test_missing_capability": _capability,
    "test_x_mcp_header": _header,
    "json_schema_2020_12_tool": _schema,
    "test_trigger_tool_change": _tools_changed,
    "test_trigger_prompt_change": _prompts_changed,
    "test_trigger_resource_update": _resource_updated,
}
"""What each tool does, by its name."""
