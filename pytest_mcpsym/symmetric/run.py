"""One tool handler in flight over several legs of its call: what it asks for, what it is told, what it sends meanwhile.

`ParkedRun` collects calls into legs and hands answers back; `FollowingChannel` is the channel of the handler's session, which
follows the leg that is open and keeps notifications while none is. Neither knows tokens or the wire; `parked` does. Pinned by
`tests/symmetric/test_parked.py`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast

import anyio
import anyio.abc
import anyio.lowlevel
from mcp import MCPError
from mcp.server.context import HandlerResult
from mcp.shared.dispatcher import CallOptions, DispatchContext
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.message import MessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import REQUEST_TIMEOUT, RequestId

from pytest_mcpsym.symmetric.spending import Budget

__all__ = ["KEPT_NOTIFICATIONS", "PARTIAL_LIMIT", "TURNS", "FollowingChannel", "ParkedRun", "Response", "answer_of"]

KEPT_NOTIFICATIONS: Final = 100
"""Notifications of a handler that are kept while no leg is open; of more, the oldest are dropped."""

TURNS: Final = 5
"""Turns of the event loop in which calls that are posted side by side join one leg."""

PARTIAL_LIMIT: Final = 1.0
"""Seconds that a leg stays open without news while the client still owes answers, which it can only send in a new leg."""

Response = Mapping[str, object]
"""The answer to one call: `{"result": …}` or `{"error": {"code", "message", "data"?}}`."""

_Sending = Callable[[DispatchContext[Any]], Awaitable[None]]


class FollowingChannel:
    """The channel of a handler's session (the SDK's `DispatchContext`), over all legs of its call.

    It sends no requests, as no channel of the modern era does; `run` carries the handler's calls.
    """

    def __init__(self, first: DispatchContext[Any], run: ParkedRun) -> None:
        self.run = run
        self._first = first
        self._leg: DispatchContext[Any] | None = None
        self._levels: Collection[str] = ()
        self._kept: deque[_Sending] = deque(maxlen=KEPT_NOTIFICATIONS)

    @property
    def transport(self) -> TransportContext:
        """What the transport said of the request that began the call."""
        return cast("TransportContext", self._first.transport)

    @property
    def can_send_request(self) -> bool:
        """Never: calls travel in legs, and the SDK must choose as it does without the extension."""
        return False

    @property
    def request_id(self) -> RequestId | None:
        """The id of the request that began the call."""
        return self._first.request_id

    @property
    def message_metadata(self) -> MessageMetadata:
        """What the transport attached to the request that began the call."""
        return self._first.message_metadata

    @property
    def cancel_requested(self) -> anyio.Event:
        """Set when the client cancels the leg that is open."""
        return (self._leg or self._first).cancel_requested

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """Refuse, as the modern era does.

        Raises:
            NoBackChannelError: Always.
        """
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        """Send a notification in the leg that is open, or keep it for the next one."""

        async def send(leg: DispatchContext[Any]) -> None:
            if method != "notifications/message" or (params or {}).get("level") in self._levels:
                await leg.notify(method, params, opts)

        await self._send(send)

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Report progress in the leg that is open, or keep it for the next one, which brings a token of its own."""
        await self._send(lambda leg: leg.progress(progress, total, message))

    async def follow(self, leg: DispatchContext[Any], levels: Collection[str]) -> None:
        """Send what was kept, and from now on everything, in this leg.

        Args:
            leg: The channel of the leg's request.
            levels: The levels of log messages that this leg's request lets through.
        """
        self._levels = levels
        while self._kept:
            await self._kept.popleft()(leg)
        self._leg = leg

    def unfollow(self) -> None:
        """Keep from now on what the handler sends: the leg is over."""
        self._leg = None

    async def _send(self, send: _Sending) -> None:
        if self._leg is None:
            self._kept.append(send)
            await anyio.lowlevel.checkpoint()
        else:
            await send(self._leg)


@dataclass(eq=False, slots=True)
class _Waiting:
    answered: anyio.Event = field(default_factory=anyio.Event)
    response: Response = field(default_factory=dict[str, object])


