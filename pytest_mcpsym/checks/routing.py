"""Checks of what crosses from link to link: that it arrives as it was sent, and that nobody waits for himself.

Pinned by `tests/checks/test_routing.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from pytest_mcpsym.checks.finding import Finding, Registry, View, check
from pytest_mcpsym.checks.origin import failed_calls
from pytest_mcpsym.checks.wording import called
from pytest_mcpsym.wire.exchange import Exchange
from pytest_mcpsym.wire.extension import CONTINUE
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.route import Hop
from pytest_mcpsym.wire.splice import find
from pytest_mcpsym.wire.waiting import unanswered

__all__ = ["ROUTING", "changed", "cycle", "endless", "gave_up"]

_ANSWERED: Final = ("content", "structuredContent", "messages", "isError")
"""Members of results that carry what a peer said. `contents` and links hold URIs, which routing renames."""


@check(
    "routing:changed",
    severity="error",
    sentence="What one peer asks of another, and what it answers, arrives byte for byte, but for ids, names, URIs and `_meta`.",
    source="symmetric extension, forwarding; https://www.rfc-editor.org/rfc/rfc8259#section-6",
)
def changed(view: View) -> Iterator[Finding]:
    """Find arguments and results that differ between the link that they came from and the link that they went to."""
    for hop in view.hops:
        if hop.via is None or hop.callee is None or hop.via is hop.exchange:
            continue
        asked, sent = hop.via.request, hop.exchange.request
        if not _same_from(b'"arguments":', asked, sent) and (
            find(asked.data, ("params", "arguments")) != find(sent.data, ("params", "arguments"))
        ):
            text = f"{hop.callee}: the arguments of {called(hop.exchange)} are not those that {hop.caller} sent"
            yield changed.finding(text, (asked, sent), hop.callee, view.route(hop.exchange))
        came, told = hop.exchange.response, hop.via.response
        name = None if came is None or told is None else _differs(came, told)
        if came is not None and told is not None and name is not None:
            text = f"{hop.caller}: `{name}` of the answer to {called(hop.via)} is not what {hop.callee} answered"
            yield changed.finding(text, (came, told), hop.caller, view.route(hop.exchange))


def _same_from(name: bytes, left: Frame, right: Frame) -> bool:
    """Whether two frames are alike from a member that both have once: a cheap answer, which most frames need only."""
    first, second = left.data.split(name), right.data.split(name)
    return len(first) == 2 == len(second) and first[1] == second[1]


def _differs(came: Frame, told: Frame) -> str | None:
    """Return the member that two answers tell differently; a leg of a longer call has none in common with its end."""
    if came.message.kind != "result" or told.message.kind != "result" or _same_from(b'"result":', came, told):
        return None
    for name in _ANSWERED:
        left, right = find(came.data, ("result", name)), find(told.data, ("result", name))
        if left is not None and right is not None and left != right and b'"uri"' not in left:
            return name
    return None


@check(
    "deadlock:cycle",
    severity="error",
    sentence="No peer waits for an answer that it owes itself.",
    source="https://github.com/microsoft/agent-framework/issues/4898",
    at_close=True,
)
def cycle(view: View) -> Iterator[Finding]:
    """Find requests that were never answered by a peer which was itself waiting, at the other end of the route, for that answer.

    A call of several legs waits until its last leg is answered with what is no claim, or with a claim of which every call is.

    A warning where a request was cancelled, which is none of the peer's doing, and nothing where that was within `GRACE` seconds: the
    peer had no time to answer.
    """
    if all(exchange.response is not None for exchange in view.correlation.exchanges):
        return
    last = view.last_legs
    for root in view.routes:
        waiting = unanswered(view.placements, root, last)
        path: list[Hop] = []
        stack = [(root, 0)] if root.exchange.request.seq in waiting else []
        while stack:
            hop, depth = stack.pop()
            path[depth:] = [hop]
            below = waiting[hop.exchange.request.seq]
            stack.extend((child, depth + 1) for child in reversed(below))
            start = None if below else next((index for index, each in enumerate(path[:-1]) if each.callee == hop.callee), None)
            if start is not None:
                legs = [last.get(each.exchange.request.seq, each.exchange) for each in path]
                if not _given_up_at_once(view, legs):
                    yield _cycle(view, path[start:], legs)


def _cycle(view: View, path: Sequence[Hop], legs: Sequence[Exchange]) -> Finding:
    """Return the finding of a path whose ends are one peer.

    Args:
        view: The log.
        path: The hops of the cycle.
        legs: The last leg of each hop from the root on.
    """
    callee, owed = str(path[-1].callee), legs[-1]
    names = " > ".join(str(each.callee) for each in path)
    cancelled = any(each.state == "cancelled" for each in legs)
    text = (
        f"{callee}: {callee} did not answer {called(owed)} while it waited for the answer itself: {names}; "
        f"it owes the answer, or the server handles one request at a time"
    )
    frames = (*(each.exchange.request for each in path[:-1]), owed.request)
    return cycle.finding(text, frames, callee, view.route(path[-1].exchange), "warning" if cancelled else "error")


GRACE: Final = 1.0
"""Seconds that a peer has to answer before it can be said that it waits for itself."""


def _given_up_at_once(view: View, legs: Sequence[Exchange]) -> bool:
    """Whether a request of a route was cancelled before the last one had waited for long."""
    ends = {each.end for each in legs if each.state == "cancelled" and each.end is not None}
    first = min((view.times[end] for end in ends if end in view.times), default=math.inf)
    return first - legs[-1].request.time <= GRACE


@check(
    "routing:endless",
    severity="warning",
    sentence="Peers do not call each other without end: a route ends by itself, and not at the limit of its hops.",
    source="symmetric extension, budget; https://modelcontextprotocol.io/specification/2025-11-25/server/tools#security-considerations",
)
def endless(view: View) -> Iterator[Finding]:
    """Find routes whose next hop the host refused because there had been too many, and which had called one thing again and again."""
    limited = set(_at_their_limit(view))
    for root in view.routes if limited else ():
        path: list[Hop] = []
        stack = [(root, 0)]
        while stack:
            hop, depth = stack.pop()
            path[depth:] = [hop]
            stack.extend((child, depth + 1) for child in hop.children)
            # A refusal that is passed on is told to the hops above as well.
            last = hop.exchange.request.seq in limited and limited.isdisjoint(
                each.exchange.request.seq for each in hop.children
            )
            again = [each for each in path if _calls_alike(each, hop)] if last else []
            if len(again) > 1:
                text = f"{hop.callee}: {called(hop.exchange)} was called {len(again)} times on one route, by itself, until the host refused the next"
                frames = [each.exchange.request for each in again]
                yield endless.finding(text, frames, str(hop.callee), view.route(hop.exchange))
                break


def _at_their_limit(view: View) -> Iterator[int]:
    """Yield which calls asked for a hop that the host refused as one too many, by `seq` of their requests; also in a leg."""
    for each in view.correlation.exchanges:
        if each.direction == "to-client" and each.response is not None and _is_one_too_many(each.response.message.error):
            owner, _ = view.placements.parent(each.request, view.correlation)
            if owner is not None:
                yield owner.request.seq
        elif each.method == CONTINUE and b'"limit"' in each.request.data and each.request.seq in view.placements.legs:
            answers = _object(each.request.message.params.get("responses")).values()
            if any(_is_one_too_many(_object(_object(answer).get("error"))) for answer in answers):
                yield view.placements.legs[each.request.seq].request.seq


def _is_one_too_many(error: Mapping[str, object]) -> bool:
    """Whether the host refused a hop by a limit of its route; one that came too late says nothing of how many there were."""
    data = _object(error.get("data"))
    return data.get("reason") == "limit" and data.get("limit") != "deadline"


def _object(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _calls_alike(one: Hop, other: Hop) -> bool:
    return (one.callee, one.method, one.target) == (other.callee, other.method, other.target)


@check(
    "routing:gave-up",
    severity="warning",
    sentence="A peer that could not call one server goes on to call the others.",
    source="https://github.com/agentgateway/agentgateway/issues/3622",
)
def gave_up(view: View) -> Iterator[Finding]:
    """Find tools that called others until one of these failed, and that have failed since without calling any."""
    worked: dict[tuple[str, str, str], tuple[frozenset[str], Hop]] = {}
    broken: dict[tuple[str, str, str], Hop] = {}
    told: set[tuple[str, str, str]] = set()
    if not any(_failed(each) for each in view.correlation.exchanges):
        return
    broken_legs = {
        view.placements.legs[leg.request.seq].request.seq
        for leg, _, _ in failed_calls(view)
        if leg.request.seq in view.placements.legs
    }
    for root in sorted(view.routes, key=lambda each: each.exchange.request.seq):
        key = (str(root.callee), root.method, root.target)
        given = root.exchange.request.message.params.get("arguments")
        names = frozenset(cast("dict[str, object]", given)) if isinstance(given, dict) else frozenset[str]()
        failed = _failed(view.concluded(root.exchange))
        broke = root.exchange.request.seq in broken_legs or any(_failed(child.via or child.exchange) for child in root.children)
        if root.children and not failed and not broke:
            worked[key] = (names, root)
            broken.pop(key, None)
        elif broke:
            if key in worked:
                broken[key] = root
        elif key in broken and key not in told and not root.children and names == worked[key][0] and failed:
            told.add(key)
            text = f"{key[0]}: {called(root.exchange)} failed and called nobody, since {called(broken[key].exchange)} could not call one server"
            frames = [each.exchange.request for each in (worked[key][1], broken[key], root)]
            yield gave_up.finding(text, frames, key[0], view.route(root.exchange))


def _failed(exchange: Exchange) -> bool:
    if exchange.response is None:
        return False
    return exchange.response.message.kind == "error" or exchange.response.message.result.get("isError") is True


ROUTING: Final = Registry((changed, cycle, endless, gave_up))
"""All checks of what crosses from link to link."""
