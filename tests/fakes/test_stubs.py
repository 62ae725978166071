"""The declarations of a program's functions say what the tools' schemas say, and no more."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from mcp_types import Tool

from fake_servers.code_mode.stubs import stub, stubs


def tool(properties: Mapping[str, object], *required: str, output: object = None, **more: object) -> Tool:
    schema = {"type": "object", "properties": properties, "required": list(required), **more}
    return Tool.model_validate({"name": "t", "inputSchema": schema, "outputSchema": output})


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"type": "string"}, "str"),
        ({"type": "integer"}, "int"),
        ({"type": "number"}, "float"),
        ({"type": "boolean"}, "bool"),
        ({"type": "null"}, "None"),
        ({"type": "array", "items": {"type": "string"}}, "list[str]"),
        ({"type": "array"}, "list[Any]"),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, "dict[str, Any]"),
        ({"type": ["string", "null"]}, "str | None"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "int | None"),
        ({"anyOf": [{"type": "integer"}, {}]}, "Any"),
        ({"enum": ["a", "it's", 1, None]}, """Literal['a', "it's", 1, None]"""),
        ({"enum": [1.5]}, "Any"),
        ({"const": True}, "Literal[True]"),
        ({"$ref": "#/$defs/Named"}, "list[int]"),
        ({"$ref": "#/$defs/Loop"}, "Any"),
        ({"$ref": "#/nowhere"}, "Any"),
        ({}, "Any"),
        (True, "Any"),
    ],
)
def test_a_schema_becomes_a_type(schema: object, written: str) -> None:
    named = {"Named": {"type": "array", "items": {"type": "integer"}}, "Loop": {"$ref": "#/$defs/Loop"}}
    assert stub("f", tool({"x": schema}, "x", **{"$defs": named})) == f"async def f(*, x: {written}) -> Any: ...\n"


def test_what_is_not_required_may_be_left_out() -> None:
    written = stub("f", tool({"a": {"type": "string"}, "b": {"type": "string"}}, "b"))
    assert written == "async def f(*, a: str = ..., b: str) -> Any: ...\n"


def test_arguments_that_are_no_names_are_passed_by_unpacking() -> None:
    written = stub("f", tool({"from": {"type": "string"}, "a-b": {"type": "string"}, "c": {"type": "integer"}}, "c"))
    assert written == "async def f(*, c: int, **others: Any) -> Any: ...\n"


def test_a_tool_without_parameters_takes_what_it_is_given() -> None:
    assert stub("f", tool({})) == "async def f(**others: Any) -> Any: ...\n"


def test_structured_answers_are_typed() -> None:
    output = {"type": "object", "properties": {"result": {"type": "integer"}}}
    written = stub("f", tool({"a": {}}, "a", output=output))
    assert written == "f_answer = TypedDict('f_answer', {'result': int})\nasync def f(*, a: Any) -> f_answer: ...\n"


def test_a_description_stands_above_its_function() -> None:
    described = tool({"a": {}}, "a").model_copy(update={"description": "Does it.\n\nAt length."})
    assert stubs({"f": described}) == (
        "from typing import Any, Literal, TypedDict\n\n# Does it.\nasync def f(*, a: Any) -> Any: ...\n"
    )
