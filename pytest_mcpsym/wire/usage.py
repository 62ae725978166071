"""What a board's peers and routes used: context and listed tools of each peer; calls, depth and fan-out of each route.

A pure function of the log. What enters a context is what `pytest_mcpsym.wire.context` counts. A tool is listed to a peer where
an answer to its `tools/list` holds it, pages added up, or where a request to the model that it makes (`sampling/createMessage`)
offers it; of several such lists the largest counts. The host shows its model the tools of all servers, so for the host the largest
lists of its links add up; what the switchboard lists because a server asked for it is no list of the host's.

A route's calls, depth and fan-out leave out what was refused. Pinned by `tests/wire/test_usage.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from pytest_mcpsym.wire.context import Context, Shown, context
from pytest_mcpsym.wire.exchange import Correlation, correlate
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.placement import Placements, place
from pytest_mcpsym.wire.route import HOST, Hop, Routes, routes
from pytest_mcpsym.wire.told import Told, told

__all__ = ["Listed", "PeerUse", "RouteUse", "Usage", "usage"]

_SEPARATOR: Final = "__"
"""Between a link's name and a tool's in the names that servers are shown."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The most tools that a peer was shown at once.

    Attributes:
        tools: How many.
        method: By what: `tools/list` or `sampling/createMessage`.
        link: The link on which most of them were shown; for a server its own.
        frames: `seq` of the frames that show it: question and answer, of each page.
        most: The server that most of them are of, and how many of it.
    """

    tools: int
    method: str
    link: str
    frames: tuple[int, ...]
    most: tuple[str, int]


@dataclass(frozen=True, slots=True)
class PeerUse:
    """What one peer used.

    Attributes:
        name: Its link's name, or `host`.
        context: What entered its context, call by call.
        listed: The most tools that it was shown at once; `None` if it was shown none.
    """

    name: str
    context: Context
    listed: Listed | None

    @property
    def bytes(self) -> int:
        """Bytes that entered its context."""
        return self.context.bytes

    @property
    def tokens(self) -> int:
        """About how many tokens they are."""
        return self.context.tokens

    @property
    def tools(self) -> int:
        """How many tools it was shown at once, at most."""
        return 0 if self.listed is None else self.listed.tools

    @property
    def largest(self) -> Shown | None:
        """The call that brought most into its context; `None` if it made none."""
        return max(self.context, key=lambda shown: shown.bytes, default=None)


@dataclass(frozen=True, slots=True)
class RouteUse:
    """What one route used.

    Attributes:
        route: Its text, as `board.routes` writes it.
        calls: Its hops, all branches together.
        depth: Hops from its first caller to its last callee.
        fan_out: The most hops that one of its hops caused itself.
        deepest: The last hop of its longest branch.
        widest: The hop that caused most hops itself.
    """

    route: str
    calls: int
    depth: int
    fan_out: int
    deepest: Hop
    widest: Hop


@dataclass(frozen=True, slots=True)
class Usage:
    """What peers and routes used; `str()` is a table of both.

    Attributes:
        peers: The host first, then the servers that called or were shown something, in order of their names.
        routes: In order of their first requests.
    """

    peers: tuple[PeerUse, ...]
    routes: tuple[RouteUse, ...]

    def of(self, name: str) -> PeerUse:
        """Return what one peer used: a link's server, or the `host`."""
        return next((peer for peer in self.peers if peer.name == name), PeerUse(name, Context(), None))

    def __str__(self) -> str:
        peers = [
            (
                peer.name,
                f"{peer.bytes:,} bytes in context, about {peer.tokens:,} tokens",
                _count(peer.tools, "tool") + " listed",
            )
            for peer in self.peers
        ]
        same = Counter((each.route, each.calls, each.depth, each.fan_out) for each in self.routes)
        ways = [
            (text + (f"  x{times}" if times > 1 else ""), _count(calls, "call"), f"depth {depth}", f"fan-out {fan_out}")
            for (text, calls, depth, fan_out), times in same.items()
        ]
        return "\n".join([*_table(peers), *_table(ways)]) or "nothing was used"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _table(lines: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield lines with their columns below each other."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def usage(
    log: WireLog, correlation: Correlation | None = None, placements: Placements | None = None, hops: Routes | None = None
) -> Usage:
    """Return what peers and routes used.

    Args:
        log: The log.
        correlation: What `correlate` gives for it, if it is at hand.
        placements: What `place` gives for it, if it is at hand.
        hops: What `routes` gives for it, if it is at hand.
    """
    correlation = correlate(log) if correlation is None else correlation
    placements = placements or place(log, correlation)
    hops = routes(log, correlation, placements) if hops is None else hops
    shown = context(log, correlation, placements, hops)
    listed = {name: max(each, key=lambda one: one.tools) for name, each in _told_lists(log, correlation).items()}
    own = _host_lists(correlation, placements)
    if own is not None:
        listed[HOST] = own
    names = sorted({each.caller for each in shown} | set(listed), key=lambda name: (name != HOST, name))
    return Usage(
        tuple(PeerUse(name, shown.of(name), listed.get(name)) for name in names),
        tuple(_route(root) for root in hops if not root.refused),
    )


