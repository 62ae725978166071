"""The deterministic model behind sampling: turns in order, rules by prompt, and where nothing was scripted a planner.

A prompt is answered by the first rule that takes it, else by the next turn. In a test that scripted anything, one that neither takes is
an error to the server, and fails the test whatever the server makes of it. Pinned by `tests/switchboard/test_model.py`.
"""

from __future__ import annotations

import re
from typing import Final, cast

from mcp.server.validation import validate_tool_use_result_messages
from mcp_types import INVALID_PARAMS, INVALID_REQUEST, CreateMessageRequestParams, ErrorData

from pytest_mcpsym.errors import UnexpectedPrompt, UsageError
from pytest_mcpsym.switchboard import planner
from pytest_mcpsym.switchboard.asker import Asker
from pytest_mcpsym.switchboard.pending import dumps
from pytest_mcpsym.switchboard.prompts import Prompt, last_text, prompts
from pytest_mcpsym.switchboard.rules import SHOWN, Condition, Message, ModelTurn, Rule, Text, nearest, said
from pytest_mcpsym.switchboard.turns import Turns
from pytest_mcpsym.symmetric.names import USAGE_KEY
from pytest_mcpsym.symmetric.spending import Usage
from pytest_mcpsym.wire.context import BYTES_PER_TOKEN
from pytest_mcpsym.wire.log import WireLog

__all__ = ["Model"]

_MILLION: Final = 1_000_000


class Model:
    """The deterministic model behind sampling, whichever server asks.

    Args:
        log: Where what it is asked is logged.
    """

    def __init__(self, log: WireLog) -> None:
        self._log = log
        self._turns = Turns[CreateMessageRequestParams, "str | Message"]()
        self._rules: list[Rule] = []
        self._is_scripted = False
        self._prices = (0.0, 0.0)
        self._missed: list[UnexpectedPrompt] = []

    def script(self, *turns: ModelTurn) -> None:
        """Add answers to `sampling/createMessage`, used in order, each once.

        Args:
            turns: Text, a `CreateMessageResult`, a `CreateMessageResultWithTools`, or a function, plain or async, from the
                request's params to one of these: a real model can sit behind it. With a second parameter it gets the request's
                `Origin` too: `link`, the server that asks, and `hops` and `route`, on whose account it does.

        Example:
            ```python
            board.model.script("4", lambda params: params.messages[-1].content.text.upper())
            board.model.script(lambda params, origin: f"you are {origin.link}, on the way {origin.route}")
            ```
        """
        self._is_scripted = True
        self._turns.add(*turns)

    def when(
        self,
        text: Text | Condition | None = None,
        *,
        tool: str | None = None,
        system: Text | None = None,
        link: str | None = None,
        times: int | None = None,
    ) -> Rule:
        """Add a rule: what the model says to the prompts that meet all of these. The first rule that takes a prompt answers it.

        Args:
            text: A text that the last message contains (tool results count), an expression that is found in it, or a function from
                the request's params, and with a second parameter its `Origin`, to whether the rule takes it.
            tool: Name of a tool that the prompt must offer.
            system: A text that the system prompt contains, or an expression that is found in it.
            link: The server that asks: its link's name, or a pattern with `*`.
            times: How many prompts the rule takes; default any number.

        Returns:
            The rule; give it an answer with `reply`, `calls` or `plan`.

        Raises:
            UsageError: A condition is of a kind that cannot be met.

        Example:
            ```python
            board.model.when("say hello").calls("everything__echo", {"message": "hello"})
            board.model.when("Echo: hello").reply("It said hello.")
            ```
        """
        _check(text, system, times)
        self._is_scripted = True
        self._rules.append(Rule(text, tool, system, link, times))
        return self._rules[-1]

    def price(self, *, input: float, output: float) -> None:  # noqa: A002 - the words of every price list
        """Say what the model costs, so that routes can use up a budget of dollars. Without a price it costs nothing.

        Args:
            input: US dollars for a million tokens that it reads.
            output: US dollars for a million tokens that it writes.

        Raises:
            UsageError: A price is negative.
        """
        if input < 0 or output < 0:
            raise UsageError(f"price(input={input}, output={output}): a model costs nothing or more")
        self._prices = (input, output)

    @property
    def requests(self) -> tuple[Prompt, ...]:
        """What servers asked the model so far, in order, read from the wire log."""
        return prompts(self._log)

    @property
    def is_scripted(self) -> bool:
        """Whether the test said anything of what the model says."""
        return self._is_scripted

    async def answer(self, params: CreateMessageRequestParams, asker: Asker) -> Message | ErrorData:
        """Return the model's next message with what it used, or the error that the server gets instead."""
        given = await self._next(params, asker)
        return given if isinstance(given, ErrorData) else self._metered(given, params)

    async def _next(self, params: CreateMessageRequestParams, asker: Asker) -> Message | ErrorData:
        try:
            validate_tool_use_result_messages(params.messages)
        except ValueError as error:
            return ErrorData(code=INVALID_PARAMS, message=f"sampling/createMessage: {error}")
        rule = next((rule for rule in self._rules if not rule.obstacles(params, asker)), None)
        turn = await self._turns.take(params, asker) if rule is None else await rule.answer(params, asker)
        if turn is not None:
            return said(turn) if isinstance(turn, str) else turn
        return self._miss(params, asker) if self._is_scripted else _unscripted(params)

    def take_missed(self) -> str:
        """Return what is to be told of the prompts that nothing took, and forget them; empty if there are none."""
        missed, self._missed = self._missed, []
        return "\n\n".join(map(str, missed))

    def _metered(self, message: Message, params: CreateMessageRequestParams) -> Message:
        """Add what the model used, unless the message says it: by the bytes of the texts, tools and results in it."""
        if USAGE_KEY in (message.meta or {}):
            return message
        asked = params.model_dump(by_alias=True, mode="json", exclude_none=True, include={"messages", "system_prompt", "tools"})
        written = message.model_dump(by_alias=True, mode="json", exclude_none=True, include={"content"})
        read, wrote = _tokens(asked), _tokens(written)
        cost = (read * self._prices[0] + wrote * self._prices[1]) / _MILLION
        return message.model_copy(update={"meta": {**(message.meta or {}), **Usage(read + wrote, cost).meta()}})

    def _miss(self, params: CreateMessageRequestParams, asker: Asker) -> ErrorData:
        text = last_text(params)
        shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"
        lines = [f"the model has no answer to this prompt of {asker.link!r}: {shown!r}"]
        lines += [f"  system: {params.system_prompt[:SHOWN]!r}"] if params.system_prompt else []
        lines += [f"  tools: {', '.join(tool.name for tool in params.tools)}"] if params.tools else []
        rule = nearest(self._rules, params, asker)
        if rule is None:
            lines.append("all turns of board.model.script(...) were used, and there are no rules")
        else:
            lines += [f"nearest rule: {rule}", *(f"  {obstacle}" for obstacle in rule.obstacles(params, asker))]
        lines.append(f"{_remedy(text)}, or .calls('tool', {{...}})")
        message = "\n".join(lines)
        self._missed.append(UnexpectedPrompt(message))
        return ErrorData(code=INVALID_REQUEST, message=message)


