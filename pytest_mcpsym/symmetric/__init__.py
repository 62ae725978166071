"""The symmetric extension for servers: `peer(ctx)` gives a tool handler what the client offers to it.

Usable by any server without pytest. Resolved lazily, so that `pytest_mcpsym.symmetric.names` needs no SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["NotSymmetric", "Peer", "peer"]

if TYPE_CHECKING:
    from pytest_mcpsym.symmetric.mirror import NotSymmetric as NotSymmetric
    from pytest_mcpsym.symmetric.mirror import Peer as Peer
    from pytest_mcpsym.symmetric.mirror import peer as peer
else:

    def __getattr__(name: str) -> object:
        if name in __all__:
            from pytest_mcpsym.symmetric import mirror

            return getattr(mirror, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
