"""What servers asked the model, read from the wire log: each `sampling/createMessage` in whichever way it came.

A prompt is a mirrored request (handshake era), a call of a leg, or an input request of an `input_required` (modern era). Pinned by
`tests/switchboard/test_model.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from mcp_types import CreateMessageRequestParams, SamplingMessage, TextContent, ToolResultContent, ToolUseContent
from pydantic import ValidationError

from pytest_mcpsym.symmetric.names import CALLS
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog

__all__ = ["Prompt", "calls_so_far", "last_text", "prompts"]

_METHOD = "sampling/createMessage"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request for the model's next message.

    Attributes:
        link: The server that asked.
        frame: `seq` of the frame that brought it, in the wire log.
        params: What it asked with.
    """

    link: str
    frame: int
    params: CreateMessageRequestParams

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
    return tuple(prompt for frame in log.frames if frame.direction == "to-client" for prompt in _in_frame(frame))


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


def _in_frame(frame: Frame) -> Iterator[Prompt]:
    for params in _asked(frame):
        try:
            yield Prompt(frame.link, frame.seq, CreateMessageRequestParams.model_validate(params, by_name=False))
        except ValidationError:
            continue


def _asked(frame: Frame) -> Iterable[object]:
    message = frame.message
    if message.kind == "request" and message.method == _METHOD:
        return [message.params]
    if message.kind != "result":
        return []
    asked = message.result.get(
        {CALLS: "calls", "input_required": "inputRequests"}.get(str(message.result.get("resultType")), "")
    )
    calls = cast("Mapping[str, object]", asked).values() if isinstance(asked, Mapping) else ()
    members = [cast("Mapping[str, object]", call) for call in calls if isinstance(call, Mapping)]
    return [call.get("params") for call in members if call.get("method") == _METHOD]
