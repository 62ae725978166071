"""Where a server's question comes from: the server that asks, and the hops on whose account it does, from the route's first caller on.

A view of the log, by the rules of `pytest_mcpsym.wire.route`. Pinned by `tests/wire/test_origin.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pytest_mcpsym.wire.exchange import Exchange, correlate
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import Entry, Evidence
from pytest_mcpsym.wire.placement import place
from pytest_mcpsym.wire.route import HOST

__all__ = ["Origin", "Origins", "Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """One hop on the way to whoever asks.

    Attributes:
        caller: Link name of the peer that asked for it, or `host`.
        callee: Link name of the peer that handles it.
        method: Its method.
        target: Tool, prompt or URI, by the callee's own name.
        request: The frame with which it began; its `message.params` has the arguments.
    """

    caller: str
    callee: str
    method: str
    target: str
    request: Frame


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one question of a server comes from.

    Attributes:
        link: The server that asks.
        frame: `seq` of the frame that brought the question.
        hops: The hops that caused it, the route's first one first; empty where nothing tells.
        evidence: How the last of them is known.
    """

    link: str
    frame: int
    hops: tuple[Step, ...] = ()
    evidence: Evidence = "ambiguous"

    @property
    def route(self) -> str:
        """The peers on the way, as in `host > agent > code`; only the link where no hop is known."""
        return " > ".join([self.hops[0].caller, *(hop.callee for hop in self.hops)]) if self.hops else self.link


class Origins:
    """The origins of a log's questions. Made in one pass.

    Args:
        log: A `WireLog`, or entries in the order in which they were logged.
    """

    def __init__(self, log: Iterable[Entry]) -> None:
        entries = tuple(log)
        self._correlation = correlate(entries)
        self._placements = place(entries, self._correlation)

    def of(self, asking: Frame) -> Origin:
        """Return where a frame of a server, a request or an answer that asks for something, comes from."""
        exchange, evidence = self._placements.parent(asking, self._correlation)
        hops: list[Step] = []
        while exchange is not None:
            by = self._placements.forwarded.get(exchange.request.seq)
            hops.append(_step(exchange, HOST if by is None else by.link))
            exchange = None if by is None else self._placements.parent(by, self._correlation)[0]
        return Origin(asking.link, asking.seq, tuple(reversed(hops)), evidence)


def _step(exchange: Exchange, caller: str) -> Step:
    params = exchange.request.message.params
    target = params.get("uri" if exchange.method == "resources/read" else "name")
    return Step(caller, exchange.link, exchange.method, target if isinstance(target, str) else "", exchange.request)
