"""What peers and routes used, computed from the log."""

from __future__ import annotations

import pytest

from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.payload import largest_payload
from pytest_mcpsym.wire.usage import usage
from tests.wire.strategies import Telling
from tests.wire.test_upstream import busy

MIXED = "aB3" * 40
"""What may be base64, 120 bytes of it."""


def tools(*names: str) -> list[dict[str, str]]:
    return [{"name": name} for name in names]


def listed(telling: Telling, link: str, *names: str, by: Frame | None = None) -> Frame:
    request = telling.request(link, "to-server", f"list-{len(telling.log)}", "tools/list")
    if by is not None:
        telling.caused(request, by)
    return telling.answer(request, tools=tools(*names))


def test_the_host_is_shown_the_largest_list_of_each_server_together() -> None:
    telling = Telling()
    listed(telling, "a", "x", "y")
    listed(telling, "a", "x")
    answer = listed(telling, "b", "x", "y", "z")
    found = usage(telling.log).of("host").listed
    assert found is not None
    assert (found.tools, found.link, found.most, found.frames[-1]) == (5, "b", ("b", 3), answer.seq)


def test_what_is_listed_for_a_server_is_no_list_of_the_host() -> None:
    telling = Telling()
    call = telling.call("a", 1)
    asked = telling.request("a", "to-client", 2, "tools/list")
    listed(telling, "b", "x", "y", by=asked)
    telling.answer(asked, tools=tools("b__x", "b__y", "c__z"))
    telling.answer(call)
    found = usage(telling.log)
    assert [(peer.name, peer.tools) for peer in found.peers] == [("host", 0), ("a", 3)]
    own = found.of("a").listed
    assert own is not None
    assert (own.method, own.link, own.most) == ("tools/list", "a", ("b", 2))


def test_a_list_in_legs_and_what_is_offered_to_the_model_count() -> None:
    telling = Telling()
    call = telling.call("a", 1)
    telling.answer(call, resultType="dev.mcpsym/calls", continuation="c", calls={"k": {"method": "tools/list"}})
    params = {"continuation": "c", "responses": {"k": {"result": {"tools": tools("b__x", "b__y")}}}}
    goes_on = telling.request("a", "to-server", 2, "dev.mcpsym/continue", params)
    offer = {"k": {"method": "sampling/createMessage", "params": {"messages": [], "tools": tools("b__x", "b__y", "own")}}}
    telling.answer(goes_on, resultType="dev.mcpsym/calls", continuation="d", calls=offer)
    assert usage(telling.log).of("a").tools == 2
    params = {"continuation": "d", "responses": {"k": {"result": {"role": "assistant"}}}}
    telling.answer(telling.request("a", "to-server", 3, "dev.mcpsym/continue", params), content=[])
    found = usage(telling.log).of("a").listed
    assert found is not None
    assert (found.tools, found.method) == (3, "sampling/createMessage")


def test_what_is_offered_to_the_model_as_required_input_counts() -> None:
    telling = Telling()
    offer = {"k": {"method": "sampling/createMessage", "params": {"messages": [], "tools": tools("x", "y")}}}
    asked = telling.answer(telling.call("a", 1), resultType="input_required", requestState="s", inputRequests=offer)
    params = {"name": "tool", "requestState": "s", "inputResponses": {"k": {"role": "assistant"}}}
    again = telling.request("a", "to-server", 2, params=params)
    telling.answer(again, content=[])
    found = usage(telling.log).of("a").listed
    assert found is not None
    assert (found.tools, found.method, found.frames, found.most) == (
        2,
        "sampling/createMessage",
        (asked.seq, again.seq),
        ("a", 2),
    )


