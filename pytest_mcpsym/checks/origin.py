"""Checks that what a server asks of its client belongs to a call that is in flight. Pinned by `tests/checks/test_origin.py`.

Requests that belong to the link (`ping`, `roots/list`) and those of tasks, which outlive their call, need no origin.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final, cast

from pytest_mcpsym.checks.finding import Finding, Registry, Severity, View, check
from pytest_mcpsym.checks.wording import called, shown
from pytest_mcpsym.wire.exchange import Exchange, token_text
from pytest_mcpsym.wire.extension import CAUSE_KEY, CONTINUE

__all__ = ["ORIGIN", "failed_calls", "nobody", "not_granted", "refusal_of", "unclear", "unknown_cause"]

GRACE: Final = 1.0
"""Seconds for which what a server asks may have crossed a cancellation on its way."""

_TASK: Final = "io.modelcontextprotocol/related-task"
_ASKED: Final = frozenset({"sampling", "elicitation", "tools", "resources", "prompts", "completion"})
"""What a server may ask for, by what comes before the slash: of the core, and of the symmetric extension."""
_CORE: Final = frozenset({"sampling/createMessage", "elicitation/create"})
"""What the core lets a server ask; whoever asks more speaks the symmetric extension, and can say what for."""


def _asked(view: View) -> list[tuple[Exchange, str | None]]:
    """Return what servers asked of their clients that needs an origin, each with the cause that it names."""
    return [
        (each, _cause(each)) for each in view.correlation.exchanges if each.direction == "to-client" and _needs_origin(each)
    ]


def _needs_origin(asked: Exchange) -> bool:
    return asked.method.partition("/")[0] in _ASKED and _TASK not in asked.request.message.meta


def _cause(asked: Exchange) -> str | None:
    return token_text(asked.request.message.meta.get(CAUSE_KEY))


_PROOF: Final = 100
"""Requests in flight that a finding shows at most."""


@check(
    "origin:unknown-cause",
    severity="error",
    sentence="What a server asks is asked for a request that is in flight on the same link.",
    source="symmetric extension, cause; https://github.com/jlowin/fastmcp/issues/1068",
)
def unknown_cause(view: View) -> Iterator[Finding]:
    """Find requests of a server for a call that its client never made, or that was over when the server asked."""
    causes = {asked.request.seq: cause for asked, cause in view.once(_asked) if cause is not None}
    forgone: dict[tuple[str, str], int] = {}
    made: dict[tuple[str, str], list[Exchange]] = {}
    for asked, cause in view.once(_asked):
        if cause is not None:
            made[asked.link, cause] = []
            if asked.cancellations:
                seq = asked.cancellations[0].seq
                forgone[asked.link, cause] = min(seq, forgone.get((asked.link, cause), seq))
    for each in view.correlation.exchanges if causes else ():
        if each.direction == "to-server":
            if (each.link, each.id) in made:
                made[each.link, each.id].append(each)
        elif each.request.seq in causes:
            cause = causes[each.request.seq]
            knew = forgone.get((each.link, cause), each.request.seq) < each.request.seq
            yield from _judged(view, each, cause, made[each.link, cause], knew=knew)


def _judged(view: View, asked: Exchange, cause: str, made: list[Exchange], *, knew: bool) -> Iterator[Finding]:
    """Judge what was asked for the last request with the id that it names; those that are over leave the list, but for the newest."""
    newest = made[-1] if made else None
    while made and not made[-1].open_at(asked.request.seq):
        made.pop()
    if newest is None:
        text = f"{asked.link}: the server sent {called(asked)} for the request {shown(cause)}, which the host never made"
        yield unknown_cause.finding(text, (asked.request,), asked.link, view.route(asked))
    elif not made:
        made.append(newest)
        severity = _too_late(newest, asked, knew=knew)
        if severity is not None:
            how = "was cancelled" if newest.state == "cancelled" else "had been answered"
            text = f"{asked.link}: the server sent {called(asked)} for {called(newest)}, which {how}"
            yield unknown_cause.finding(text, (newest.request, asked.request), asked.link, view.route(asked), severity)


def _too_late(cause: Exchange, asked: Exchange, *, knew: bool) -> Severity | None:
    """How wrong it is to ask for a call that is over; a request may cross a cancellation, and one HTTP stream another."""
    if cause.state == "cancelled":
        ended = cause.cancellations[-1].time if cause.cancellations else None
        late = ended is not None and asked.request.time - ended > GRACE
        return "error" if knew or late else None
    one, other = cause.response and cause.response.envelope, asked.request.envelope
    return "error" if one is None or other is None or one.exchange == other.exchange else "warning"


@check(
    "origin:nobody",
    severity="warning",
    sentence="A server asks its client only while it handles a request.",
    source="https://modelcontextprotocol.io/specification/2025-11-25/client/sampling; https://github.com/stacklok/toolhive/pull/5939",
)
def nobody(view: View) -> Iterator[Finding]:
    """Find requests of a server that name no cause, made while the client waited for nothing."""
    for asked, waiting, _ in view.once(_causeless):
        if not waiting:
            text = f"{asked.link}: the server sent {called(asked)} while no request was in flight, so nobody can say for whom"
            yield nobody.finding(text, (asked.request,), asked.link)


@check(
    "origin:unclear",
    severity="warning",
    sentence="A server that handles several requests says for which of them it asks.",
    source="symmetric extension, cause; https://github.com/modelcontextprotocol/csharp-sdk/issues/702",
)
def unclear(view: View) -> Iterator[Finding]:
    """Find requests that could be for several calls, of a server that speaks the symmetric extension and so could have said it.

    Of any other server those that the host refused for that; and what a server says of some of its requests it says of each.
    """
    symmetric = {each.link for each, cause in view.once(_asked) if cause is not None or each.method not in _CORE}
    says_why = {each.link for each, cause in view.once(_asked) if cause is not None}
    for asked, waiting, some in view.once(_causeless):
        _, evidence = view.placements.handling.get(asked.request.seq, (None, "ambiguous"))
        many = f"for which of {waiting} requests in flight"
        if waiting and asked.link in says_why and evidence in ("ambiguous", "sole"):
            many = many if waiting > 1 else "for which request, as it does elsewhere"
        elif waiting < 2 or evidence != "ambiguous" or not (asked.link in symmetric or refusal_of(asked) == "ambiguous"):
            continue
        text = f"{asked.link}: the server sent {called(asked)} and did not say {many}"
        yield unclear.finding(text, (*(each.request for each in some), asked.request), asked.link)


def _causeless(view: View) -> list[tuple[Exchange, int, tuple[Exchange, ...]]]:
    """Return what servers asked without a cause, each with how many requests were in flight on its link, and the oldest of these."""
    causeless = {each.request.seq for each, cause in view.once(_asked) if cause is None}
    if not causeless:
        return []
    found: list[tuple[Exchange, int, tuple[Exchange, ...]]] = []
    links = {each.link for each, cause in view.once(_asked) if cause is None}
    sent = [each for each in view.correlation.exchanges if each.direction == "to-server" and each.link in links]
    ends = sorted((each.end, each.request.seq, each.link) for each in sent if each.end is not None)
    open_on: dict[str, OrderedDict[int, Exchange]] = defaultdict(OrderedDict)  # A plain dict walks over what left it.
    ended = 0
    for each in view.correlation.exchanges:
        if each.link not in links:
            continue
        if each.direction == "to-server":
            open_on[each.link][each.request.seq] = each
        elif each.request.seq in causeless:
            while ended < len(ends) and ends[ended][0] < each.request.seq:
                _, seq, link = ends[ended]
                open_on[link].pop(seq, None)
                ended += 1
            waiting = open_on[each.link]
            found.append((each, len(waiting), tuple(islice(waiting.values(), _PROOF))))
    return found


def refusal_of(asked: Exchange) -> str | None:
    """Return why the host refused what a server asked, where it did: `data.reason` of its error."""
    return None if asked.response is None else _reason(asked.response.message.error)


def _reason(error: object) -> str | None:
    reason = _members(_members(error).get("data")).get("reason")
    return reason if isinstance(reason, str) else None


def _members(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _of_its_own(link: str, call: Mapping[str, object]) -> bool:
    """Whether a server asks the host for what it has itself, which no grant is for."""
    return str(call.get("name", call.get("uri"))).startswith((f"{link}__", f"{link}+"))


@check(
    "origin:not-granted",
    severity="warning",
    sentence="A server asks only for what it is granted.",
    source="symmetric extension, routing; https://github.com/openai/codex/issues/32919",
)
def not_granted(view: View) -> Iterator[Finding]:
    """Find requests of servers that the host refused, because they are for something of others that they were not granted."""
    for asked in view.correlation.exchanges:
        refused = asked.direction == "to-client" and refusal_of(asked) == "not-granted"
        if refused and not _of_its_own(asked.link, asked.request.message.params):
            text = f"{asked.link}: the server asked for {called(asked)}, which it is not granted"
            yield not_granted.finding(text, (asked.request,), asked.link, view.route(asked))
    for leg, call, error in failed_calls(view):
        if _reason(error) == "not-granted" and not _of_its_own(leg.link, call):
            name = shown(str(call.get("name", call.get("uri"))))
            text = f"{leg.link}: the server asked in a leg for {name}, which it is not granted"
            yield not_granted.finding(text, (leg.request,), leg.link, view.route(leg))


def failed_calls(view: View) -> Iterator[tuple[Exchange, Mapping[str, object], object]]:
    """Yield the calls of modern legs that the host answered with an error: the leg that took it, the call's params, the error."""
    claims: dict[tuple[str, str], Mapping[str, object]] = {}
    for exchange in view.correlation.exchanges:
        if exchange.method == CONTINUE:
            given = exchange.request.message.params
            calls = claims.get((exchange.link, str(given.get("continuation"))), {})
            for key, response in _members(given.get("responses")).items():
                if "error" in _members(response):
                    yield exchange, _members(_members(calls.get(key)).get("params")), _members(response)["error"]
        if exchange.response is not None and "continuation" in exchange.response.message.result:
            result = exchange.response.message.result
            claims[exchange.link, str(result["continuation"])] = _members(result.get("calls"))


ORIGIN: Final = Registry((unknown_cause, nobody, unclear, not_granted))
"""All checks of this family."""
