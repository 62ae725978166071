"""What the SDK makes of the bytes of a message, sooner than by its own adapter.

That one tries all four kinds of messages on each. Here the names of the members say which kind it can only be; where they do not, the
adapter decides. What comes out, and what is refused, is the same. Pinned by `tests/transport/test_messages.py`.
"""

from __future__ import annotations

from typing import Final

from mcp_types import JSONRPCMessage, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse, jsonrpc_message_adapter
from pydantic import TypeAdapter, ValidationError

__all__ = ["read_message"]

_REQUEST: Final = TypeAdapter(JSONRPCRequest)
_NOTIFICATION: Final = TypeAdapter(JSONRPCNotification)
_RESPONSE: Final = TypeAdapter(JSONRPCResponse)


def read_message(data: bytes) -> JSONRPCMessage:
    """Return the message that the bytes are.

    Raises:
        pydantic.ValidationError: They are none.
    """
    kind = _kind(data)
    if kind is not None:
        try:
            return kind.validate_json(data, by_name=False)
        except ValidationError:
            pass  # The adapter says what is wrong, or that it is another kind after all.
    return jsonrpc_message_adapter.validate_json(data, by_name=False)


def _kind(data: bytes) -> TypeAdapter[JSONRPCRequest] | TypeAdapter[JSONRPCNotification] | TypeAdapter[JSONRPCResponse] | None:
    """Return the one kind of message that there are the names for; in a string their quotes would be escaped."""
    if b"\\u" in data or b'"error"' in data:
        return None  # A name may be spelled with escapes.
    if b'"method"' not in data:
        return _RESPONSE
    if b'"result"' in data:
        return None
    return _REQUEST if b'"id"' in data else _NOTIFICATION
