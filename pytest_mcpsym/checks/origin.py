"""Checks that what a server asks of its client belongs to a call that is in flight. Pinned by `tests/checks/test_origin.py`.

Requests that belong to the link (`ping`, `roots/list`) and those of tasks, which outlive their call, need no origin.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from pytest_mcpsym.checks.finding import Finding, Registry, Severity, View, check
from pytest_mcpsym.checks.wording import called, shown
from pytest_mcpsym.wire.exchange import Exchange, token_text
from pytest_mcpsym.wire.extension import CAUSE_KEY

__all__ = ["ORIGIN", "nobody", "unclear", "unknown_cause"]

GRACE: Final = 1.0
"""Seconds for which what a server asks may have crossed a cancellation on its way."""

_TASK: Final = "io.modelcontextprotocol/related-task"
_ASKED: Final = frozenset({"sampling", "elicitation", "tools", "resources", "prompts", "completion"})
"""What a server may ask for, by what comes before the slash: of the core, and of the symmetric extension."""
_CORE: Final = frozenset({"sampling/createMessage", "elicitation/create"})
"""What the core lets a server ask; whoever asks more speaks the symmetric extension, and can say what for."""


@dataclass(slots=True)
class _Link:
    """The exchanges of one link, and whether its server speaks the symmetric extension."""

    of_client: dict[str, list[Exchange]] = field(default_factory=lambda: defaultdict(list[Exchange]))
    asked: list[Exchange] = field(default_factory=list[Exchange])
    symmetric: bool = False


def _links(view: View) -> dict[str, _Link]:
    links: dict[str, _Link] = defaultdict(_Link)
    for exchange in view.correlation.exchanges:
        link = links[exchange.link]
        if exchange.direction == "to-server":
            link.of_client[exchange.id].append(exchange)
        elif _needs_origin(exchange):
            link.asked.append(exchange)
            link.symmetric = link.symmetric or exchange.method not in _CORE or _cause(exchange) is not None
    return links


def _needs_origin(asked: Exchange) -> bool:
    return asked.method.partition("/")[0] in _ASKED and _TASK not in asked.request.message.meta


def _cause(asked: Exchange) -> str | None:
    return token_text(asked.request.message.meta.get(CAUSE_KEY))


@check(
    "origin:unknown-cause",
    severity="error",
    sentence="What a server asks is asked for a request that is in flight on the same link.",
    source="symmetric extension, cause; https://github.com/jlowin/fastmcp/issues/1068",
)
def unknown_cause(view: View) -> Iterator[Finding]:
    """Find requests of a server for a call that its client never made, or that was over when the server asked."""
    for name, link in _links(view).items():
        forgone: set[str] = set()
        cancelled = sorted(
            (each.cancellations[0].seq, cause)
            for each in link.asked
            if each.cancellations and (cause := _cause(each)) is not None
        )
        for asked in link.asked:
            while cancelled and cancelled[0][0] < asked.request.seq:
                forgone.add(cancelled.pop(0)[1])
            cause = _cause(asked)
            made = [each for each in link.of_client.get(cause or "", ()) if each.request.seq < asked.request.seq]
            if cause is None or any(each.open_at(asked.request.seq) for each in made):
                continue
            if not made:
                text = f"{name}: the server sent {called(asked)} for the request {shown(cause)}, which the host never made"
                yield unknown_cause.finding(text, (asked.request,), name, view.route(asked))
            elif (severity := _too_late(made[-1], asked, knew=cause in forgone)) is not None:
                how = "was cancelled" if made[-1].state == "cancelled" else "had been answered"
                text = f"{name}: the server sent {called(asked)} for {called(made[-1])}, which {how}"
                frames = (made[-1].request, asked.request)
                yield unknown_cause.finding(text, frames, name, view.route(asked), severity)


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
    for asked, waiting in _causeless(view):
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
    """Find requests that could be for several calls, of a server that speaks the symmetric extension and so could have said it."""
    links = _links(view)
    for asked, waiting in _causeless(view):
        _, evidence = view.placements.handling.get(asked.request.seq, (None, "ambiguous"))
        if len(waiting) > 1 and links[asked.link].symmetric and evidence == "ambiguous":
            many = f"for which of {len(waiting)} requests in flight"
            text = f"{asked.link}: the server sent {called(asked)} and did not say {many}"
            yield unclear.finding(text, (*(each.request for each in waiting), asked.request), asked.link)


def _causeless(view: View) -> Iterator[tuple[Exchange, list[Exchange]]]:
    """Yield what servers asked without a cause, each with the client's requests that were in flight on its link."""
    open_on: dict[str, dict[int, Exchange]] = defaultdict(dict[int, Exchange])
    for exchange in view.correlation.exchanges:
        if exchange.direction == "to-server":
            open_on[exchange.link][exchange.request.seq] = exchange
        elif _needs_origin(exchange) and _cause(exchange) is None:
            waiting = {seq: each for seq, each in open_on[exchange.link].items() if each.open_at(exchange.request.seq)}
            open_on[exchange.link] = waiting
            yield exchange, list(waiting.values())


ORIGIN: Final = Registry((unknown_cause, nobody, unclear))
"""All checks of this family."""
