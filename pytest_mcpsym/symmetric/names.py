"""Names of the symmetric extension on the wire. Standard library only, so that anything may import them."""

from __future__ import annotations

from typing import Final, Literal

from pytest_mcpsym.wire.extension import BUDGET_KEY, CALLS, CANCEL, CAUSE_KEY, CONTINUE, IDENTIFIER, TRACE_KEYS, USAGE_KEY

__all__ = [
    "BUDGET_KEY",
    "CALLS",
    "CANCEL",
    "CAUSE_KEY",
    "CONTINUE",
    "FORWARDED_META",
    "FULL_CAPABILITY",
    "HOSTS_OWN",
    "IDENTIFIER",
    "LISTENING_CAPABILITY",
    "MIRRORED",
    "REFUSED_CONTINUATION",
    "SEPARATOR",
    "SUBSCRIBING",
    "UPDATED",
    "UPDATES",
    "USAGE_KEY",
    "Reason",
]

FULL_CAPABILITY: Final[dict[str, object]] = {
    "tools": {},
    "resources": {"subscribe": True},
    "prompts": {},
    "sampling": {"tools": {}},
}
"""What a client declares that offers everything the extension knows."""

LISTENING_CAPABILITY: Final[dict[str, object]] = {
    "tools": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "prompts": {"listChanged": True},
    "sampling": {"tools": {}},
}
"""The same in the handshake era, in which the client also says that its lists changed."""

UPDATES: Final = "dev.mcpsym/updates"
"""The request that is answered once a resource which its server subscribed to is updated."""

UPDATED: Final = "notifications/resources/updated"
"""How the owner of a resource tells of an update."""

SUBSCRIBING: Final = frozenset({"resources/subscribe", "resources/unsubscribe", UPDATES})
"""Methods of subscriptions, which belong to the request being handled."""

MIRRORED: Final = SUBSCRIBING | frozenset(
    {
        "tools/list",
        "tools/call",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "prompts/list",
        "prompts/get",
        "completion/complete",
    }
)
"""Methods from client to server that a server may ask of a symmetric client: the core's, and `dev.mcpsym/updates`."""

HOSTS_OWN: Final = frozenset({"sampling/createMessage", "elicitation/create", "roots/list"})
"""Methods that the core itself lets a server ask of its client."""

FORWARDED_META: Final = TRACE_KEYS
"""The keys of `_meta` that are carried from hop to hop; all others stay on the link they arrived on."""

SEPARATOR: Final = "__"
"""Between the link's name and the tool's: `everything__echo`. Link names do not contain it, so the first one splits."""

Reason = Literal["unknown", "expired", "replayed", "foreign"]
"""Why a continuation is refused: `data.reason` of the error."""

REFUSED_CONTINUATION: Final = "this continuation cannot be continued"
"""The one text of all four refusals (code -32602), so that only `data.reason` tells them apart."""
