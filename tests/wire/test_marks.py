"""What is a right mark and what is a wrong one, which the SDK judges in the same way."""

from __future__ import annotations

import pytest
from mcp.shared.inbound import find_invalid_x_mcp_header

from pytest_mcpsym.wire.marks import wrong_mark


def marked(mark: object, kind: object = "string") -> dict[str, object]:
    return {"type": kind, "x-mcp-header": mark}


def having(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties}


RIGHT: dict[str, object] = {
    "nothing": None,
    "no marks": having(a={"type": "string"}),
    "one of each type": having(a=marked("A"), b=marked("B", "integer"), c=marked("C", "boolean")),
    "deeper": having(a=having(b=marked("A"))),
    "data": having(a={"type": "string", "default": marked("no token"), "enum": [marked(" ")]}),
    "a property of that name": having(**{"x-mcp-header": {"type": "string"}}),
}

WRONG: dict[str, tuple[object, str]] = {
    "empty": (having(a=marked("")), "the property 'a' has an x-mcp-header that is no header name"),
    "no text": (having(a=marked(5)), "the property 'a' has an x-mcp-header that is no header name"),
    "no token": (having(a=having(b=marked("A B"))), "the property 'a.b' has an x-mcp-header that is no header name"),
    "line break": (having(a=marked("A\n")), "the property 'a' has an x-mcp-header that is no header name"),
    "object": (having(a=marked("A", "object")), "the property 'a' has an x-mcp-header and is no string, integer or boolean"),
    "number": (having(a=marked("A", "number")), "the property 'a' has an x-mcp-header and is no string, integer or boolean"),
    "types": (having(a=marked("A", ["string"])), "the property 'a' has an x-mcp-header and is no string, integer or boolean"),
    "the root": (marked("A"), "x-mcp-header stands where no chain of properties leads"),
    "items": (having(a={"items": marked("A")}), "x-mcp-header stands where no chain of properties leads"),
    "a choice": (having(a={"anyOf": [marked("A")]}), "x-mcp-header stands where no chain of properties leads"),
    "a definition": ({"$defs": {"a": having(b=marked("A"))}}, "x-mcp-header stands where no chain of properties leads"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_mark_is_right(name: str) -> None:
    assert wrong_mark(RIGHT[name]) is None
    assert find_invalid_x_mcp_header(RIGHT[name]) is None


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_mark_is_told(name: str) -> None:
    schema, said = WRONG[name]
    assert wrong_mark(schema) == said
    assert find_invalid_x_mcp_header(schema) is not None


def test_one_name_in_two_spellings_is_told() -> None:
    schema = having(a=marked("Region"), b=marked("REGION"))
    assert "has the x-mcp-header 'Region', as the property 'b' has" in str(wrong_mark(schema))
    assert find_invalid_x_mcp_header(schema) is not None


def test_a_deep_schema_is_read_to_its_end() -> None:
    schema = having(a=marked("no token"))
    for _ in range(2_000):
        schema = having(a=schema)
    assert "no header name" in str(wrong_mark(schema))
