"""Streamable HTTP in the handshake era as the reference answers it: status codes, error codes, headers.

An ASGI app in front of the SDK's. It refuses before the SDK does where the two differ, and gives the SDK's own refusals the reference's
codes. Where the reference breaks the specification or is unsafe (an unknown session is 400 there, every host and origin is let in, a
batch is taken in any revision) it does not follow. What is of the modern era passes. Pinned, against the reference itself, by
`tests/peers/test_parity_http.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from pytest_mcpsym.transport.asgi_body import again, whole
from pytest_mcpsym.transport.strict_app import MOST_BYTES

if TYPE_CHECKING:
    from pytest_mcpsym.transport.asgi import ASGIApp, Message, Receive, Scope, Send

__all__ = ["ReferenceHttp"]

_REFUSED: Final = -32000
_NO_SESSION: Final = -32001
_INVALID: Final = -32600

Refusal = tuple[int, int, str]
"""HTTP status, code of the error, and what it says."""


class ReferenceHttp:
    """The app; call it as any ASGI app."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "POST", "DELETE"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        version = headers.get("mcp-protocol-version")
        if "mcp-session-id" not in headers and version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS:
            await self._app(scope, receive, send)
            return
        found = _refused(scope["method"], headers)
        if found is None and scope["method"] == "POST":
            body, is_whole = await whole(receive, MOST_BYTES)
            found, receive = _refused_body(body, headers), again(body, receive, is_whole=is_whole)
        if found is None:
            await self._app(scope, receive, _as_reference(scope["method"], send))
        else:
            await _refuse(send, *found)


def _refused(method: str, headers: Mapping[str, str]) -> Refusal | None:
    accepted = [part.partition(";")[0].strip() for part in headers.get("accept", "").split(",")]
    session, version = headers.get("mcp-session-id"), headers.get("mcp-protocol-version")
    if method != "POST" and session is None:
        return 400, _REFUSED, "Bad Request: a session is needed"
    if method == "POST" and not {"application/json", "text/event-stream"} <= set(accepted):
        return 406, _REFUSED, "Not Acceptable: accept both application/json and text/event-stream"
    if method == "GET" and "text/event-stream" not in accepted:
        return 406, _REFUSED, "Not Acceptable: accept text/event-stream"
    if method == "POST" and headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return 415, _REFUSED, "Unsupported Media Type: send application/json"
    if version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS:
        known = ", ".join(HANDSHAKE_PROTOCOL_VERSIONS)
        return 400, _REFUSED, f"Bad Request: Unsupported protocol version: {version} (supported versions: {known})"
    return None


def _refused_body(body: bytes, headers: Mapping[str, str]) -> Refusal | None:
    try:
        message: object = json.loads(body)
    except ValueError:
        return None  # what is no JSON is for the SDK to refuse
    if not isinstance(message, dict):
        return None
    begins = cast("dict[str, object]", message).get("method") == "initialize"
    has_session = "mcp-session-id" in headers
    if begins and has_session:
        return 400, _INVALID, "Invalid Request: the session has begun already"
    return None if begins or has_session else (400, _REFUSED, "Bad Request: no session has begun")


def _as_reference(method: str, send: Send) -> Send:
    """Return what gives a refusal the reference's code, and takes from a response without content what speaks of one."""
    held: list[Message] = []

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            kind = dict(message["headers"]).get(b"content-type", b"")
            if message["status"] >= 400 and kind.startswith(b"application/json"):
                held.append(message)
                return
            if message["status"] == 202 or method == "DELETE":
                left = [pair for pair in message["headers"] if pair[0] not in (b"content-type", b"mcp-session-id")]
                message = {**message, "headers": left}
            await send(message)
        elif held:
            start = held.pop()
            error = json.loads(message["body"])["error"]
            code = _NO_SESSION if start["status"] == 404 else _REFUSED if error["code"] == _INVALID else error["code"]
            await _refuse(send, start["status"], code, error["message"])
        else:
            await send(message)

    return sending


async def _refuse(send: Send, status: int, code: int, said: str) -> None:
    body = json.dumps({"jsonrpc": "2.0", "error": {"code": code, "message": said}, "id": None}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
