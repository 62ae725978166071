"""Checks of what peers and routes use, against limits that a project or a test sets; without a limit a check finds nothing.

Nothing is refused for these limits: what passes one is found when the board has closed. `limited` puts limits into a registry, so
that no check asks anything but its view and what it was made with. Pinned by `tests/checks/test_budget.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pytest_mcpsym.checks.finding import Check, Finding, Registry, View, check
from pytest_mcpsym.checks.wording import called, shown
from pytest_mcpsym.wire.context import Context, context
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.payload import largest_payload
from pytest_mcpsym.wire.route import HOST, Hop
from pytest_mcpsym.wire.usage import Usage, usage

__all__ = ["BUDGET", "Budget", "limited"]

_WINDOWS: Final = "https://www.anthropic.com/engineering/code-execution-with-mcp"
_LINKS: Final = "https://modelcontextprotocol.io/specification/2025-11-25/server/tools#resource-links"
_CALLS: Final = "https://modelcontextprotocol.io/specification/2025-11-25/server/tools#security-considerations"


@dataclass(frozen=True, slots=True)
class Budget:
    """What a peer or a route may use; `None` is any amount.

    Attributes:
        context_tokens: Tokens that may enter the context of one peer.
        listed_tools: Tools that one peer may be shown at once.
        depth: Hops that a route may have from its first caller to its last callee.
        fan_out: Hops that one hop of a route may cause itself.
        inlined_bytes: Bytes of one base64 payload in a call.
    """

    context_tokens: int | None = None
    listed_tools: int | None = None
    depth: int | None = None
    fan_out: int | None = None
    inlined_bytes: int | None = None


_Breach = tuple[str, tuple[Frame, ...], str, str | None]
"""What is wrong, the frames that prove it, the link and the route."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """One limit: the id of its check, where `Budget` has it, and what finds where it is passed."""

    ident: str
    limit: Callable[[Budget], int | None]
    sentence: str
    source: str
    breaches: Callable[[View, int], Iterator[_Breach]]


def limited(checks: Registry, limits: Budget) -> Registry:
    """Return checks of which those of this family have limits."""
    made = {each.id: each for each in _checks(limits)}
    return Registry(made.get(ident, each) for ident, each in checks.items())


def _checks(limits: Budget) -> list[Check]:
    return [_check(rule, rule.limit(limits)) for rule in _RULES]


def _check(rule: _Rule, limit: int | None) -> Check:
    @check(rule.ident, severity="error", sentence=rule.sentence, source=rule.source, at_close=True)
    def found(view: View) -> Iterator[Finding]:
        if limit is not None:
            for breach in rule.breaches(view, limit):
                yield found.finding(*breach)

    return found


def _used(view: View) -> Usage:
    return usage(view.log, view.correlation, view.placements, view.routes)


def _entered(view: View) -> Context:
    return context(view.log, view.correlation, view.placements, view.routes)


def _frames(view: View, seqs: Iterable[int]) -> tuple[Frame, ...]:
    wanted = set(seqs)
    return tuple(frame for frame in view.log.frames if frame.seq in wanted)


def _context(view: View, limit: int) -> Iterator[_Breach]:
    for peer in _used(view).peers:
        largest = peer.largest
        if largest is None or peer.tokens <= limit:
            continue
        text = (
            f"{largest.callee}: about {peer.tokens:,} tokens entered the context of {peer.name}, which may take {limit:,} "
            f"(max_context_tokens); most came by {largest.method} {shown(largest.target)} of {largest.callee} in frame "
            f"{largest.frame}, about {largest.tokens:,}: hand on what is large by resource link, or ask for less of it"
        )
        frames = _frames(view, [largest.frame] if largest.answer is None else [largest.frame, largest.answer])
        yield text, frames, frames[0].link, None


def _listed(view: View, limit: int) -> Iterator[_Breach]:
    for peer in _used(view).peers:
        listed = peer.listed
        if listed is None or listed.tools <= limit:
            continue
        name, most = listed.most
        remedy = (
            "open fewer servers on this board, or servers with fewer tools"
            if peer.name == HOST
            else f"grant it fewer, as in {peer.name}=link(..., grants=['{name}__...'])"
            if listed.method == "tools/list"
            else "offer the model only the tools that the task needs"
        )
        text = (
            f"{listed.link}: {peer.name} was shown {listed.tools:,} tools, and may be shown {limit:,} (max_listed_tools); "
            f"most are of {shown(name)}, {most:,} by {listed.method} in frame {listed.frames[-1]}: {remedy}"
        )
        yield text, _frames(view, listed.frames), listed.link, None


def _depth(view: View, limit: int) -> Iterator[_Breach]:
    for route in _used(view).routes:
        if route.depth <= limit:
            continue
        text = (
            f"{route.deepest.callee}: this route is {route.depth} hops deep, and may be {limit} (max_depth); the last is "
            f"{called(route.deepest.exchange)} in frame {route.deepest.exchange.request.seq}: let a peer further up call it, "
            "or hand on results instead of tasks"
        )
        yield text, *_at(view, route.deepest)


def _fan_out(view: View, limit: int) -> Iterator[_Breach]:
    for route in _used(view).routes:
        if route.fan_out <= limit:
            continue
        text = (
            f"{route.widest.callee}: {called(route.widest.exchange)} in frame {route.widest.exchange.request.seq} made "
            f"{route.fan_out} calls, and may make {limit} (max_fan_out); {_most_called(route.widest)}: ask for more at once, "
            "or keep what was answered"
        )
        yield text, *_at(view, route.widest)


def _most_called(hop: Hop) -> str:
    """Say what a hop called most."""
    counts: dict[tuple[str, str], int] = {}
    for child in hop.children:
        if child.callee is not None:
            counts[child.callee, child.target] = counts.get((child.callee, child.target), 0) + 1
    (callee, target), times = max(counts.items(), key=lambda pair: pair[1])
    return f"most are {shown(target)} of {callee}, {times}"


def _at(view: View, hop: Hop) -> tuple[tuple[Frame, ...], str, str | None]:
    """Return frames, link and route of a finding about a hop."""
    exchange = hop.exchange
    return (exchange.request,), exchange.link, view.route(exchange)


def _inlined(view: View, limit: int) -> Iterator[_Breach]:
    frames = {frame.seq: frame for frame in view.log.frames}
    for each in _entered(view):
        if each.method == "resources/read":  # A link was followed: what was asked for is no surprise.
            continue
        for frame in (frames[seq] for seq in (each.frame, each.answer) if seq is not None):
            payload = largest_payload(frame, limit + 1)
            if payload is None:
                continue
            what = "the arguments" if frame.seq == each.frame else "the answer"
            text = (
                f"{frame.link}: {what} of {each.method} {shown(each.target)} put {payload.bytes:,} bytes of base64 into the "
                f"context of {each.caller}, which may take {limit:,} in one piece (max_inlined_bytes); they stand in frame "
                f"{frame.seq} as {shown(payload.where)}: a resource link takes its URI alone"
            )
            exchange = view.correlation.owner(frame)
            yield text, (frame,), frame.link, None if exchange is None else view.route(exchange)


_RULES: Final = (
    _Rule(
        "budget:context",
        lambda limits: limits.context_tokens,
        "No more tokens enter a peer's context than `max_context_tokens`, if that is set.",
        f"{_WINDOWS}; {_LINKS}",
        _context,
    ),
    _Rule(
        "budget:tools-listed",
        lambda limits: limits.listed_tools,
        "A peer is shown no more tools at once than `max_listed_tools`, if that is set.",
        _WINDOWS,
        _listed,
    ),
    _Rule(
        "budget:depth",
        lambda limits: limits.depth,
        "A route has no more hops from its first caller to its last callee than `max_depth`, if that is set.",
        f"symmetric extension, budget; {_CALLS}",
        _depth,
    ),
    _Rule(
        "budget:fan-out",
        lambda limits: limits.fan_out,
        "No hop of a route causes more hops itself than `max_fan_out`, if that is set.",
        f"symmetric extension, budget; {_CALLS}",
        _fan_out,
    ),
    _Rule(
        "budget:inlined",
        lambda limits: limits.inlined_bytes,
        "No call carries base64 of more bytes than `max_inlined_bytes`, if that is set; a resource link would do.",
        f"{_LINKS}; {_WINDOWS}",
        _inlined,
    ),
)

BUDGET: Final = Registry(_checks(Budget()))
"""All checks of this family, without limits."""
