"""What `wire/told.py` promises: each question of a server with what it was told, in both eras and in legs."""

from __future__ import annotations

from pytest_mcpsym.wire.extension import CALLS, CONTINUE
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.told import Told, told
from tests.wire.strategies import raw

PARAMS: dict[str, object] = {"messages": [], "maxTokens": 1}
PROMPT: dict[str, object] = {"method": "sampling/createMessage", "params": PARAMS}
SAID: dict[str, object] = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "four"}}


def answers(*frames: tuple[str, bytes]) -> list[Told]:
    """Return what is told in a log of one link: who speaks, and what."""
    log = WireLog()
    for side, data in frames:
        log.frame("a", "to-server" if side == "client" else "to-client", data)
    return list(told(log))


def test_a_request_of_the_server_is_told_its_answer() -> None:
    found = answers(
        ("server", raw(id=1, **PROMPT)),
        ("server", raw(id=2, method="roots/list")),
        ("client", raw(id=2, error={"code": 1, "message": "none"})),
        ("client", raw(id=1, result=SAID)),
        ("server", raw(id=3, method="roots/list")),
    )
    assert found == [
        Told("roots/list", {}, "error", {"code": 1, "message": "none"}),
        Told("sampling/createMessage", PARAMS, "result", SAID),
    ]


def asking(ident: int, state: str | None) -> bytes:
    """An answer that asks for input."""
    more: dict[str, object] = {} if state is None else {"requestState": state}
    return raw(id=ident, result={"resultType": "input_required", "inputRequests": {"x": PROMPT}, **more})


def call(ident: int, **params: object) -> bytes:
    """A call of a tool."""
    return raw(id=ident, method="tools/call", params={"name": "ask", **params})


def test_a_request_for_input_is_told_what_the_request_with_its_state_brings() -> None:
    other = {**SAID, "model": "other"}
    found = answers(
        ("client", call(1)),
        ("client", call(2)),
        ("server", asking(1, "one")),
        ("server", asking(2, "two")),
        ("client", call(3, requestState="two", inputResponses={"x": other})),
        ("client", call(4, requestState="one", inputResponses={"x": SAID})),
        ("client", call(5, requestState="one", inputResponses={"x": SAID})),
    )
    assert [one.body for one in found] == [other, SAID]
    assert {one.method for one in found} == {"sampling/createMessage"}


def test_without_a_state_the_next_request_of_the_method_brings_it() -> None:
    found = answers(("client", call(1)), ("server", asking(1, None)), ("client", call(2, inputResponses={"x": SAID})))
    assert [one.body for one in found] == [SAID]


def test_a_call_of_a_leg_is_told_its_member_of_the_responses() -> None:
    leg: dict[str, object] = {"resultType": CALLS, "continuation": "c", "calls": {"x": PROMPT, "y": {"method": "roots/list"}}}
    responses = {"x": {"result": SAID}, "y": {"error": {"code": 1, "message": "none"}}}
    found = answers(
        ("client", call(1)),
        ("server", raw(id=1, result=leg)),
        ("client", raw(id=2, method=CONTINUE, params={"continuation": "c", "responses": responses})),
    )
    assert [(one.method, one.member) for one in found] == [("sampling/createMessage", "result"), ("roots/list", "error")]


def test_members_of_odd_shapes_are_left_out() -> None:
    odd: dict[str, object] = {"resultType": "input_required", "inputRequests": {"x": 1, "y": {"params": {}}, "z": PROMPT}}
    found = answers(
        ("client", call(1)),
        ("server", raw(id=1, result=odd)),
        ("client", call(2, inputResponses={"x": SAID, "z": "no object"})),
    )
    assert found == []


def test_answers_with_the_same_state_are_told_in_their_order() -> None:
    other = {**SAID, "model": "other"}
    found = answers(
        ("client", call(1)),
        ("client", call(2)),
        ("server", asking(1, None)),
        ("server", asking(2, None)),
        ("client", call(3, inputResponses={"x": other})),
        ("client", call(4, inputResponses={"x": SAID})),
    )
    assert [(one.asked, one.body) for one in found] == [(2, other), (3, SAID)]


def test_a_state_that_is_no_text_is_nobodys() -> None:
    odd = raw(id=1, result={"resultType": "input_required", "inputRequests": {"x": PROMPT}, "requestState": {"a": 1}})
    assert answers(("client", call(1)), ("server", odd), ("client", call(2, requestState={"a": 1}, inputResponses={}))) == []
