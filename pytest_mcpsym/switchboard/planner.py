"""The model of a test that scripted none: it plans by fixed rules over the task's words and the tools' names and schemas.

Asked with tools, it takes the text of the last message for its task:

1. The tool is the one whose name's words all stand in the task, outside of its quotes; of several the one with the most words, then
   the first. The link's name counts as none of them.
2. Quoted texts, else the word after "say", else the whole task, fill the required text parameters in the schema's order. The numbers
   outside of quotes fill the number parameters.
3. Where there is a tool that takes a `program`, the call goes through it as a program of one line.

Asked with the results of its call, it says their text. Pinned by `tests/switchboard/test_planner.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from mcp_types import (
    CreateMessageRequestParams,
    CreateMessageResultWithTools,
    TextContent,
    Tool,
    ToolResultContent,
    ToolUseContent,
)

from pytest_mcpsym.switchboard.prompts import calls_so_far, last_text

__all__ = ["NoPlan", "Step", "next_message", "plan"]

_QUOTED = re.compile(r"""(?<!\w)(?:'([^']*)'|"([^"]*)")(?!\w)""")
"""A quote in the middle of a word is an apostrophe."""
_SAID = re.compile(r"\bsay (\S+)", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?!\w|\.\d)")
_WORD = re.compile(r"[a-z0-9]+")


class NoPlan(ValueError):
    """No tool of the client fits the task."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call: the tool by its routed name, and its arguments."""

    tool: str
    arguments: dict[str, object]


def next_message(params: CreateMessageRequestParams) -> CreateMessageResultWithTools:
    """Return the planner's next message in a conversation: the call that the task needs or, once it was made, its result's text.

    Raises:
        NoPlan: No tool's name stands in the task.
    """
    if params.messages and any(isinstance(block, ToolResultContent) for block in params.messages[-1].content_as_list):
        return CreateMessageResultWithTools(
            role="assistant", content=TextContent(type="text", text=last_text(params)), model="planner", stop_reason="endTurn"
        )
    step = plan(last_text(params), params.tools or [])
    use = ToolUseContent(type="tool_use", id=f"call-{calls_so_far(params) + 1}", name=step.tool, input=step.arguments)
    return CreateMessageResultWithTools(role="assistant", content=[use], model="planner", stop_reason="toolUse")


def plan(task: str, tools: Sequence[Tool]) -> Step:
    """Return the call that carries out a task.

    Args:
        task: The task, in words.
        tools: What may be called, in order.

    Raises:
        NoPlan: No tool's name stands in the task; the message names the tools.
    """
    words = set(_WORD.findall(_QUOTED.sub(" ", task).lower()))
    fitting = [tool for tool in tools if _words(tool) and _words(tool) <= words and not _takes_program(tool)]
    if not fitting:
        offered = ", ".join(tool.name for tool in tools) or "the client offers none"
        raise NoPlan(f"no tool for {task!r}; say which one to use: {offered}")
    chosen = max(fitting, key=lambda tool: len(_words(tool)))
    arguments = dict(_fill(chosen, task))
    runner = next((tool for tool in tools if _takes_program(tool)), None)
    if runner is None:
        return Step(chosen.name, arguments)
    function = re.sub(r"\W", "_", chosen.name, flags=re.ASCII)  # Of tools that give one name the first is chosen, and has it.
    call = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return Step(runner.name, {"program": f"{function}({call})"})


def _words(tool: Tool) -> frozenset[str]:
    link, separator, name = tool.name.partition("__")
    return frozenset(_WORD.findall((name if separator else link).lower()))


def _properties(tool: Tool) -> Mapping[str, Mapping[str, object]]:
    return cast("Mapping[str, Mapping[str, object]]", tool.input_schema.get("properties", {}))


def _takes_program(tool: Tool) -> bool:
    return "program" in _properties(tool)


def _fill(tool: Tool, task: str) -> Iterator[tuple[str, object]]:
    required = cast("list[str]", tool.input_schema.get("required", []))
    texts = [first or second for first, second in _QUOTED.findall(task)] or _SAID.findall(task) or [task]
    numbers = [float(number) if "." in number else int(number) for number in _NUMBER.findall(_QUOTED.sub(" ", task))]
    for name, schema in _properties(tool).items():
        if schema.get("type") in ("number", "integer") and numbers:
            yield name, numbers.pop(0)
        elif schema.get("type") == "string" and name in required and texts:
            yield name, texts.pop(0)
