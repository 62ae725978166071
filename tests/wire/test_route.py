"""Routes: evidence, shape, text, comparison, explanation."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcpsym.wire.normalise import normalise
from pytest_mcpsym.wire.route import Routes, RouteSyntaxError, explain, routes
from pytest_mcpsym.wire.shape import Forest, Shapes, merged, parse_forest, text
from tests.wire.strategies import Telling

CAUSE = "dev.mcpsym/cause"


def chain() -> Telling:
    """Tell `host > agent > code > everything`, with everything answered."""
    telling = Telling()
    run = telling.call("agent", 1, name="run")
    asked = telling.request("agent", "to-client", 1, params={"name": "code__exec"}, meta={CAUSE: 1})
    execute = telling.call("code", "s1", asked, name="exec")
    again = telling.request("code", "to-client", 1, "resources/read", {"uri": "everything+demo://1"})
    read = telling.request("everything", "to-server", "s1", "resources/read", {"uri": "demo://1"})
    telling.caused(read, again)
    for frame in (read, again, execute, asked, run):
        telling.answer(frame)
    return telling


def test_a_chain_of_forwarded_requests_is_one_route() -> None:
    assert str(routes(chain().log)) == "host > agent > code > everything"


def test_each_hop_states_caller_callee_target_and_evidence() -> None:
    assert [(hop.caller, hop.callee, hop.method, hop.target, hop.evidence) for hop in routes(chain().log).walk()] == [
        ("host", "agent", "tools/call", "run", "routed"),
        ("agent", "code", "tools/call", "exec", "meta"),
        ("code", "everything", "resources/read", "demo://1", "sole"),
    ]


def test_a_hop_holds_the_exchanges_on_both_of_its_links() -> None:
    hop = routes(chain().log)[0].children[0]
    assert hop.via is not None
    assert (hop.via.link, hop.exchange.link, hop.via.state, hop.exchange.state) == ("agent", "code", "result", "result")


def test_lists_sampling_and_pings_are_no_hops() -> None:
    telling = Telling()
    telling.request("agent", "to-server", 1, "tools/list")
    telling.call("agent", 2)
    for number, method in enumerate(["sampling/createMessage", "tools/list", "ping", "roots/list"]):
        telling.request("agent", "to-client", number, method)
    assert [str(hop.method) for hop in routes(telling.log).walk()] == ["tools/call"]


def two_in_flight(meta: object = None, stream: int | None = None) -> Routes:
    telling = Telling()
    telling.call("agent", 1, name="first", stream=1)
    telling.call("agent", "1", name="second", stream=2)
    asked = telling.request("agent", "to-client", 9, meta={CAUSE: meta} if meta is not None else None, stream=stream)
    telling.call("clock", "s1", asked)
    return routes(telling.log)


@pytest.mark.parametrize(
    ("meta", "stream", "parent", "evidence"),
    [
        (1, 2, "first", "meta"),
        ("1", 1, "second", "meta"),
        (7, 2, "second", "stream"),
        (None, 1, "first", "stream"),
    ],
)
def test_the_strongest_evidence_that_holds_decides(meta: object, stream: int, parent: str, evidence: str) -> None:
    found = {child.evidence: root.target for root in two_in_flight(meta, stream) for child in root.children}
    assert found == {evidence: parent}


@pytest.mark.parametrize("meta", [None, 7, 1.0, [1]])
def test_without_evidence_a_hop_among_several_is_a_root_of_its_own_caller(meta: object) -> None:
    found = two_in_flight(meta, 9)
    assert str(found) == "host > agent x2; agent > clock"
    assert found[2].evidence == "ambiguous"


def test_an_answered_request_is_no_evidence() -> None:
    telling = Telling()
    telling.answer(telling.call("agent", 1))
    asked = telling.request("agent", "to-client", 9, meta={CAUSE: 1})
    telling.call("clock", 1, asked)
    assert str(routes(telling.log)) == "host > agent; agent > clock"


def test_a_refused_request_is_a_hop_that_the_text_leaves_out() -> None:
    telling = Telling()
    run = telling.call("agent", 1)
    telling.answer(telling.request("agent", "to-client", 1, params={"name": "clock__now"}), "error")
    telling.answer(run)
    found = routes(telling.log)
    assert (str(found), [(hop.refused, hop.target) for hop in found[0].children]) == ("host > agent", [(True, "clock__now")])


def test_siblings_come_in_order_of_the_requests_that_asked_for_them() -> None:
    telling = Telling()
    telling.call("agent", 1)
    first, second = (telling.request("agent", "to-client", number) for number in (1, 2))
    telling.call("b", 1, second)
    telling.call("a", 1, first)
    assert str(routes(telling.log)) == "host > agent > (a, b)"


def test_the_answer_that_claims_calls_is_their_cause_over_all_legs() -> None:
    telling = Telling()
    leg = telling.answer(telling.call("agent", 1), resultType="dev.mcpsym/calls", continuation="c1")
    first = telling.call("a", 1, leg)
    telling.answer(first)
    more = telling.request("agent", "to-server", 2, "dev.mcpsym/continue", {"continuation": "c1"})
    next_leg = telling.answer(more, resultType="dev.mcpsym/calls", continuation="c2")
    telling.call("b", 1, next_leg)
    found = routes(telling.log)
    assert found == "host > agent > (a, b)"
    assert {child.evidence for child in found[0].children} == {"continuation"}


@pytest.mark.parametrize("carried", [{"requestState": "s1", "inputResponses": {}}, {"inputResponses": {}}])
def test_a_call_sent_again_with_the_input_that_its_server_required_is_one_hop(carried: dict[str, object]) -> None:
    telling = Telling()
    first = telling.request("agent", "to-server", 1, params={"name": "run"})
    members: dict[str, object] = {"requestState": "s1"} if "requestState" in carried else {}
    telling.answer(first, ident=1, kind="result", resultType="input_required", **members)
    again = telling.request("agent", "to-server", 2, params={"name": "run", **carried})
    ask = telling.request("agent", "to-client", 1, params={"name": "a__x"}, meta={"dev.mcpsym/cause": 2})
    telling.answer(telling.call("a", 1, ask))
    telling.answer(again)
    assert routes(telling.log) == "host > agent > a"
    assert normalise(telling.log) == normalise(normalise(telling.log))
    assert routes(normalise(telling.log)) == "host > agent > a"


def test_the_same_call_made_twice_is_two_hops() -> None:
    telling = Telling()
    for ident in (1, 2):
        telling.answer(telling.request("agent", "to-server", ident, params={"name": "run"}))
    assert routes(telling.log) == "host > agent x2"


@pytest.mark.parametrize("what", ["itself", "a later frame", "no frame"])
def test_a_cause_that_is_not_earlier_counts_as_none(what: Literal["itself", "a later frame", "no frame"]) -> None:
    telling = Telling()
    call = telling.call("agent", 1)
    later = telling.request("agent", "to-client", 1)
    telling.log.cause(call, {"itself": call, "a later frame": later, "no frame": Telling().call("x", 1)}[what], "routed")
    assert routes(telling.log)[0].caller == "host"


def test_two_frames_that_claim_each_other_as_cause_end_the_derivation() -> None:
    telling = Telling()
    first, ask = telling.call("a", 1), telling.request("a", "to-client", 1)
    second, back = telling.call("b", 1, ask), telling.request("b", "to-client", 1)
    telling.caused(first, back)
    telling.caused(second, ask)
    assert str(routes(telling.log)) == "host > a > b"


def deep(depth: int) -> Telling:
    telling = Telling()
    asked = None
    for number in range(depth):
        telling.call(f"l{number}", 1, asked)
        asked = telling.request(f"l{number}", "to-client", 1)
    return telling


def test_a_chain_of_ten_thousand_hops_can_be_derived_compared_written_and_explained() -> None:
    log = deep(10_000).log
    found = routes(log)
    assert found == str(found)
    assert found == routes(log)
    assert len({hash(found[0]), hash(routes(log)[0])}) == 1
    assert explain("host > l0 > l2", found)[-1] == "under host > l0: expected l2, got l1"


def fan() -> Routes:
    """Tell `host > (everything x2, agent > (code > everything, clock))`."""
    telling = Telling()
    for number in (1, 2):
        telling.answer(telling.call("everything", number, name="echo"))
    telling.call("agent", 1, name="run")
    for number, callee in enumerate(["code", "clock"]):
        asked = telling.request("agent", "to-client", number, params={"name": callee})
        telling.call(callee, 1, asked)
        if callee == "code":
            telling.call("everything", 3, telling.request("code", "to-client", 1))
    return routes(telling.log)


def test_siblings_are_in_parentheses_and_identical_neighbours_counted() -> None:
    assert str(fan()) == "host > (everything x2, agent > (code > everything, clock))"


@pytest.mark.parametrize(
    "same",
    [
        "host > (everything x2, agent > (code > everything, clock))",
        "host→(everything\u00d72,agent→(code→everything,clock))",
        "host > everything * 2; host > agent > (code > everything, clock)",
        "host > everything\nhost > everything\nhost > agent\n  > (\n code > everything,\n clock)\n",
        " host > (everything, everything, agent > (code > everything, clock)) ; ",
        ["host > everything x2", "host > agent > (code > everything, clock)"],
        ("host > (everything, everything)", "host > agent > (code > everything, clock)"),
    ],
)
def test_routes_equal_every_spelling_of_their_text(same: object) -> None:
    assert fan() == same


@pytest.mark.parametrize(
    "other",
    [
        "host > (everything x3, agent > (code > everything, clock))",
        "host > (agent > (code > everything, clock), everything x2)",
        "host > (everything x2, agent > (clock, code > everything))",
        "everything",
        "",
        [],
        ["host > everything x2"],
        5,
        [5],
        None,
    ],
)
def test_routes_differ_from_other_routes_and_other_things(other: object) -> None:
    assert fan() != other


@pytest.mark.parametrize("empty", ["", " \n ", "host", [], Routes()])
def test_no_routes_equal_the_empty_text(empty: object) -> None:
    assert Routes() == empty


def test_routes_that_differ_in_a_target_have_one_text_and_are_not_equal() -> None:
    first, second = Telling(), Telling()
    first.call("a", 1, name="x")
    second.call("a", 1, name="y")
    assert (str(routes(first.log)), routes(first.log) == routes(second.log)) == (str(routes(second.log)), False)


def test_routes_have_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Routes())


def test_a_name_that_looks_like_a_count_begins_a_tree_on_a_line_of_its_own() -> None:
    assert text(parse_forest(["host > a\nx2 > b"], shapes := Shapes()), shapes) == "host > a; x2 > b"


def test_a_counted_subtree_is_in_parentheses() -> None:
    shapes = Shapes()
    forest = parse_forest(["host > ((a > b x2) x3, c)"], shapes)
    assert text(forest, shapes) == "host > ((a > b x2) x3, c)"


@pytest.mark.parametrize(
    ("wrong", "position", "expected"),
    [
        ("host >", 6, "the name of a callee"),
        ("host > (a, b", 12, "`,` or `)`"),
        ("host > a b", 9, "`>`"),
        ("host > a, b", 8, "parentheses"),
        ("> a", 0, "the name of a caller"),
        ("(host > a)", 0, "the name of a caller"),
        ("host > a x2 > b", 12, "(name > callee) x2"),
        ("host > (a,)", 10, "the name of a callee"),
        ("host > a x0", 9, "a count"),
        ("host > (a, b) x99999999", 23, "at most"),
        ("host x2", 5, "`>`"),
    ],
)
def test_a_text_that_cannot_be_read_says_where_and_what_was_expected(wrong: str, position: int, expected: str) -> None:
    with pytest.raises(RouteSyntaxError) as caught:
        _ = fan() == wrong
    assert caught.value.position == position
    assert expected in caught.value.expected


@pytest.mark.parametrize(
    ("expected", "sentence"),
    [
        ("host > (everything x2, agent > (code > clock, clock))", "under host > agent > code: expected clock, got everything"),
        ("host > (everything x2, agent > code > everything)", "under host > agent: expected nothing more, got clock"),
        ("host > (everything x3, agent > (code > everything, clock))", "under host: expected everything x3, got everything x2"),
        ("host > agent > (code > everything, clock)", "under host: expected nothing more, got everything x2"),
        ("gate > (everything x2, agent)", "at the top: expected gate, got host"),
        (
            "host > (everything x2, agent > (code > (everything, a), clock))",
            "under host > agent > code: expected a, got nothing more",
        ),
    ],
)
def test_an_explanation_ends_with_the_nearest_difference(expected: str, sentence: str) -> None:
    assert explain(expected, fan())[-1] == sentence


def test_an_explanation_draws_both_trees() -> None:
    assert explain("host > agent > (code x2, clock)", routes(chain().log)) == [
        "expected routes:",
        "  host",
        "  └─ agent",
        "     ├─ code x2",
        "     └─ clock",
        "got:",
        "  host",
        "  └─ agent  tools/call run (routed)",
        "     └─ code  tools/call exec (meta)",
        "        └─ everything  resources/read demo://1 (sole)",
        "under host > agent > code: expected nothing more, got everything",
    ]


@st.composite
def forests(draw: st.DrawFn) -> tuple[Forest, Shapes]:
    shapes = Shapes()
    names = st.sampled_from(["a", "b", "x2", "agent"])
    pool = [(shapes.number(draw(names), ()), 1)]
    for _ in range(draw(st.integers(0, 12))):
        children = draw(st.lists(st.tuples(st.sampled_from(pool).map(lambda run: run[0]), st.integers(1, 3)), max_size=4))
        pool.append((shapes.number(draw(names), merged(children)), 1))
    callers = draw(st.lists(names, unique=True, max_size=3))
    runs = st.lists(st.sampled_from(pool), min_size=1, max_size=5)
    return tuple((caller, merged(draw(runs))) for caller in callers), shapes


@given(forests())
def test_reading_what_was_written_gives_the_same_forest(drawn: tuple[Forest, Shapes]) -> None:
    forest, shapes = drawn
    assert parse_forest([text(forest, shapes)], shapes) == forest


@given(st.text(alphabet="ab x2>→(),;*\n", max_size=40))
def test_any_text_is_read_or_refused(source: str) -> None:
    shapes = Shapes()
    forest: Forest = ()
    with suppress(RouteSyntaxError):
        forest = parse_forest([source], shapes)
    assert parse_forest([text(forest, shapes)], shapes) == forest
