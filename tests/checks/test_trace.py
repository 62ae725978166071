"""Traces that end before their route does."""

from __future__ import annotations

import pytest

from pytest_mcpsym.checks import run
from tests.wire.strategies import Telling

ONE, OTHER = "0af7651916cd43dd8448eb211c80319c", "1bf7651916cd43dd8448eb211c80319c"


def relayed(outer: dict[str, object], inner: dict[str, object]) -> list[str]:
    """What is found of a call in one trace that causes a call in another."""
    telling = Telling()
    call = telling.request("agent", "to-server", 1, params={"name": "run"}, meta=outer)
    asked = telling.request("agent", "to-client", 2, params={"name": "clock__now"}, meta=inner)
    sent = telling.request("clock", "to-server", 3, params={"name": "now"}, meta=inner)
    telling.caused(sent, asked)
    for each in (sent, asked, call):
        telling.answer(each)
    return [each.message for each in run(telling.log) if each.check == "trace:dropped"]


def context(trace: str, span: str = "b7ad6b7169203331") -> dict[str, object]:
    return {"traceparent": f"00-{trace}-{span}-01"}


def test_a_call_in_the_trace_of_its_cause_is_no_finding() -> None:
    assert relayed(context(ONE), context(ONE, "c7ad6b7169203331")) == []


def test_a_call_with_no_trace_causes_calls_with_any() -> None:
    assert relayed({}, context(ONE)) == []


@pytest.mark.parametrize(("inner", "says"), [({}, "is in no trace"), (context(OTHER), "is in another trace")])
def test_a_call_outside_of_the_trace_of_its_cause_is_a_finding(inner: dict[str, object], says: str) -> None:
    (message,) = relayed(context(ONE), inner)
    assert says in message
    assert ONE in message
