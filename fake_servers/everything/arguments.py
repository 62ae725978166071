"""What the arguments of a tool may be: the part of JSON Schema that these tools use. Pinned by `tests/peers/test_parity_everything.py`.

As in the reference, arguments that the schema does not name are ignored, and one that is there has to fit even if it has a default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from .javascript import address

__all__ = ["Schema", "choice", "fitted", "flag", "number", "shape", "text"]

Schema = dict[str, object]

DRAFT = "http://json-schema.org/draft-07/schema#"


def text(description: str | None = None, **more: object) -> Schema:
    """Return the schema of a text."""
    return {"type": "string", **_described(description), **more}


def number(description: str | None = None, **more: object) -> Schema:
    """Return the schema of a number."""
    return {"type": "number", **_described(description), **more}


def flag(description: str, **more: object) -> Schema:
    """Return the schema of a truth value."""
    return {"type": "boolean", "description": description, **more}


def choice(*options: str, description: str | None = None, **more: object) -> Schema:
    """Return the schema of one text of several."""
    return {"type": "string", "enum": list(options), **_described(description), **more}


def shape(properties: Mapping[str, Schema], *required: str) -> Schema:
    """Return the schema of a tool's arguments."""
    made: Schema = {"$schema": DRAFT, "type": "object", "properties": dict(properties)}
    return {**made, "required": list(required)} if required else made


def _described(description: str | None) -> Schema:
    return {} if description is None else {"description": description}


def fitted(schema: Schema, given: Mapping[str, object]) -> dict[str, object] | list[str]:
    """Return the arguments that the schema names, defaults filled in, or a sentence for each that does not fit."""
    required = cast("list[str]", schema.get("required", []))
    taken: dict[str, object] = {}
    wrong: list[str] = []
    for name, part in cast("dict[str, Schema]", schema["properties"]).items():
        if name in given:
            why = _misfit(part, given[name])
            if why is not None:
                wrong.append(f"expected {why} at {name}")
            taken[name] = given[name]
        elif name in required:
            wrong.append(f"nothing is given at {name}")
        elif "default" in part:
            taken[name] = part["default"]
    return wrong or taken


def _misfit(schema: Schema, value: object) -> str | None:
    """What was expected in place of a value; None if it fits."""
    match schema["type"]:
        case "string":
            if not isinstance(value, str):
                return "a text"
            if "enum" in schema and value not in cast("list[str]", schema["enum"]):
                return f"one of {', '.join(cast('list[str]', schema['enum']))}"
            return "an address" if schema.get("format") == "uri" and address(value) is None else None
        case "boolean":
            return None if isinstance(value, bool) else "true or false"
        case _:
            return _misfit_number(schema, value)


def _misfit_number(schema: Schema, value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "a number"
    try:
        is_finite = math.isfinite(value)
    except OverflowError:
        is_finite = False
    if not is_finite:
        return "a finite number"
    least, most = cast("float", schema.get("minimum", value)), cast("float", schema.get("maximum", value))
    return None if least <= value <= most else f"{least} to {most}"
