"""Listeners for the progress of a call."""

from __future__ import annotations

import anyio

from pytest_mcpsym.switchboard.engine import Progress

Told = tuple[float, float | None, str | None]
"""Progress, total and message."""


def unheard(_progress: float, _total: float | None, _message: str | None) -> None:
    """Ask for progress, which puts a token on the request, and do nothing with it."""


def into(heard: list[Told]) -> Progress:
    """Return a listener that keeps what it is told."""

    def listen(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    return listen


def giving_up(scope: anyio.CancelScope) -> Progress:
    """Return a listener that gives up the call which runs in `scope`, at the first progress: when the server is at work for sure."""

    def listen(_progress: float, _total: float | None, _message: str | None) -> None:
        scope.cancel()

    return listen
