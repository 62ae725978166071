"""The ordinary answers of a server: what it lists, and the least that is right for everything else.

Pinned by `tests/explore/test_actor.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from pytest_mcpsym.explore.offer import Offer

__all__ = ["REVISIONS", "Refusal", "least", "ordinary", "revision_of"]

Json = dict[str, object]

REVISIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "handshake": ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"),
    "modern": ("2026-07-28",),
}
"""The revisions of each era, oldest first."""

_LISTS: Final = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}
_FAMILIES: Final = {"completion/complete": "completions", "logging/setLevel": "logging"}


class Refusal(Exception):
    """A JSON-RPC error: code and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def revision_of(asked: object, era: str, wanted: str | None = None) -> str:
    """Return the revision that is agreed on.

    Args:
        asked: What the client asked for.
        era: The era that is spoken.
        wanted: What the server insists on.
    """
    known = REVISIONS[era]
    return wanted or (asked if isinstance(asked, str) and asked in known else known[-1])


def ordinary(method: str, params: Mapping[str, object], offer: Offer, more: Mapping[str, Sequence[object]]) -> Json:
    """Return the ordinary result of a request.

    Args:
        method: Its method; those that open a conversation are not known here.
        params: Its params.
        offer: What the server offers.
        more: What it lists beyond, by kind.

    Raises:
        Refusal: A server refuses it.
    """
    family = _FAMILIES.get(method, method.partition("/")[0])
    if method == "ping":
        return {}
    if family not in offer.capabilities:
        raise Refusal(-32601, f"Method not found: {method}")
    if method in _LISTS:
        kind = _LISTS[method]
        return {kind: [*getattr(offer, kind, ()), *more.get(kind, ())]}
    if method == "tools/call":
        return _called(_named(params.get("name"), [*offer.tools, *more.get("tools", ())], "tool"))
    if method == "resources/read":
        return {"contents": [{"uri": params.get("uri"), "mimeType": "text/plain", "text": "it is so"}]}
    if method == "prompts/get":
        _named(params.get("name"), [*offer.prompts, *more.get("prompts", ())], "prompt")
        return {"messages": [{"role": "user", "content": {"type": "text", "text": "it is so"}}]}
    if method == "completion/complete":
        return {"completion": {"values": ["one"], "total": 1, "hasMore": False}}
    if method in ("logging/setLevel", "resources/subscribe", "resources/unsubscribe"):
        return {}
    raise Refusal(-32601, f"Method not found: {method}")


def _named(name: object, known: Sequence[object], kind: str) -> Mapping[str, object]:
    for each in known:
        entry = cast("Mapping[str, object]", each)
        if entry.get("name") == name:
            return entry
    raise Refusal(-32602, f"Unknown {kind}: {name}")


def _called(tool: Mapping[str, object]) -> Json:
    result: Json = {"content": [{"type": "text", "text": "it is so"}]}
    return {**result, "structuredContent": least(tool["outputSchema"])} if "outputSchema" in tool else result


def least(schema: object, root: object = None) -> object:
    """Return a small value that fits a schema, for the keywords that tools use."""
    if not isinstance(schema, dict):
        return {}
    known = cast("dict[str, object]", schema)
    root = known if root is None else root
    for key in ("const", "default"):
        if key in known:
            return known[key]
    choices = next((cast("list[object]", known[key]) for key in ("enum", "anyOf", "oneOf") if known.get(key)), None)
    if choices is not None:
        return choices[0] if "enum" in known else least(choices[0], root)
    if isinstance(known.get("$ref"), str):
        found = root
        for part in filter(None, str(known["$ref"]).removeprefix("#").split("/")):
            found = cast("dict[str, object]", found).get(part) if isinstance(found, dict) else None
        return least(found, root)
    kind = known.get("type", "object")
    kind = cast("list[object]", kind)[0] if isinstance(kind, list) else kind
    match kind:
        case "array":
            return [least(known.get("items"), root)] * int(cast("int", known.get("minItems", 0)))
        case "string":
            return "x" * int(cast("int", known.get("minLength", 0)))
        case "integer" | "number":
            return known.get("minimum", 0)
        case "boolean":
            return False
        case "null":
            return None
        case _:
            members = cast("dict[str, object]", known.get("properties") or {})
            required = cast("list[str]", known.get("required") or [])
            return {name: least(members.get(name), root) for name in required}
