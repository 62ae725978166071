"""One task that enters and leaves a board, so that the task which opens it need not be the one which closes it.

pytest-asyncio and pytest-trio run fixtures, their teardown and the test in different tasks, and a cancel scope must be left by the
task that entered it. So on asyncio and on trio alike the board is held by a task of its own, which the opener starts and ends. Pinned by
`tests/plugin/test_runners.py`.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractAsyncContextManager

import anyio

from pytest_mcpsym.errors import McpsymError
from pytest_mcpsym.switchboard import loops

__all__ = ["Owner"]

END_GRACE = 15.0
"""Seconds that closing may take before it is cut short; the transports' own limits are far below."""


class Owner:
    """Holds an async context manager open in a task of its own."""

    def __init__(self, held: AbstractAsyncContextManager[object]) -> None:
        self._held = held
        self._scope = anyio.CancelScope()
        self._ready = anyio.Event()
        self._stop = anyio.Event()
        self._done = anyio.Event()
        self._error: BaseException | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the task and wait until the context manager is entered; raise what entering it raised."""
        token = loops.running()
        if token is not None and token[0] == "trio":
            sys.modules["trio"].lowlevel.spawn_system_task(self._own, name="mcpsym board")
        else:
            self._task = asyncio.create_task(self._own(), name="mcpsym board")
        try:
            await self._ready.wait()
        except BaseException:
            self._scope.cancel()
            with anyio.move_on_after(END_GRACE, shield=True):
                await self._done.wait()
            raise
        if self._error is not None:
            await self._done.wait()
            raise self._error

    async def stop(self) -> None:
        """Leave the context manager and wait for it; raise what leaving it raised. Bounded, whatever the held thing does."""
        self._stop.set()
        try:
            with anyio.move_on_after(END_GRACE):
                await self._done.wait()
        finally:
            if not self._done.is_set():
                self._scope.cancel()
                with anyio.move_on_after(END_GRACE, shield=True):
                    await self._done.wait()
        if not self._done.is_set():
            raise McpsymError(
                f"the board did not close within {2 * END_GRACE:g} s: something in this process ignores its cancellation"
            )
        if self._error is not None:
            raise self._error

    async def _own(self) -> None:
        try:
            with self._scope:
                async with self._held:
                    self._ready.set()
                    await self._stop.wait()
        except Exception as error:  # noqa: BLE001 - it is raised in the task that waits
            self._error = error
        except asyncio.CancelledError:  # The loop is being torn down; whoever waits must not wait for ever.
            self._error = RuntimeError("the event loop ended while the board was open")
        finally:
            self._ready.set()
            self._done.set()