@pytest.mark.parametrize("direction", ["to-server", "to-client"])
def test_pages_of_one_list_add_up(direction: str) -> None:
    telling = Telling()
    way = "to-server" if direction == "to-server" else "to-client"
    first = telling.request("a", way, 1, "tools/list")
    telling.answer(first, tools=tools("b__x", "b__y"), nextCursor="2")
    second = telling.request("a", way, 2, "tools/list", {"cursor": "2"})
    telling.answer(second, tools=tools("b__z"))
    found = usage(telling.log).of("host" if way == "to-server" else "a").listed
    assert found is not None
    assert (found.tools, found.most[1], len(found.frames)) == (3, 3, 4)


def deep_and_wide() -> Telling:
    """The host calls `a`, which calls `b`, which calls `c` twice; then `a` calls `b` in vain."""
    telling = Telling()
    first = telling.call("a", 1)
    ask = telling.request("a", "to-client", 1, params={"name": "b__t"})
    second = telling.call("b", 1, ask)
    for ident in (1, 2):
        inner = telling.request("b", "to-client", ident, params={"name": "c__t"})
        telling.answer(telling.call("c", ident, inner))
        telling.answer(inner)
    telling.answer(second)
    telling.answer(ask)
    refused = telling.request("a", "to-client", 2, params={"name": "b__t"})
    telling.answer(refused, "error")
    telling.answer(first)
    return telling


def test_a_route_has_calls_a_depth_and_a_fan_out() -> None:
    (route,) = usage(deep_and_wide().log).routes
    assert (route.route, route.calls, route.depth, route.fan_out) == ("host > a > b > c x2", 4, 3, 2)
    assert (route.deepest.callee, route.widest.callee) == ("c", "b")


def test_a_call_of_an_http_api_belongs_to_its_route() -> None:
    first, *_ = usage(busy()).routes
    assert (first.route, first.calls, first.depth, first.fan_out) == ("host > tracker > api x2", 3, 2, 2)


def test_peers_and_routes_are_one_table() -> None:
    telling = deep_and_wide()
    telling.answer(telling.call("a", 9), content=[{"type": "text", "text": "12345678"}])
    telling.answer(telling.call("a", 10))
    listed(telling, "a", "x")
    assert str(usage(telling.log)).splitlines() == [
        "host  8 bytes in context, about 2 tokens  1 tool listed",
        "a     2 bytes in context, about 1 tokens  0 tools listed",
        "b     0 bytes in context, about 0 tokens  0 tools listed",
        "host > a > b > c x2  4 calls  depth 3  fan-out 2",
        "host > a  x2         1 call   depth 1  fan-out 0",
    ]
    assert str(usage(Telling().log)) == "nothing was used"


@pytest.mark.parametrize(
    ("result", "where"),
    [
        ({"content": [{"type": "image", "data": "A" * 120}]}, "content[0].data"),
        ({"content": [{"type": "resource", "resource": {"blob": "A" * 120}}]}, "content[0].resource.blob"),
        ({"content": [{"type": "text", "text": f"see data:image/png;base64,{MIXED}=="}]}, "content[0].text"),
        ({"structuredContent": {"file": {"bytes": MIXED}}}, "structuredContent.file.bytes"),
        ({"messages": [{"content": {"type": "audio", "data": "A" * 120}}]}, "messages[0].content.data"),
        ({"content": [{"type": "text", "text": f"{(MIXED + MIXED)[:76]}\n{(MIXED + MIXED)[:76]}\n"}]}, "content[0].text"),
    ],
)
def test_base64_is_seen_wherever_it_enters_a_context(result: dict[str, object], where: str) -> None:
    telling = Telling()
    found = largest_payload(telling.answer(telling.call("a", 1), "result", **result), 120)
    assert found is not None
    assert found.where == where
    assert found.bytes >= 120


@pytest.mark.parametrize("text", ["a1" * 400, "some words of 9 Letters " * 40, "-" * 400, MIXED[:-1]])
def test_other_text_is_no_base64(text: str) -> None:
    telling = Telling()
    result: dict[str, object] = {"content": [{"type": "text", "text": text, "_meta": {"x": MIXED}}], "_meta": {"x": MIXED}}
    assert largest_payload(telling.answer(telling.call("a", 1), "result", **result), 120) is None
