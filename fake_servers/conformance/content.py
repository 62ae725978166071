"""What the fixtures hold that never changes: contents, resources, prompts and completions.

The names, addresses and the shape of each content are the suite's; the texts, the picture and the sound are ours. Pinned by
`tests/fakes/test_conformance.py`.
"""

from __future__ import annotations

import json

from mcp import MCPError
from mcp_types import (
    INVALID_PARAMS,
    AudioContent,
    BlobResourceContents,
    Completion,
    ContentBlock,
    EmbeddedResource,
    GetPromptResult,
    ImageContent,
    Prompt,
    PromptArgument,
    PromptMessage,
    Resource,
    ResourceTemplate,
    TextContent,
    TextResourceContents,
)

__all__ = [
    "ARGUMENTS",
    "CONTENTS",
    "PROMPTS",
    "RESOURCES",
    "TEMPLATES",
    "WATCHED",
    "completed",
    "contents_of",
    "prompt",
    "said",
]

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR42mMwTpsJRAwQCgAf7gTJFqfs3QAAAABJRU5ErkJggg=="
"""A PNG of 2 by 2."""
SOUND = "UklGRiwAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQgAAACAv/+/gEAAQA=="
"""One period of a tone, as WAV."""

WATCHED = "test://watched-resource"
"""The resource that is worth a subscription."""

_TEMPLATE = ("test://template/", "/data")


def said(text: str) -> TextContent:
    """Return a text as a tool or a prompt says it."""
    return TextContent(text=text)


def _embedded(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text))


_IMAGE = ImageContent(data=PICTURE, mime_type="image/png")

CONTENTS: dict[str, list[ContentBlock]] = {
    "test_simple_text": [said("This is a simple text response for testing.")],
    "test_image_content": [_IMAGE],
    "test_audio_content": [AudioContent(data=SOUND, mime_type="audio/wav")],
    "test_embedded_resource": [_embedded("test://embedded-resource", "text/plain", "A document inside of a result.")],
    "test_multiple_content_types": [
        said("Three kinds of content in one result:"),
        _IMAGE,
        _embedded("test://mixed-content-resource", "application/json", '{"kind": "resource", "number": 3}'),
    ],
}
"""What the tools give back that do nothing else, by their name."""

RESOURCES = [
    Resource(uri="test://static-text", name="static-text", mime_type="text/plain", description="A text"),
    Resource(uri="test://static-binary", name="static-binary", mime_type="image/png", description="A picture"),
    Resource(uri=WATCHED, name="watched-resource", mime_type="text/plain", description="A text that is worth a subscription"),
]
TEMPLATES = [
    ResourceTemplate(
        uri_template="test://template/{id}/data",
        name="template",
        mime_type="application/json",
        description="A document for any id",
    )
]

PROMPTS = [
    Prompt(name="test_simple_prompt", description="A prompt that takes nothing"),
    Prompt(
        name="test_prompt_with_arguments",
        description="A prompt that repeats what it is given",
        arguments=[
            PromptArgument(name="arg1", description="Any text; it can be completed", required=True),
            PromptArgument(name="arg2", description="Any text", required=True),
        ],
    ),
    Prompt(
        name="test_prompt_with_embedded_resource",
        description="A prompt with a document inside",
        arguments=[PromptArgument(name="resourceUri", description="The address that the document shall have", required=True)],
    ),
    Prompt(name="test_prompt_with_image", description="A prompt with a picture inside"),
]
ARGUMENTS = {each.name: [argument.name for argument in each.arguments or []] for each in PROMPTS}
"""The arguments of each prompt, all of which it needs."""

_WORDS = ("alpha", "amber", "beacon", "beta")


def contents_of(uri: str) -> TextResourceContents | BlobResourceContents | None:
    """Return what a resource holds, or None where there is none of that address."""
    if uri == "test://static-binary":
        return BlobResourceContents(uri=uri, mime_type="image/png", blob=PICTURE)
    texts = {
        "test://static-text": "The content of a text that stays as it is.",
        WATCHED: "The content of a text that is watched.",
    }
    if uri in texts:
        return TextResourceContents(uri=uri, mime_type="text/plain", text=texts[uri])
    before, after = _TEMPLATE
    ident = uri.removeprefix(before).removesuffix(after)
    if uri != f"{before}{ident}{after}" or not ident or "/" in ident:
        return None
    document = {"id": ident, "templateTest": True, "data": f"Data for ID: {ident}"}
    return TextResourceContents(uri=uri, mime_type="application/json", text=json.dumps(document))


def prompt(name: str, given: dict[str, str]) -> GetPromptResult:
    """Return one of the prompts.

    Raises:
        MCPError: There is none of that name, or an argument is missing.
    """
    if name not in ARGUMENTS:
        raise MCPError(INVALID_PARAMS, f"there is no prompt {name!r}")
    missing = [argument for argument in ARGUMENTS[name] if argument not in given]
    if missing:
        raise MCPError(INVALID_PARAMS, f"the prompt {name} needs {' and '.join(missing)}")
    parts: dict[str, list[ContentBlock]] = {
        "test_simple_prompt": [said("This is a simple prompt for testing.")],
        "test_prompt_with_arguments": [said(f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'")],
        "test_prompt_with_embedded_resource": [
            _embedded(given.get("resourceUri", ""), "text/plain", "A document inside of a prompt."),
            said("Please read the document above."),
        ],
        "test_prompt_with_image": [_IMAGE, said("Please look at the picture above.")],
    }
    return GetPromptResult(messages=[PromptMessage(role="user", content=part) for part in parts[name]])


def completed(value: str) -> Completion:
    """Return the words that begin with what was typed so far."""
    fitting = [word for word in _WORDS if word.startswith(value)]
    return Completion(values=fitting, total=len(fitting), has_more=False)
