"""How a route came here and what it may still spend; and which routes go through a link just now.

A `Trail` is the way from the route's first caller to one request; all trails of a route share one `Ledger`, which enforces. What is
stamped on a hop is advice to the peer. Pinned by `tests/switchboard/test_limits.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import anyio
from mcp import MCPError

from pytest_mcpsym.switchboard.refusal import refusal
from pytest_mcpsym.symmetric.names import CAUSE_KEY
from pytest_mcpsym.wire.frame import Frame, id_text
from pytest_mcpsym.wire.log import WireLog

__all__ = ["DEADLINE_GRACE", "Limits", "OpenCall", "OpenCalls", "Trail", "Unclear"]

DEADLINE_GRACE: Final = 1.0
"""Seconds that a hop may outlast its route's deadline, so that the cancellation from above reaches its server first."""


Unclear = Literal["ambiguous", "over"]
"""Why a server's request goes on with no route: several are possible and nothing tells which, or the one that it names is over."""

_REMEMBERED: Final = 10_000
"""Requests of one link whose end is remembered."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one route may spend, beside its time.

    Attributes:
        hops: Hops from its first caller to its last callee.
        calls: Hops, side by side or one below the other.
    """

    hops: int = 32
    calls: int = 1_000


@dataclass(slots=True)
class _Ledger:
    deadline: float
    limits: Limits
    calls: int = 0


@dataclass(frozen=True, slots=True)
class Trail:
    """The way to one request.

    Attributes:
        path: Names of the peers, from the first caller to the callee.
        ledger: What the whole route has spent.
    """

    path: tuple[str, ...]
    ledger: _Ledger

    @classmethod
    def begin(cls, *path: str, seconds: float, limits: Limits) -> Trail:
        """Begin a route: its first caller, with its callee if there is one yet, its time limit and its other limits."""
        return cls(path, _Ledger(anyio.current_time() + seconds, limits))

    @property
    def left(self) -> float:
        """Seconds until the route's deadline; none if it is over."""
        return max(self.ledger.deadline - anyio.current_time(), 0)

    def to(self, callee: str) -> Trail:
        """Go one hop further, and count it.

        Raises:
            MCPError: A limit is reached; `data` has its name, its value and the route so far.
        """
        limits = self.ledger.limits
        if len(self.path) > limits.hops:
            raise self._over("hops", limits.hops, callee)
        if self.ledger.calls >= limits.calls:
            raise self._over("calls", limits.calls, callee)
        if self.left == 0:
            raise self._over("deadline", 0, callee)
        self.ledger.calls += 1
        return Trail((*self.path, callee), self.ledger)

    def budget(self) -> dict[str, int]:
        """Return what is left, as it is stamped on the request."""
        return {
            "deadlineMs": int(self.left * 1000),
            "hops": self.ledger.limits.hops - len(self.path) + 1,
            "calls": self.ledger.limits.calls - self.ledger.calls,
        }

    def _over(self, limit: str, value: int, callee: str) -> MCPError:
        route = (*self.path, callee)
        data: dict[str, object] = {"limit": limit, "value": value, "route": list(route)}
        what = "the deadline of this route is over" if limit == "deadline" else f"this route has used up its {value} {limit}"
        if limit == "hops" and callee in self.path:
            start = len(route) - 2 - self.path[::-1].index(callee)
            data["cycle"] = _arrows(route[start:])
            what += f" in the cycle {data['cycle']}"
        return refusal(f"{what}: {_arrows(_shortened(route))}", "limit", **data)


def _arrows(names: Sequence[str]) -> str:
    return " > ".join(names)


def _shortened(route: Sequence[str]) -> Sequence[str]:
    return route if len(route) <= 9 else (*route[:4], "…", *route[-4:])


@dataclass(frozen=True, slots=True, eq=False)
class OpenCall:
    """A routed request that a link has not answered.

    Attributes:
        data: Its bytes, as they were sent.
        trail: The route that goes through it.
        progress_token: What the SDK's client asked for progress with; `None` for raw requests and where it did not.
    """

    data: bytes
    trail: Trail
    progress_token: object = None


class OpenCalls:
    """The routed requests in flight on one link, the SDK client's and the raw ones, by id as JSON text."""

    def __init__(self, link: str, log: WireLog) -> None:
        self._link = link
        self._log = log
        self._open: dict[str, OpenCall] = {}
        self._over: deque[str] = deque(maxlen=_REMEMBERED)

    def begin(self, ident: str, call: OpenCall) -> None:
        """Take note of a request, before it is sent."""
        self._open[ident] = call

    def end(self, ident: str) -> OpenCall | None:
        """Take note that a request is over; return what it was."""
        call = self._open.pop(ident, None)
        if call is not None:
            self._over.append(ident)
        return call

    def origin(self, asking: Frame, *, seconds: float, limits: Limits) -> Trail | Unclear:
        """Return the route that a server's request goes on with: by `meta`, then `stream`, then as the sole one.

        A server that asks while it handles nothing begins a route of its own.

        Args:
            asking: The server's request.
            seconds: Time limit of a route that begins here.
            limits: Its other limits.
        """
        cause = asking.message.meta.get(CAUSE_KEY)
        named = id_text(cause) if isinstance(cause, (str, int)) else ""
        call = self._open.get(named)
        if call is None and named in self._over:
            return "over"
        if call is None and asking.envelope is not None:
            call = self._on_stream(asking.envelope.exchange)
        if call is None and len(self._open) == 1:
            call = next(iter(self._open.values()))
        if call is not None:
            return call.trail
        return "ambiguous" if self._open else Trail.begin(self._link, seconds=seconds, limits=limits)

    def _on_stream(self, exchange: int) -> OpenCall | None:
        mine = {id(call.data): call for call in self._open.values()}
        for frame in reversed(self._log.frames):
            if frame.direction == "to-server" and frame.envelope is not None and frame.envelope.exchange == exchange:
                found = mine.get(id(frame.data)) if frame.link == self._link else None
                if found is not None:
                    return found
        return None
