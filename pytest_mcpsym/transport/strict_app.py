"""An ASGI app in front of a Streamable HTTP app: what is no JSON-RPC message gets the error that it gets on a pipe.

The app inside still decides first whether a request may come in at all: on its origin, its credentials, its session, its headers. It
gets an empty body in place of the broken one, and its HTTP 400 for that is given the right error as its body. Pinned by
`tests/transport/test_exactness.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_mcpsym.wire.strict import refusal

if TYPE_CHECKING:
    from pytest_mcpsym.transport.asgi import ASGIApp, Message, Receive, Scope, Send

__all__ = ["StrictApp"]

_BAD_REQUEST: Final = 400


class StrictApp:
    """The app; call it as any ASGI app."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = await _body(receive)
        if body is None:
            return
        refused = refusal(body)
        if refused is None:
            await self._app(scope, _again(body, receive), send)
        else:
            await self._app(scope, _again(b"", receive), _with_body(refused.data, send))


async def _body(receive: Receive) -> bytes | None:
    """Read a request to its end; `None` if the client left before."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read, and then what is left to receive."""
    rest: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def from_start() -> Message:
        return rest.pop() if rest else await receive()

    return from_start


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
