"""One era only, of a server that speaks both.

A server of the handshake era has never heard of the other: over HTTP it refuses the revision by name, and on a pipe it knows neither
method nor envelope. A server of the modern era refuses `initialize` and names what it speaks, as the revision 2026-07-28 says
(basic/versioning). Pinned by `tests/serving/test_era.py`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, cast

import anyio
from mcp.server.runner import serve_loop
from mcp.shared._context_streams import create_context_streams
from mcp.shared.inbound import (
    MCP_PROTOCOL_VERSION_HEADER,
    InboundLadderRejection,
    classify_inbound_request,
    unsupported_protocol_version_rejection,
)
from mcp.shared.message import SessionMessage
from mcp_types import ErrorData, JSONRPCError, JSONRPCRequest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from pytest_mcpsym.transport.asgi import ASGIApp, Receive, Scope, Send
from pytest_mcpsym.transport.asgi_body import whole
from pytest_mcpsym.transport.strict_app import MOST_BYTES

if TYPE_CHECKING:
    from pytest_mcpsym.serving.served import HttpOptions, Reads, ServedObject, Writes

__all__ = ["HandshakeOnly", "ModernOnly", "Offered"]

Offered = Literal["handshake", "modern", "both"]

_HEADER = MCP_PROTOCOL_VERSION_HEADER.encode("ascii")


class _OneEra:
    """A server of which one era is offered."""

    def __init__(self, inside: ServedObject) -> None:
        self._inside = inside

    @property
    def path(self) -> str:
        """Path of the endpoint."""
        return self._inside.path

    @property
    def is_strict(self) -> bool:
        """As inside."""
        return self._inside.is_strict


class HandshakeOnly(_OneEra):
    """A server that has not heard of the modern era."""

    async def run(self, reads: Reads, writes: Writes) -> None:
        """Serve one connection in the handshake era."""
        server = self._inside.inner
        options = server.create_initialization_options()
        async with server.lifespan(server) as state:
            await serve_loop(server, reads, writes, lifespan_state=state, init_options=options)

    def app(self, options: HttpOptions) -> ASGIApp:
        """Refuse a revision of the modern era as one that does not exist."""
        app = self._inside.app(options)

        async def one_era(scope: Scope, receive: Receive, send: Send) -> None:
            version = _version(scope)
            if version is None or version in HANDSHAKE_PROTOCOL_VERSIONS:
                await app(scope, receive, send)
                return
            known = ", ".join(HANDSHAKE_PROTOCOL_VERSIONS)
            said = f"Bad Request: Unsupported protocol version: {version} (supported versions: {known})"
            await _answer(send, 400, {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": said}})

        return one_era


class ModernOnly(_OneEra):
    """A server that speaks the modern era and no other."""

    async def run(self, reads: Reads, writes: Writes) -> None:
        """Serve one connection in the modern era."""
        entry, sieved = create_context_streams[SessionMessage | Exception](0)

        async def sieve() -> None:
            async with entry:
                async for item in reads:
                    refusal = _refused(item)
                    await (entry.send(item) if refusal is None else writes.send(refusal))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sieve)
            await self._inside.run(sieved, writes)
            tasks.cancel_scope.cancel()

    def app(self, options: HttpOptions) -> ASGIApp:
        """Refuse `initialize` and the methods GET and DELETE, which belong to sessions."""
        app = self._inside.app(options)

        async def one_era(scope: Scope, receive: Receive, send: Send) -> None:
            version = _version(scope)
            if scope["type"] != "http" or (version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS):
                await app(scope, receive, send)
            elif scope["method"] != "POST":
                await _answer(send, 405, _error(None, -32600, "Method Not Allowed"), (b"allow", b"POST"))
            else:
                body, _ = await whole(receive, MOST_BYTES)
                await _answer(send, 400, _unsupported(body, version))

        return one_era


def _refused(item: SessionMessage | Exception) -> SessionMessage | None:
    """The answer to a request that is not of the modern era; None for everything else."""
    if isinstance(item, Exception) or not isinstance(item.message, JSONRPCRequest):
        return None
    request = item.message
    params = request.params or {}
    if request.method == "initialize":
        found = unsupported_protocol_version_rejection(str(params.get("protocolVersion")))
    else:
        found = classify_inbound_request({"method": request.method, "params": params})
    if not isinstance(found, InboundLadderRejection):
        return None
    error = ErrorData(code=found.code, message=found.message, data=found.data)
    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=request.id, error=error))


def _unsupported(body: bytes, version: str | None) -> dict[str, object]:
    try:
        message: object = json.loads(body)
    except ValueError:
        return _error(None, -32700, "the body is no JSON")
    members = cast("dict[str, object]", message) if isinstance(message, dict) else {}
    params = members.get("params")
    asked = cast("dict[str, object]", params).get("protocolVersion") if isinstance(params, dict) else None
    requested = asked if isinstance(asked, str) else version
    data: dict[str, object] = {"supported": list(MODERN_PROTOCOL_VERSIONS)}
    if requested is not None:
        data["requested"] = requested
    return _error(members.get("id"), -32022, "Unsupported protocol version", data)


def _error(answered: object, code: int, said: str, data: object = None) -> dict[str, object]:
    error: dict[str, object] = {"code": code, "message": said}
    return {"jsonrpc": "2.0", "id": answered, "error": error if data is None else {**error, "data": data}}


def _version(scope: Scope) -> str | None:
    if scope["type"] != "http":
        return None
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == _HEADER), None)


async def _answer(send: Send, status: int, said: dict[str, object], *headers: tuple[bytes, bytes]) -> None:
    start = {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json"), *headers]}
    await send(start)
    await send({"type": "http.response.body", "body": json.dumps(said).encode()})
