"""What the extension needs of the SDK and of FastMCP that they do not offer: the one module which touches their private names.

Each function names what is missing and when it can go. Checked against `mcp` 2.3.0 and FastMCP 4.1.2; pinned by all of
`tests/symmetric`, because nothing of the extension works without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from mcp import MCPError
from mcp.server.connection import allowed_log_levels
from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.session import ServerSession
from mcp.shared._otel import inject_trace_context
from mcp.shared.dispatcher import DispatchContext, Outbound
from mcp_types import INTERNAL_ERROR, ErrorData, RequestId, RequestParamsMeta
from mcp_types.methods import is_input_required, serialize_server_result
from pydantic import BaseModel, ValidationError

__all__ = [
    "channel_of",
    "log_levels",
    "low_level",
    "session_over",
    "standalone_of",
    "tool_result",
    "trace_context",
    "wire_request_id",
]

_CORE_RESULT_TYPES = frozenset({"complete", "input_required"})


def channel_of(session: ServerSession) -> DispatchContext[Any]:
    """Return the channel of the request that a session belongs to; it can go once a session sends untyped requests."""
    return session._request_outbound  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001 - see the docstring


def standalone_of(session: ServerSession) -> Outbound:
    """Return the channel of what belongs to no request; it can go as `channel_of` can."""
    connection = session._connection  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001 - see the docstring
    return connection.outbound


def session_over(channel: DispatchContext[Any], session: ServerSession, meta: RequestParamsMeta | None) -> ServerSession:
    """Return a session like another one that speaks through `channel`; it can go once sessions can be copied."""
    connection = session._connection  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001 - see the docstring
    return ServerSession(channel, connection, request_meta=meta)


def log_levels(session: ServerSession, meta: RequestParamsMeta | None) -> frozenset[str]:
    """Return the levels of log messages that a request's `_meta` lets through."""
    return frozenset(allowed_log_levels(session.protocol_version, cast("Mapping[str, Any] | None", meta)))


def trace_context() -> dict[str, object]:
    """Return the trace-context members of a `_meta` for the current span; empty without a tracer."""
    meta: dict[str, Any] = {}
    inject_trace_context(meta)
    return meta


def wire_request_id(context: object, fallback: RequestId | None) -> RequestId | None:
    """Return a request's id with its JSON type: FastMCP's context makes it text and keeps the original beside."""
    original = getattr(context, "_srctx", None)
    return original.request_id if isinstance(original, ServerRequestContext) else fallback


def low_level(server: object) -> Server[Any]:
    """Return the low-level server inside an `MCPServer` or FastMCP server, or the server itself if it is one.

    Raises:
        TypeError: It is none of them.
    """
    if isinstance(server, Server):
        return cast("Server[Any]", server)
    inner = getattr(server, "_lowlevel_server", None) or getattr(server, "_mcp_server", None)
    if not isinstance(inner, Server):
        raise TypeError(f"install() takes a low-level Server, an MCPServer or a FastMCP server, not {type(server).__name__}")
    return cast("Server[Any]", inner)


def tool_result(result: HandlerResult | ErrorData, version: str) -> dict[str, Any]:
    """Return a tool handler's result as the runner would write it in answer to `tools/call`.

    The runner shapes results by the method of the request that they answer, and the last leg answers another method.

    Raises:
        MCPError: The handler returned an error, `input_required`, or no valid result.
    """
    if isinstance(result, ErrorData):
        raise MCPError.from_error_data(result)
    if isinstance(result, BaseModel):
        dumped: dict[str, Any] = result.model_dump(by_alias=True, mode="json", exclude_none=True)
    else:
        dumped = dict(result or {})
    if is_input_required(dumped):
        raise MCPError(INTERNAL_ERROR, "a handler that has asked its peer asks for input through peer(), not by input_required")
    if dumped.get("resultType", "complete") not in _CORE_RESULT_TYPES:
        return dumped
    try:
        return serialize_server_result("tools/call", version, dumped)
    except ValidationError:
        raise MCPError(INTERNAL_ERROR, "Handler returned an invalid result") from None
