"""A link: one tapped connection, as a byte multiplexer under an unmodified SDK client.

Two users share the bytes. The SDK's `Client` makes typed calls for the test; it is given this link as its transport. The switchboard's
raw caller sends bytes as they are and gets the answer's frame; its ids are strings that are no numbers, so that the SDK never takes
one for its own. Requests that a server mirrors (`tools/list`, `tools/call`), with their cancellations, are taken off the stream
before the client sees them and handed to the switchboard. Pinned by `tests/switchboard/test_link.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal, cast

import anyio
import anyio.abc
from anyio.streams.memory import MemoryObjectSendStream
from mcp import Client, MCPError
from mcp.shared.inbound import NAME_BEARING_METHODS, encode_header_value
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    INTERNAL_ERROR,
    PROTOCOL_VERSION_META_KEY,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    SamplingCapability,
    SamplingToolsCapability,
    jsonrpc_message_adapter,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from pytest_mcpsym.errors import AnswerTimeout, LinkError
from pytest_mcpsym.symmetric.names import CAPABILITY, IDENTIFIER
from pytest_mcpsym.switchboard import loops
from pytest_mcpsym.switchboard.connect import connect
from pytest_mcpsym.switchboard.failure import explain, lost
from pytest_mcpsym.switchboard.host import Host
from pytest_mcpsym.switchboard.settings import Settings
from pytest_mcpsym.switchboard.streams import LinkTransport
from pytest_mcpsym.switchboard.target import Era, LinkSpec
from pytest_mcpsym.transport.tap import Channel, Tap, Undelivered
from pytest_mcpsym.wire.frame import Frame, id_text
from pytest_mcpsym.wire.splice import find, splice

__all__ = ["Answer", "Link", "OnProgress", "Serve", "dumps"]

MIRRORED: Final = frozenset({"tools/list", "tools/call"})
"""Methods that a server may ask of a symmetric client, in the handshake era."""

_ENVELOPE: Final = (PROTOCOL_VERSION_META_KEY, CLIENT_INFO_META_KEY, CLIENT_CAPABILITIES_META_KEY)
_CANCEL_GRACE: Final = 1.0
"""Seconds that the frame which tells a server of a cancellation may take to be written."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a raw request.

    Attributes:
        frame: The frame that brought it.
        member: `result` or `error`.
        body: The bytes of that member, as they came.
    """

    frame: Frame
    member: Literal["result", "error"]
    body: bytes

    def result(self) -> bytes:
        """Return the bytes of `result`.

        Raises:
            MCPError: The peer answered with an error.
        """
        if self.member == "error":
            raise MCPError.from_error_data(ErrorData.model_validate(self.frame.message.error))
        return self.body


OnProgress = Callable[[Frame], Awaitable[None]]
Serve = Callable[["Link", Frame, str], Awaitable[bytes]]
"""Answers a mirrored request: (link, frame, method) → the bytes of the `result` or `error` member. May raise `MCPError`."""

_Event = Frame | Undelivered | LinkError


class Link:
    """One link of an open board. Made and run by the switchboard."""

    def __init__(self, name: str, spec: LinkSpec, tap: Tap, host: Host, serve: Serve, settings: Settings) -> None:
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
        self._owner = loops.running() or ("none", 0)
        self._stop = anyio.Event()
        self._closing = False
        self._minted = 0
        self._waiting: dict[str, MemoryObjectSendStream[_Event]] = {}
        self._progress: dict[str, MemoryObjectSendStream[_Event]] = {}
        self._serving: dict[str, anyio.CancelScope] = {}
        self._tasks: anyio.abc.TaskGroup | None = None

    @property
    def client(self) -> Client:
        """The SDK's own typed client of this link."""
        if self._client is None:
            raise self.failure or LinkError(self.name, "closed", "it is not open")
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
                    self._tasks.cancel_scope.cancel()
            if opening.cancelled_caught:
                raise LinkError(self.name, "no-answer", f"{self.spec.label} did not answer the first request within {limit:g} s")
        except Exception as error:
            failure = explain(self.name, self.failure or error, self._tap.log)
            if not opened:
                raise failure from error
            self.failure = self.failure or failure
        finally:
            self._client = None
            self._release(self.failure or LinkError(self.name, "closed", "the board was closed"))

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
        on_sent: Callable[[Frame], None] | None = None,
        headers: Mapping[str, str] | None = None,
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

        Raises:
            MCPError: HTTP answered, and no JSON-RPC came with it.
            AnswerTimeout: No answer in time; the peer was told of the cancellation.
            LinkError: The link is dead or died.
        """
        channel = self._require_channel()
        self._minted += 1
        ident = json.dumps(f"{self.name}-{self._minted}")
        stamped = {**(meta or {}), **self.envelope} if self.era == "modern" else dict(meta or {})
        if on_progress is not None:
            stamped["progressToken"] = json.loads(ident)
        data = _request(ident, method, _with_meta(params, stamped))
        limit = self._settings.call_timeout if timeout is None else timeout
        send, receive = anyio.create_memory_object_stream[_Event](math.inf)
        self._waiting[ident] = send
        if on_progress is not None:
            self._progress[ident] = send
        sent: Frame | None = None
        try:
            with anyio.fail_after(limit):
                try:
                    sent = await channel.send(data, {**self._headers(method, params), **(headers or {})})
                finally:
                    sent = sent or self._logged(data)
                    if sent is not None and on_sent is not None:
                        on_sent(sent)
                async for event in receive:
                    if isinstance(event, LinkError):
                        raise event
                    if isinstance(event, Undelivered):
                        raise MCPError(event.code, event.message)
                    if event.message.kind == "notification":
                        await cast("OnProgress", on_progress)(event)
                        continue
                    return _answer(event)
                raise self._dead()
        except TimeoutError:
            await self._cancel(ident, f"timed out after {limit:g} s")
            raise AnswerTimeout(self.name, method, limit, sent.seq if sent else None) from None
        except anyio.get_cancelled_exc_class():
            await self._cancel(ident, "the caller was cancelled")
            raise
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise self._dead() from None
        finally:
            self._waiting.pop(ident, None)
            self._progress.pop(ident, None)
            send.close()
            receive.close()

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
            sampling_callback=self._host.sample,
            sampling_capabilities=SamplingCapability(tools=SamplingToolsCapability()),
            elicitation_callback=self._host.elicit,
            list_roots_callback=self._host.list_roots,
        )

    async def write(self, item: SessionMessage) -> None:
        """Send what the SDK client says, with the symmetric capability declared in the handshake."""
        loops.require(self._owner)
        message = item.message
        if isinstance(message, JSONRPCRequest) and message.params is not None:
            if message.method == "initialize":
                extensions = cast("dict[str, object]", message.params["capabilities"].setdefault("extensions", {}))
                extensions[IDENTIFIER] = CAPABILITY
            elif not self.envelope:
                known = cast("dict[str, object]", message.params.get("_meta") or {})
                self.envelope = {key: known[key] for key in _ENVELOPE if key in known}
        metadata = item.metadata
        headers = metadata.headers if isinstance(metadata, ClientMessageMetadata) else None
        data = message.model_dump_json(by_alias=True, exclude_unset=True).encode()
        if self._channel is None:
            raise anyio.ClosedResourceError
        await self._channel.send(data, headers)

    async def read(self) -> SessionMessage | Exception:
        """Return the next message that is the SDK client's; serve the raw caller and the mirrored requests on the way.

        Raises:
            anyio.EndOfStream: The peer is gone, or the link is being closed.
        """
        channel = self._require_channel()
        while True:
            try:
                item = await channel.receive()
            except anyio.EndOfStream:
                self._lose()
                raise
            taken = self._undelivered(item) if isinstance(item, Undelivered) else self._take(item)
            if taken is not None:
                return taken

    @asynccontextmanager
    async def open_channel(self) -> AsyncGenerator[None]:
        """Hold the transport open while the SDK client uses it."""
        async with connect(self.spec, self._tap) as self._channel:
            try:
                yield
            finally:
                self._closing = True
        self._channel = None

    # The multiplexer.

    def _take(self, frame: Frame) -> SessionMessage | Exception | None:
        try:
            message: JSONRPCMessage = jsonrpc_message_adapter.validate_json(frame.data, by_name=False)
        except ValueError as error:
            return error
        if isinstance(message, (JSONRPCResponse, JSONRPCError)):
            waiter = self._waiting.get(id_text(message.id))
            if waiter is not None:
                waiter.send_nowait(frame)
                return None
        elif isinstance(message, JSONRPCRequest):
            if message.method in MIRRORED and self.era == "handshake":
                self._start_serving(frame, message)
                return None
        elif self._take_notification(frame, message):
            return None
        return SessionMessage(message)

    def _take_notification(self, frame: Frame, message: JSONRPCNotification) -> bool:
        params = message.params or {}
        if message.method == "notifications/progress":
            waiter = self._progress.get(id_text(params.get("progressToken")))
            if waiter is not None:
                waiter.send_nowait(frame)
                return True
        elif message.method == "notifications/cancelled":
            scope = self._serving.get(id_text(params.get("requestId")))
            if scope is not None:
                scope.cancel()
                return True
        return False

    def _undelivered(self, item: Undelivered) -> SessionMessage | None:
        waiter = self._waiting.get(item.id)
        if waiter is not None:
            waiter.send_nowait(item)
            return None
        error = ErrorData(code=item.code, message=item.message)
        return SessionMessage(JSONRPCError(jsonrpc="2.0", id=json.loads(item.id), error=error))

    def _start_serving(self, frame: Frame, request: JSONRPCRequest) -> None:
        assert self._tasks is not None
        ident = id_text(request.id)
        scope = self._serving[ident] = anyio.CancelScope()
        self._tasks.start_soon(self._answer_mirrored, frame, request.method, ident, scope)

    async def _answer_mirrored(self, frame: Frame, method: str, ident: str, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                try:
                    member = await self._serve(self, frame, method)
                except MCPError as error:
                    member = b'"error":' + error.error.model_dump_json(exclude_none=True).encode()
                except Exception as error:
                    member = b'"error":' + dumps({"code": INTERNAL_ERROR, "message": f"{type(error).__name__}: {error}"})
                await self.notify(b'{"jsonrpc":"2.0","id":' + ident.encode() + b"," + member + b"}")
        finally:
            if self._serving.get(ident) is scope:
                del self._serving[ident]

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
        spoken = client.protocol_version
        if self.era == "modern" and spoken not in MODERN_PROTOCOL_VERSIONS:
            raise LinkError(
                self.name,
                "failed",
                f"{self.spec.label} speaks only the handshake era ({spoken}) and era='modern' was asked for; "
                f"use era={{{self.name!r}: 'handshake'}}",
            )

    def _require_channel(self) -> Channel:
        loops.require(self._owner)
        if self.failure is not None or self._channel is None:
            raise self._dead()
        return self._channel

    def _dead(self) -> LinkError:
        return self.failure or LinkError(self.name, "closed", "it is closed")

    def _lose(self) -> None:
        if not self._closing and self.failure is None:
            self.failure = lost(self.name, self.spec.label, self._tap.log)
        self._release(self._dead())

    def _release(self, error: LinkError) -> None:
        for waiter in self._waiting.values():
            waiter.send_nowait(error)

    def _logged(self, data: bytes) -> Frame | None:
        """The frame of a request whose sending failed or was cancelled after it was logged."""
        return next((frame for frame in reversed(self._tap.log.frames) if frame.data is data), None)

    async def _cancel(self, ident: str, reason: str) -> None:
        data = dumps({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": None, "reason": reason}})
        with anyio.move_on_after(_CANCEL_GRACE, shield=True):
            await self.notify(data.replace(b'"requestId":null', b'"requestId":' + ident.encode(), 1))


def dumps(value: object) -> bytes:
    """Serialise as the SDK does: compact, and UTF-8 unescaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _request(ident: str, method: str, params: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":' + ident.encode() + b',"method":' + dumps(method) + b',"params":' + params + b"}"


def _with_meta(params: bytes, meta: Mapping[str, object]) -> bytes:
    return splice(params, {("_meta",): dumps(meta)}) if meta else params


def _answer(frame: Frame) -> Answer:
    member: Literal["result", "error"] = "result" if frame.message.kind == "result" else "error"
    return Answer(frame, member, find(frame.data, (member,)) or b"{}")