# --- tools


class _Pages:
    """Adds up the pages of lists of tools."""

    def __init__(self) -> None:
        self._unfinished: dict[tuple[str, str], Listed] = {}

    def add(self, page: Listed, params: Mapping[str, object], result: Mapping[str, object]) -> Listed:
        """Return a page together with those before it."""
        before = self._unfinished.pop((page.link, str(params.get("cursor"))), None)
        if before is not None:
            most = max(before.most, page.most, key=lambda pair: pair[1])
            if before.most[0] == page.most[0]:
                most = (page.most[0], before.most[1] + page.most[1])
            page = Listed(before.tools + page.tools, page.method, page.link, before.frames + page.frames, most)
        if "nextCursor" in result:
            self._unfinished[page.link, str(result["nextCursor"])] = page
        return page


def _told_lists(log: WireLog, correlation: Correlation) -> Mapping[str, list[Listed]]:
    """Return each list of tools that a server was shown, or offered to the model."""
    found: dict[str, list[Listed]] = {}
    pages = _Pages()
    for one in told(log, correlation):
        if one.method == "tools/list":
            found.setdefault(one.link, []).append(pages.add(_listed(one, _names(one.body)), one.params, one.body))
        elif one.method == "sampling/createMessage" and _names(one.params):
            found.setdefault(one.link, []).append(_listed(one, _names(one.params)))
    return found


def _listed(one: Told, names: list[str]) -> Listed:
    owners = Counter(name.partition(_SEPARATOR)[0] if _SEPARATOR in name else one.link for name in names)
    most = owners.most_common(1)[0] if owners else (one.link, 0)
    return Listed(len(names), one.method, one.link, tuple(dict.fromkeys((one.asked, one.answered))), most)


def _host_lists(correlation: Correlation, placements: Placements) -> Listed | None:
    """Return the largest lists that the host had of each link, as one; `None` if it had none."""
    largest: dict[str, Listed] = {}
    pages = _Pages()
    for exchange in correlation.exchanges:
        request, response = exchange.request, exchange.response
        if exchange.method != "tools/list" or exchange.direction != "to-server" or response is None:
            continue
        if request.seq in placements.forwarded:
            continue
        own = len(_names(response.message.result))
        page = Listed(own, exchange.method, exchange.link, (request.seq, response.seq), (exchange.link, own))
        page = pages.add(page, request.message.params, response.message.result)
        largest[exchange.link] = max(largest.get(exchange.link, page), page, key=lambda one: one.tools)
    if not largest:
        return None
    most = max(largest.values(), key=lambda one: one.tools)
    return Listed(sum(each.tools for each in largest.values()), most.method, most.link, most.frames, most.most)


def _names(holder: Mapping[str, object]) -> list[str]:
    tools = holder.get("tools")
    if not isinstance(tools, list):
        return []
    return [
        str(cast("Mapping[str, object]", tool).get("name")) for tool in cast("list[object]", tools) if isinstance(tool, dict)
    ]


# --- routes


def _route(root: Hop) -> RouteUse:
    calls, depth, fan_out, deepest, widest = 0, 0, 0, root, root
    stack = [(root, 1)]
    while stack:
        hop, level = stack.pop()
        calls += 1
        if level > depth:
            depth, deepest = level, hop
        below = [child for child in hop.children if not child.refused]
        if len(below) > fan_out:
            fan_out, widest = len(below), hop
        stack += [(child, level + 1) for child in reversed(below)]
    return RouteUse(str(Routes([root])), calls, depth, fan_out, deepest, widest)
