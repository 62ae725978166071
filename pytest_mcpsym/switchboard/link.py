"""A link: one tapped connection, as a byte multiplexer under an unmodified SDK client.

Two users share the bytes. The SDK's `Client` makes typed calls for the test; it is given this link as its transport. The switchboard's
raw caller sends bytes as they are and gets the answer's frame. What a server asks of a symmetric client is taken off the stream
before the SDK's client sees it, and handed to the switchboard: mirrored requests, sampling and elicitation with their cancellations
(handshake era), and legs of the client's own calls, whose final answers it gets in their place (modern era). Pinned by `tests/switchboard/test_link.py`.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, Literal, cast

import anyio
import anyio.abc
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import Client, MCPError
from mcp.client.extension import advertise
from mcp.shared.inbound import NAME_BEARING_METHODS, encode_header_value
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
    SamplingCapability,
    SamplingToolsCapability,
    jsonrpc_message_adapter,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from pytest_mcpsym.errors import AnswerTimeout, LinkError
from pytest_mcpsym.switchboard import legs, loops
from pytest_mcpsym.switchboard.asked import Answer, Asked, OnProgress, OnSent, Serve, error_member
from pytest_mcpsym.switchboard.connect import connect
from pytest_mcpsym.switchboard.failure import Obituary, root_cause
from pytest_mcpsym.switchboard.host import Host
from pytest_mcpsym.switchboard.pending import Event, Pending, dumps, raw_request
from pytest_mcpsym.switchboard.settings import Settings
from pytest_mcpsym.switchboard.streams import LinkTransport
from pytest_mcpsym.switchboard.target import Era, LinkSpec
from pytest_mcpsym.switchboard.trail import OpenCall, OpenCalls, Trail, Unclear
from pytest_mcpsym.symmetric.names import (
    CALLS,
    CAUSE_KEY,
    FULL_CAPABILITY,
    HOSTS_OWN,
    IDENTIFIER,
    LISTENING_CAPABILITY,
    MIRRORED,
)
from pytest_mcpsym.transport.tap import Channel, Tap, Undelivered
from pytest_mcpsym.wire.frame import Frame, id_text
from pytest_mcpsym.wire.redact import Rules
from pytest_mcpsym.wire.route import HOST, ROUTED
from pytest_mcpsym.wire.splice import find, splice

__all__ = ["Link"]

_ENVELOPE: Final = (PROTOCOL_VERSION_META_KEY, CLIENT_INFO_META_KEY, CLIENT_CAPABILITIES_META_KEY)
_SERVED: Final = (MIRRORED | HOSTS_OWN) - {"roots/list"}
"""What a server's requests are taken off the stream for (handshake era); roots, like `ping`, belong to the link and need no owner."""
_CANCEL_GRACE: Final = 1.0
"""Seconds that the frame which tells a server of a cancellation may take to be written."""
_OBITUARY_GRACE: Final = 3.0
"""Seconds that a sender who finds the link broken waits for the reader, who learns why."""


Work = Callable[..., Awaitable[None]]


