"""The handshake binding of the extension, on the server's side: core methods, sent to the client as mirrored requests.

They travel on the stream of the request that is being handled, and carry its id under `dev.mcpsym/cause`. Pinned by
`tests/symmetric/test_mirror.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar, cast

from mcp import MCPError
from mcp.server.session import ServerSession
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.message import ServerMessageMetadata
from mcp_types import (
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CallToolRequest,
    CallToolResult,
    ListToolsRequest,
    ListToolsResult,
    PaginatedRequestParams,
    RequestId,
    Result,
    ServerRequest,
    Tool,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from pytest_mcpsym.symmetric.names import CAUSE_KEY, IDENTIFIER

__all__ = ["NotSymmetric", "Peer", "peer"]

_ResultT = TypeVar("_ResultT", bound=Result)


class RequestContext(Protocol):
    """The part of the SDK's per-request context that is needed here."""

    @property
    def session(self) -> ServerSession: ...
    @property
    def request_id(self) -> RequestId | None: ...


class NotSymmetric(MCPError):
    """The client does not offer what the server asks for.

    `data.requiredCapabilities` names it. The code is -32602 in the handshake era and -32021 in the modern era.
    """

    def __init__(self, why: str, *, modern: bool) -> None:
        code = MISSING_REQUIRED_CLIENT_CAPABILITY if modern else INVALID_PARAMS
        super().__init__(code, why, {"requiredCapabilities": {"extensions": {IDENTIFIER: {"tools": {}}}}})


class Peer:
    """The client, as a server sees it: what it offers to this one request. Made by `peer`."""

    def __init__(self, session: ServerSession, request_id: RequestId) -> None:
        self._session = session
        self._request_id = request_id

    async def list_tools(self) -> list[Tool]:
        """Return the tools that the client offers, all pages, under the names to call them by.

        Raises:
            MCPError: The client refused.
        """
        tools: list[Tool] = []
        cursor: str | None = None
        while True:
            params = PaginatedRequestParams.model_validate({"cursor": cursor, "_meta": self._meta()})
            page = await self._ask(ListToolsRequest(params=params), ListToolsResult)
            tools += page.tools
            cursor = page.next_cursor
            if cursor is None:
                return tools

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
            progress: Receives the tool's progress: (progress, total, message).
            timeout: Seconds to wait; default without limit, as the caller's own deadline cancels this request.

        Returns:
            The tool's result; `is_error` is not raised.

        Raises:
            MCPError: The client refused, or the tool's server answered with a JSON-RPC error.
        """
        request = CallToolRequest.model_validate(
            {"method": "tools/call", "params": {"name": name, "arguments": dict(arguments or {}), "_meta": self._meta()}}
        )
        return await self._ask(request, CallToolResult, progress, timeout)

    def _meta(self) -> dict[str, object]:
        return {CAUSE_KEY: self._request_id}

    async def _ask(
        self,
        request: ListToolsRequest | CallToolRequest,
        result: type[_ResultT],
        progress: ProgressFnT | None = None,
        timeout: float | None = None,
    ) -> _ResultT:
        return await self._session.send_request(
            cast("ServerRequest", request),  # The SDK's union holds the core's requests; its sender takes any.
            result,
            timeout,
            ServerMessageMetadata(related_request_id=self._request_id),
            progress,
        )


def peer(context: object) -> Peer:
    """Return the client as the peer of the request that is being handled.

    Args:
        context: What the handler was given: `Context` of `MCPServer` or FastMCP, or the low-level server's request context.

    Raises:
        NotSymmetric: The client did not declare the extension, or the connection cannot carry requests to the client.
        TypeError: `context` is no request context.
    """
    found = getattr(context, "request_context", None) or context
    session = getattr(found, "session", None)
    if not isinstance(session, ServerSession):
        raise TypeError(f"peer() takes the context of the request being handled, not {type(context).__name__}")
    request = cast("RequestContext", found)
    modern = session.protocol_version in MODERN_PROTOCOL_VERSIONS
    capabilities = session.client_capabilities
    if capabilities is None or IDENTIFIER not in (capabilities.extensions or {}):
        raise NotSymmetric(f"the client did not declare {IDENTIFIER}: it offers no tools to servers", modern=modern)
    if modern or request.request_id is None or not session.can_send_request:
        why = (
            "mirrored requests need the handshake era and a two-way stream (over HTTP: sessions, and event streams as answers)"
        )
        raise NotSymmetric(why, modern=modern)
    return Peer(session, request.request_id)
