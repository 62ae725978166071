"""A link: one tapped connection, as a byte multiplexer under an unmodified SDK client.

Two users share the bytes. The SDK's `Client` makes typed calls for the test; its transport is this link's `ClientSide`. The
switchboard's raw caller sends bytes as they are and gets the answer's frame. Pinned by `tests/switchboard/test_link.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine, Mapping
from typing import Final, Literal, TypeVar, cast

import anyio
import anyio.abc
from mcp import Client, MCPError
from mcp.client.extension import advertise
from mcp.client.session import ClientRequestContext
from mcp.shared.inbound import NAME_BEARING_METHODS, encode_header_value
from mcp_types import (
    PROTOCOL_VERSION_META_KEY,
    CreateMessageRequestParams,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    ListRootsResult,
    SamplingCapability,
    SamplingToolsCapability,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from pytest_mcpsym.errors import AnswerTimeout, LinkError
from pytest_mcpsym.faults.active import Faults
from pytest_mcpsym.switchboard import legs, loops
from pytest_mcpsym.switchboard.answering import sample
from pytest_mcpsym.switchboard.asked import Answer, OnProgress, OnSent, Serve
from pytest_mcpsym.switchboard.asker import Asker
from pytest_mcpsym.switchboard.client_side import ClientSide
from pytest_mcpsym.switchboard.failure import Obituary, root_cause
from pytest_mcpsym.switchboard.host import Host
from pytest_mcpsym.switchboard.mirrored import Mirrored
from pytest_mcpsym.switchboard.pending import Event, Pending, dumps, raw_request
from pytest_mcpsym.switchboard.rounds import Rounds
from pytest_mcpsym.switchboard.rules import Message
from pytest_mcpsym.switchboard.settings import Settings
from pytest_mcpsym.switchboard.streams import LinkTransport
from pytest_mcpsym.switchboard.target import Era, LinkSpec
from pytest_mcpsym.switchboard.trail import OpenCall, OpenCalls, Trail
from pytest_mcpsym.symmetric.names import FULL_CAPABILITY, IDENTIFIER, LISTENING_CAPABILITY
from pytest_mcpsym.transport.pipe import Pipe
from pytest_mcpsym.transport.tap import Channel, Tap, Undelivered
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.redact import Rules
from pytest_mcpsym.wire.splice import find

__all__ = ["Link"]

_Given = TypeVar("_Given", bound=Message | ElicitResult | ListRootsResult | ErrorData)

_CANCEL_GRACE: Final = 1.0
"""Seconds that the frame which tells a server of a cancellation may take to be written."""
_OBITUARY_GRACE: Final = 3.0
"""Seconds that a sender who finds the link broken waits for the reader, who learns why."""


class Link:
    """One link of an open board. Made and run by the switchboard; `ids` is what the ids of its requests begin with."""

    def __init__(
        self, name: str, spec: LinkSpec, tap: Tap, host: Host, serve: Serve, *, settings: Settings, rules: Rules, ids: str
    ) -> None:
        self.name = name
        self.spec = spec
        self.era: Era = spec.era or settings.era
        self.failure: LinkError | None = None
        self._tap = tap
        self._host = host
        self._serve = serve
        self._settings = settings
        self._client: Client | None = None
        self._obituary = Obituary(name, spec.label, tap.log, rules)
        self._owner = loops.current()
        self._opening = anyio.CancelScope()
        self._stop = anyio.Event()
        self._dropped = False
        self._released = anyio.Event()
        self._silent = anyio.Event()
        self._silence: LinkError | None = None
        self._pending = Pending(ids)
        self._open = OpenCalls(name, tap.log)
        self.mirrored = Mirrored(applies=spec.over_http and self.era == "modern")
        self.faults = Faults(tap, spec.transport, (*spec.faults, *settings.faults.get(name, ())))
        self._side = ClientSide(
            self,
            tap,
            serve,
            settings,
            pending=self._pending,
            calls=self._open,
            on_lost=self._lose,
            on_silent=self._fall_silent,
            on_leaving=self._leave,
            faults=self.faults,
        )

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
            with self._opening as opening:
                opening.deadline = anyio.current_time() + limit
                async with anyio.create_task_group() as self._side.tasks, self._make_client() as client:
                    opening.deadline = math.inf
                    self._limit_answers(client)
                    self._check_era(client)
                    self._client = client
                    opened = True
                    task_status.started()
                    await self._stop.wait()
                    self._side.closing = True
                    self._tap.note("closing", **({"dropped": True} if self._dropped else {}))
                    self._side.tasks.cancel_scope.cancel()
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
        if self._side.refusal is not None and isinstance(root_cause(error), MCPError):
            return self._obituary.refused(self._side.refusal)
        return self._obituary.explain(error)

    def close(self) -> None:
        """Ask the link to end; `run` then returns."""
        self._side.closing = True
        self._stop.set()

    def want(self, ident: str) -> None:
        """Let the next request have this id, as JSON text."""
        self._pending.want(ident)

    async def drop(self) -> None:
        """End the link with whatever is in flight on it, of which nobody wants the answer, and wait for the end."""
        self._dropped = True
        self.close()
        await self._released.wait()

    async def request(
        self,
        method: str,
        params: bytes,
        *,
        meta: Mapping[str, object] | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
        on_sent: OnSent | None = None,
        on_related: OnProgress | None = None,
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
            on_related: Called for each notification of the subscription that the request is.
            headers: HTTP headers beside those that the protocol asks for.
            trail: The route that goes through this request, if it is one that servers may go on with.

        Raises:
            ValueError: `meta` is no JSON.
            AnswerTimeout: No answer in time; the peer was told of the cancellation.
            LinkError: The link is dead or died; or what came is no answer, as when HTTP refused.
        """
        channel = self._require_channel()
        ident = self._pending.mint()
        stamped = {**(meta or {}), **self._side.envelope} if self.era == "modern" else dict(meta or {})
        if on_progress is not None:
            stamped["progressToken"] = json.loads(ident)
        data = raw_request(ident, method, params, stamped)
        began = len(self._tap.log)
        limit = self._settings.call_timeout if timeout is None else timeout
        sent: Frame | None = None
        if trail is not None:
            self._open.begin(ident, OpenCall(data, trail))
        try:
            events = self._pending.begin(ident)
            try:
                with anyio.move_on_after(limit):
                    try:
                        sent = await channel.send(data, {**self._headers(method, params), **(headers or {})})
                    finally:
                        sent = sent or self._logged(data)
                        if sent is not None and on_sent is not None:
                            on_sent(sent)
                    what = f"{method} (frame {sent.seq if sent else 'unknown'})"
                    return await self._answer(what, events, on_progress or on_related)
            finally:
                self._pending.end(ident)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            with anyio.move_on_after(_OBITUARY_GRACE):
                await self._released.wait()
            raise self._dead() from None
        except LinkError as error:
            self._obituary.blame(error, began, ident)
            raise
        except BaseException:
            await self._cancel(ident, sent, "nobody waits for the answer any more")
            raise
        finally:
            self._open.end(ident)
        await self._cancel(ident, sent, f"timed out after {limit:g} s")
        late = AnswerTimeout(self.name, method, limit, sent.seq if sent else None, self._broken(sent))
        self._obituary.blame(late, began, ident)
        raise late

    async def _answer(self, what: str, events: Pipe[Event], on_progress: OnProgress | None) -> Answer:
        """Wait for the answer to one request, telling of progress on the way."""
        while True:
            event = await events.get()
            if isinstance(event, LinkError):
                raise event
            if isinstance(event, Undelivered):
                raise LinkError(self.name, "http", f"{what}: {event.message}")
            if isinstance(event, Frame):
                if on_progress is not None:
                    await on_progress(event)
                continue
            frame, message = event
            if message.kind == "invalid":
                raise LinkError(self.name, "failed", f"frame {frame.seq} is no answer to {what}: {message.reason}")
            member: Literal["result", "error"] = "result" if message.kind == "result" else "error"
            return Answer(frame, member, cast("dict[str, object]", message.value)[member])

    async def notify(self, data: bytes) -> None:
        """Send one notification or response as it is; a link that is gone swallows it, as nobody waits for it."""
        try:
            await self._require_channel().send(data, self._headers(None, b"{}"))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, LinkError):
            return

    def _make_client(self) -> Client:
        return Client(
            LinkTransport(self._side.open_channel, self._side.read, self._side.write),
            mode="legacy" if self.era == "handshake" else "auto",
            cache=None,
            sampling_callback=self._sample,
            sampling_capabilities=SamplingCapability(tools=SamplingToolsCapability()),
            elicitation_callback=self._elicit,
            list_roots_callback=self._list_roots,
            extensions=[advertise(IDENTIFIER, LISTENING_CAPABILITY if self.era == "handshake" else FULL_CAPABILITY)],
        )

    def _limit_answers(self, client: Client) -> None:
        """Bound the typed calls, now that the link is open: opening has a limit of its own, and the SDK takes one for both."""
        limit = self._settings.call_timeout
        client.read_timeout_seconds = limit
        client.session._session_read_timeout_seconds = limit  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001 - see above

    async def drive(self, answer: Answer, trail: Trail, left: Callable[[], float], on_progress: OnProgress | None) -> Answer:
        """Take an answer that may be a leg to the final one; see `legs.drive`."""
        return await legs.drive(self, self._serve, answer, trail, left=left, on_progress=on_progress)

    def start(self, work: Callable[[], Coroutine[object, object, None]]) -> None:
        """Do some work in a task that ends with the link."""
        if self._side.tasks is None:
            raise self._dead()
        self._side.tasks.start_soon(work)

    async def silence(self) -> LinkError:
        """Wait until the peer can say nothing unasked any more, and return why."""
        await self._silent.wait()
        return self._silence or self._dead()

    def asker(self, frame: Frame | None) -> Asker:
        """Return who asks in a frame of this link."""
        return Asker(self.name, frame, self._tap.log)

    async def _sample(self, context: ClientRequestContext, params: CreateMessageRequestParams) -> Message | ErrorData:
        call = self._side.asked
        return self._given(call, await sample(self._host, params, self._asker_of(call), None if call is None else call.trail))

    async def _elicit(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        call = self._side.asked
        return self._given(call, await self._host.elicit(params, self._asker_of(call)))

    async def _list_roots(self, context: ClientRequestContext) -> ListRootsResult | ErrorData:
        call = self._side.asked
        return self._given(call, await self._host.list_roots(self._asker_of(call)))

    def _asker_of(self, call: Rounds | None) -> Asker:
        return self.asker(None if call is None else call.asked)

    def _given(self, call: Rounds | None, answer: _Given) -> _Given:
        """Return an answer to the SDK's client, which gives up its call where it is an error."""
        if call is not None and isinstance(answer, ErrorData):
            call.trail.end()
        return answer

    def purpose(self, ident: str) -> str:
        """Return what was done on purpose to a request, as words behind an error."""
        return self._obituary.purpose(ident)

    # Small things.

    def _headers(self, method: str | None, params: bytes) -> dict[str, str]:
        """HTTP headers that the protocol asks for (2025-06-18 transports; 2026-07-28 streamable HTTP)."""
        if not self.spec.over_http:
            return {}
        if self.era == "handshake":
            return {"mcp-protocol-version": self.client.protocol_version}
        headers = {"mcp-protocol-version": str(self._side.envelope.get(PROTOCOL_VERSION_META_KEY, ""))}
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
        if self.failure is not None or self._side.channel is None:
            raise self._dead()
        return self._side.channel

    def _dead(self) -> LinkError:
        return self.failure or LinkError(self.name, "closed", "it is closed" if self._side.closing else "it is not open")

    def _lose(self) -> None:
        if not self._side.closing and self.failure is None:
            self.failure = self._obituary.lost(modern=self.era == "modern")
        self._release()

    def _fall_silent(self, why: str) -> None:
        self._silence = LinkError(self.name, "http", f"{self.spec.label}: {why}")
        self._silent.set()

    def _leave(self) -> None:
        """Take note, if so it is, that the host gives up opening the link though the peer still had time: another link failed."""
        if not (self._side.closing or self._opening.cancel_called or self._client or self.failure):
            self._tap.note("closing", opened=False)

    def _release(self) -> None:
        self._pending.release(self._dead())
        self._silent.set()
        self._released.set()

    def _logged(self, data: bytes) -> Frame | None:
        """The frame of a request whose sending failed or was cancelled after it was logged."""
        return next((frame for frame in reversed(self._tap.log.frames) if frame.data is data), None)

    def _broken(self, sent: Frame | None) -> int | None:
        """The first frame since a request that is no JSON, so that it may have been the answer."""
        if sent is None:
            return None
        since = (frame for frame in self._tap.log.on(self.name) if frame.seq > sent.seq and frame.direction == "to-client")
        return next((frame.seq for frame in since if frame.message.kind == "not-json"), None)

    async def _cancel(self, ident: str, sent: Frame | None, reason: str) -> None:
        if sent is not None:
            params = b'{"requestId":' + ident.encode() + b',"reason":' + dumps(reason) + b"}"
            with anyio.move_on_after(_CANCEL_GRACE, shield=True):
                await self.notify(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":' + params + b"}")
