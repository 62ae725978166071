"""How the agent plans without a model: fixed rules over the task's words and the tools' names and schemas.

The tool is the one whose name's words all stand in the task; quoted text, else the word after "say", fills its text parameters, and the
task's numbers fill its number parameters, in the schema's order. Where a tool takes a `program`, the call goes through it. Pinned by
`tests/fakes/test_agent.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from mcp_types import Tool

__all__ = ["NoPlan", "Step", "plan"]

_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")
_SAID = re.compile(r"\bsay (\S+)", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])")


class NoPlan(ValueError):
    """No tool of the client fits the task."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call: the tool by its routed name, and its arguments."""

    tool: str
    arguments: dict[str, object]


def plan(task: str, tools: Sequence[Tool]) -> Step:
    """Return the call that carries out a task.

    Raises:
        NoPlan: No tool's name stands in the task; the message names the tools.
    """
    words = set(re.findall(r"[a-z0-9]+", task.lower()))
    fitting = [tool for tool in tools if _words(tool) <= words and not _takes_program(tool)]
    if not fitting:
        raise NoPlan(f"no tool for {task!r}; say which one to use: {', '.join(tool.name for tool in tools) or 'the client offers none'}")
    chosen = max(fitting, key=lambda tool: len(_words(tool)))
    arguments = dict(_fill(chosen, task))
    runner = next((tool for tool in tools if _takes_program(tool)), None)
    if runner is None:
        return Step(chosen.name, arguments)
    call = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return Step(runner.name, {"program": f"{re.sub(r'[^A-Za-z0-9]', '_', chosen.name)}({call})"})


def _words(tool: Tool) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", tool.name.partition("__")[2].lower()))


def _properties(tool: Tool) -> Mapping[str, Mapping[str, object]]:
    return cast("Mapping[str, Mapping[str, object]]", tool.input_schema.get("properties", {}))


def _takes_program(tool: Tool) -> bool:
    return "program" in _properties(tool)


def _fill(tool: Tool, task: str) -> Iterator[tuple[str, object]]:
    required = cast("list[str]", tool.input_schema.get("required", []))
    texts = [first or second for first, second in _QUOTED.findall(task)] or _SAID.findall(task) or [task]
    numbers = [float(number) if "." in number else int(number) for number in _NUMBER.findall(task)]
    for name, schema in _properties(tool).items():
        if schema.get("type") in ("number", "integer") and numbers:
            yield name, numbers.pop(0)
        elif schema.get("type") == "string" and name in required and texts:
            yield name, texts.pop(0)
