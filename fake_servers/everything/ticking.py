"""The tools that make the server speak of its own accord, at a pace, until they are called again or the run ends.

In the modern era only a request may carry log messages: there the logging tool sends one with its own request. Updates go to the
streams that clients have opened. Pinned by `tests/fakes/test_everything.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from .plain import Call, Doing, text
from .session import LEVELS, is_modern, log

__all__ = ["ticking"]


def ticking(interval: float, changed: Callable[[Call], Awaitable[None]]) -> dict[str, Doing]:
    """Return what each of the tools does, by its name.

    Args:
        interval: Seconds from one message to the next.
        changed: Says of each subscribed resource that it has changed.
    """

    async def say(call: Call) -> None:
        level = call.context.lifespan_context.random.choice(LEVELS)
        await log(call.context, level, f"A made-up message, {level}")

    async def logging(call: Call) -> dict[str, object]:
        session = call.session
        if session.logging is not None:
            session.logging.cancel()
            session.logging = None
            return {"content": [text("No more made-up log messages.")]}
        if not is_modern(call.context):
            session.logging = await _begin(call, interval, say)
            return {"content": [text(f"A made-up log message now and every {interval:g} seconds.")]}
        await say(call)
        return {"content": [text("A made-up log message with this result.")]}

    async def updating(call: Call) -> dict[str, object]:
        session = call.session
        if session.updating is not None:
            session.updating.cancel()
            session.updating = None
            return {"content": [text("No more updates.")]}
        session.updating = await _begin(call, interval, changed)
        return {"content": [text(f"An update of each subscribed resource now and every {interval:g} seconds.")]}

    return {"toggle-simulated-logging": logging, "toggle-subscriber-updates": updating}


async def _begin(call: Call, interval: float, act: Callable[[Call], Awaitable[None]]) -> anyio.CancelScope:
    """Act once, and go on at the pace until the returned scope is cancelled."""
    await act(call)
    scope = anyio.CancelScope()

    async def go_on() -> None:
        with scope:
            while True:
                await anyio.sleep(interval)
                await act(call)

    call.context.lifespan_context.tasks.start_soon(go_on)
    return scope
