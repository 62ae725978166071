"""Continuations whose state travels: encrypted, authenticated, bound, and good in every process that has the key.

A token is opaque to the client (AES-256-GCM, the SDK's codec under a key derived for this use alone), expires, and opens only for
the principal that it was sealed for. Within its time to live it can be opened more than once, unless a store of used nonces is
given: without one, whatever a tool does happens at least once. `SealedTools` are tools written as steps over such state; the
extension serves them (`Extension(sealed=…)`). Pinned by `tests/symmetric/test_sealed.py`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, cast

from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.server.request_state import AESGCMRequestStateCodec, InvalidRequestState, authenticated_principal
from mcp_types import CallToolRequestParams

from pytest_mcpsym.symmetric.continuation import RefusedContinuation, Spent, check_responses
from pytest_mcpsym.symmetric.declared import require
from pytest_mcpsym.symmetric.names import CALLS
from pytest_mcpsym.symmetric.run import Response

__all__ = ["Ask", "Call", "NonceStore", "SealedTool", "SealedTools", "Sealer", "UsedNonces", "request_digest"]

_PREFIX: Final = "sealed."
_KEY_LABEL: Final = b"dev.mcpsym/symmetric sealed continuation v1"
_KEY_BYTES: Final = 32


class NonceStore(Protocol):
    """Remembers which continuations were used, for all processes that share the key."""

    async def use(self, nonce: str, until: float) -> bool:
        """Mark a nonce as used; atomically.

        Args:
            nonce: Names one token.
            until: When it can be forgotten, in seconds since the epoch.

        Returns:
            Whether this was its first use.
        """
        ...


class UsedNonces:
    """A store for one process, bounded in time and number.

    Args:
        time_to_live: Seconds to remember each; not less than the sealer's.
    """

    def __init__(self, time_to_live: float) -> None:
        self._spent = Spent(time_to_live, time.monotonic)

    async def use(self, nonce: str, until: float) -> bool:
        """Mark a nonce as used and tell whether this was its first use."""
        if self._spent.refusal(nonce, None).reason != "unknown":
            return False
        self._spent.add(nonce, "replayed", None)
        return True


def request_digest(method: str, name: str, arguments: Mapping[str, object] | None) -> str:
    """Return a digest of a request, to bind a token to it: equal for arguments that are equal as JSON."""
    text = json.dumps([method, name, arguments or {}], sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class _Opened:
    state: bytes
    nonce: str
    expires: float


class Sealer:
    """Seals state into tokens and opens them.

    Args:
        key: A secret of at least 32 random bytes, or several: the first seals, all open (so that keys can be rotated).
        time_to_live: Seconds for which a token can be opened.
        store: Makes each token good for one use; default: any number of uses within the time to live.
        clock: Seconds since the epoch, the same for all processes that share the key.

    Raises:
        ValueError: A key is too short, or there is none.
    """

    def __init__(
        self,
        key: bytes | Sequence[bytes],
        *,
        time_to_live: float = 300.0,
        store: NonceStore | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        keys = [key] if isinstance(key, bytes) else list(key)
        if not keys or any(len(each) < _KEY_BYTES for each in keys):
            raise ValueError(f"a sealer needs keys of at least {_KEY_BYTES} random bytes: secrets.token_bytes({_KEY_BYTES})")
        # A label of its own: a server may use one secret for the protocol's requestState too, and the two must never be confused.
        self._codec = AESGCMRequestStateCodec([hmac.digest(each, _KEY_LABEL, "sha256") for each in keys])
        self._time_to_live = time_to_live
        self._store = store
        self._clock = clock

    def seal(self, state: bytes, *, principal: str | None, request_digest: str) -> str:
        """Return a token that holds a state.

        Args:
            state: Anything; the client cannot read it, but sees about how long it is.
            principal: Who alone may continue; `None` where nobody is authenticated.
            request_digest: Of the original request: see the function of that name.
        """
        claims = {
            "expires": self._clock() + self._time_to_live,
            "nonce": secrets.token_urlsafe(16),
            "principal": principal,
            "request": request_digest,
        }
        return _PREFIX + self._codec.seal(json.dumps(claims).encode() + b"\n" + state)

    async def open(self, token: str, *, principal: str | None, request_digest: str | None = None) -> bytes:
        """Return the state in a token, and use the token up if there is a store.

        Args:
            token: As the client sent it.
            principal: Who sent it.
            request_digest: Of the request that the client repeats; `None` if it repeats none, as with `dev.mcpsym/continue`.

        Raises:
            RefusedContinuation: Forged or of another key (`unknown`), `expired`, `replayed`, or of another principal or request
                (`foreign`).
        """
        opened = self.verify(token, principal=principal, request_digest=request_digest)
        await self.use(opened)
        return opened.state

    def verify(self, token: str, *, principal: str | None, request_digest: str | None = None) -> _Opened:
        """Open a token without using it up; arguments and errors as with `open`, `replayed` excepted."""
        try:
            payload = self._codec.unseal(token.removeprefix(_PREFIX))
        except InvalidRequestState:
            raise RefusedContinuation("unknown") from None
        head, _, state = payload.partition(b"\n")
        claims = cast("dict[str, Any]", json.loads(head))
        if claims["principal"] != principal or (request_digest is not None and claims["request"] != request_digest):
            raise RefusedContinuation("foreign")
        if self._clock() >= claims["expires"]:
            raise RefusedContinuation("expired")
        return _Opened(state, claims["nonce"], claims["expires"])

    async def use(self, opened: _Opened) -> None:
        """Use up a token that was verified, if there is a store.

        Raises:
            RefusedContinuation: It was used before (`replayed`).
        """
        if self._store is not None and not await self._store.use(opened.nonce, opened.expires):
            raise RefusedContinuation("replayed")


@dataclass(frozen=True, slots=True)
class Call:
    """One request for the client to make.

    Attributes:
        method: For example `tools/call`.
        params: Its params, for example `{"name": "everything__echo", "arguments": {"message": "hi"}}`.
    """

    method: str
    params: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class Ask:
    """The end of a step that is not the last: what to call, and what to remember.

    Attributes:
        calls: By a key of the tool's own, under which the answer comes back.
        state: All that the next step needs, the call's arguments included; it may run in another process.
    """

    calls: Mapping[str, Call]
    state: bytes


SealedTool = Callable[[ServerRequestContext[Any, Any], bytes | None, Mapping[str, Response]], Awaitable[Ask | HandlerResult]]
"""One step of a tool: `(ctx, state, responses)`. State is `None` in the first step, where `ctx.params["arguments"]` holds the
call's arguments; responses are those that came since the last step (`answer_of` gives a response's result or raises its error)."""


class SealedTools:
    """Tools whose state travels in the continuation: no process holds anything between their steps.

    A sealed tool stands beside an ordinary one of the same name, which gives its schema, and which serves clients without the
    extension and the handshake era. Its last step returns a `CallToolResult` or what a low-level handler may; errors are raised
    as `MCPError` or returned with `is_error`.

    Args:
        sealer: Seals the state.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._tools: dict[str, SealedTool] = {}

    def tool(self, name: str) -> Callable[[SealedTool], SealedTool]:
        """Decorate the step function of a tool.

        Raises:
            ValueError: There is one of that name.
        """

        def add(function: SealedTool) -> SealedTool:
            if name in self._tools:
                raise ValueError(f"there is a sealed tool {name!r} already")
            self._tools[name] = function
            return function

        return add

    def serves(self, name: str) -> bool:
        """Tell whether a tool is sealed."""
        return name in self._tools

    def claims(self, continuation: str) -> bool:
        """Tell whether a continuation looks like one of a sealed tool."""
        return continuation.startswith(_PREFIX)

    async def begin(self, ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams) -> HandlerResult:
        """Run the first step of a tool."""
        step = await self._tools[params.name](ctx, None, {})
        digest = request_digest("tools/call", params.name, params.arguments)
        return self._end(ctx, step, params.name, digest, frozenset())

    async def resume(
        self, ctx: ServerRequestContext[Any, Any], continuation: str, responses: Mapping[str, Response]
    ) -> HandlerResult:
        """Run the next step of the tool that a continuation belongs to.

        Raises:
            RefusedContinuation: It cannot be continued.
            MCPError: The responses are not those that are due; the continuation stays good.
        """
        opened = self._sealer.verify(continuation, principal=authenticated_principal(ctx))
        head, _, state = opened.state.partition(b"\n")
        name, digest, keys = cast("tuple[str, str, list[str]]", json.loads(head))
        if name not in self._tools:
            raise RefusedContinuation("unknown")
        check_responses(responses, sorted(responses.keys() - set(keys)))
        await self._sealer.use(opened)
        step = await self._tools[name](ctx, state, responses)
        return self._end(ctx, step, name, digest, frozenset(keys) - responses.keys())

    async def discard(self, ctx: ServerRequestContext[Any, Any], continuation: str) -> None:
        """Use a continuation up, as far as there is a store; nothing is held that could be freed.

        Raises:
            RefusedContinuation: It could not be continued.
        """
        await self._sealer.open(continuation, principal=authenticated_principal(ctx))

    def _end(
        self, ctx: ServerRequestContext[Any, Any], step: Ask | HandlerResult, name: str, digest: str, owed: frozenset[str]
    ) -> HandlerResult:
        """Return a step's end as the client gets it."""
        if not isinstance(step, Ask):
            return step
        if "" in step.calls or owed & step.calls.keys() or not (owed or step.calls):
            raise ValueError(
                f"sealed tool {name!r}: calls need keys that are not empty and not awaiting an answer, and at least one"
            )
        for call in step.calls.values():
            require(ctx.session, call.method, call.params)
        head = json.dumps([name, digest, sorted(owed | step.calls.keys())]).encode()
        principal = authenticated_principal(ctx)
        token = self._sealer.seal(head + b"\n" + step.state, principal=principal, request_digest=digest)
        calls = {key: {"method": call.method, "params": dict(call.params)} for key, call in step.calls.items()}
        return {"resultType": CALLS, "calls": calls, "continuation": token}
