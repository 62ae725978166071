"""Who asks the host something, for the functions that a test puts behind its model, its user and its roots.

The origin is read from the wire log, and only when a function wants it. Pinned by `tests/switchboard/test_origin.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from pytest_mcpsym.symmetric.names import CALLS
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.origin import Origin, Origins

__all__ = ["Asker", "questions", "wants_origin"]


@dataclass(frozen=True, slots=True)
class Asker:
    """A server that asks.

    Attributes:
        link: Its link.
        frame: The frame that brought the question; `None` where the SDK's client answers it, which does not say.
        log: The log that the frame is in.
    """

    link: str
    frame: Frame | None
    log: WireLog

    def origin(self) -> Origin:
        """Return where the question comes from."""
        frame = self.frame or self._last()
        return Origin(self.link, -1) if frame is None else Origins(self.log).of(frame)

    def _last(self) -> Frame | None:
        """The last question of the link in which its client is asked for input."""
        return next((frame for frame in reversed(self.log.frames) if frame.link == self.link and _asks(frame)), None)


def questions(frame: Frame) -> list[Mapping[str, object]]:
    """Return what a frame asks of the client, each with `method` and `params`: a request, a leg's calls, or input requests."""
    message = frame.message
    if frame.direction != "to-client" or message.kind not in ("request", "result"):
        return []
    if message.kind == "request":
        return [{"method": message.method, "params": message.params}]
    asked = message.result.get(
        {CALLS: "calls", "input_required": "inputRequests"}.get(str(message.result.get("resultType")), "")
    )
    members = cast("Mapping[str, object]", asked).values() if isinstance(asked, Mapping) else ()
    return [cast("Mapping[str, object]", member) for member in members if isinstance(member, Mapping)]


def wants_origin(function: Callable[..., object]) -> bool:
    """Say whether a function has a second parameter that must be given, for the origin of what it is asked."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(each.kind in positional and each.default is inspect.Parameter.empty for each in parameters) > 1


def _asks(frame: Frame) -> bool:
    return b'"input_required"' in frame.data and bool(questions(frame))
