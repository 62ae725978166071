"""The form that `trigger-elicitation-request` asks for: one field of each kind, typed and bounded as the reference's."""

from __future__ import annotations

from typing import Any

__all__ = ["FORM"]


def _field(kind: str, title: str, description: str, **more: object) -> dict[str, object]:
    return {"type": kind, "title": title, "description": description, **more}


FORM: dict[str, Any] = {  # the SDK's type for a form
    "type": "object",
    "properties": {
        "name": _field("string", "String", "What you are called"),
        "check": _field("boolean", "Boolean", "Whether you agree"),
        "firstLine": _field("string", "String with default", "How a story begins", default="It was a dark and stormy night."),
        "email": _field("string", "String with email format", "Where mail reaches you", format="email"),
        "homepage": _field("string", "String with uri format", "Where your page is", format="uri"),
        "birthdate": _field("string", "String with date format", "When you were born", format="date"),
        "integer": _field("integer", "Integer", "A whole number that you like", minimum=1, maximum=100, default=42),
        "number": _field("number", "Number in range 1-1000", "Any number that you like", minimum=0, maximum=1000, default=3.14),
        "untitledSingleSelectEnum": _field(
            "string",
            "Untitled Single Select Enum",
            "Which friend",
            enum=["Monica", "Rachel", "Joey", "Chandler", "Ross", "Phoebe"],
            default="Monica",
        ),
        "untitledMultipleSelectEnum": _field(
            "array",
            "Untitled Multiple Select Enum",
            "Which instruments",
            minItems=1,
            maxItems=3,
            items={"type": "string", "enum": ["Guitar", "Piano", "Violin", "Drums", "Bass"]},
            default=["Guitar"],
        ),
        "titledSingleSelectEnum": _field(
            "string",
            "Titled Single Select Enum",
            "Which hero",
            oneOf=[
                {"const": "hero-1", "title": "Superman"},
                {"const": "hero-2", "title": "Green Lantern"},
                {"const": "hero-3", "title": "Wonder Woman"},
            ],
            default="hero-1",
        ),
        "titledMultipleSelectEnum": _field(
            "array",
            "Titled Multiple Select Enum",
            "Which fish",
            minItems=1,
            maxItems=3,
            items={
                "anyOf": [
                    {"const": "fish-1", "title": "Tuna"},
                    {"const": "fish-2", "title": "Salmon"},
                    {"const": "fish-3", "title": "Trout"},
                ]
            },
            default=["fish-1"],
        ),
        "legacyTitledEnum": _field(
            "string",
            "Legacy Titled Single Select Enum",
            "Which pet",
            enum=["pet-1", "pet-2", "pet-3", "pet-4", "pet-5"],
            enumNames=["Cats", "Dogs", "Birds", "Fish", "Reptiles"],
            default="pet-1",
        ),
    },
    "required": ["name"],
}
"""The schema."""
