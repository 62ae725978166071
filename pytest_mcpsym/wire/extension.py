"""The names of the symmetric extension that the log is read by. `pytest_mcpsym.symmetric.names` has all others."""

from __future__ import annotations

from typing import Final

__all__ = ["BUDGET_KEY", "CALLS", "CANCEL", "CAUSE_KEY", "CONTINUE", "IDENTIFIER", "TRACE_KEYS", "USAGE_KEY"]

IDENTIFIER: Final = "dev.mcpsym/symmetric"
"""Key of the extension under `capabilities.extensions`."""

CALLS: Final = "dev.mcpsym/calls"
"""The `resultType` of a leg of `tools/call` that ends with calls for the client to make (modern era)."""

CONTINUE: Final = "dev.mcpsym/continue"
"""The request that brings the answers and begins the next leg (modern era)."""

CANCEL: Final = "dev.mcpsym/cancel"
"""The request which says that nobody will continue (modern era)."""

CAUSE_KEY: Final = "dev.mcpsym/cause"
"""Key in a mirrored request's `_meta`: the id of the request being handled, with its JSON type."""

BUDGET_KEY: Final = "dev.mcpsym/budget"
"""Key in a request's `_meta`: what the call may still spend."""

USAGE_KEY: Final = "dev.mcpsym/usage"
"""Key in a result's `_meta`: what the call has spent."""

TRACE_KEYS: Final = ("traceparent", "tracestate", "baggage")
"""Keys in `_meta` of the trace context, unprefixed as the protocol's rule for it says."""
