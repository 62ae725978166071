"""HTTP with server-sent events, as the revision 2024-11-05 has it: a stream at `/sse` that names the address to post to.

Pinned by `tests/cli/test_serve.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp.server.sse import SseServerTransport
from mcp.server.transport_security import TransportSecuritySettings

from pytest_mcpsym.transport.strict_app import MOST_BYTES, StrictApp

if TYPE_CHECKING:
    from pytest_mcpsym.serving.served import Served
    from pytest_mcpsym.transport.asgi import ASGIApp, Receive, Scope, Send

__all__ = ["over_sse"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NAMES = ("127.0.0.1:*", "localhost:*", "[::1]:*")


def over_sse(served: Served, host: str) -> ASGIApp:
    """Return an ASGI app in which each stream is a connection of its own.

    Args:
        served: The server.
        host: Address that is listened on; a loopback address is guarded against DNS rebinding.
    """
    guard = TransportSecuritySettings(
        enable_dns_rebinding_protection=host in _LOOPBACK,
        allowed_hosts=list(_NAMES),
        allowed_origins=[f"http://{name}" for name in _NAMES],
    )
    transport = SseServerTransport("/messages/", guard, max_request_body_size=MOST_BYTES)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "POST" and scope["path"] == "/messages/":
            await transport.handle_post_message(scope, receive, send)
        elif scope["method"] == "GET" and scope["path"] == "/sse":
            async with transport.connect_sse(scope, receive, send) as (reads, writes):
                await served.run(reads, writes)
        else:
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

    return StrictApp(app, "/messages/") if served.is_strict else app
