"""What the tools take: their names, descriptions and schemas.

The names are the suite's, and so are the parts of the schemas that its scenarios look for. Pinned by
`tests/fakes/test_conformance.py`.
"""

from __future__ import annotations

from mcp_types import Tool

__all__ = ["TOOLS"]


def _takes(required: tuple[str, ...] = (), **properties: dict[str, object]) -> dict[str, object]:
    schema: dict[str, object] = {"type": "object", "properties": properties}
    return {**schema, "required": list(required)} if required else schema


_SCHEMA: dict[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "address",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

_REGION: dict[str, object] = {
    "type": "string",
    "description": "Also sent as the header Mcp-Param-Region",
    "x-mcp-header": "Region",
}

_NOTHING: dict[str, str] = {
    "test_simple_text": "Give back a text",
    "test_image_content": "Give back a picture",
    "test_audio_content": "Give back a sound",
    "test_embedded_resource": "Give back a resource inside the result",
    "test_multiple_content_types": "Give back a text, a picture and a resource",
    "test_error_handling": "Fail",
    "test_tool_with_logging": "Log three messages",
    "test_logging_tool": "Log one message",
    "test_tool_with_progress": "Report progress three times",
    "test_reconnection": "Break the stream of this call, and go on",
    "test_missing_capability": "Refuse a client that has no sampling",
    "test_trigger_tool_change": "Say that the tools have changed",
    "test_trigger_prompt_change": "Say that the prompts have changed",
    "test_trigger_resource_update": "Say that the watched resource has changed",
    "test_elicitation_sep1034_defaults": "Ask the user to look through a form that is filled in",
    "test_elicitation_sep1330_enums": "Ask the user to choose, in each way that a form can",
    "test_streaming_elicitation": "Ask the user for a word",
    "test_input_required_result_elicitation": "Ask the user for a name",
    "test_input_required_result_sampling": "Ask the model",
    "test_input_required_result_list_roots": "Ask for the roots",
    "test_input_required_result_request_state": "Ask the user to confirm",
    "test_input_required_result_tampered_state": "Ask the user to confirm, and refuse a state that was changed",
    "test_input_required_result_multiple_inputs": "Ask the user, the model and for the roots",
    "test_input_required_result_multi_round": "Ask the user twice",
    "test_input_required_result_capabilities": "Ask only what the client takes",
}
"""The tools that take nothing."""

_SOMETHING = [
    Tool(
        name="test_sampling",
        description="Ask the model",
        input_schema=_takes(("prompt",), prompt={"type": "string", "description": "What to ask"}),
    ),
    Tool(
        name="test_elicitation",
        description="Ask the user",
        input_schema=_takes(("message",), message={"type": "string", "description": "What to ask"}),
    ),
    Tool(name="test_x_mcp_header", description="Give back a region, which is sent twice", input_schema=_takes(region=_REGION)),
    Tool(
        name="json_schema_2020_12_tool", description="Take what a schema with every kind of rule allows", input_schema=_SCHEMA
    ),
]

TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        *(Tool(name=name, description=said, input_schema=_takes()) for name, said in _NOTHING.items()),
        *_SOMETHING,
    )
}
"""Each tool, by its name."""
