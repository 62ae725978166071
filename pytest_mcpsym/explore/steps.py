"""The steps of a conversation, as values whose `repr` is the code that makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

__all__ = ["Ask", "Cancel", "Reconnect", "Step", "Wait", "without"]


@dataclass(frozen=True)
class Ask:
    """Send a request and go on at once; its answer may come whenever it does.

    Attributes:
        method: JSON-RPC method.
        params: Its params, without `_meta`.
        progress: Whether the request asks for progress.
        id: Its id; default a new one.
    """

    method: str
    params: Mapping[str, object] = field(default_factory=dict[str, object])
    progress: bool = False
    id: int | str | None = None

    def __repr__(self) -> str:
        params = f", {dict(self.params)!r}" if self.params else ""
        progress = ", progress=True" if self.progress else ""
        return f"Ask({self.method!r}{params}{progress}{'' if self.id is None else f', id={self.id!r}'})"


@dataclass(frozen=True)
class Cancel:
    """Cancel a request that was not answered yet; nothing where it was, or where there is no such request.

    Attributes:
        request: Which `Ask` of the conversation, from 0.
    """

    request: int

    def __repr__(self) -> str:
        return f"Cancel({self.request})"


@dataclass(frozen=True)
class Wait:
    """Wait for the answer to a request, for as long as the conversation has patience.

    Attributes:
        request: Which `Ask` of the conversation, from 0.
    """

    request: int

    def __repr__(self) -> str:
        return f"Wait({self.request})"


@dataclass(frozen=True)
class Reconnect:
    """Drop the connection, with what is in flight on it, and connect to the same server again.

    A process is started anew, a session is opened anew, a server in memory serves once more. What was asked before stays without an answer.
    """


Step = Ask | Cancel | Wait | Reconnect


def without(steps: Sequence[Step], place: int) -> list[Step]:
    """Return a conversation without one of its steps, and without those that mean it; the others mean what they meant."""
    if not isinstance(steps[place], Ask):
        return [*steps[:place], *steps[place + 1 :]]
    number = sum(isinstance(step, Ask) for step in steps[:place])
    kept: list[Step] = []
    for other, step in enumerate(steps):
        if isinstance(step, Ask):
            kept += [step] if other != place else []
        elif isinstance(step, Reconnect):
            kept.append(step)
        elif step.request != number:
            kept.append(replace(step, request=step.request - (step.request > number)))
    return kept
