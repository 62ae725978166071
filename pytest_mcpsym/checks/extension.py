"""Checks that nothing of an extension is used before a peer that did not declare it.

Pinned by `tests/checks/test_extension.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, cast

from pytest_mcpsym.checks.finding import Finding, Registry, View, check
from pytest_mcpsym.checks.wording import called, shown
from pytest_mcpsym.wire.extension import IDENTIFIER

__all__ = ["EXTENSION", "undeclared"]

_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
"""Key in a modern request's `_meta`."""

_FAMILIES: Final = frozenset({"tools", "resources", "prompts"})
"""What comes before the slash in the name of a mirrored method, and is declared under that name."""


@check(
    "extension:undeclared",
    severity="error",
    sentence="A server uses only what of an extension the client declared.",
    source="https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#capability-negotiation; symmetric extension, negotiation",
)
def undeclared(view: View) -> Iterator[Finding]:
    """Find mirrored requests (handshake era) and result types of extensions (modern era) that a client did not ask for.

    Which extension a result type of others is of, nothing tells; a client that declared none at all did not declare that one.
    """
    clients: dict[str, Mapping[str, object]] = {}
    for exchange in view.correlation.exchanges:
        if exchange.method == "initialize" and exchange.direction == "to-server":
            clients[exchange.link] = _declared(exchange.request.message.params.get("capabilities"))
        elif exchange.direction == "to-client":
            family = exchange.method.partition("/")[0]
            if exchange.link in clients and family in _FAMILIES and family not in clients[exchange.link]:
                text = f"{exchange.link}: the server sent {called(exchange)} to a client that declared no {family} for it"
                yield undeclared.finding(text, (exchange.request,), exchange.link, view.route(exchange))
        elif exchange.response is not None:
            kind = exchange.response.message.result.get("resultType")
            if not isinstance(kind, str) or kind in _CORE:
                continue
            capabilities = exchange.request.message.meta.get(_CAPABILITIES)
            declared = _declared(capabilities) if kind.startswith(_PREFIX) else _member(capabilities, "extensions")
            if capabilities is not None and not declared:
                text = f"{exchange.link}: the server answered {called(exchange)} with {shown(kind)}, which the client did not declare"
                yield undeclared.finding(text, (exchange.request, exchange.response), exchange.link, view.route(exchange))


_CORE: Final = frozenset({"complete", "input_required"})
"""Result types that are of no extension."""

_PREFIX: Final = IDENTIFIER.partition("/")[0] + "/"
"""What the extension's result types begin with."""


def _declared(capabilities: object) -> Mapping[str, object]:
    """Return what a client declared of the extension; empty if nothing."""
    value = _member(_member(capabilities, "extensions"), IDENTIFIER)
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _member(value: object, name: str) -> object:
    return cast("dict[str, object]", value).get(name) if isinstance(value, dict) else None


EXTENSION: Final = Registry((undeclared,))
"""All checks of this family."""
