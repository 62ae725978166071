"""Answers that are taken in order, each once: what a test scripts for the model and the user.

A function that stands for an answer gets what was asked and, if it has a second parameter, where that comes from. Pinned by
`tests/switchboard/test_host.py` and `tests/switchboard/test_origin.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Generic, TypeVar, cast

from pytest_mcpsym.switchboard.asker import Asker, wants_origin
from pytest_mcpsym.wire.origin import Origin

__all__ = ["Turn", "Turns", "given_by"]

_Asked = TypeVar("_Asked")
_Given = TypeVar("_Given")

Turn = _Given | Callable[[_Asked], _Given | Awaitable[_Given]] | Callable[[_Asked, Origin], _Given | Awaitable[_Given]]
"""An answer, or a function, plain or async, that gives it for what was asked, and for its origin if it wants that."""


class Turns(Generic[_Asked, _Given]):
    """Turns that are taken in order, each once."""

    def __init__(self) -> None:
        self._turns: deque[Turn[_Given, _Asked]] = deque()

    async def take(self, asked: _Asked, asker: Asker) -> _Given | None:
        """Return the next turn, computed if it is a function; `None` when none is left."""
        return await given_by(self._turns.popleft(), asked, asker) if self._turns else None

    def add(self, *turns: Turn[_Given, _Asked]) -> None:
        """Add turns behind those that are left."""
        self._turns.extend(turns)


async def given_by(turn: Turn[_Given, _Asked], asked: _Asked, asker: Asker) -> _Given:
    """Return a turn, or what a function that stands for it gives for what was asked."""
    if not callable(turn):
        return turn
    function = cast("Callable[..., _Given | Awaitable[_Given]]", turn)
    given = function(asked, asker.origin()) if wants_origin(function) else function(asked)
    return await cast("Awaitable[_Given]", given) if isawaitable(given) else cast("_Given", given)
