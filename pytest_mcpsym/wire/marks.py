"""Read the `x-mcp-header` marks of a tool's schema: which arguments a client sends as HTTP headers too, if they are marked rightly.

A mark is a token of RFC 9110, once in a schema whatever its case, on a property of type string, integer or boolean that is reached from
the root by `properties` alone (2026-07-28, transports, custom headers). Pinned by `tests/wire/test_marks.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, cast

__all__ = ["MARK", "wrong_mark"]

MARK: Final = "x-mcp-header"

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TYPES: Final = ("string", "integer", "boolean")

_ONE: Final = [
    "items",
    "contains",
    "unevaluatedItems",
    "additionalProperties",
    "propertyNames",
    "unevaluatedProperties",
    "not",
    "if",
    "then",
    "else",
    "contentSchema",
]
"""Keywords whose value is a schema."""
_SEVERAL: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
"""Keywords whose value is a list of schemas."""
_NAMED: Final = ("patternProperties", "dependentSchemas", "$defs", "definitions")
"""Keywords whose value has a schema for each name."""

Schema = Mapping[str, object]
Path = tuple[str, ...]


def wrong_mark(schema: object) -> str | None:
    """Say what is wrong with the first mark that is wrong, or None where all are right."""
    seen: dict[str, str] = {}
    for path, part in _parts(schema):
        if MARK not in part:
            continue
        mark, kind = part[MARK], part.get("type")
        if not path:
            return f"{MARK} stands where no chain of properties leads"
        where = f"the property {'.'.join(path)!r}"
        if not isinstance(mark, str) or not _TOKEN.fullmatch(mark):
            return f"{where} has an {MARK} that is no header name"
        if kind not in _TYPES:
            return f"{where} has an {MARK} and is no string, integer or boolean"
        if mark.lower() in seen:
            return f"{where} has the {MARK} {mark!r}, as {seen[mark.lower()]} has"
        seen[mark.lower()] = where
    return None


def _parts(schema: object) -> Iterator[tuple[Path | None, Schema]]:
    """Yield each schema inside of a schema, with the properties that lead there; None where something else leads there.

    References are not followed and data is not read. It is no recursion, because a schema may be deep.
    """
    waiting: list[tuple[Path | None, object]] = [((), schema)]
    while waiting:
        path, found = waiting.pop()
        if not isinstance(found, dict):
            continue
        part = cast("Schema", found)
        yield path, part
        inside = [(None, part.get(key)) for key in _ONE]
        inside += [(None, each) for key in _SEVERAL for each in _list(part.get(key))]
        inside += [(None, each) for key in _NAMED for each in _members(part.get(key)).values()]
        properties = _members(part.get("properties"))
        waiting += inside
        waiting += [(None if path is None else (*path, name), each) for name, each in properties.items()]


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _members(value: object) -> Schema:
    return cast("Schema", value) if isinstance(value, dict) else {}