class ParkedRun:
    """One handler's calls and its end. All methods belong to one event loop.

    Attributes:
        scope: Cancels the handler.
        collected: Set once the outcome was written, after which nothing of the run is needed.
        budget: What the client said with the last leg may still be spent.
        since: When it said so, by the loop's clock.
        continuation: Of the last leg; empty before there is one.
    """

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.collected = anyio.Event()
        self.budget = Budget()
        self.since = anyio.current_time()
        self.continuation = ""
        self._outcome: tuple[HandlerResult, Exception | None] | None = None
        self._news = anyio.Event()
        self._posted: dict[str, dict[str, object]] = {}
        self._delivered: set[str] = set()
        self._waiting: dict[str, _Waiting] = {}
        self._openers: list[int] = []
        self._minted = 0

    @property
    def finished(self) -> bool:
        """Whether the handler is done."""
        return self._outcome is not None

    async def ask(self, method: str, params: Mapping[str, object], timeout: float | None = None) -> dict[str, Any]:
        """Post one call into the leg and wait for its result.

        Raises:
            MCPError: The client answered with an error, or not in time (-32001).
            NoBackChannelError: The handler is done or was cancelled, so that no leg will carry the call.
            RuntimeError: The task that opened `batch()` waits for a call inside of it, which would be for ever.
        """
        if anyio.get_current_task().id in self._openers:
            raise RuntimeError("inside batch(), start calls with the task group it gives: awaiting one would wait for ever")
        if self.finished or self.scope.cancel_called:
            raise NoBackChannelError(method)
        self._minted += 1
        key = f"c{self._minted}"
        waiting = self._waiting[key] = _Waiting()
        self._posted[key] = {"method": method, "params": dict(params)}
        self._news.set()
        try:
            with anyio.move_on_after(timeout):
                await waiting.answered.wait()
        finally:
            self._waiting.pop(key, None)
            self._posted.pop(key, None)
        if not waiting.answered.is_set():
            raise MCPError(REQUEST_TIMEOUT, f"Request {method!r} timed out")
        if not waiting.response:
            raise NoBackChannelError(method)
        return answer_of(waiting.response)

    @asynccontextmanager
    async def batch(self) -> AsyncGenerator[anyio.abc.TaskGroup]:
        """Keep the leg open until the block ends; see `Peer.batch`."""
        async with anyio.create_task_group() as tasks:
            opener = anyio.get_current_task().id
            self._openers.append(opener)
            try:
                yield tasks
            finally:
                self._openers.remove(opener)
                self._news.set()

    def tell(self, budget: Budget) -> None:
        """Take note of what the client says, with a leg, may still be spent; of nothing, if it does not say."""
        if budget != Budget():
            self.budget, self.since = budget, anyio.current_time()

    def strangers(self, responses: Collection[str]) -> list[str]:
        """Return the keys for which no answer is due: never asked, or answered before."""
        return sorted(set(responses) - self._delivered)

    def answer(self, responses: Mapping[str, Response]) -> None:
        """Hand answers to whoever waits; that of a call the handler gave up is dropped."""
        for key, response in responses.items():
            self._delivered.discard(key)
            waiting = self._waiting.get(key)
            if waiting is not None:
                waiting.response = response
                waiting.answered.set()

    def finish(self, result: HandlerResult, error: Exception | None) -> None:
        """Say that the handler is done."""
        self._outcome = (result, error)
        self._news.set()
        self._release()

    def cancel(self) -> None:
        """Cancel the handler; calls that it still waits for, behind a shield, end too, as no leg will bring their answers."""
        self.scope.cancel()
        self._release()

    def result(self) -> HandlerResult:
        """Return what the handler returned, or raise what it raised; only once it is done."""
        if self._outcome is None:
            raise RuntimeError("the handler is not done")
        result, error = self._outcome
        if error is not None:
            raise error
        return result

    def _release(self) -> None:
        for waiting in self._waiting.values():
            waiting.answered.set()

    async def leg(self, limit: float) -> dict[str, dict[str, object]] | None:
        """Wait for the end of a leg.

        Args:
            limit: Seconds without news, counted once the handler has made a call, after which the client is asked to wait for more.

        Returns:
            The calls to make, by key; none of them: wait for more; `None`: the handler is done.
        """
        began = anyio.current_time()
        with anyio.move_on_after(math.inf) as scope:
            while not self.finished and (not self._posted or self._openers):
                if self._minted:
                    owed = self._delivered & self._waiting.keys()
                    scope.deadline = began + (min(limit, PARTIAL_LIMIT) if owed else limit)
                await self._news.wait()
                self._news = anyio.Event()
            for _ in range(TURNS):
                await anyio.lowlevel.checkpoint()
        if self.finished:
            return None
        posted, self._posted = self._posted, {}
        self._delivered |= posted.keys()
        return posted


def answer_of(response: Response) -> dict[str, Any]:
    """Return the result in an answer.

    Raises:
        MCPError: It is an error; code, message and data are the client's.
    """
    error = response.get("error")
    if error is None:
        return cast("dict[str, Any]", response["result"])
    members = cast("Mapping[str, Any]", error)
    raise MCPError(members["code"], members["message"], members.get("data"))
