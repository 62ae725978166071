"""A rule of the model: which prompts it takes, what it answers, and where a prompt that no rule takes parts from it.

Pinned by `tests/switchboard/test_model.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Self, cast

from mcp import MCPError
from mcp_types import (
    INVALID_REQUEST,
    CreateMessageRequestParams,
    CreateMessageResult,
    CreateMessageResultWithTools,
    TextContent,
    ToolUseContent,
)

from pytest_mcpsym.errors import UsageError
from pytest_mcpsym.switchboard.asker import Asker, wants_origin
from pytest_mcpsym.switchboard.planner import NoPlan, next_message
from pytest_mcpsym.switchboard.prompts import calls_so_far, last_text
from pytest_mcpsym.switchboard.turns import Turn, given_by
from pytest_mcpsym.wire.origin import Origin

__all__ = ["Condition", "Message", "ModelTurn", "Rule", "Text", "nearest", "said"]

Message = CreateMessageResult | CreateMessageResultWithTools
ModelTurn = Turn[str | Message, CreateMessageRequestParams]
Text = str | re.Pattern[str]
"""A text that must be contained, or an expression that must be found."""
Condition = Callable[[CreateMessageRequestParams], bool] | Callable[[CreateMessageRequestParams, Origin], bool]
"""Says of a prompt, and of its origin if it has a second parameter, whether a rule takes it."""

SHOWN = 160
"""Characters of a prompt that are shown."""


@dataclass(slots=True)
class Rule:
    """What the model says to some prompts. Made by `board.model.when`; give it an answer with `reply`, `calls` or both, or `plan`.

    Attributes:
        text: What the last message must be like.
        tool: The tool that must be offered.
        system: What the system prompt must be like.
        link: The server that must ask: its link, or a pattern with `*`.
        times: How many prompts it takes; `None` is any number.
        used: How many it has taken.
    """

    text: Text | Condition | None = None
    tool: str | None = None
    system: Text | None = None
    link: str | None = None
    times: int | None = None
    used: int = 0
    _whole: list[ModelTurn] = field(default_factory=list[ModelTurn])
    _blocks: list[tuple[str, Mapping[str, object]]] = field(default_factory=list[tuple[str, Mapping[str, object]]])

    def reply(self, turn: ModelTurn) -> Self:
        """Answer with this.

        Args:
            turn: Text, a `CreateMessageResult`, a `CreateMessageResultWithTools`, or a function, plain or async, from the request's
                params, and with a second parameter its origin, to one of these. Only text goes together with `calls`.

        Raises:
            UsageError: The rule has a reply, or calls that this cannot go with.
        """
        if self._whole:
            raise UsageError(f"{self} has a reply already; add another rule for another prompt")
        if self._blocks and not isinstance(turn, str):
            raise UsageError(f"{self} calls tools; only text goes with that")
        self._whole.append(turn)
        return self

    def calls(self, tool: str, arguments: Mapping[str, object] | None = None) -> Self:
        """Answer by asking for a tool; several in one turn are several calls of this.

        Args:
            tool: Its name, as the prompt offers it, for example `everything__echo`.
            arguments: Its arguments.

        Raises:
            UsageError: The rule has a reply that is no text.
        """
        if self._whole and not isinstance(self._whole[0], str):
            raise UsageError(f"{self} replies with a whole message; put the tool use into it")
        self._blocks.append((tool, dict(arguments or {})))
        return self

    def plan(self) -> Self:
        """Answer as a model that was told nothing does when it is offered tools: by the planner's fixed rules over the task's words.

        Raises:
            UsageError: The rule has a reply or calls.
        """
        return self.reply(_planned)

    def obstacles(self, params: CreateMessageRequestParams, asker: Asker) -> list[str]:
        """Return what keeps the rule from taking a prompt, a sentence each."""
        return [obstacle for obstacle in self._parted(params, asker) if obstacle]

    async def answer(self, params: CreateMessageRequestParams, asker: Asker) -> str | Message:
        """Return the rule's answer to a prompt that it takes."""
        self.used += 1
        if not self._blocks:
            return await given_by(self._whole[0], params, asker)
        first = calls_so_far(params) + 1
        texts = [TextContent(type="text", text=turn) for turn in self._whole if isinstance(turn, str)]
        uses = [
            ToolUseContent(type="tool_use", id=f"call-{number}", name=tool, input=dict(arguments))
            for number, (tool, arguments) in enumerate(self._blocks, first)
        ]
        return CreateMessageResultWithTools(role="assistant", content=[*texts, *uses], model="scripted", stop_reason="toolUse")

    def likeness(self, params: CreateMessageRequestParams, asker: Asker) -> tuple[int, int]:
        """Return how near the rule is to a prompt: the conditions it meets, and how much of its text the last message begins with."""
        met = sum(not obstacle for obstacle in self._parted(params, asker))
        return met, len(_begun(self.text, last_text(params))) if isinstance(self.text, str) else 0

    def _parted(self, params: CreateMessageRequestParams, asker: Asker) -> Iterator[str]:
        """Yield, for each condition, why the prompt does not meet it, empty where it does."""
        yield self._text_parted(params, asker)
        asks = self.link is None or fnmatchcase(asker.link, self.link)
        yield "" if asks else f"it wants {self.link!r} to ask, and {asker.link!r} does"
        offered = [tool.name for tool in params.tools or ()]
        yield (
            "" if self.tool in (None, *offered) else f"it wants the tool {self.tool!r}; offered: {', '.join(offered) or 'none'}"
        )
        system = params.system_prompt or ""
        yield "" if self.system is None or _found(self.system, system) else f"system: {_parting(self.system, system)}"
        yield "" if self._whole or self._blocks else "it has no answer; add .reply(...), .calls(...) or .plan()"
        yield "" if offered or not self._blocks else "it calls tools, and the prompt offers none"
        yield "" if self.times is None or self.used < self.times else f"it was used up (times={self.times})"

    def _text_parted(self, params: CreateMessageRequestParams, asker: Asker) -> str:
        if self.text is None:
            return ""
        if not isinstance(self.text, (str, re.Pattern)):
            function = cast("Callable[..., bool]", self.text)
            takes = function(params, asker.origin()) if wants_origin(function) else function(params)
            return "" if takes else f"{_name(function)} said no"
        text = last_text(params)
        return "" if _found(self.text, text) else f"text: {_parting(self.text, text)}"

    def __str__(self) -> str:
        text = [] if self.text is None else [_name(self.text)]
        named = {"tool": self.tool, "system": self.system, "link": self.link, "times": self.times}
        return f"when({', '.join([*text, *(f'{name}={_name(value)}' for name, value in named.items() if value is not None)])})"


