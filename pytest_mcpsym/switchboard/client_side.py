"""The SDK client's side of a link: the transport under it, and what is taken off the stream before it.

What a server asks of a symmetric client is handed to the switchboard: mirrored requests, sampling and elicitation with their
cancellations (handshake era), and legs of the client's own calls, whose final answers it gets in their place (modern era). Pinned by
`tests/switchboard/test_link.py`, `tests/switchboard/test_legs.py` and `tests/switchboard/test_limits.py`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, cast

import anyio
import anyio.abc
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    PARSE_ERROR,
    PROTOCOL_VERSION_META_KEY,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from pytest_mcpsym.faults.active import Faults
from pytest_mcpsym.faults.channel import FaultyChannel
from pytest_mcpsym.switchboard import legs, loops, rounds
from pytest_mcpsym.switchboard.asked import Answer, Asked, Requesting, Serve, error_member
from pytest_mcpsym.switchboard.connect import connect
from pytest_mcpsym.switchboard.pending import Pending, dumps
from pytest_mcpsym.switchboard.settings import Settings
from pytest_mcpsym.switchboard.trail import OpenCall, OpenCalls, Trail, Unclear
from pytest_mcpsym.symmetric.names import CALLS, CAUSE_KEY, HOSTS_OWN, MIRRORED, UPDATED
from pytest_mcpsym.transport.messages import read_message
from pytest_mcpsym.transport.pipe import Pipe
from pytest_mcpsym.transport.tap import UNASKED, Channel, Tap, Undelivered
from pytest_mcpsym.wire.frame import Frame, id_text
from pytest_mcpsym.wire.placement import ROUTED
from pytest_mcpsym.wire.route import HOST
from pytest_mcpsym.wire.splice import find, splice

__all__ = ["ClientSide"]

_ENVELOPE: Final = (PROTOCOL_VERSION_META_KEY, CLIENT_INFO_META_KEY, CLIENT_CAPABILITIES_META_KEY)
_SERVED: Final = MIRRORED | HOSTS_OWN
"""What a server's requests are taken off the stream for (handshake era)."""

Work = Callable[..., Awaitable[None]]


