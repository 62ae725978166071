"""Integers that come back, or go on, with fewer digits."""

from __future__ import annotations

import pytest

from pytest_mcpsym.checks import run
from pytest_mcpsym.wire.frame import Frame
from tests.wire.strategies import Telling

EXACT = 9_007_199_254_740_993
"""An integer that no double holds; the nearest ends in 2."""


def told(telling: Telling) -> list[tuple[str, ...]]:
    return [(each.link, each.message.partition(": ")[2]) for each in run(telling.log) if each.check == "payload:number-rounded"]


def echoed(telling: Telling, number: int, back: bytes) -> Frame:
    asked = telling.request("weather", "to-server", 1, params={"name": "echo", "arguments": {"number": number}})
    data = b'{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"number":%s}}}' % back
    return telling.frame(asked.link, "to-client", data)


@pytest.mark.parametrize("back", [b"9007199254740992", b"9007199254740992.0"])
def test_an_integer_that_came_back_rounded_is_an_error(back: bytes) -> None:
    telling = Telling()
    echoed(telling, EXACT, back)
    ((link, text),) = told(telling)
    assert link == "weather"
    assert text == "9007199254740993 became 9007199254740992 in tools/call echo (id 1)"


@pytest.mark.parametrize(
    ("number", "back"),
    [
        (EXACT, b"9007199254740993"),
        (EXACT, b"1"),
        (EXACT, b'[9007199254740992,"9007199254740993"]'),
        (EXACT - 1, b"9007199254740992"),
        (5, b"5.0"),
    ],
    ids=["exact", "left out", "both", "a double holds it", "short"],
)
def test_other_numbers_are_no_finding(number: int, back: bytes) -> None:
    telling = Telling()
    echoed(telling, number, back)
    assert told(telling) == []


def test_an_integer_that_came_back_with_an_exponent_is_an_error() -> None:
    telling = Telling()
    echoed(telling, 12_345_678_901_234_567_891, b"1.2345678901234567e+19")
    assert len(told(telling)) == 1


def test_an_integer_that_a_gateway_hands_on_rounded_is_an_error() -> None:
    telling = Telling()
    call = telling.request("agent", "to-server", 1, params={"name": "relay", "arguments": {"number": EXACT}})
    asked = telling.request("agent", "to-client", 2, params={"name": "clock__now", "arguments": {"number": EXACT - 1}})
    sent = telling.request("clock", "to-server", 3, params={"name": "now", "arguments": {"number": EXACT - 1}})
    telling.caused(sent, asked)
    for each in (sent, asked, call):
        telling.answer(each)
    assert [link for link, _ in told(telling)] == ["agent"]