def _planned(params: CreateMessageRequestParams) -> Message:
    try:
        return next_message(params)
    except NoPlan as error:
        raise MCPError(INVALID_REQUEST, str(error)) from None


def said(text: str) -> CreateMessageResult:
    """Return text as a message of the scripted model."""
    return CreateMessageResult(
        role="assistant", content=TextContent(type="text", text=text), model="scripted", stop_reason="endTurn"
    )


def nearest(rules: Sequence[Rule], params: CreateMessageRequestParams, asker: Asker) -> Rule | None:
    """Return the rule that comes nearest to taking a prompt, of equals the first."""
    return max(rules, key=lambda rule: rule.likeness(params, asker), default=None)


def _found(wanted: Text, text: str) -> bool:
    return wanted in text if isinstance(wanted, str) else wanted.search(text) is not None


def _begun(wanted: str, text: str) -> str:
    """The longest beginning of what is wanted that the text contains."""
    length = next((length for length in range(len(wanted), 0, -1) if wanted[:length] in text), 0)
    return wanted[:length]


def _parting(wanted: Text, text: str) -> str:
    if not isinstance(wanted, str):
        return f"the expression {wanted.pattern!r} is not found in {_cut(text)}"
    begun = _begun(wanted, text)
    if not begun:
        return f"{_cut(wanted)} is not in {_cut(text)}"
    follows = text[text.index(begun) + len(begun) :]
    return f"after {_cut(begun)} it wants {_cut(wanted[len(begun) :])}, and the prompt has {_cut(follows) if follows else 'no more'}"


def _cut(text: str) -> str:
    return repr(text) if len(text) <= SHOWN else f"{text[:SHOWN]!r}… ({len(text)} characters)"


def _name(value: object) -> str:
    if isinstance(value, re.Pattern):
        return repr(cast("re.Pattern[str]", value))
    return str(getattr(value, "__name__", type(value).__name__)) if callable(value) else repr(value)
