"""The server's prompts, and what completes their arguments and those of the resource templates.

Pinned by `tests/fakes/test_everything.py` and, against the reference, by `tests/peers/test_parity_everything.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mcp import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, Prompt, PromptArgument

from .resources import KINDS, STATIC, TEMPLATES, dynamic, whole

__all__ = ["PROMPTS", "completion", "messages"]

PROMPTS = [
    Prompt(name="simple-prompt", title="Simple Prompt", description="A prompt without arguments"),
    Prompt(
        name="args-prompt",
        title="Arguments Prompt",
        description="A prompt with two arguments, of which one is optional",
        arguments=[
            PromptArgument(name="city", description="Which city", required=True),
            PromptArgument(name="state", required=False),
        ],
    ),
    Prompt(
        name="completable-prompt",
        title="Team Management",
        description="A prompt whose second argument is completed by the first",
        arguments=[
            PromptArgument(name="department", description="Which department", required=True),
            PromptArgument(name="name", description="Who shall lead it", required=True),
        ],
    ),
    Prompt(
        name="resource-prompt",
        title="Resource Prompt",
        description="A prompt that carries a resource",
        arguments=[
            PromptArgument(name="resourceType", description="Text or Blob", required=True),
            PromptArgument(name="resourceId", description="Number of the resource, from 1", required=True),
        ],
    ),
]
"""The listing."""

_NAMED = {prompt.name: prompt for prompt in PROMPTS}

_STAFF = {
    "Engineering": ["Alice", "Bob", "Charlie"],
    "Sales": ["David", "Eve", "Frank"],
    "Marketing": ["Grace", "Henry", "Iris"],
    "Support": ["John", "Kim", "Lee"],
}


def messages(name: str, given: Mapping[str, str], texts: Sequence[str]) -> list[dict[str, object]]:
    """Return the messages of a prompt.

    Raises:
        MCPError: There is no such prompt, or its arguments do not fit.
    """
    prompt = _found(name)
    missing = [argument.name for argument in prompt.arguments or [] if argument.required and argument.name not in given]
    if missing:
        raise MCPError(INVALID_PARAMS, f"the prompt {name} needs the argument {', '.join(missing)}")
    match name:
        case "simple-prompt":
            return [_said("This is a simple prompt without arguments.")]
        case "args-prompt":
            state = given.get("state")
            return [_said(f"What's the weather in {given['city']}{', ' + state if state else ''}?")]
        case "completable-prompt":
            return [_said(f"Write a note that makes {given['name']} the head of {given['department']}.")]
        case _:
            return _with_resource(given["resourceType"], given["resourceId"], texts)


def _with_resource(kind: str, number: str, texts: Sequence[str]) -> list[dict[str, object]]:
    if kind not in KINDS:
        raise MCPError(INTERNAL_ERROR, f"resourceType has to be Text or Blob, not {kind!r}")
    resource = whole(number)
    if resource is None:
        raise MCPError(INTERNAL_ERROR, f"resourceId has to be a whole number from 1, not {number!r}")
    carried = {"type": "resource", "resource": dynamic(kind, resource, texts)}
    return [_said(f"Say what is in this {kind} resource, number {resource}:"), {"role": "user", "content": carried}]


def completion(reference: str, kind: str, argument: str, value: str, context: Mapping[str, str] | None) -> dict[str, object]:
    """Return what completes an argument.

    Args:
        reference: Name of the prompt, or template of the resources.
        kind: `ref/prompt` or `ref/resource`.
        argument: Which argument.
        value: What is there already.
        context: Arguments that are settled.

    Raises:
        MCPError: There is nothing of that name.
    """
    if kind == "ref/prompt":
        _found(reference)
        return _completed(_of_prompt(reference, argument, value, context or {}))
    if any(template.uri_template == reference for template in TEMPLATES):
        return _completed(_number(value) if argument == "resourceId" else None)
    if any(resource.uri == reference for resource in STATIC):
        return _completed(None)
    raise MCPError(INVALID_PARAMS, f"there is no resource template {reference}")


def _of_prompt(prompt: str, argument: str, value: str, context: Mapping[str, str]) -> list[str] | None:
    match prompt, argument:
        case "completable-prompt", "department":
            return [name for name in _STAFF if name.startswith(value)]
        case "completable-prompt", "name":
            return [name for name in _STAFF.get(context.get("department", ""), []) if name.startswith(value)]
        case "resource-prompt", "resourceType":
            return [kind for kind in KINDS if kind.startswith(value)]
        case "resource-prompt", "resourceId":
            return _number(value)
        case _:
            return None


def _number(value: str) -> list[str]:
    return [] if whole(value) is None else [value]


def _completed(values: list[str] | None) -> dict[str, object]:
    """The result; without a total where there is nothing to complete."""
    total = {} if values is None else {"total": len(values)}
    return {"completion": {"values": values or [], **total, "hasMore": False}}


def _found(name: str) -> Prompt:
    if name not in _NAMED:
        raise MCPError(INVALID_PARAMS, f"there is no prompt {name}")
    return _NAMED[name]


def _said(text: str) -> dict[str, object]:
    return {"role": "user", "content": {"type": "text", "text": text}}
