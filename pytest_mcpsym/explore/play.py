"""Hold one conversation with a server: requests side by side, cancellations in between, and at the end the question whether it still lives.

A client that conforms may do all of this at any time. What the server makes of it is judged by the checks of the board, as always.
Pinned by `tests/explore/test_play.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import anyio
from mcp import MCPError

from pytest_mcpsym.errors import AnswerTimeout, LinkError, UsageError
from pytest_mcpsym.explore.steps import Ask, Cancel, Reconnect, Step, Wait

if TYPE_CHECKING:
    from pytest_mcpsym.switchboard.engine import Engine

__all__ = ["PATIENCE", "converse"]

PATIENCE: Final = 2.0
"""Seconds that an answer is waited for, unless a conversation says otherwise."""

_ALIVE: Final = 10.0
"""Seconds in which a server that is not dead answers a ping, or says again what it is."""


class _Asked:
    """A request of the conversation."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.sent = anyio.Event()
        self.over = anyio.Event()
        self.failure: Exception | None = None
        self.dropped = False

    async def run(self, engine: Engine, link: str, step: Ask) -> None:
        try:
            with self.scope:
                await engine.ask(
                    link,
                    step.method,
                    step.params,
                    wants_progress=step.progress,
                    on_sent=lambda _: self.sent.set(),
                    ident=step.id,
                )
        except MCPError:
            pass  # The host refused an answer that the server wanted of it: a conversation like any other.
        except LinkError as error:
            if not self.dropped:
                self.failure = error
        except Exception as error:  # noqa: BLE001  # Raised when the others are over: a task group would wrap it.
            self.failure = error
        finally:
            self.sent.set()
            self.over.set()


async def converse(engine: Engine, link: str, steps: Sequence[Step], patience: float) -> None:
    """Hold a conversation and ask at its end whether the server still lives.

    Args:
        engine: The links.
        link: Which of them.
        steps: What to do, in order.
        patience: Seconds that an answer is waited for; a request that has none by then is cancelled.

    Raises:
        UsageError: A step is none.
        LinkError: The link died, or the server does not answer any more, or cannot be reached again.
    """
    _check(steps)
    asked: list[_Asked] = []
    lost: list[LinkError] = []
    async with anyio.create_task_group() as tasks:
        for step in steps:
            if isinstance(step, Ask):
                asked.append(_Asked())
                tasks.start_soon(asked[-1].run, engine, link, step)
                await asked[-1].sent.wait()
            elif isinstance(step, Reconnect):
                for each in asked:
                    each.dropped = True
                try:
                    link = await engine.reconnect(link)
                except LinkError as error:
                    lost.append(error)
                    break
            elif step.request < len(asked):
                await _meddle(asked[step.request], step, patience)
        with anyio.move_on_after(patience):
            for each in asked:
                await each.over.wait()
        for each in asked:
            each.scope.cancel()
    for failure in filter(None, (*lost, *(each.failure for each in asked))):
        raise failure
    alive = "ping" if engine.link(link).era == "handshake" else "server/discover"
    try:
        await engine.ask(link, alive, {}, seconds=_ALIVE)
    except AnswerTimeout as error:
        error.args = (f"{error}: the server does not live any more after this conversation",)
        raise


def _check(steps: Sequence[Step]) -> None:
    for step in steps:
        if not isinstance(step, (Ask, Cancel, Wait, Reconnect)):  # pyright: ignore[reportUnnecessaryIsInstance]  # a test may be written by hand
            raise UsageError(
                f"{step!r} is no step of a conversation: use Ask, Cancel, Wait and Reconnect of pytest_mcpsym.explore"
            )
        if isinstance(step, Ask) and (isinstance(step.id, bool) or not isinstance(step.id, (int, str, type(None)))):  # pyright: ignore[reportUnnecessaryIsInstance]  # as above
            raise UsageError(f"{step!r} has an id that no request may have: use a whole number or text")


async def _meddle(asked: _Asked, step: Cancel | Wait, patience: float) -> None:
    if isinstance(step, Cancel):
        asked.scope.cancel()
    else:
        with anyio.move_on_after(patience):
            await asked.over.wait()
