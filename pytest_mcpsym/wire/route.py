"""Routes: who called whom, and because of what, derived from the log alone.

A hop is a routed request (`tools/call`, `prompts/get`, `resources/read`) from one peer to another; a route is a hop with the
hops that it caused. A request that is sent again with the input which its server required is the same hop, gone on with. Every routed request to a server is one hop; so is every routed request of a server that was refused. How a
hop's cause is known is its evidence, the strongest that holds:

* a request to a server without a cause record was sent by the host itself: a root with evidence `routed`
* a cause record names what the switchboard forwarded it for: a request of the server on link A, or an answer on link A whose
  `calls` it performs (`continuation`). The caller is A; the parent is the hop that A was handling:
    1. a cause record of the asking frame itself, which the normal form writes where the rest could not be derived again
    2. `meta`: `_meta["dev.mcpsym/cause"]` is the id, with its type, of a routed request in flight on A
    3. `stream`: it came on the HTTP response stream of a routed request in flight on A
    4. `sole`: exactly one routed request was in flight on A
    5. `ambiguous`: no parent; the hop is a root of its own

A call that a server makes of an HTTP API is a hop too, if the API is a link of the board: its method is that of HTTP, its target the
URL. Nothing is forwarded, so nothing is `routed`; `pytest_mcpsym.wire.upstream` says how its cause is known. Where it is not, the
caller is the one link that may call the API, else `unknown`.

A cause is always earlier than what it caused; a record that says otherwise, or that names no frame of the log, counts as none.
So there are no cycles, and nothing here recurses. Pinned by `tests/wire/test_route.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast, overload

from pytest_mcpsym.wire.exchange import Correlation, Exchange, correlate
from pytest_mcpsym.wire.log import Entry, Evidence
from pytest_mcpsym.wire.placement import ROUTED, Placements, place
from pytest_mcpsym.wire.shape import Forest, RouteSyntaxError, Shapes, difference, draw, merged, parse_forest, rows, text
from pytest_mcpsym.wire.upstream import UpstreamCall, callers_of, upstream_calls

__all__ = ["HOST", "UNKNOWN", "Hop", "RouteSyntaxError", "Routes", "explain", "routes"]

HOST: Final = "host"
"""Name of the peer that no link leads to: the test with its switchboard."""

UNKNOWN: Final = "unknown"
"""Name of the caller of an HTTP API where nothing tells which of several servers it was."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Hop:
    """A routed request from one peer to another, with the hops that it caused.

    Attributes:
        caller: Link name of the peer that asked, or `host`.
        callee: Link name of the peer that was asked; `None` if the switchboard refused and forwarded nothing.
        method: Its method; for a call of an HTTP API that of HTTP.
        target: Name, URI or URL as the callee was sent it (for a refused hop: as the caller sent it); empty if there is none.
        exchange: The exchange on the callee's link; for a refused hop the one on the caller's; for a call of an HTTP API a view of
            it (`pytest_mcpsym.wire.upstream.UpstreamCall.exchange`).
        via: The exchange on the caller's link by which a server asked; `None` for the host's own calls and for calls of a
            claimed result.
        evidence: How its cause is known.
        children: The hops that it caused, in order of the requests by which its callee asked for them.
    """

    caller: str
    callee: str | None
    method: str
    target: str
    exchange: Exchange
    via: Exchange | None
    evidence: Evidence
    children: tuple[Hop, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether the switchboard answered without forwarding."""
        return self.callee is None

    def walk(self) -> Iterator[Hop]:
        """Yield this hop and all below, depth first."""
        stack: list[Hop] = [self]
        while stack:
            hop = stack.pop()
            yield hop
            stack.extend(reversed(hop.children))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hop):
            return NotImplemented
        # Depth-first order and the number of children determine a tree.
        return all(
            mine is not None and theirs is not None and _own(mine) == _own(theirs)
            for mine, theirs in _side_by_side(self.walk(), other.walk())
        )

    def __hash__(self) -> int:
        return hash((self.caller, self.callee, self.method, self.target, self.exchange.request.seq, len(self.children)))

    def __repr__(self) -> str:
        below = sum(1 for _ in self.walk()) - 1
        return f"<Hop {self.caller} > {self.callee or 'refused'}: {self.method} {self.target} ({self.evidence}, {below} below)>"


def _own(hop: Hop) -> tuple[object, ...]:
    parts = (hop.caller, hop.callee, hop.method, hop.target, hop.exchange, hop.via, hop.evidence)
    return (*parts, len(hop.children))


def _side_by_side(left: Iterator[Hop], right: Iterator[Hop]) -> Iterator[tuple[Hop | None, Hop | None]]:
    while True:
        pair = (next(left, None), next(right, None))
        if pair == (None, None):
            return
        yield pair


class Routes(Sequence[Hop]):
    """The routes of a log: its root hops in order of their first requests, compared with text, texts or other routes.

    `str()` is the shortest text: `host > agent > (code > everything x2, clock)`. Refused hops are left out of the text.
    """

    __slots__ = ("_roots",)

    def __init__(self, roots: Iterable[Hop] = ()) -> None:
        self._roots = tuple(roots)

    @overload
    def __getitem__(self, index: int) -> Hop: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Hop, ...]: ...
    def __getitem__(self, index: int | slice) -> Hop | tuple[Hop, ...]:
        return self._roots[index]

    def __len__(self) -> int:
        return len(self._roots)

    def walk(self) -> Iterator[Hop]:
        """Yield all hops, depth first."""
        for root in self._roots:
            yield from root.walk()

    def __eq__(self, other: object) -> bool:
        """Compare with a route text, a list or tuple of them, or other routes (by value).

        Raises:
            RouteSyntaxError: A text does not follow the grammar of `pytest_mcpsym.wire.shape`.
        """
        if isinstance(other, Routes):
            return self._roots == other._roots
        sources = _sources(other)
        if sources is None:
            return NotImplemented
        shapes = Shapes()
        return parse_forest(sources, shapes) == _forest(self, shapes)

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # equal to texts that differ in white space, so no hash can agree

    def __str__(self) -> str:
        shapes = Shapes()
        return text(_forest(self, shapes), shapes)

    def __repr__(self) -> str:
        return f"<Routes: {self}>" if self._roots else "<Routes: none>"


def _forest(roots: Routes, shapes: Shapes) -> Forest:
    trees: dict[str, list[tuple[int, int]]] = {HOST: []}
    numbers: dict[int, int] = {}
    for hop in reversed(list(roots.walk())):
        below = merged((numbers[id(child)], 1) for child in hop.children if not child.refused)
        numbers[id(hop)] = shapes.number(hop.callee or "", below)
    for root in roots:
        if not root.refused:
            trees.setdefault(root.caller, []).append((numbers[id(root)], 1))
    return tuple((caller, merged(siblings)) for caller, siblings in trees.items() if siblings)


def _rows(roots: Routes) -> Iterator[tuple[int, str]]:
    for caller in dict.fromkeys([HOST, *(root.caller for root in roots)]):
        stack = [(1, root) for root in reversed(roots) if root.caller == caller]
        if stack:
            yield 0, caller
        while stack:
            level, hop = stack.pop()
            yield level, f"{hop.callee or 'refused'}  {hop.method} {hop.target} ({hop.evidence})"
            stack.extend((level + 1, child) for child in reversed(hop.children))


def _sources(other: object) -> Sequence[str] | None:
    if isinstance(other, str):
        return (other,)
    if isinstance(other, (list, tuple)):
        items = cast("Sequence[object]", other)
        return cast("Sequence[str]", items) if all(isinstance(item, str) for item in items) else None
    return None


def routes(log: Iterable[Entry], correlation: Correlation | None = None, placements: Placements | None = None) -> Routes:
    """Derive the routes of a log.

    Args:
        log: A `WireLog`, or entries in the order in which they were logged.
        correlation: What `correlate` gives for it, if it is at hand.
        placements: What `place` gives for it, if it is at hand.
    """
    entries = tuple(log)
    known = correlate(entries) if correlation is None else correlation
    placements = placements or place(entries, known)
    forwarded = {by.seq for by in placements.forwarded.values()}
    below: dict[int | None, list[Hop]] = {}
    links = callers_of(entries)
    for call in upstream_calls(entries):
        hop, parent = _upstream_hop(call, links[call.link], placements)
        below.setdefault(None if parent is None else parent.request.seq, []).append(hop)
    # A hop's cause is earlier than the hop, so backwards every hop finds its children complete.
    for exchange in reversed(known.exchanges):
        if exchange.method not in ROUTED or exchange.request.seq in placements.legs:
            continue
        if exchange.direction == "to-client" and exchange.request.seq in forwarded:
            continue
        caused = below.pop(exchange.request.seq, None)
        children = () if caused is None else tuple(sorted(caused, key=_first_request) if len(caused) > 1 else caused)
        hop, parent = _hop(exchange, children, placements, known)
        below.setdefault(None if parent is None else parent.request.seq, []).append(hop)
    return Routes(sorted(below.get(None, []), key=_first_request))


def _first_request(hop: Hop) -> tuple[int, int]:
    return (hop.via or hop.exchange).request.seq, hop.exchange.request.seq


def _hop(
    exchange: Exchange, children: tuple[Hop, ...], placements: Placements, known: Correlation
) -> tuple[Hop, Exchange | None]:
    params = exchange.request.message.params
    target = params.get("uri" if exchange.method == "resources/read" else "name")
    what = (exchange.method, target if isinstance(target, str) else "", exchange)
    asked = exchange.request if exchange.direction == "to-client" else placements.forwarded.get(exchange.request.seq)
    if asked is None:
        return Hop(HOST, exchange.link, *what, None, "routed", children), None
    parent, evidence = placements.parent(asked, known)
    if exchange.direction == "to-client":
        return Hop(exchange.link, None, *what, exchange, evidence, children), parent
    via = known.owner(asked) if asked.message.kind == "request" else None
    return Hop(asked.link, exchange.link, *what, via, evidence, children), parent


def _upstream_hop(call: UpstreamCall, callers: Sequence[str], placements: Placements) -> tuple[Hop, Exchange | None]:
    parent, evidence = placements.upstream.get(call.request.seq, (None, "ambiguous"))
    caller = parent.link if parent is not None else callers[0] if len(callers) == 1 else UNKNOWN
    return Hop(caller, call.link, call.method, call.url, call.exchange, None, evidence), parent


def explain(expected: str, got: Routes) -> list[str]:
    """Return the lines that explain why routes differ from a text: both trees, and the nearest difference in one sentence.

    Raises:
        RouteSyntaxError: The text does not follow the grammar.
    """
    shapes = Shapes()
    wanted, found = parse_forest((expected,), shapes), _forest(got, shapes)
    sentence = difference(wanted, found, shapes) or "no difference"
    return [
        "expected routes:",
        *(f"  {line}" for line in draw(rows(wanted, shapes)) or ["(none)"]),
        "got:",
        *(f"  {line}" for line in draw(_rows(got)) or ["(none)"]),
        sentence,
    ]