class Link:
    """One link of an open board. Made and run by the switchboard."""

    def __init__(
        self, name: str, spec: LinkSpec, tap: Tap, host: Host, serve: Serve, *, settings: Settings, rules: Rules
    ) -> None:
        self.name = name
        self.spec = spec
        self.era: Era = spec.era or settings.era
        self.failure: LinkError | None = None
        self.envelope: dict[str, object] = {}
        self._tap = tap
        self._host = host
        self._serve = serve
        self._settings = settings
        self._client: Client | None = None
        self._channel: Channel | None = None
        self._obituary = Obituary(name, spec.label, tap.log, rules)
        self._refusal: str | None = None
        self._owner = loops.current()
        self._stop = anyio.Event()
        self._closing = False
        self._released = anyio.Event()
        self._pending = Pending(name)
        self._open = OpenCalls(name, tap.log)
        self._symmetric = False
        self._serving: dict[str, anyio.CancelScope] = {}
        self._driving: dict[str, anyio.CancelScope] = {}
        self._inbox: MemoryObjectReceiveStream[SessionMessage | Exception] | None = None
        self._outbox: MemoryObjectSendStream[SessionMessage | Exception] | None = None
        self._tasks: anyio.abc.TaskGroup | None = None

    @property
    def client(self) -> Client:
        """The SDK's own typed client of this link."""
        if self._client is None or self.failure is not None:
            raise self._dead()
        return self._client

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Open the link, say so, keep it until `close`, close it. Every wait on the peer is bounded.

        Raises:
            LinkError: The link could not be opened. What breaks it later is kept in `failure`.
        """
        opened = False
        limit = self._settings.open_timeout
        try:
            with anyio.CancelScope(deadline=anyio.current_time() + limit) as opening:
                async with anyio.create_task_group() as self._tasks, self._make_client() as client:
                    opening.deadline = math.inf
                    self._check_era(client)
                    self._client = client
                    opened = True
                    task_status.started()
                    await self._stop.wait()
                    self._closing = True
                    self._tap.note("closing")
                    self._tasks.cancel_scope.cancel()
            if opening.cancelled_caught:
                raise self._obituary.silent(limit)
        except Exception as error:  # noqa: BLE001 - what breaks an open link is raised by the next call, or at close
            if not opened:
                cause = root_cause(error)
                failure = self._opening_failure(error)
                raise failure from (cause.__cause__ if cause is failure else cause)
            self.failure = self.failure or self._obituary.explain(error)
        finally:
            self._client = None
            self._release()

    def _opening_failure(self, error: Exception) -> LinkError:
        """What to say of a link that never opened; an HTTP refusal reaches the SDK's client as an error of JSON-RPC, which it is not."""
        if self.failure is not None:
            return self.failure
        if self._refusal is not None and isinstance(root_cause(error), MCPError):
            return self._obituary.refused(self._refusal)
        return self._obituary.explain(error)

    def close(self) -> None:
        """Ask the link to end; `run` then returns."""
        self._closing = True
        self._stop.set()

    async def request(
        self,
        method: str,
        params: bytes,
        *,
        meta: Mapping[str, object] | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
        on_sent: OnSent | None = None,
        headers: Mapping[str, str] | None = None,
        trail: Trail | None = None,
    ) -> Answer:
        """Send one request as raw bytes and wait for its answer.

        Args:
            method: JSON-RPC method.
            params: The JSON object of `params`, without `_meta`.
            meta: What goes into `_meta`, beside the modern envelope and a progress token where they are due.
            timeout: Seconds to wait; default the board's.
            on_progress: Called for each progress frame, in order; its presence asks the server for progress.
            on_sent: Called with the request's frame, even if the request then fails.
            headers: HTTP headers beside those that the protocol asks for.
            trail: The route that goes through this request, if it is one that servers may go on with.

        Raises:
            ValueError: `meta` is no JSON.
            AnswerTimeout: No answer in time; the peer was told of the cancellation.
            LinkError: The link is dead or died; or what came is no answer, as when HTTP refused.
        """
        channel = self._require_channel()
        ident = self._pending.mint()
        stamped = {**(meta or {}), **self.envelope} if self.era == "modern" else dict(meta or {})
        if on_progress is not None:
            stamped["progressToken"] = json.loads(ident)
        data = raw_request(ident, method, params, stamped)
        limit = self._settings.call_timeout if timeout is None else timeout
        sent: Frame | None = None
        if trail is not None:
            self._open.begin(ident, OpenCall(data, trail))
        try:
            with self._pending.waiting(ident) as events, anyio.move_on_after(limit):
                try:
                    sent = await channel.send(data, {**self._headers(method, params), **(headers or {})})
                finally:
                    sent = sent or self._logged(data)
                    if sent is not None and on_sent is not None:
                        on_sent(sent)
                what = f"{method} (frame {sent.seq if sent else 'unknown'})"
                return await self._answer(what, events, on_progress)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            with anyio.move_on_after(_OBITUARY_GRACE):
                await self._released.wait()
            raise self._dead() from None
        except LinkError:
            raise
        except BaseException:
            await self._cancel(ident, sent, "nobody waits for the answer any more")
            raise
        finally:
            self._open.end(ident)
        await self._cancel(ident, sent, f"timed out after {limit:g} s")
        raise AnswerTimeout(self.name, method, limit, sent.seq if sent else None)

    async def _answer(self, what: str, events: MemoryObjectReceiveStream[Event], on_progress: OnProgress | None) -> Answer:
        """Wait for the answer to one request, telling of progress on the way."""
        async for event in events:
            if isinstance(event, LinkError):
                raise event
            if isinstance(event, Undelivered):
                raise LinkError(self.name, "http", f"{what}: {event.message}")
            message = event.message
            if message.kind == "notification":
                if on_progress is not None:
                    await on_progress(event)
            elif message.kind == "invalid":
                raise LinkError(self.name, "failed", f"frame {event.seq} is no answer to {what}: {message.reason}")
            else:
                member: Literal["result", "error"] = "result" if message.kind == "result" else "error"
                return Answer(event, member, find(event.data, (member,)) or b"{}")
        raise self._dead()

    async def notify(self, data: bytes) -> None:
        """Send one notification or response as it is; a link that is gone swallows it, as nobody waits for it."""
        try:
            await self._require_channel().send(data, self._headers(None, b"{}"))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, LinkError):
            return

    # The SDK client's side: this link is its transport.

    def _make_client(self) -> Client:
        return Client(
            LinkTransport(self.open_channel, self.read, self.write),
            mode="legacy" if self.era == "handshake" else "auto",
            cache=None,
            read_timeout_seconds=self._settings.call_timeout,
            sampling_callback=self._host.sample,
            sampling_capabilities=SamplingCapability(tools=SamplingToolsCapability()),
            elicitation_callback=self._host.elicit,
            list_roots_callback=self._host.list_roots,
            extensions=[advertise(IDENTIFIER, LISTENING_CAPABILITY if self.era == "handshake" else FULL_CAPABILITY)],
        )

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
                trail = Trail.begin(HOST, self.name, seconds=self._settings.call_timeout, limits=self._settings.limits)
                self._open.begin(id_text(message.id), OpenCall(data, trail, known.get("progressToken")))
        elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            ident = id_text((message.params or {}).get("requestId"))
            self._open.end(ident)
            if ident in self._driving:
                self._driving[ident].cancel()
                return  # The request that it names has been answered; what goes on is the legs.
        metadata = item.metadata
        headers = metadata.headers if isinstance(metadata, ClientMessageMetadata) else None
        if self._channel is None:
            raise anyio.ClosedResourceError
        await self._channel.send(data, headers)

    async def read(self) -> SessionMessage | Exception:
        """Return the next message that is the SDK client's.

        Raises:
            anyio.EndOfStream: The peer is gone, or the link is being closed.
        """
        if self._inbox is None:
            raise anyio.EndOfStream
        try:
            return await self._inbox.receive()
        except anyio.ClosedResourceError:
            raise anyio.EndOfStream from None

    async def _pump(self, channel: Channel, outbox: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
        """Hand each message to whom it is for, until the peer is gone."""
        with outbox:
            while True:
                try:
                    item = await channel.receive()
                except anyio.EndOfStream:
                    self._lose()
                    return
                taken = self._undelivered(item) if isinstance(item, Undelivered) else self._take(item)
                if taken is not None:
                    outbox.send_nowait(taken)

    @asynccontextmanager
    async def open_channel(self) -> AsyncGenerator[None]:
        """Hold the transport open while the SDK client uses it."""
        try:
            async with connect(self.spec, self._tap) as self._channel, anyio.create_task_group() as pumping:
                self._outbox, self._inbox = anyio.create_memory_object_stream[SessionMessage | Exception](math.inf)
                pumping.start_soon(self._pump, self._channel, self._outbox)
                try:
                    with self._inbox, self._outbox:
                        yield
                finally:
                    self._closing = True
                    pumping.cancel_scope.cancel()
        finally:
            self._channel = None

    # The multiplexer.

    def _take(self, frame: Frame) -> SessionMessage | Exception | None:
        """Return what is the SDK client's, and serve what is not.

        The SDK's own parsing decides where it can, so that the frames of its calls are parsed once and their view is not kept.
        """
        try:
            message = jsonrpc_message_adapter.validate_json(frame.data, by_name=False)
        except ValueError as error:
            if self._pending.take(frame) or self._mirrored(frame, frame.message.method):
                return None
            return _unreadable(frame, error)
        # Ids of raw requests are strings.
        if isinstance(message, (JSONRPCResponse, JSONRPCError)) and isinstance(message.id, int):
            ended = self._open.end(id_text(message.id))
            if _is_leg(message):
                self._start(self._driving, id_text(message.id), self._drive, frame, ended)
                return None
            return SessionMessage(message)
        if self._pending.take(frame) or (isinstance(message, JSONRPCRequest) and self._mirrored(frame, message.method)):
            return None
        if isinstance(message, JSONRPCNotification):
            if message.method == "notifications/cancelled":
                scope = self._serving.get(id_text((message.params or {}).get("requestId")))
                if scope is not None:
                    scope.cancel()
                    return None
            elif message.method.endswith("/list_changed"):
                self._start(self._serving, f"#{frame.seq}", self._announce, frame)
        if _is_leg(message):
            self._start(self._driving, f"#{frame.seq}", self._drive, frame, None)
            return None
        return SessionMessage(message)

    def _undelivered(self, item: Undelivered) -> SessionMessage | None:
        if self._pending.undelivered(item):
            return None
        self._refusal = item.message
        self._open.end(item.id)
        return _failed(item.id, item.code, item.message)

    def _mirrored(self, frame: Frame, method: str | None) -> bool:
        """Serve a request of the server that belongs to one of its own, or a list; return whether it is such a request."""
        mirrored = self.era == "handshake" and frame.message.id is not None and method in _SERVED
        if mirrored:
            self._start(self._serving, str(frame.message.id), self._answer_mirrored, frame)
        return mirrored

    def _start(self, scopes: dict[str, anyio.CancelScope], ident: str, work: Work, frame: Frame, *more: object) -> None:
        """Do some work for a frame in a task of its own, which can be cancelled by the frame's id."""
        assert self._tasks is not None
        scope = scopes[ident] = anyio.CancelScope()

        async def run() -> None:
            try:
                with scope:
                    await work(frame, *more)
            finally:
                if scopes.get(ident) is scope:
                    del scopes[ident]

        self._tasks.start_soon(run)

    async def _answer_mirrored(self, frame: Frame) -> None:
        ident, method = str(frame.message.id), str(frame.message.method)
        try:
            trail = self._origin(frame, method)
            member = await self._serve(self, Asked(frame, method, find(frame.data, ("params",)) or b"{}", trail))
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the server's answer
            member = error_member(error)
        await self.notify(b'{"jsonrpc":"2.0","id":' + ident.encode() + b"," + member + b"}")

    def _origin(self, frame: Frame, method: str) -> Trail | Unclear:
        """Return the route of a server's request.

        A server that speaks the core alone has no way to tell whose question it asks the host. A symmetric one has.
        """
        self._symmetric = self._symmetric or method in MIRRORED or CAUSE_KEY in frame.message.meta
        limit, limits = self._settings.call_timeout, self._settings.limits
        trail = self._open.origin(frame, seconds=limit, limits=limits)
        return Trail.begin(self.name, seconds=limit, limits=limits) if trail == "ambiguous" and not self._symmetric else trail

    async def _announce(self, frame: Frame) -> None:
        await self._serve(self, Asked(frame, str(frame.message.method), b"{}", "ambiguous"))

    async def drive(self, answer: Answer, trail: Trail, left: Callable[[], float], on_progress: OnProgress | None) -> Answer:
        """Take an answer that may be a leg to the final one; see `legs.drive`."""
        return await legs.drive(self, self._serve, answer, trail, left=left, on_progress=on_progress)

    async def _drive(self, frame: Frame, call: OpenCall | None) -> None:
        """Drive a call of the SDK's client, which sees nothing but its final answer and progress under its own token.

        A leg of a call that was cancelled while its answer was on the way is nobody's, and is cancelled.
        """
        if call is None:
            await legs.abandon(self, find(frame.data, ("result", "continuation")) or b"null")
            return
        ident, token = str(frame.message.id), call.progress_token

        async def relay(progress: Frame) -> None:
            self._deliver(splice(progress.data, {("params", "progressToken"): dumps(token)}))

        answer = Answer(frame, "result", find(frame.data, ("result",)) or b"{}")
        try:
            final = await self.drive(answer, call.trail, lambda: call.trail.left, relay if token is not None else None)
            self._deliver(splice(final.frame.data, {("id",): ident.encode()}))
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the answer of the call
            self._deliver(b'{"jsonrpc":"2.0","id":' + ident.encode() + b"," + error_member(error) + b"}")

    def _deliver(self, data: bytes) -> None:
        """Give the SDK's client a message that came in another shape, unless it is gone."""
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            assert self._outbox is not None
            self._outbox.send_nowait(SessionMessage(jsonrpc_message_adapter.validate_json(data, by_name=False)))

    # Small things.

    def _headers(self, method: str | None, params: bytes) -> dict[str, str]:
        """HTTP headers that the protocol asks for (2025-06-18 transports; 2026-07-28 streamable HTTP)."""
        if self.spec.transport not in ("http", "sockets"):
            return {}
        if self.era == "handshake":
            return {"mcp-protocol-version": self.client.protocol_version}
        headers = {"mcp-protocol-version": str(self.envelope.get(PROTOCOL_VERSION_META_KEY, ""))}
        if method is not None:
            headers["mcp-method"] = method
            key = NAME_BEARING_METHODS.get(method)
            named = find(params, (key,)) if key is not None else None
            if named is not None and isinstance(name := json.loads(named), str):
                headers["mcp-name"] = encode_header_value(name)
        return headers

    def _check_era(self, client: Client) -> None:
        if self.era == "modern" and client.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            raise self._obituary.one_era(client.protocol_version)

    def _require_channel(self) -> Channel:
        loops.require(self._owner)
        if self.failure is not None or self._channel is None:
            raise self._dead()
        return self._channel

    def _dead(self) -> LinkError:
        return self.failure or LinkError(self.name, "closed", "it is closed" if self._closing else "it is not open")

    def _lose(self) -> None:
        if not self._closing and self.failure is None:
            self.failure = self._obituary.lost()
        self._release()

    def _release(self) -> None:
        self._pending.release(self._dead())
        self._released.set()

    def _logged(self, data: bytes) -> Frame | None:
        """The frame of a request whose sending failed or was cancelled after it was logged."""
        return next((frame for frame in reversed(self._tap.log.frames) if frame.data is data), None)

    async def _cancel(self, ident: str, sent: Frame | None, reason: str) -> None:
        if sent is not None:
            params = b'{"requestId":' + ident.encode() + b',"reason":' + dumps(reason) + b"}"
            with anyio.move_on_after(_CANCEL_GRACE, shield=True):
                await self.notify(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":' + params + b"}")


def _is_leg(message: object) -> bool:
    return isinstance(message, JSONRPCResponse) and message.result.get("resultType") == CALLS


def _unreadable(frame: Frame, error: ValueError) -> SessionMessage | Exception:
    """What the SDK client gets for a frame that it cannot read: for an answer an error, so that nobody waits for it for ever."""
    message = frame.message
    if message.kind in ("result", "error") and message.id is not None:
        return _failed(message.id, PARSE_ERROR, f"frame {frame.seq} is an answer that the SDK cannot read: {error}")
    return error


def _failed(ident: str, code: int, message: str) -> SessionMessage:
    """An answer that never crossed the wire, for the SDK's client."""
    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=json.loads(ident), error=ErrorData(code=code, message=message)))
