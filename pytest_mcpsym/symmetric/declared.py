"""What a client must have declared before a server may ask it for something, in both eras.

Tools, resources and prompts are declared under the extension; elicitation and roots are the core's own; sampling counts under
either. Pinned by `tests/symmetric/test_peer.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from mcp import MCPError
from mcp.server.session import ServerSession
from mcp_types import INVALID_PARAMS, MISSING_REQUIRED_CLIENT_CAPABILITY, ClientCapabilities
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from pytest_mcpsym.symmetric.names import IDENTIFIER, SUBSCRIBING

__all__ = ["METHODS", "NotSymmetric", "declaration", "require"]

_PRIMITIVES: Final = {
    "tools/list": "tools",
    "tools/call": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resources",
    "resources/read": "resources",
    **dict.fromkeys(SUBSCRIBING, "resources"),
    "prompts/list": "prompts",
    "prompts/get": "prompts",
}

METHODS: Final = frozenset({*_PRIMITIVES, "completion/complete", "sampling/createMessage", "elicitation/create", "roots/list"})
"""Everything that a server may ask of a symmetric client."""


class NotSymmetric(MCPError):
    """The client does not offer what the server asks for.

    `data.requiredCapabilities` names it. The code is -32602 in the handshake era and -32021 in the modern era.

    Args:
        why: One sentence.
        modern: The era of the connection.
        required: The capabilities that are missing; by default the extension with its tools.
    """

    def __init__(self, why: str, *, modern: bool, required: Mapping[str, object] | None = None) -> None:
        code = MISSING_REQUIRED_CLIENT_CAPABILITY if modern else INVALID_PARAMS
        missing: dict[str, object] = {"extensions": {IDENTIFIER: {"tools": {}}}} if required is None else dict(required)
        super().__init__(code, why, {"requiredCapabilities": missing})


def declaration(capabilities: ClientCapabilities | None) -> Mapping[str, object] | None:
    """Return what a client declared under the extension; `None` if it did not declare it."""
    return ((capabilities.extensions if capabilities else None) or {}).get(IDENTIFIER)


def require(session: ServerSession, method: str, params: Mapping[str, object]) -> None:
    """Check that the client behind a session declared what a request needs.

    Raises:
        NotSymmetric: It did not.
        ValueError: No client can be asked for this method.
    """
    if method not in METHODS:
        raise ValueError(f"{method!r} is nothing that a server may ask of a client")
    missing = _missing(session.client_capabilities or ClientCapabilities(), method, params)
    if missing is not None:
        modern = session.protocol_version in MODERN_PROTOCOL_VERSIONS
        raise NotSymmetric(f"the client did not declare what {method} needs", modern=modern, required=missing)


def _missing(capabilities: ClientCapabilities, method: str, params: Mapping[str, object]) -> dict[str, object] | None:
    match method:
        case "roots/list":
            return {"roots": {}} if capabilities.roots is None else None
        case "elicitation/create":
            return _missing_elicitation(capabilities, str(params.get("mode", "form")))
        case "sampling/createMessage":
            with_tools = params.get("tools") is not None or params.get("toolChoice") is not None
            return _missing_sampling(capabilities, with_tools=with_tools)
        case "completion/complete":
            ref = params.get("ref")
            kind = cast("Mapping[str, object]", ref).get("type") if isinstance(ref, Mapping) else None
            primitive = "prompts" if kind == "ref/prompt" else "resources"
        case _:
            primitive = _PRIMITIVES[method]
    needed: dict[str, object] = {"subscribe": True} if method in SUBSCRIBING else {}
    declared = declaration(capabilities) or {}
    offered = declared.get(primitive)
    members: Mapping[str, object] = cast("Mapping[str, object]", offered) if isinstance(offered, Mapping) else {}
    return (
        None
        if primitive in declared and needed.items() <= members.items()
        else {"extensions": {IDENTIFIER: {primitive: needed}}}
    )


def _missing_elicitation(capabilities: ClientCapabilities, mode: str) -> dict[str, object] | None:
    declared = capabilities.elicitation
    if declared is not None and mode == "url" and declared.url is not None:
        return None
    # A client that names no mode offers forms: that was the only one when the capability had no members.
    if declared is not None and mode == "form" and (declared.form is not None or declared.url is None):
        return None
    return {"elicitation": {mode: {}}}


def _missing_sampling(capabilities: ClientCapabilities, *, with_tools: bool) -> dict[str, object] | None:
    core = capabilities.sampling
    own = (declaration(capabilities) or {}).get("sampling")
    offered = core is not None or own is not None
    tools = (core is not None and core.tools is not None) or (isinstance(own, Mapping) and "tools" in own)
    if offered and (tools or not with_tools):
        return None
    return {"extensions": {IDENTIFIER: {"sampling": {"tools": {}} if with_tools else {}}}}
