"""The body of an HTTP request in ASGI, for an app that looks at it and lets another app read it again.

Pinned by `tests/transport/test_exactness.py` and `tests/serving/test_era.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mcpsym.transport.asgi import Message, Receive

__all__ = ["again", "whole"]


async def whole(receive: Receive, most: float = math.inf) -> tuple[bytes, bool]:
    """Read a request, and say whether this is all of it: not where the client left before its end, or it is longer than `most`."""
    parts: list[bytes] = []
    size = 0
    while size <= most:
        message = await receive()
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if not message.get("more_body", False):
            return b"".join(parts), size <= most
    return b"".join(parts), False


def again(body: bytes, receive: Receive, *, is_whole: bool = True) -> Receive:
    """Return what gives the part of a body that was read, and then what is left to receive."""
    rest: list[Message] = [{"type": "http.request", "body": body, "more_body": not is_whole}]

    async def from_start() -> Message:
        return rest.pop() if rest else await receive()

    return from_start
