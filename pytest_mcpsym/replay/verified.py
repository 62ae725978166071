"""A recorded link beside the real server: the client gets what was recorded, the server what the client sends.

`open_verified` opens the real link and plays the recorded one. What crosses to the real server is on a log of its own, so that the
board's log is that of a replay. Each recorded answer is held back until the real one is there, so that a test does not run ahead of
the server: what it changes in between, the server sees as it did when it was recorded. A server that is gone, or does not answer in time,
is not waited for any more. What is compared, and how, is `pytest_mcpsym.wire.verify`. Pinned by `tests/replay/test_verify.py`.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import anyio
import anyio.abc

from pytest_mcpsym.replay.played import Played, PlayedChannel
from pytest_mcpsym.switchboard.failure import Obituary
from pytest_mcpsym.transport.tap import UNASKED, Channel, Tap, Undelivered
from pytest_mcpsym.wire.frame import parse
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.playback import Outcome, Reply
from pytest_mcpsym.wire.redact import Rules
from pytest_mcpsym.wire.verify import Verification

if TYPE_CHECKING:
    from pytest_mcpsym.faults.active import Faults
    from pytest_mcpsym.switchboard.target import LinkSpec

__all__ = ["Verified", "open_verified"]

Connect = Callable[["LinkSpec", Tap], AbstractAsyncContextManager[Channel]]

_GRACE: Final = 3.0
"""Seconds that a server may take for what nobody waited for, when the link is closed."""


@dataclass(frozen=True, slots=True, eq=False)
class Verified:
    """What a link is made from when its recording is verified.

    Attributes:
        played: The recorded link.
        live: How the real one is opened.
        verification: Compares the two.
        patience: Seconds that the real server may take for an answer.
        rules: What is secret on the board.
        log: What crossed to the real server.
    """

    played: Played
    live: LinkSpec
    verification: Verification
    patience: float
    rules: Rules
    log: WireLog = field(default_factory=WireLog)


class _VerifiedChannel(PlayedChannel):
    """Plays, and tells a real server what the client sends."""

    def __init__(self, verified: Verified, tap: Tap, tasks: anyio.abc.TaskGroup, faults: Faults | None) -> None:
        super().__init__(verified.played, tap, faults)
        self._patience = verified.patience
        self._verification = verified.verification
        self._obituary = Obituary(tap.link, verified.live.label, verified.log, verified.rules)
        self._tasks = tasks
        self._waiting = 0
        self._changed = anyio.Event()
        self._ended = anyio.Event()
        self._outbox_in, self._outbox = anyio.create_memory_object_stream[tuple[bytes, Mapping[str, str] | None]](math.inf)

    def heard(self, data: bytes, headers: Mapping[str, str] | None, outcome: Outcome) -> None:
        """Tell the real server what the recorded one was told, and not what that never heard."""
        if parse(data).kind == "request" and (outcome.miss is not None or any(not reply.recorded for reply in outcome.replies)):
            return
        self._tell(self._verification.sent(data), headers)
        for ident in outcome.failed:
            self._tell(self._verification.refused(ident.decode()))
        self._wake()

    def say(self, replies: Sequence[Reply]) -> None:
        """Give the client what the recorded server says, each answer as soon as the real one is there."""
        for reply in replies:
            self._tell(self._verification.recorded(reply))
        for index, reply in enumerate(replies):
            if self._held(reply):
                self._waiting += 1
                self._tasks.start_soon(self._say_later, replies[index:])
                return
            super().say((reply,))

    async def run(self, connect: Connect, live: LinkSpec, tap: Tap, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Keep the real link open until this channel is closed: longer than those who are cancelled because the board closes."""
        with self._outbox, anyio.CancelScope() as scope:
            async with connect(live, tap) as channel, anyio.create_task_group() as tasks:
                scope.shield = True
                tasks.start_soon(self._speak, channel)
                tasks.start_soon(self._listen, channel)
                task_status.started()
                await self._ended.wait()
                tasks.cancel_scope.cancel()

    async def _speak(self, channel: Channel) -> None:
        """Send to the real server what it is told, until it is gone."""
        async for data, headers in self._outbox:
            # What did not reach the server is seen by what it does not say; over HTTP the next message may well reach it.
            with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await channel.send(data, headers)

    async def _listen(self, channel: Channel) -> None:
        """Hear what the real server says, until it is gone."""
        while True:
            try:
                item = await channel.receive()
            except anyio.EndOfStream:
                self._give_up(str(self._obituary.lost()))
                return
            if isinstance(item, Undelivered):
                if item.id == UNASKED:
                    continue
                self._verification.live(b'{"jsonrpc":"2.0","id":%s,"error":%s}' % (item.id.encode(), _error(item)))
            else:
                self._tell(self._verification.live(item.data))
            self._wake()

    def close(self) -> None:
        """End both connections on this side."""
        super().close()
        self._outbox_in.close()
        self._ended.set()

    async def end_input(self) -> None:
        """End the recorded server with its input, once it has said what waits for the real one."""
        with anyio.move_on_after(self._patience):
            while self._waiting:
                await self._changed.wait()
        await super().end_input()

    async def settled(self) -> None:
        """Wait until the real server has said as much as the recorded one."""
        while self._verification.owed():
            await self._changed.wait()

    def _tell(self, frames: tuple[bytes, ...], headers: Mapping[str, str] | None = None) -> None:
        for data in frames:
            self._outbox_in.send_nowait((data, headers))

    def _held(self, reply: Reply) -> bool:
        message = parse(reply.data)
        answers = reply.recorded is not None and message.kind in ("result", "error")
        return answers and not self._verification.answered(str(message.id))

    async def _say_later(self, replies: Sequence[Reply]) -> None:
        for reply in replies:
            with anyio.move_on_after(self._patience) as waiting:
                while self._held(reply):
                    await self._changed.wait()
            if waiting.cancelled_caught:
                asked_for = self._verification.label(str(parse(reply.data).id))
                self._give_up(f"the server did not answer {asked_for} within {self._patience:g} s")
            if not self._closed:
                super().say((reply,))
        self._waiting -= 1
        self._wake()

    def _give_up(self, why: str) -> None:
        self._verification.ended = self._verification.ended or why
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()


def _error(item: Undelivered) -> bytes:
    return json.dumps({"code": item.code, "message": item.message}).encode()


@asynccontextmanager
async def open_verified(
    verified: Verified, tap: Tap, connect: Connect, faults: Faults | None = None
) -> AsyncGenerator[Channel]:
    """Play a recorded link beside the real one.

    Args:
        verified: Both links.
        tap: Logs what is played.
        connect: Opens the real link.
        faults: What is done to what is played.

    Raises:
        LinkError: The real server could not be started or reached.
    """
    real = Tap(verified.log, tap.link)
    async with anyio.create_task_group() as tasks:
        channel = _VerifiedChannel(verified, tap, tasks, faults)
        try:
            await tasks.start(channel.run, connect, verified.live, real)
            channel.open()
            yield channel
        finally:
            if any(note.channel == "closing" and note.link == tap.link for note in tap.log.notes):
                with anyio.move_on_after(min(_GRACE, verified.patience), shield=True):
                    await channel.settled()
            channel.close()
            tasks.cancel_scope.cancel()
