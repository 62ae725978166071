"""How what a handler asks of its client travels: as a mirrored request (handshake era), or in a leg of its call (modern era).

Pinned by `tests/symmetric/test_peer.py` and `tests/symmetric/test_spending.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import anyio
from mcp.server.session import ServerSession
from mcp.shared.dispatcher import CallOptions, ProgressFnT
from mcp_types import RequestId

from pytest_mcpsym.symmetric import sdk
from pytest_mcpsym.symmetric.names import CAUSE_KEY
from pytest_mcpsym.symmetric.parked import ParkedRun
from pytest_mcpsym.symmetric.spending import Budget, Usage
from pytest_mcpsym.wire.placement import ROUTED

__all__ = ["Carrier", "InLegs", "Mirrored"]


class Carrier(Protocol):
    """One of the two bindings."""

    def budget(self, spent: Usage) -> Budget:
        """Return what may still be spent, once the answers to this peer's calls have reported so much."""
        ...

    async def ask(
        self, method: str, params: Mapping[str, object], progress: ProgressFnT | None, timeout: float | None
    ) -> dict[str, Any]:
        """Make one request of the client."""
        ...


class Mirrored:
    """The handshake era: requests on the stream of the request being handled."""

    def __init__(self, session: ServerSession, request_id: RequestId, stamped: Budget) -> None:
        self._session = session
        self._request_id = request_id
        self._stamped = stamped
        self._since = anyio.current_time()
        self._calls = 0

    def budget(self, spent: Usage) -> Budget:
        """Return what is left of what the request said: by time, by calls, and by what the answers reported."""
        return self._stamped.after(spent, anyio.current_time() - self._since, self._calls)

    async def ask(
        self, method: str, params: Mapping[str, object], progress: ProgressFnT | None, timeout: float | None
    ) -> dict[str, Any]:
        """Send one request, on the stream of the request being handled."""
        options: CallOptions = {}
        if progress is not None:
            options["on_progress"] = progress
        if timeout is not None:
            options["timeout"] = timeout
        stamped = {**params, "_meta": {CAUSE_KEY: self._request_id}}
        self._calls += method in ROUTED
        return await sdk.channel_of(self._session).send_raw_request(method, stamped, options)


class InLegs:
    """The modern era: calls in legs of the `tools/call` being handled."""

    def __init__(self, run: ParkedRun) -> None:
        self.run = run

    def budget(self, spent: Usage) -> Budget:
        """Return what is left of what the last leg said, by time: each is stamped anew, after what its answers reported."""
        return self.run.budget.after(Usage(), anyio.current_time() - self.run.since)

    async def ask(
        self, method: str, params: Mapping[str, object], progress: ProgressFnT | None, timeout: float | None
    ) -> dict[str, Any]:
        """Post one call, which travels with the leg."""
        if progress is not None:
            raise ValueError(
                f"{method}: progress of a call cannot be carried to its handler in the modern era, as legs carry none; leave `progress` "
                "out where `peer(context).carries_progress` is false"
            )
        trace = sdk.trace_context()
        return await self.run.ask(method, {**params, "_meta": trace} if trace else params, timeout)
