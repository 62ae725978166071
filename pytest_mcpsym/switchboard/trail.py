"""How a route came here and what it may still spend; and which routes go through a link just now.

A `Trail` is the way from the route's first caller to one request; all trails of a route share one ledger, which enforces, so that
parallel branches share what there is. What is stamped on a hop is advice to the peer. What is spent counts for its hop and all hops
above. Pinned by `tests/switchboard/test_limits.py` and `tests/switchboard/test_spending.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import anyio
from mcp import MCPError

from pytest_mcpsym.switchboard.refusal import refusal
from pytest_mcpsym.symmetric.names import CAUSE_KEY
from pytest_mcpsym.symmetric.spending import Budget, Usage
from pytest_mcpsym.wire.frame import Frame, id_text
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.route import HOST

if TYPE_CHECKING:
    from pytest_mcpsym.switchboard.rounds import Rounds

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
        tokens: Tokens of the host's model and of those that servers report; `None` is any number.
        cost_usd: US dollars, likewise.
    """

    hops: int = 32
    calls: int = 1_000
    tokens: int | None = None
    cost_usd: float | None = None


_USUAL: Final = Limits()


_NOTHING: Final = Usage()


@dataclass(slots=True)
class _Tally:
    """What one hop has spent, with everything below it, and what ends with it."""

    above: _Tally | None = None
    usage: Usage = _NOTHING
    ends: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])


@dataclass(slots=True)
class _Ledger:
    deadline: float
    limits: Limits
    calls: int = 0
    whole: _Tally = field(default_factory=_Tally)


@dataclass(frozen=True, slots=True)
class Trail:
    """The way to one request.

    Attributes:
        path: Names of the peers, from the first caller to the callee.
        ledger: What the whole route has spent.
        tally: What the last hop of the path has spent.
    """

    path: tuple[str, ...]
    ledger: _Ledger
    tally: _Tally

    @classmethod
    def begin(cls, *path: str, seconds: float, limits: Limits) -> Trail:
        """Begin a route: its first caller, with its callee if there is one yet, its time limit and its other limits."""
        ledger = _Ledger(anyio.current_time() + seconds, limits)
        return cls(path, ledger, ledger.whole)

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
        self.require_funds(callee)
        self.require_time(callee)
        self.ledger.calls += 1
        return Trail((*self.path, callee), self.ledger, _Tally(self.tally))

    def require_funds(self, callee: str | None = None) -> None:
        """Check that there are tokens and dollars left to spend.

        Raises:
            MCPError: There are none; `data` has what was spent too.
        """
        limits, spent = self.ledger.limits, self.ledger.whole.usage
        if limits.tokens is not None and spent.tokens >= limits.tokens:
            raise self._over("tokens", limits.tokens, callee, spent=spent.tokens)
        if limits.cost_usd is not None and spent.cost_usd >= limits.cost_usd:
            raise self._over("costUsd", limits.cost_usd, callee, spent=round(spent.cost_usd, 9))

    def require_time(self, callee: str | None = None) -> None:
        """Check that the route's deadline is not over.

        Raises:
            MCPError: It is.
        """
        if self.left == 0:
            raise self._over("deadline", 0, callee)

    def spend(self, usage: Usage) -> None:
        """Count what was spent below this request."""
        tally: _Tally | None = self.tally
        while tally is not None:
            tally.usage += usage
            tally = tally.above

    def settle(self, reported: Usage) -> Usage:
        """Take the callee's report of what the whole call has spent; return what that is by all that is known.

        What the host's model and the hops below have spent was counted when they answered: the report adds what goes beyond it.
        """
        self.spend(reported.beyond(self.tally.usage))
        return self.tally.usage

    def at_end(self, told: Callable[[], None]) -> None:
        """Have something done when the last hop of the path is over."""
        self.tally.ends.append(told)

    def end(self) -> None:
        """Say that the last hop of the path is over."""
        while self.tally.ends:
            self.tally.ends.pop()()

    def stamp(self) -> dict[str, object]:
        """Return what the request says in `_meta` of what is left.

        The host's own calls say it only where the test limits something: what there is else, is the same for all of them.
        """
        limits = self.ledger.limits
        if self.path[:-1] == (HOST,) and limits == _USUAL:
            return {}
        whole = Budget(
            self.left, limits.hops - len(self.path) + 1, limits.calls - self.ledger.calls, limits.tokens, limits.cost_usd
        )
        return whole.after(self.ledger.whole.usage).meta()

    def _over(self, limit: str, value: float, callee: str | None, **more: object) -> MCPError:
        route = self.path if callee is None else (*self.path, callee)
        data: dict[str, object] = {"limit": limit, "value": value, **more, "route": list(route)}
        if limit == "deadline":
            what = "the deadline of this route is over"
        else:
            what = f"this route has used up its {value} {'US dollars' if limit == 'costUsd' else limit}"
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
        rounds: The call of the SDK's client that it is a round of; `None` for raw requests.
    """

    data: bytes
    trail: Trail
    progress_token: object = None
    rounds: Rounds | None = None


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
