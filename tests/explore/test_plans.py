"""Values that fit schemas, and conversations that mean requests which were made."""

from __future__ import annotations

from collections.abc import Mapping

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcpsym.explore import Ask, Reconnect, Step
from pytest_mcpsym.explore.offer import Offer
from pytest_mcpsym.explore.plans import conversations, fitting

SCHEMAS: tuple[Mapping[str, object], ...] = (
    {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 1, "maximum": 5}, "b": {"type": "string"}},
        "required": ["a"],
    },
    {"type": "array", "items": {"type": "number", "minimum": 0}, "minItems": 2, "maxItems": 3},
    {"type": ["string", "null"], "maxLength": 3},
    {"anyOf": [{"type": "boolean"}, {"const": "x"}, {"enum": [1, 2]}]},
    {"$defs": {"inner": {"type": "object", "required": ["n"], "properties": {"n": {"type": "null"}}}}, "$ref": "#/$defs/inner"},
    {"type": "string", "minLength": 2},
    {"type": "string", "pattern": "^[a-c]{2}$"},
    {"properties": {"list": {"type": "array", "items": {"type": "integer"}}}, "required": ["list", "other"]},
)


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_values_fit_their_schema(schema: Mapping[str, object]) -> None:
    @settings(max_examples=40, database=None)
    @given(fitting(schema))
    def fits(value: object) -> None:
        jsonschema.validate(value, schema)

    fits()


OFFER = Offer(
    "handshake",
    {"tools": {}, "prompts": {}, "resources": {"subscribe": True}, "logging": {}},
    tools=[{"name": "add", "inputSchema": SCHEMAS[0]}],
    resources=[{"uri": "demo://one"}],
    prompts=[{"name": "greet", "arguments": [{"name": "who", "required": True}, {"name": "how"}]}],
)


@given(conversations(OFFER, 8))
@settings(database=None)
def test_cancelled_and_waited_for_is_what_was_asked(steps: list[Step]) -> None:
    asked = 0
    for step in steps:
        if isinstance(step, Ask):
            asked += 1
        elif not isinstance(step, Reconnect):
            assert step.request < asked
    assert len(steps) <= 8


@pytest.mark.parametrize(
    "method", ["tools/call", "tools/list", "resources/read", "resources/subscribe", "prompts/get", "logging/setLevel", "ping"]
)
def test_what_a_server_offers_is_asked_for(method: str) -> None:
    seen = set[str]()

    @settings(max_examples=200, database=None)
    @given(conversations(OFFER, 8), st.just(0))
    def gather(steps: list[Step], _: int) -> None:
        seen.update(step.method for step in steps if isinstance(step, Ask))

    gather()
    assert method in seen
