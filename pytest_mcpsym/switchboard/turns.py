"""Answers that are taken in order, each once: what a test scripts for the model and the user.

Pinned by `tests/switchboard/test_host.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Generic, TypeVar, cast

__all__ = ["Turns", "given_by"]

_Asked = TypeVar("_Asked")
_Given = TypeVar("_Given")


class Turns(Generic[_Asked, _Given]):
    """Turns that are taken in order, each once."""

    def __init__(self) -> None:
        self._turns: deque[_Given | Callable[[_Asked], _Given | Awaitable[_Given]]] = deque()

    async def take(self, asked: _Asked) -> _Given | None:
        """Return the next turn, computed from what was asked if it is a plain or async function; `None` when none is left."""
        return await given_by(self._turns.popleft(), asked) if self._turns else None

    def add(self, *turns: _Given | Callable[[_Asked], _Given | Awaitable[_Given]]) -> None:
        """Add turns behind those that are left."""
        self._turns.extend(turns)


async def given_by(turn: _Given | Callable[[_Asked], _Given | Awaitable[_Given]], asked: _Asked) -> _Given:
    """Return a turn, or what a function that stands for it gives for what was asked."""
    if not callable(turn):
        return turn
    given = cast("Callable[[_Asked], _Given | Awaitable[_Given]]", turn)(asked)
    return await cast("Awaitable[_Given]", given) if isawaitable(given) else cast("_Given", given)
