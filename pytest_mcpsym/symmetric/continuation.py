"""Continuations that are over, and how all of them are refused: one code, one text, `data.reason`.

Pinned by `tests/symmetric/test_parked.py` and `tests/symmetric/test_sealed.py`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, cast

from mcp import MCPError
from mcp_types import INVALID_PARAMS

from pytest_mcpsym.symmetric.names import REFUSED_CONTINUATION, Reason

__all__ = ["REMEMBERED", "REMEMBERED_FOR", "RefusedContinuation", "Spent", "check_responses"]

REMEMBERED: Final = 4096
"""Continuations that are remembered after their end; of more, the oldest become unknown."""


REMEMBERED_FOR: Final = 900.0
"""Seconds for which a continuation that is over is remembered; after that it becomes unknown."""


class RefusedContinuation(MCPError):
    """A continuation that cannot be continued (-32602, always with the same text).

    Attributes:
        reason: Why: also `data.reason`.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(INVALID_PARAMS, REFUSED_CONTINUATION, {"reason": reason})
        self.reason: Reason = reason


class Spent:
    """Things that were used up, remembered for a bounded time and number.

    Args:
        keep: Seconds to remember each.
        clock: Seconds of any clock.
        limit: How many to remember.
    """

    def __init__(self, keep: float, clock: Callable[[], float], limit: int = REMEMBERED) -> None:
        self._keep = keep
        self._clock = clock
        self._limit = limit
        self._spent: OrderedDict[str, tuple[Reason, object, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._spent)

    def add(self, token: str, reason: Reason, owner: object) -> None:
        """Remember why a token cannot be used again, and whose it was."""
        self._forget()
        self._spent[token] = (reason, owner, self._clock() + self._keep)
        while len(self._spent) > self._limit:
            self._spent.popitem(last=False)

    def refusal(self, token: str, owner: object) -> RefusedContinuation:
        """Return the error for a token that is not in use."""
        self._forget()
        if token not in self._spent:
            return RefusedContinuation("unknown")
        reason, whose, _ = self._spent[token]
        return RefusedContinuation(reason if whose == owner else "foreign")

    def _forget(self) -> None:
        now = self._clock()
        while self._spent and next(iter(self._spent.values()))[2] <= now:
            self._spent.popitem(last=False)


def check_responses(responses: Mapping[str, object], strangers: list[str]) -> None:
    """Check the answers of a continuation before it is used up.

    Args:
        responses: As they came.
        strangers: Keys among them for which no answer is due.

    Raises:
        MCPError: An answer to no call, or one that is neither a result nor an error (-32602, `data.keys`).
    """
    if strangers:
        raise MCPError(INVALID_PARAMS, "these responses answer no call", {"keys": strangers})
    malformed = sorted(key for key, response in responses.items() if not _is_response(response))
    if malformed:
        raise MCPError(INVALID_PARAMS, "a response is either a result or an error", {"keys": malformed})


def _is_response(response: object) -> bool:
    if not isinstance(response, Mapping):
        return False
    members = cast("Mapping[str, object]", response)
    if len(members) != 1:
        return False
    if "result" in members:
        return isinstance(members["result"], Mapping)
    error = members.get("error")
    if not isinstance(error, Mapping):
        return False
    parts = cast("Mapping[str, object]", error)
    return type(parts.get("code")) is int and isinstance(parts.get("message"), str)
