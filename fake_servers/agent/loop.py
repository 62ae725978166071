"""The agent's loop: the client's model says what to do, the client's tools do it, until the model has nothing more to ask for.

Pinned by `tests/fakes/test_agent.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal

from mcp import MCPError
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    CallToolResult,
    CreateMessageResultWithTools,
    SamplingMessage,
    TextContent,
    Tool,
    ToolResultContent,
    ToolUseContent,
)
from pydantic import BaseModel

from pytest_mcpsym.symmetric import NotSymmetric, Peer

__all__ = ["Call", "Done", "Loop", "Plan", "Step", "Stopped"]

MAX_TOKENS = 4096

_MOMENT: Final = 0.2
"""Seconds that no step can be made in."""


class Call(BaseModel):
    """A tool that is to be called, and its arguments."""

    tool: str
    arguments: dict[str, object] = {}


class Plan(BaseModel):
    """What the model says to a task at first, and the calls that it asks for with that."""

    text: str
    calls: list[Call]


class Step(Call):
    """A call that was made: the text of its result, or of what went wrong."""

    result: str | None = None
    error: str | None = None


Limit = Literal["steps", "hops", "calls", "tokens", "costUsd", "deadline"]


class Stopped(BaseModel):
    """Why the agent ended before its task did: `steps` is its own limit, the others are what its client says may still be spent."""

    limit: Limit
    left: float
    made: list[str]
    wanted: list[str]

    @property
    def text(self) -> str:
        """Say so in a sentence."""
        made, wanted = (", ".join(names) or "none" for names in (self.made, self.wanted))
        asked = f"made {made}; asked for {wanted}" if self.wanted else f"made {made}"
        if self.limit == "steps":
            return f"the budget of {len(self.made) + self.left:.0f} calls is spent: {asked}"
        return f"stopped within the client's budget, of which {self.left:g} {_UNITS[self.limit]} are left: {asked}"


_UNITS: Final[dict[Limit, str]] = {
    "hops": "hops",
    "calls": "calls",
    "tokens": "tokens",
    "costUsd": "US dollars",
    "deadline": "seconds",
}


class Done(BaseModel):
    """What the agent says in the end, and the calls that it made on the way, in the order in which the model asked for them."""

    text: str
    steps: list[Step]
    stopped: Stopped | None = None


class Loop:
    """One task's conversation with the client's model, and its calls of the client's tools.

    Args:
        client: Has the model and the tools.
        system: What the model is told first.
        max_steps: Calls that may be made.
        told: Told of each call when it is made: how many there are by now, and its tool.
    """

    def __init__(self, client: Peer, system: str, max_steps: int, told: Callable[[int, str], Awaitable[None]]) -> None:
        self._client = client
        self._system = system
        self._max_steps = max_steps
        self._told = told
        self._finished = 0
        self.steps: list[Step] = []

    async def run(self, task: str) -> Done:
        """Carry out a task, as far as the budget goes.

        Raises:
            ToolError: The model gave no answer.
            NotSymmetric: The client has no tools or no model to offer.
        """
        tools = await self._client.list_tools()
        messages = [_task(task)]
        while True:
            if (stopped := self._short_of([])) is not None:
                return self._ended(stopped)
            said = await self._ask(messages, tools)
            uses = _uses(said)
            if not uses:
                return Done(text=_text(said.content_as_list), steps=self.steps)
            if (stopped := self._short_of([use.name for use in uses])) is not None:
                return self._ended(stopped)
            results = await self._make([_call(use) for use in uses])
            answers = [_answer(use, result) for use, result in zip(uses, results, strict=True)]
            messages += [
                SamplingMessage(role="assistant", content=said.content),
                SamplingMessage(role="user", content=[*answers]),
            ]

    async def plan(self, task: str) -> Plan:
        """Return what the model would do first.

        Raises:
            ToolError: The model gave no answer.
            NotSymmetric: The client has no tools or no model to offer.
        """
        said = await self._ask([_task(task)], await self._client.list_tools())
        calls = [_call(use) for use in _uses(said)]
        asked = "\n".join(f"{call.tool} {json.dumps(call.arguments)}" for call in calls)
        return Plan(text=_text(said.content_as_list) or asked, calls=calls)

    async def execute(self, calls: Sequence[Call]) -> Done:
        """Make calls side by side, and tell their results; none, if there may not be so many.

        Raises:
            NotSymmetric: The client has no tools to offer.
        """
        if (stopped := self._short_of([call.tool for call in calls])) is not None:
            return self._ended(stopped)
        results = await self._make(calls)
        return Done(text="\n".join(_text(result.content) for result in results), steps=self.steps)

    def _short_of(self, wanted: list[str]) -> Stopped | None:
        """Say what there is too little of to ask the model, or to make some calls; nothing if there is enough or nobody said."""
        budget = self._client.budget
        needs: tuple[tuple[Limit, float | None, float], ...] = (
            ("steps", self._max_steps - len(self.steps), len(wanted)),
            ("hops", budget.hops, 1 if wanted else 0),
            ("calls", budget.calls, len(wanted)),
            ("tokens", budget.tokens, 1),
            ("costUsd", budget.cost_usd, math.ulp(0)),
            ("deadline", budget.seconds, _MOMENT),
        )
        for limit, left, needed in needs:
            if left is not None and left < needed:
                return Stopped(limit=limit, left=left, made=[step.tool for step in self.steps], wanted=wanted)
        return None

    def _ended(self, stopped: Stopped) -> Done:
        return Done(text=stopped.text, steps=self.steps, stopped=stopped)

    async def _ask(self, messages: Sequence[SamplingMessage], tools: Sequence[Tool]) -> CreateMessageResultWithTools:
        """Return the model's next message.

        Raises:
            ToolError: The model gave none.
            NotSymmetric: The client has no model to offer.
        """
        left = self._client.budget.tokens
        most = MAX_TOKENS if left is None else min(MAX_TOKENS, max(left, 1))
        try:
            return await self._client.create_message(messages, max_tokens=most, system_prompt=self._system, tools=tools)
        except NotSymmetric:
            raise
        except MCPError as error:
            raise ToolError(f"the model gave no answer: {error}") from None

    async def _make(self, calls: Sequence[Call]) -> list[CallToolResult]:
        """Make calls side by side, and return their results in the order of the calls; one that is refused is an error result."""
        results: dict[int, CallToolResult] = {}

        async def one(place: int, call: Call) -> None:
            try:
                results[place] = await self._client.call_tool(call.tool, call.arguments)
            except NotSymmetric:
                raise
            except MCPError as error:
                results[place] = CallToolResult(content=[TextContent(type="text", text=str(error))], is_error=True)
            self._finished += 1
            await self._told(self._finished, call.tool)

        async with self._client.batch() as tasks:
            for place, call in enumerate(calls):
                tasks.start_soon(one, place, call)
        made = [results[place] for place in range(len(calls))]
        self.steps += [_step(call, result) for call, result in zip(calls, made, strict=True)]
        return made


def _task(task: str) -> SamplingMessage:
    return SamplingMessage(role="user", content=TextContent(type="text", text=task))


def _uses(said: CreateMessageResultWithTools) -> list[ToolUseContent]:
    return [block for block in said.content_as_list if isinstance(block, ToolUseContent)]


def _call(use: ToolUseContent) -> Call:
    return Call(tool=use.name, arguments=use.input)


def _answer(use: ToolUseContent, result: CallToolResult) -> ToolResultContent:
    return ToolResultContent(
        type="tool_result",
        tool_use_id=use.id,
        content=result.content,
        structured_content=result.structured_content,
        is_error=result.is_error or None,
    )


def _step(call: Call, result: CallToolResult) -> Step:
    text = _text(result.content)
    if result.is_error:
        return Step(tool=call.tool, arguments=call.arguments, error=text)
    return Step(tool=call.tool, arguments=call.arguments, result=text)


def _text(blocks: Sequence[object]) -> str:
    return "\n".join(block.text for block in blocks if isinstance(block, TextContent))
