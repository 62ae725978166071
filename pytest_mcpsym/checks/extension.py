"""Checks that nothing is used before a peer that did not declare it: of the symmetric extension, of any other, and of the core.

Pinned by `tests/checks/test_extension.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, cast

from pytest_mcpsym.checks.finding import Finding, Registry, View, check
from pytest_mcpsym.checks.wording import called, shown
from pytest_mcpsym.wire.exchange import Exchange
from pytest_mcpsym.wire.extension import IDENTIFIER

__all__ = ["EXTENSION", "capability", "undeclared"]

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
    """Find mirrored requests and unasked-for tasks (handshake era) and result types of any extension (modern era) that a client did not ask for."""
    clients: dict[str, object] = {}
    for exchange in view.correlation.exchanges:
        if exchange.method == "initialize" and exchange.direction == "to-server":
            clients[exchange.link] = exchange.request.message.params.get("capabilities")
        elif exchange.direction == "to-client":
            family = exchange.method.partition("/")[0]
            if exchange.link in clients and family in _FAMILIES and family not in _declared(clients[exchange.link]):
                text = f"{exchange.link}: the server sent {called(exchange)} to a client that declared no {family} for it"
                yield undeclared.finding(text, (exchange.request,), exchange.link, view.route(exchange))
        elif exchange.response is not None and exchange.state == "result":
            what = _unknown(exchange, clients.get(exchange.link))
            if what is not None:
                text = f"{exchange.link}: the server answered {called(exchange)} with {what}"
                yield undeclared.finding(text, (exchange.request, exchange.response), exchange.link, view.route(exchange))


def _unknown(exchange: Exchange, client: object) -> str | None:
    """Return what an answer is that its client does not know, if it is such a thing.

    Args:
        exchange: The request with its answer.
        client: The capabilities that the client declared in the handshake; `None` without one.
    """
    assert exchange.response is not None
    result = exchange.response.message.result
    if result.get("resultType") in _CORE_RESULTS or ("resultType" not in result and "task" not in result):
        return None
    kind, capabilities = result.get("resultType"), exchange.request.message.meta.get(_CAPABILITIES, client)
    if isinstance(kind, str) and capabilities is not None and not _may_be(kind, capabilities):
        return f"{shown(kind)}, which the client did not declare"
    if client is not None and isinstance(result.get("task"), dict) and "task" not in exchange.request.message.params:
        return "a task, which the client did not ask for"
    return None


_CORE_RESULTS: Final = frozenset({"complete", "input_required"})
"""Types of results that every modern client knows."""


def _may_be(kind: str, capabilities: object) -> bool:
    """Whether a client knows a type of results.

    It is of an extension of the vendor before its slash. Without one nothing tells of which it is, but for a task; any that the client
    declared may be it.
    """
    if kind in _CORE_RESULTS:
        return True
    vendor, _, name = kind.rpartition("/")
    extensions = _member(capabilities, "extensions")
    declared = [str(each) for each in cast("dict[str, object]", extensions)] if isinstance(extensions, dict) else []
    if vendor == _VENDOR:
        return bool(_declared(capabilities))
    if vendor:
        return any(each.startswith(f"{vendor}/") for each in declared)
    return any(each.rpartition("/")[2].startswith("task") if name == "task" else each != IDENTIFIER for each in declared)


_VENDOR: Final = IDENTIFIER.partition("/")[0]

_NEEDS: Final = {"sampling/createMessage": "sampling", "elicitation/create": "elicitation", "roots/list": "roots"}
"""The capability by which a client says that it can be asked."""


@check(
    "extension:capability",
    severity="error",
    sentence="A server asks its client only for what the client declared.",
    source="https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#capability-negotiation",
)
def capability(view: View) -> Iterator[Finding]:
    """Find what servers ask of a client that declared no such capability: in requests, and in what a modern answer says is needed."""
    clients: dict[str, object] = {}
    for exchange in view.correlation.exchanges:
        if exchange.method == "initialize" and exchange.direction == "to-server":
            clients[exchange.link] = exchange.request.message.params.get("capabilities")
        elif exchange.direction == "to-client":
            wanted = _NEEDS.get(exchange.method)
            if wanted is not None and _lacks(clients.get(exchange.link), wanted):
                text = f"{exchange.link}: the server sent {called(exchange)} to a client that declared no {wanted}"
                yield capability.finding(text, (exchange.request,), exchange.link, view.route(exchange))
        elif exchange.response is not None and _CAPABILITIES in exchange.request.message.meta:
            capabilities = exchange.request.message.meta[_CAPABILITIES]
            asked = exchange.response.message.result.get("inputRequests")
            for each in cast("dict[str, object]", asked).values() if isinstance(asked, dict) else ():
                method = _member(each, "method")
                wanted = _NEEDS.get(method) if isinstance(method, str) else None
                if wanted is not None and _lacks(capabilities, wanted):
                    text = f"{exchange.link}: the server answered {called(exchange)} with {method}, to a client that declared no {wanted}"
                    yield capability.finding(text, (exchange.request, exchange.response), exchange.link, view.route(exchange))


def _lacks(capabilities: object, name: str) -> bool:
    """Whether a client said what it can, and not this."""
    return isinstance(capabilities, dict) and name not in capabilities


def _declared(capabilities: object) -> Mapping[str, object]:
    """Return what a client declared of the extension; empty if nothing."""
    value = _member(_member(capabilities, "extensions"), IDENTIFIER)
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _member(value: object, name: str) -> object:
    return cast("dict[str, object]", value).get(name) if isinstance(value, dict) else None


EXTENSION: Final = Registry((undeclared, capability))
"""All checks of this family."""
