"""The rounds of one call of the SDK's client, which answers `input_required` itself: they share the route that began with the first.

The client sends every round and answers every question from the task of its caller, or from one that was started there, so a context
variable tells which call a question belongs to, also where several are open at once. Pinned by `tests/switchboard/test_spending.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from pytest_mcpsym.switchboard.trail import Trail
from pytest_mcpsym.wire.frame import Frame

__all__ = ["Rounds", "begin", "current"]

_CURRENT: Final[ContextVar[Rounds | None]] = ContextVar("mcpsym_rounds", default=None)


@dataclass(slots=True)
class Rounds:
    """One call with all its rounds.

    Attributes:
        link: Its link's side of the client, so that links and boards are told apart.
        trail: The route that goes through it.
        asked: The answer that asked for input, until the client has sent the call again.
    """

    link: object
    trail: Trail
    asked: Frame | None = None


def begin(link: object, params: Mapping[str, object], make: Callable[[], Trail]) -> Rounds:
    """Return the call that a request of the client belongs to: the one that was asked for input, if it answers, else a new one."""
    before = current(link)
    if before is not None and ("inputResponses" in params or "requestState" in params):
        before.asked = None
        return before
    rounds = Rounds(link, make())
    _CURRENT.set(rounds)
    return rounds


def current(link: object) -> Rounds | None:
    """Return the call of this task that was asked for input on a link."""
    rounds = _CURRENT.get()
    return rounds if rounds is not None and rounds.link is link and rounds.asked is not None else None
