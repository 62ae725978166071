"""What comes back, or goes on, with less than it had; and what is too large to go on as it is."""

from __future__ import annotations

import pytest

from pytest_mcpsym.checks import run
from pytest_mcpsym.wire.frame import Frame
from tests.wire.strategies import Telling

EXACT = 9_007_199_254_740_993
"""An integer that no double holds; the nearest ends in 2."""

BASE64 = "Ab1/" * (256 * 1024)
"""1 MiB of it."""


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


def changes(telling: Telling) -> list[tuple[str, str]]:
    findings = [each for each in run(telling.log) if each.check == "payload:changed"]
    return [(each.severity, each.message.partition(": ")[2].partition(" in tools/call")[0]) for each in findings]


def handed_on(came: dict[str, object], sent: dict[str, object]) -> Telling:
    telling = Telling()
    call = telling.request("agent", "to-server", 1, params={"name": "relay", "arguments": {"to": "clock", "arguments": came}})
    asked = telling.request("agent", "to-client", 2, params={"name": "clock__now", "arguments": sent})
    telling.caused(there := telling.request("clock", "to-server", 3, params={"name": "now", "arguments": sent}), asked)
    for each in (there, asked, call):
        telling.answer(each)
    return telling


LONE, COMPOSED = "a\ud800b", "\u00e9"


@pytest.mark.parametrize(
    ("came", "sent", "found"),
    [
        ({"x": 1.23456789, "y": "a"}, {"x": 1.235, "y": "a"}, [("error", "1.23456789 of `x` became 1.235")]),
        ({"x": LONE}, {"x": "a\ufffdb"}, [("error", "a lone surrogate of `x` became something else")]),
        ({"x": [LONE]}, {"x": ["a???b"]}, [("error", "a lone surrogate of `x[0]` became something else")]),
        ({"x": COMPOSED}, {"x": "e\u0301"}, [("error", "the letters of `x` were composed otherwise")]),
        ({"x": None, "y": "a"}, {"y": "a"}, [("warning", "`x`, which was null, is gone")]),
        ({"x": 1, "y": 2}, {"y": 2, "x": 1}, [("warning", "the members of `arguments` changed their order")]),
        ({"x": 1, "y": 2}, {"x": 1, "y": 2}, []),
        ({"x": 1, "y": 2}, {"x": 1}, []),
        ({"x": 1, "y": 2}, {"x": 1, "z": 2}, []),
        ({"x": "a"}, {"x": "b"}, []),
        ({"x": 1.5}, {"x": 3.5}, []),
        ({"x": 2.0}, {"x": 2}, []),
        ({"x": True}, {"x": 1}, []),
        ({"x": [1, 2]}, {"x": [1]}, []),
    ],
)
def test_what_a_gateway_loses_of_arguments_is_found(
    came: dict[str, object], sent: dict[str, object], found: list[tuple[str, str]]
) -> None:
    assert changes(handed_on(came, sent)) == found


@pytest.mark.parametrize(("back", "found"), [("a\ufffdb", True), (LONE, False), ("other", False)])
def test_a_lone_surrogate_that_comes_back_as_something_else_is_an_error(back: str, found: bool) -> None:
    telling = Telling()
    call = telling.request("weather", "to-server", 1, params={"name": "echo", "arguments": {"x": LONE}})
    telling.answer(call, structuredContent={"x": back})
    assert bool(changes(telling)) is found


def test_a_field_of_a_content_block_that_a_gateway_loses_is_a_warning() -> None:
    telling = Telling()
    call = telling.request("agent", "to-server", 1, params={"name": "relay"})
    asked = telling.request("agent", "to-client", 2, params={"name": "clock__now"})
    telling.caused(there := telling.request("clock", "to-server", 3, params={"name": "now"}), asked)
    block = {"type": "text", "text": "noon", "annotations": {"priority": 1}}
    telling.answer(there, content=[block])
    telling.answer(asked, content=[block])
    telling.answer(call, content=[{"type": "text", "text": "noon"}])
    assert changes(telling) == [("warning", "`annotations` of a content block is gone")]


@pytest.mark.parametrize(
    ("block", "found"),
    [
        ({"type": "text", "text": BASE64[: 64 * 1024]}, True),
        ({"type": "text", "text": BASE64[: 64 * 1024 - 1]}, False),
        ({"type": "text", "text": "plain words " * 20_000}, False),
        ({"type": "image", "data": BASE64[: 1024 * 1024 - 1]}, False),
        ({"type": "image", "data": BASE64}, True),
    ],
    ids=["text", "shorter", "words", "image", "large image"],
)
def test_base64_where_a_resource_link_would_do_is_a_warning(block: dict[str, object], found: bool) -> None:
    telling = Telling()
    telling.answer(telling.call("files", 1), content=[block])
    assert [each.check for each in run(telling.log)] == (["payload:inlined"] if found else [])


def test_base64_that_was_read_as_a_resource_is_no_finding() -> None:
    telling = Telling()
    telling.answer(telling.request("files", "to-server", 1, "resources/read"), contents=[{"uri": "a", "blob": BASE64}])
    assert run(telling.log) == ()
