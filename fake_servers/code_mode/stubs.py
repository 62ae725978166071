"""Typed declarations of the functions of a program, from the JSON schemas of the tools.

A schema says more than Python's types can, and sometimes less than is true: what is not understood is `Any`, so that no program is
refused for a schema's sake. Pinned by `tests/fakes/test_stubs.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from keyword import iskeyword
from typing import TypeGuard, cast

from mcp_types import Tool

from .program import WAITS

__all__ = ["HEADER", "stub", "stubs"]

HEADER = "from typing import Any, Literal, TypedDict"
_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_DEEPEST = 8
"""Schemas nested deeper than this, and those that contain themselves, are `Any` from there on."""

Schema = Mapping[str, object]


def stubs(granted: Mapping[str, Tool], *, waiting: bool = False) -> str:
    """Return the declarations of all functions.

    Args:
        granted: The tools by their functions' names.
        waiting: Whether the twins that answer at once are declared too; programs do not name them.
    """
    lines = [HEADER, ""]
    for name, tool in granted.items():
        lines.append(stub(name, tool, twin=waiting))
    return "\n".join(lines)


def stub(name: str, tool: Tool, *, twin: bool = False) -> str:
    """Return the declaration of one function, with the type of its answer before it where the tool has an output schema."""
    parameters = ", ".join(_parameters(tool.input_schema))
    answer, lines = _answer(name, tool.output_schema)
    described = (tool.description or "").strip().splitlines()
    if described and not twin:
        lines.append(f"# {described[0]}")
    lines.append(f"async def {name}({parameters}) -> {answer}: ...")
    if twin:
        lines.append(f"def {name}{WAITS}({parameters}) -> {answer}: ...")
    return "\n".join([*lines, ""])


def _parameters(schema: Schema) -> Iterator[str]:
    properties = _mapping(schema.get("properties"))
    required = schema.get("required")
    needed = cast("Sequence[object]", required) if isinstance(required, list) else ()
    named = {key: value for key, value in properties.items() if key.isidentifier() and not iskeyword(key)}
    if named:
        yield "*"
    for key, value in named.items():
        yield f"{key}: {_type(value, schema)}" + ("" if key in needed else " = ...")
    if len(named) < len(properties) or schema.get("additionalProperties") not in (None, False) or not properties:
        yield "**others: Any"


def _answer(name: str, schema: Schema | None) -> tuple[str, list[str]]:
    if schema is None:
        return "Any", []
    properties = _mapping(schema.get("properties"))
    if schema.get("type") != "object" or not properties:
        return "Any", []
    fields = ", ".join(f"{key!r}: {_type(value, schema)}" for key, value in properties.items())
    return f"{name}_answer", [f"{name}_answer = TypedDict({f'{name}_answer'!r}, {{{fields}}})"]


def _type(schema: object, root: Schema, depth: int = 0) -> str:
    if not _is_mapping(schema) or depth > _DEEPEST:
        return "Any"
    if isinstance(reference := schema.get("$ref"), str):
        return _type(_resolve(reference, root), root, depth + 1)
    if "const" in schema:
        return _literal([schema["const"]])
    if isinstance(allowed := schema.get("enum"), list):
        return _literal(cast("list[object]", allowed))
    for union in ("anyOf", "oneOf"):
        if isinstance(members := schema.get(union), list):
            return _union(_type(member, root, depth + 1) for member in cast("list[object]", members))
    kind = schema.get("type")
    if isinstance(kind, list):
        return _union(_type({**schema, "type": one}, root, depth + 1) for one in cast("list[object]", kind))
    if kind == "array":
        return f"list[{_type(schema.get('items'), root, depth + 1)}]"
    if kind == "object":
        return "dict[str, Any]"
    return _SCALARS.get(kind, "Any") if isinstance(kind, str) else "Any"


def _union(members: Iterator[str]) -> str:
    unique = list(dict.fromkeys(members))
    return "Any" if not unique or "Any" in unique else " | ".join(unique)


def _literal(values: Sequence[object]) -> str:
    if values and all(value is None or isinstance(value, (str, bool, int)) for value in values):
        return f"Literal[{', '.join(repr(value) for value in values)}]"
    return "Any"


def _resolve(reference: str, root: Schema) -> object:
    found: object = root
    for part in reference.removeprefix("#/").split("/"):
        found = _mapping(found).get(part.replace("~1", "/").replace("~0", "~"))
    return found


def _is_mapping(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, Mapping)


def _mapping(value: object) -> Mapping[str, object]:
    return value if _is_mapping(value) else {}
