"""Names of the symmetric extension on the wire. Standard library only, so that anything may import them."""

from __future__ import annotations

from typing import Final

__all__ = ["CAPABILITY", "CAUSE_KEY", "FORWARDED_META", "IDENTIFIER", "SEPARATOR"]

IDENTIFIER: Final = "dev.mcpsym/symmetric"
"""Key of the extension under `capabilities.extensions`."""

CAPABILITY: Final[dict[str, object]] = {"tools": {}}
"""What the switchboard declares in the handshake era."""

CAUSE_KEY: Final = "dev.mcpsym/cause"
"""Key in a mirrored request's `_meta`: the id of the request being handled, with its JSON type."""

FORWARDED_META: Final = ("traceparent", "tracestate", "baggage")
"""The keys of `_meta` that are carried from hop to hop; all others stay on the link they arrived on."""

SEPARATOR: Final = "__"
"""Between the link's name and the tool's: `everything__echo`. Link names do not contain it, so the first one splits."""