class ClientSide:
    """The connection of one link, shared by the SDK's client and the raw requests.

    Args:
        link: The link, as what a server asks is answered through it.
        tap: Logs what crosses.
        serve: Answers what a server asks.
        settings: How the board was opened.
        pending: The raw requests, whose answers are not the client's.
        calls: The routed requests in flight, the client's among them.
        on_lost: Told that the peer is gone.
        on_silent: Told why the peer can say nothing unasked any more.
        on_leaving: Told that the host ends the connection, for whatever reason.
        faults: What is done to messages on purpose.

    Attributes:
        channel: The connection; `None` while there is none.
        envelope: What a modern client puts on every request, once it is known.
        refusal: What HTTP said last when it refused a request of the client.
        closing: Whether the host has begun to end the connection.
        tasks: Where work for frames is started; set by the link that runs.
    """

    def __init__(
        self,
        link: Requesting,
        tap: Tap,
        serve: Serve,
        settings: Settings,
        *,
        pending: Pending,
        calls: OpenCalls,
        on_lost: Callable[[], None],
        on_silent: Callable[[str], None],
        on_leaving: Callable[[], None],
        faults: Faults,
    ) -> None:
        self.channel: Channel | None = None
        self.envelope: dict[str, object] = {}
        self.refusal: str | None = None
        self.closing = False
        self.tasks: anyio.abc.TaskGroup | None = None
        self._link = link
        self._tap = tap
        self._serve = serve
        self._settings = settings
        self._pending = pending
        self._open = calls
        self._on_lost = on_lost
        self._on_silent = on_silent
        self._on_leaving = on_leaving
        self._faults = faults
        self._owner = loops.current()
        self._symmetric = False
        self._serving: dict[str, anyio.CancelScope] = {}
        self._driving: dict[str, anyio.CancelScope] = {}
        self._inbox: Pipe[SessionMessage | Exception] | None = None

    async def write(self, item: SessionMessage) -> None:
        """Send what the SDK client says; take note of the routes that begin with it."""
        loops.require(self._owner)
        message = item.message
        data = message.model_dump_json(by_alias=True, exclude_unset=True).encode()
        if isinstance(message, JSONRPCRequest) and message.params is not None:
            known = cast("dict[str, object]", message.params.get("_meta") or {})
            if not self.envelope and message.method != "initialize":
                self.envelope = {key: known[key] for key in _ENVELOPE if key in known}
            if message.method in ROUTED:
                call = rounds.begin(self, message.params, self._begin)
                stamp = call.trail.stamp()
                if stamp:
                    data = splice(data, {("params", "_meta"): dumps({**known, **stamp})})
                self._open.begin(id_text(message.id), OpenCall(data, call.trail, known.get("progressToken"), call))
        elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            ident = id_text((message.params or {}).get("requestId"))
            ended = self._open.end(ident)
            if ended is not None:
                ended.trail.end()
            if ident in self._driving:
                self._driving[ident].cancel()
                return  # The request that it names has been answered; what goes on is the legs.
        metadata = item.metadata
        headers = metadata.headers if isinstance(metadata, ClientMessageMetadata) else None
        if self.channel is None:
            raise anyio.ClosedResourceError
        await self.channel.send(data, headers)

    @property
    def asked(self) -> rounds.Rounds | None:
        """The call of the SDK's client that this task answers a question for."""
        return rounds.current(self)

    def _begin(self) -> Trail:
        return Trail.begin(HOST, self._link.name, seconds=self._settings.call_timeout, limits=self._settings.limits)

    async def read(self) -> SessionMessage | Exception:
        """Return the next message that is the SDK client's.

        Raises:
            anyio.EndOfStream: The peer is gone, or the link is being closed.
        """
        if self._inbox is None:
            raise anyio.EndOfStream
        try:
            return await self._inbox.get()
        except anyio.ClosedResourceError:
            raise anyio.EndOfStream from None

    async def _pump(self, channel: Channel, inbox: Pipe[SessionMessage | Exception]) -> None:
        """Hand each message to whom it is for, until the peer is gone."""
        try:
            while True:
                try:
                    item = await channel.receive()
                except anyio.EndOfStream:
                    self._on_lost()
                    return
                taken = self._undelivered(item) if isinstance(item, Undelivered) else self._take(item)
                if taken is not None:
                    inbox.put(taken)
        finally:
            inbox.end_writing()

    @asynccontextmanager
    async def open_channel(self) -> AsyncGenerator[None]:
        """Hold the transport open while the SDK client uses it."""
        try:
            async with connect(self._link.spec, self._tap, self._faults) as inner, anyio.create_task_group() as pumping:
                self.channel = FaultyChannel(inner, self._faults, pumping)
                self._inbox = Pipe()
                pumping.start_soon(self._pump, self.channel, self._inbox)
                try:
                    yield
                finally:
                    self._inbox.end_reading()
                    self._on_leaving()
                    self.closing = True
                    pumping.cancel_scope.cancel()
        finally:
            self.channel = None

    def _take(self, frame: Frame) -> SessionMessage | Exception | None:
        """Return what is the SDK client's, and serve what is not.

        The SDK's own parsing decides where it can, so that the frames of its calls are parsed once and their view is not kept.
        """
        if (b"NaN" in frame.data or b"Infinity" in frame.data) and frame.message.kind == "not-json":
            return ValueError(frame.message.reason)  # The SDK's parser would take it, and its client answer it.
        if self._pending.take(frame):
            return None
        try:
            message = read_message(frame.data)
        except ValueError as error:
            if self._mirrored(frame, frame.message.method):
                return None
            return _unreadable(frame, error)
        # Ids of raw requests are strings.
        if isinstance(message, (JSONRPCResponse, JSONRPCError)) and isinstance(message.id, int):
            return self._answered(frame, message)
        if isinstance(message, JSONRPCRequest) and self._mirrored(frame, message.method):
            return None
        if isinstance(message, JSONRPCNotification):
            if message.method == "notifications/cancelled":
                scope = self._serving.get(id_text((message.params or {}).get("requestId")))
                if scope is not None:
                    scope.cancel()
                    return None
            elif message.method.endswith("/list_changed") or message.method == UPDATED:
                self._start(self._serving, f"#{frame.seq}", self._announce, frame)
        if self._is_leg(message):
            self._start(self._driving, f"#{frame.seq}", self._drive, frame, None)
            return None
        return SessionMessage(message)

    def _answered(self, frame: Frame, message: JSONRPCResponse | JSONRPCError) -> SessionMessage | None:
        """Return the answer to a request of the SDK's client, unless it is a leg, whose last answer the client gets."""
        ended = self._open.end(id_text(message.id))
        if self._is_leg(message):
            self._start(self._driving, id_text(message.id), self._drive, frame, ended)
            return None
        if ended is not None and ended.rounds is not None and self._asks(message):
            ended.rounds.asked = frame
        elif ended is not None:
            ended.trail.end()
        return SessionMessage(message)

    def _undelivered(self, item: Undelivered) -> SessionMessage | None:
        if item.id == UNASKED:
            self._on_silent(item.message)
            return None
        if self._pending.undelivered(item):
            return None
        self.refusal = item.message
        self._open.end(item.id)
        return _failed(item.id, item.code, item.message + self._link.purpose(item.id))

    def _mirrored(self, frame: Frame, method: str | None) -> bool:
        """Serve a request of the server that belongs to one of its own, or a list; return whether it is such a request."""
        mirrored = self._link.era == "handshake" and frame.message.id is not None and method in _SERVED
        if mirrored:
            self._start(self._serving, str(frame.message.id), self._answer_mirrored, frame)
        return mirrored

    def _is_leg(self, message: object) -> bool:
        return self._result_type(message) == CALLS

    def _asks(self, message: object) -> bool:
        return self._result_type(message) == "input_required"

    def _result_type(self, message: object) -> object:
        return message.result.get("resultType") if self._link.era == "modern" and isinstance(message, JSONRPCResponse) else None

    def _start(self, scopes: dict[str, anyio.CancelScope], ident: str, work: Work, frame: Frame, *more: object) -> None:
        """Do some work for a frame in a task of its own, which can be cancelled by the frame's id."""
        assert self.tasks is not None
        scope = scopes[ident] = anyio.CancelScope()

        async def run() -> None:
            try:
                with scope:
                    await work(frame, *more)
            finally:
                if scopes.get(ident) is scope:
                    del scopes[ident]

        self.tasks.start_soon(run)

    async def _answer_mirrored(self, frame: Frame) -> None:
        ident, method = str(frame.message.id), str(frame.message.method)
        try:
            trail = self._origin(frame, method)
            member = await self._serve(self._link, Asked(frame, method, find(frame.data, ("params",)) or b"{}", trail))
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the server's answer
            member = error_member(error)
        await self._link.notify(b'{"jsonrpc":"2.0","id":' + ident.encode() + b"," + member + b"}")

    def _origin(self, frame: Frame, method: str) -> Trail | Unclear:
        """Return the route of a server's request.

        A server that speaks the core alone has no way to tell whose question it asks the host. A symmetric one has.
        """
        self._symmetric = self._symmetric or method in MIRRORED or CAUSE_KEY in frame.message.meta
        limit, limits = self._settings.call_timeout, self._settings.limits
        trail = self._open.origin(frame, seconds=limit, limits=limits)
        return (
            Trail.begin(self._link.name, seconds=limit, limits=limits)
            if trail == "ambiguous" and not self._symmetric
            else trail
        )

    async def _announce(self, frame: Frame) -> None:
        await self._serve(self._link, Asked(frame, str(frame.message.method), b"{}", "ambiguous"))

    async def _drive(self, frame: Frame, call: OpenCall | None) -> None:
        """Drive a call of the SDK's client, which sees nothing but its final answer and progress under its own token.

        A leg of a call that was cancelled while its answer was on the way is nobody's, and is cancelled.
        """
        if call is None:
            await legs.abandon(self._link, find(frame.data, ("result", "continuation")) or b"null")
            return
        ident, token = str(frame.message.id), call.progress_token

        async def relay(progress: Frame) -> None:
            self._deliver(splice(progress.data, {("params", "progressToken"): dumps(token)}))

        answer = Answer(frame, "result", frame.message.result)
        try:
            final = await legs.drive(
                self._link,
                self._serve,
                answer,
                call.trail,
                left=lambda: call.trail.left,
                on_progress=relay if token is not None else None,
            )
            self._deliver(splice(final.frame.data, {("id",): ident.encode()}))
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the answer of the call
            self._deliver(b'{"jsonrpc":"2.0","id":' + ident.encode() + b"," + error_member(error) + b"}")
        finally:
            call.trail.end()

    def _deliver(self, data: bytes) -> None:
        """Give the SDK's client a message that came in another shape, unless it is gone."""
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            assert self._inbox is not None
            self._inbox.put(SessionMessage(read_message(data)))


def _unreadable(frame: Frame, error: ValueError) -> SessionMessage | Exception:
    """What the SDK client gets for a frame that it cannot read: for an answer an error, so that nobody waits for it for ever."""
    message = frame.message
    if message.kind in ("result", "error") and message.id is not None:
        return _failed(message.id, PARSE_ERROR, f"frame {frame.seq} is an answer that the SDK cannot read: {error}")
    return error


def _failed(ident: str, code: int, message: str) -> SessionMessage:
    """An answer that never crossed the wire, for the SDK's client."""
    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=json.loads(ident), error=ErrorData(code=code, message=message)))
