"""How the switchboard refuses what a server asks: one code, and a reason that a program can tell. Pinned by `tests/symmetric/test_spec.py`."""

from __future__ import annotations

from typing import Literal

from mcp import MCPError
from mcp_types import INVALID_PARAMS

__all__ = ["Refusal", "refusal"]

Refusal = Literal["ambiguous", "limit", "malformed", "not-approved", "not-granted", "over", "unknown-peer", "unknown-resource"]
"""Why: `data.reason` of the error."""


def refusal(why: str, reason: Refusal, **data: object) -> MCPError:
    """Return the error with which a server is refused something (-32602).

    Args:
        why: The whole message.
        reason: What kind of refusal it is.
        data: What `data` has beside the reason.
    """
    return MCPError(INVALID_PARAMS, why, {"reason": reason, **data})