def _unscripted(params: CreateMessageRequestParams) -> Message | ErrorData:
    """Let the planner answer where it can."""
    if not params.tools or (params.tool_choice is not None and params.tool_choice.mode == "none"):
        message = "the test scripted no answer to this sampling/createMessage; add one with board.model.script('an answer')"
        return ErrorData(code=INVALID_REQUEST, message=message)
    try:
        return planner.next_message(params)
    except planner.NoPlan as error:
        return ErrorData(code=INVALID_REQUEST, message=f"{error}; or {_remedy(last_text(params))}")


def _tokens(value: object) -> int:
    return -(-len(dumps(value)) // BYTES_PER_TOKEN)


def _remedy(text: str) -> str:
    line = max(text.splitlines() or [""], key=len)[:60]
    return f"write board.model.when({line!r}).reply('an answer')"


def _check(text: object, system: object, times: int | None) -> None:
    if not (text is None or isinstance(text, (str, re.Pattern)) or callable(text)):
        raise UsageError(f"when() takes a text, a compiled expression or a function, not {type(text).__name__}")
    if not (system is None or isinstance(system, (str, re.Pattern))):
        raise UsageError(f"when(system=) takes a text or a compiled expression, not {type(system).__name__}")
    if any(isinstance(getattr(wanted, "pattern", None), bytes) for wanted in cast("tuple[object, ...]", (text, system))):
        raise UsageError("when() takes expressions over text, not over bytes")
    if times is not None and times < 1:
        raise UsageError(f"when(times={times}) would take no prompt; leave it out for any number")
