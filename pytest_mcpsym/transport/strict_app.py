"""An ASGI app in front of a Streamable HTTP app: what is no JSON-RPC message gets the error that it gets on a pipe.

The app inside still decides first whether a request may come in at all: on its origin, its credentials, its session, its headers. It
gets an empty body in place of the broken one, and its HTTP 400 for that is given the right error as its body. A body of more than
`MOST_BYTES` is left to the app inside; give it the same limit (`max_request_body_size`), so that it answers with HTTP 413. Pinned by
`tests/transport/test_exactness.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_mcpsym.transport.asgi_body import again, whole
from pytest_mcpsym.wire.strict import refusal

if TYPE_CHECKING:
    from pytest_mcpsym.transport.asgi import ASGIApp, Message, Receive, Scope, Send

__all__ = ["MOST_BYTES", "StrictApp"]

MOST_BYTES: Final = 64 * 1024 * 1024
"""The longest body that is read; the SDK's own limit is 4 MiB."""

_BAD_REQUEST: Final = 400


class StrictApp:
    """The app; call it as any ASGI app.

    Args:
        app: The app inside.
        path: Where messages are posted; what is posted elsewhere, to an authorization server for instance, passes as it is.
    """

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app = app
        self._path = path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].rstrip("/") != self._path:
            await self._app(scope, receive, send)
            return
        body, is_whole = await whole(receive, MOST_BYTES)
        refused = refusal(body) if is_whole else None
        if refused is None:
            await self._app(scope, again(body, receive, is_whole=is_whole), send)
        else:
            await self._app(scope, again(b"", receive), _with_body(refused.data, send))


def _with_body(body: bytes, send: Send) -> Send:
    """Return what sends a response with this body in place of its own, if it says that the request was bad."""
    replaced = False

    async def sending(message: Message) -> None:
        nonlocal replaced
        if message["type"] == "http.response.start" and message["status"] == _BAD_REQUEST:
            replaced = True
            kept = [pair for pair in message["headers"] if pair[0].lower() not in (b"content-length", b"content-type")]
            length = str(len(body)).encode()
            headers = [*kept, (b"content-type", b"application/json"), (b"content-length", length)]
            await send({**message, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})
        elif not replaced:
            await send(message)

    return sending
