"""What a server lists: read from one, or made up.

Pinned by `tests/explore/test_explore.py` and `tests/explore/test_actor.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal, cast

from pytest_mcpsym.switchboard.opener import switchboard

__all__ = ["PLAIN", "Offer", "maker", "makes", "offered"]


@dataclass(frozen=True)
class Offer:
    """What a server lists, as the JSON objects of its lists, and its capabilities.

    Attributes:
        era: The era that is spoken with it.
        capabilities: What the server declared.
        tools: Entries of `tools/list`.
        resources: Entries of `resources/list`.
        prompts: Entries of `prompts/list`.
    """

    era: str
    capabilities: Mapping[str, object]
    tools: Sequence[Mapping[str, object]] = ()
    resources: Sequence[Mapping[str, object]] = ()
    prompts: Sequence[Mapping[str, object]] = ()


_TEXT: Final = {"type": "string"}
_SUM: Final = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
_TERMS: Final = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}

PLAIN: Final = Offer(
    "handshake",
    {
        "tools": {"listChanged": True},
        "resources": {"listChanged": True, "subscribe": True},
        "prompts": {"listChanged": True},
        "logging": {},
        "completions": {},
    },
    tools=(
        {
            "name": "echo",
            "description": "Say it again",
            "inputSchema": {"type": "object", "properties": {"text": _TEXT}, "required": ["text"]},
        },
        {"name": "add", "description": "Add two numbers", "inputSchema": _TERMS, "outputSchema": _SUM},
    ),
    resources=({"uri": "demo://one", "name": "one", "mimeType": "text/plain"},),
    prompts=({"name": "greet", "arguments": [{"name": "who", "required": True}]},),
)
"""What is offered to a client where nothing else is said."""


def offered(make: Callable[[], object], era: str, tools: Sequence[str] = ("*",)) -> Offer:
    """Open a server and return what it lists.

    Args:
        make: Makes what the link is made from.
        era: Protocol era.
        tools: Patterns of the tools that count.
    """
    with switchboard(server=make(), era=cast("Literal['handshake', 'modern']", era)) as board:
        client = board.client("server")
        capabilities = client.server_capabilities.model_dump(by_alias=True, exclude_none=True)
        listed = {
            "tools": client.list_tools().tools if "tools" in capabilities else [],
            "resources": client.list_resources().resources if "resources" in capabilities else [],
            "prompts": client.list_prompts().prompts if "prompts" in capabilities else [],
        }
    plain = {
        key: [each.model_dump(by_alias=True, mode="json", exclude_none=True) for each in found] for key, found in listed.items()
    }
    plain["tools"] = [tool for tool in plain["tools"] if any(fnmatchcase(str(tool["name"]), pattern) for pattern in tools)]
    return Offer(era, capabilities, **plain)


def maker(target: object) -> Callable[[], object]:
    """Return what makes a server: a function that does, or one that returns the server itself."""
    return cast("Callable[[], object]", target) if makes(target) else lambda: target


def makes(target: object) -> bool:
    """Whether it is a function that can be called with nothing; an ASGI app cannot."""
    empty = inspect.Parameter.empty
    return inspect.isfunction(target) and all(
        each.default is not empty for each in inspect.signature(target).parameters.values()
    )
