"""What servers asked the model, read from the wire log: each `sampling/createMessage` in whichever way it came.

A prompt is a mirrored request (handshake era), a call of a leg, or an input request of an `input_required` (modern era). Pinned by
`tests/switchboard/test_model.py` and `tests/switchboard/test_origin.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mcp_types import CreateMessageRequestParams, SamplingMessage, TextContent, ToolResultContent, ToolUseContent
from pydantic import ValidationError

from pytest_mcpsym.switchboard.asker import questions
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.origin import Origin, Origins

__all__ = ["Prompt", "calls_so_far", "last_text", "prompts"]

_METHOD = "sampling/createMessage"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request for the model's next message.

    Attributes:
        link: The server that asked.
        frame: `seq` of the frame that brought it, in the wire log.
        params: What it asked with.
        origin: On whose account: the hops that caused it.
    """

    link: str
    frame: int
    params: CreateMessageRequestParams
    origin: Origin

    @property
    def text(self) -> str:
        """The text of the last message; that of tool results counts."""
        return last_text(self.params)

    @property
    def system(self) -> str:
        """The system prompt, empty if there is none."""
        return self.params.system_prompt or ""

    @property
    def tools(self) -> list[str]:
        """Names of the tools that the model is offered."""
        return [tool.name for tool in self.params.tools or ()]


def prompts(log: WireLog) -> tuple[Prompt, ...]:
    """Return the prompts in a log, in order; malformed ones never reach the model and are left out."""
    asking = [(frame, params) for frame in log.frames for params in _params(frame)]
    origins = Origins(log) if asking else None
    return tuple(Prompt(frame.link, frame.seq, params, origins.of(frame)) for frame, params in asking if origins is not None)


def last_text(params: CreateMessageRequestParams) -> str:
    """Return the text of the last message, its blocks on lines of their own."""
    return "\n".join(_texts(params.messages[-1])) if params.messages else ""


def calls_so_far(params: CreateMessageRequestParams) -> int:
    """Return how many tool uses stand in the conversation."""
    return sum(isinstance(block, ToolUseContent) for message in params.messages for block in message.content_as_list)


def _texts(message: SamplingMessage) -> Iterator[str]:
    for block in message.content_as_list:
        if isinstance(block, TextContent):
            yield block.text
        elif isinstance(block, ToolResultContent):
            yield from (each.text for each in block.content if isinstance(each, TextContent))


def _params(frame: Frame) -> Iterator[CreateMessageRequestParams]:
    for question in questions(frame):
        if question.get("method") == _METHOD:
            try:
                yield CreateMessageRequestParams.model_validate(question.get("params"), by_name=False)
            except ValidationError:
                continue
