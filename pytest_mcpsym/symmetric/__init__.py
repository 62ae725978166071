"""The symmetric extension for servers: `peer(ctx)` gives a tool handler what the client offers to it.

Usable by any server without pytest. In the handshake era nothing else is needed; a modern server also gets `Extension()`. Resolved
lazily, so that `pytest_mcpsym.symmetric.names` needs no SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = [
    "Ask",
    "Budget",
    "Call",
    "Extension",
    "NotSymmetric",
    "Peer",
    "RefusedContinuation",
    "SealedTools",
    "Sealer",
    "Usage",
    "UsedNonces",
    "answer_of",
    "budget",
    "cause_headers",
    "install",
    "peer",
    "request_digest",
]

if TYPE_CHECKING:
    from pytest_mcpsym.symmetric.api import Peer as Peer
    from pytest_mcpsym.symmetric.api import budget as budget
    from pytest_mcpsym.symmetric.api import cause_headers as cause_headers
    from pytest_mcpsym.symmetric.api import peer as peer
    from pytest_mcpsym.symmetric.continuation import RefusedContinuation as RefusedContinuation
    from pytest_mcpsym.symmetric.declared import NotSymmetric as NotSymmetric
    from pytest_mcpsym.symmetric.parked import Extension as Extension
    from pytest_mcpsym.symmetric.parked import install as install
    from pytest_mcpsym.symmetric.run import answer_of as answer_of
    from pytest_mcpsym.symmetric.sealed import Ask as Ask
    from pytest_mcpsym.symmetric.sealed import Call as Call
    from pytest_mcpsym.symmetric.sealed import SealedTools as SealedTools
    from pytest_mcpsym.symmetric.sealed import Sealer as Sealer
    from pytest_mcpsym.symmetric.sealed import UsedNonces as UsedNonces
    from pytest_mcpsym.symmetric.sealed import request_digest as request_digest
    from pytest_mcpsym.symmetric.spending import Budget as Budget
    from pytest_mcpsym.symmetric.spending import Usage as Usage
else:
    _MODULES = {
        "Ask": "sealed",
        "Budget": "spending",
        "Call": "sealed",
        "Extension": "parked",
        "NotSymmetric": "declared",
        "Peer": "api",
        "RefusedContinuation": "continuation",
        "SealedTools": "sealed",
        "Sealer": "sealed",
        "Usage": "spending",
        "UsedNonces": "sealed",
        "answer_of": "run",
        "budget": "api",
        "cause_headers": "api",
        "install": "parked",
        "peer": "api",
        "request_digest": "sealed",
    }

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
