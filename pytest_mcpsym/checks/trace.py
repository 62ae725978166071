"""Checks that a trace follows its route. Pinned by `tests/checks/test_trace.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pytest_mcpsym.checks.finding import Finding, Registry, View, check
from pytest_mcpsym.checks.wording import called
from pytest_mcpsym.wire.exchange import Exchange

__all__ = ["TRACE", "dropped"]


@check(
    "trace:dropped",
    severity="warning",
    sentence="What a call causes belongs to the trace of the call.",
    source="https://www.w3.org/TR/trace-context/#traceparent-header; https://github.com/jlowin/fastmcp/issues/3998",
)
def dropped(view: View) -> Iterator[Finding]:
    """Find calls outside of the trace of what caused them: without `traceparent`, or with the id of another trace."""
    for parent in view.hops:
        trace = _trace(parent.exchange) if parent.children else None
        if trace is None:
            continue
        for hop in parent.children:
            if hop.callee is None or "traceparent" in _headers(hop.exchange) or _trace(hop.exchange) == trace:
                continue
            lost = "is in no trace" if _trace(hop.exchange) is None else "is in another trace"
            text = f"{hop.callee}: {called(hop.exchange)} {lost}, and {called(parent.exchange)}, for which {hop.caller} made it, is in {trace}"
            yield dropped.finding(text, (parent.exchange.request, hop.exchange.request), hop.callee, view.route(hop.exchange))


def _headers(exchange: Exchange) -> frozenset[str]:
    envelope = exchange.request.envelope
    return frozenset() if envelope is None else frozenset(name.lower() for name, _ in envelope.headers)


def _trace(exchange: Exchange) -> str | None:
    """The id of the trace that a request belongs to."""
    parent = exchange.request.message.meta.get("traceparent")
    parts = parent.split("-") if isinstance(parent, str) else []
    return parts[1] if len(parts) > 2 else None


TRACE: Final = Registry((dropped,))
"""All checks of this family."""
