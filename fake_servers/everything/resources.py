"""The server's resources: documents, what is made on demand, and what a session has made.

Pinned by `tests/fakes/test_everything.py` and, against the reference, by `tests/peers/test_parity_everything.py`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from mcp import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, Resource, ResourceTemplate

from ..sequential_thinking.arguments import number  # noqa: TID252 - the package is also loaded under an alias
from .documents import DOCUMENTS
from .javascript import address, plain, spelled

__all__ = ["KINDS", "STATIC", "TEMPLATES", "Made", "dynamic", "dynamic_uri", "read", "whole"]

Made = dict[str, dict[str, object]]
"""What a session has made: contents by address."""

KINDS = ("Text", "Blob")
"""What a dynamic resource may be."""

_STATIC_BASE = "demo://resource/static/document/"
_DYNAMIC = re.compile(r"demo://resource/dynamic/(text|blob)/([^/]+)")

STATIC = [
    Resource(uri=_STATIC_BASE + name, name=name, mime_type="text/markdown", description=f"A document of this server: {name}")
    for name in DOCUMENTS
]
"""What is listed always."""

TEMPLATES = [
    ResourceTemplate(
        name="Dynamic Text Resource",
        uri_template="demo://resource/dynamic/text/{resourceId}",
        mime_type="text/plain",
        description="A text for each whole number from 1",
    ),
    ResourceTemplate(
        name="Dynamic Blob Resource",
        uri_template="demo://resource/dynamic/blob/{resourceId}",
        mime_type="application/octet-stream",
        description="Bytes for each whole number from 1",
    ),
]
"""What is made on demand."""


def whole(given: object) -> int | None:
    """Return the number from 1 that a text or number is, as JavaScript reads it."""
    found = float(number(given))
    return int(found) if found.is_integer() and found >= 1 else None


def dynamic_uri(kind: str, resource: int) -> str:
    """Return the address of a dynamic resource."""
    return f"demo://resource/dynamic/{kind.lower()}/{spelled(float(resource))}"


def dynamic(kind: str, resource: int, texts: Sequence[str], uri: str | None = None) -> dict[str, object]:
    """Return the contents of a dynamic resource."""
    said = f"Resource {plain(float(resource))}: {texts[(resource - 1) % len(texts)]}"
    contents: dict[str, object] = {"uri": uri or dynamic_uri(kind, resource), "mimeType": "text/plain"}
    if kind == "Text":
        return {**contents, "text": said}
    return {**contents, "blob": base64.b64encode(said.encode()).decode()}


def read(given: str, texts: Sequence[str], made: Made) -> dict[str, object]:
    """Return the contents that an address names.

    Raises:
        MCPError: It names none.
    """
    uri = address(given)
    if uri is None:
        raise MCPError(INTERNAL_ERROR, f"{given!r} is no URI")
    if uri in made:
        return made[uri]
    name = uri.removeprefix(_STATIC_BASE)
    if uri.startswith(_STATIC_BASE) and name in DOCUMENTS:
        return {"uri": uri, "mimeType": "text/markdown", "text": DOCUMENTS[name]}
    if (found := _DYNAMIC.fullmatch(uri)) is None:
        raise MCPError(INVALID_PARAMS, f"there is no resource {uri}")
    kind, spelt = found.groups()
    resource = whole(spelt)
    if resource is None:
        raise MCPError(INTERNAL_ERROR, f"there is no resource {uri}: its number has to be whole, from 1")
    return dynamic(kind.capitalize(), resource, texts, uri)
