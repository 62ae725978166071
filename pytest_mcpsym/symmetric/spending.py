"""What a call may still spend and what it has spent, as both travel in `_meta`: advice to whoever is called, and its report.

Standard library only. What a peer says is read with distrust: a figure that is none counts as if it had not been said, so that no
report can give anything back. Pinned by `tests/symmetric/test_spending.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from pytest_mcpsym.wire.extension import BUDGET_KEY, USAGE_KEY

__all__ = ["Budget", "Usage"]

_DIGITS: Final = 9
"""Decimals of a cost on the wire: sums of floats are not spelled with their error."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What was spent, beside time and calls.

    Attributes:
        tokens: Tokens of models, read and written.
        cost_usd: US dollars.
    """

    tokens: int = 0
    cost_usd: float = 0.0

    @classmethod
    def of(cls, meta: Mapping[str, object] | None) -> Usage:
        """Read the report in a result's `_meta`, or in an error's `data`; nothing, where there is none."""
        said = _members(meta, USAGE_KEY)
        return cls(int(_amount(said.get("tokens")) or 0), _amount(said.get("costUsd")) or 0.0)

    def meta(self) -> dict[str, object]:
        """Return what reports this in a result's `_meta`, or in an error's `data`; empty if nothing was spent."""
        told: dict[str, object] = {"tokens": self.tokens} if self.tokens else {}
        if self.cost_usd:
            told["costUsd"] = round(self.cost_usd, _DIGITS)
        return {USAGE_KEY: told} if told else {}

    def beyond(self, counted: Usage) -> Usage:
        """Return what of this is not in another one that it may include."""
        return Usage(max(self.tokens - counted.tokens, 0), max(self.cost_usd - counted.cost_usd, 0.0))

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.tokens + other.tokens, self.cost_usd + other.cost_usd)


@dataclass(frozen=True, slots=True)
class Budget:
    """What may still be spent; `None` where nobody said.

    Attributes:
        seconds: Until the deadline.
        hops: One below the other, from the server that is told to the last callee.
        calls: Side by side or one below the other.
        tokens: Tokens of models.
        cost_usd: US dollars.
    """

    seconds: float | None = None
    hops: int | None = None
    calls: int | None = None
    tokens: int | None = None
    cost_usd: float | None = None

    @classmethod
    def of(cls, meta: Mapping[str, object] | None) -> Budget:
        """Read the stamp in a request's `_meta`; all `None`, where there is none."""
        said = _members(meta, BUDGET_KEY)
        milliseconds = _amount(said.get("deadlineMs"))
        hops, calls, tokens = (_amount(said.get(name)) for name in ("hops", "calls", "tokens"))
        return cls(
            None if milliseconds is None else milliseconds / 1000,
            None if hops is None else int(hops),
            None if calls is None else int(calls),
            None if tokens is None else int(tokens),
            _amount(said.get("costUsd")),
        )

    def meta(self) -> dict[str, object]:
        """Return the stamp for a request's `_meta`; empty if nothing is known."""
        told = {
            "deadlineMs": None if self.seconds is None else int(self.seconds * 1000),
            "hops": self.hops,
            "calls": self.calls,
            "tokens": self.tokens,
            "costUsd": None if self.cost_usd is None else round(self.cost_usd, _DIGITS),
        }
        known = {name: value for name, value in told.items() if value is not None}
        return {BUDGET_KEY: known} if known else {}

    def after(self, usage: Usage, seconds: float = 0.0, calls: int = 0) -> Budget:
        """Return what is left once this was spent, so many seconds have passed and so many calls were made."""
        return Budget(
            None if self.seconds is None else max(self.seconds - seconds, 0.0),
            self.hops,
            None if self.calls is None else max(self.calls - calls, 0),
            None if self.tokens is None else max(self.tokens - usage.tokens, 0),
            None if self.cost_usd is None else max(self.cost_usd - usage.cost_usd, 0.0),
        )


def _members(meta: Mapping[str, object] | None, key: str) -> Mapping[str, object]:
    said = (meta or {}).get(key)
    return cast("Mapping[str, object]", said) if isinstance(said, Mapping) else {}


def _amount(value: object) -> float | None:
    """A finite number that is not negative; `None` for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        return None
    return value
