"""What `wire/match.py` promises: messages are compared by what they mean, and where they part is named."""

from __future__ import annotations

import json
from random import Random
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcpsym.wire.match import (
    Difference,
    Number,
    answer_differences,
    asked,
    closest,
    differences,
    distance,
    key,
    meaning,
    path_text,
    request_differences,
    value_text,
)
from tests.wire.strategies import raw


def _call(arguments: str, ident: str = "1", extra: str = "") -> bytes:
    return f'{{"jsonrpc":"2.0","id":{ident},"method":"tools/call","params":{{"name":"f","arguments":{arguments}{extra}}}}}'.encode()


def _parted(recorded: str, sent: str) -> list[tuple[str, str | None, str | None]]:
    found = differences(meaning(recorded.encode()), meaning(sent.encode()))
    return [(path_text(one.path), one.recorded, one.sent) for one in found]


# --- what is the same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":1,"b":2}', '{ "b" : 2, "a" : 1 }'),
        ('{"a":1}', '{"a":1.0}'),
        ("12e-1", "1.20"),
        ("-0", "0e99"),
        ("1" + "0" * 5000, "1E5000"),
        ("1e99999999999999999999", "10e99999999999999999998"),
        ('{"a":5,"a":1}', '{"a":1}'),
        (r'"\u0041\/"', '"A/"'),
        ('{"é":1}', r'{"\u00e9":1}'),
    ],
)
def test_equal_values_of_json_mean_the_same(one: str, other: str) -> None:
    assert (key(_call(one)) == key(_call(other)), _parted(one, other)) == (True, [])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("true", "1"),
        ("false", "0"),
        ('"1"', "1"),
        ("null", "0"),
        ("null", '""'),
        ("[]", "{}"),
        ("[1,2]", "[2,1]"),
        ("1", "-1"),
        ("0.1", "0.10000000000000000001"),
        ("9007199254740993", "9007199254740992"),
        ("1e400", "1e401"),
        ('{"a":null}', "{}"),
        ('{"a":1,"a":5}', '{"a":1}'),
        ('"1e0"', "1"),
        ("1e" + "9" * 5000, "1e" + "9" * 4999),
    ],
)
def test_other_values_of_json_mean_something_else(one: str, other: str) -> None:
    assert key(_call(one)) != key(_call(other))
    assert len(_parted(one, other)) >= 1


def test_ids_mean_nothing() -> None:
    assert key(_call("{}", "7")) == key(_call("{}", '"s-7"'))


@pytest.mark.parametrize(
    "name",
    [
        "progressToken",
        "traceparent",
        "tracestate",
        "baggage",
        "dev.mcpsym/budget",
        "dev.mcpsym/cause",
        "dev.mcpsym/usage",
        "io.modelcontextprotocol/clientInfo",
    ],
)
def test_volatile_members_of_meta_mean_nothing_and_an_empty_meta_is_none(name: str) -> None:
    assert key(_call("{}", extra=f',"_meta":{{"{name}":{{"x":1}}}}')) == key(_call("{}"))


@pytest.mark.parametrize("name", ["io.modelcontextprotocol/clientCapabilities", "com.example/tenant"])
def test_all_other_members_of_meta_mean_something(name: str) -> None:
    assert key(_call("{}", extra=f',"_meta":{{"{name}":1}}')) != key(_call("{}", extra=f',"_meta":{{"{name}":2}}'))


def test_a_progress_token_outside_of_meta_means_something() -> None:
    assert key(_call('{"progressToken":1}')) != key(_call('{"progressToken":2}'))


def test_who_initializes_means_nothing_but_what_it_can_does() -> None:
    def initialize(name: str, **capabilities: object) -> bytes:
        return raw(id=1, method="initialize", params={"clientInfo": {"name": name}, "capabilities": capabilities})

    assert key(initialize("a")) == key(initialize("b"))
    assert key(initialize("a")) != key(initialize("a", roots={}))


def test_client_info_means_something_where_it_is_an_argument() -> None:
    assert key(raw(id=1, method="x", params={"clientInfo": 1})) != key(raw(id=1, method="x", params={"clientInfo": 2}))


def test_absent_params_are_empty_params() -> None:
    assert key(raw(id=1, method="ping")) == key(raw(id=1, method="ping", params={"_meta": {"progressToken": 3}}))


def test_whether_there_is_a_state_is_compared() -> None:
    assert key(raw(id=1, method="x", params={"requestState": "a"})) != key(raw(id=1, method="x"))


@pytest.mark.parametrize("name", ["requestState", "continuation"])
def test_what_the_server_made_up_is_kept_aside(name: str) -> None:
    one, other = (asked(raw(id=1, method="tools/call", params={"name": "f", name: state})) for state in ("a", "b"))
    assert (one.key == other.key, one.states) == (True, {name: "a"})


def test_cursors_are_compared() -> None:
    assert key(raw(id=1, method="tools/list", params={"cursor": "a"})) != key(
        raw(id=1, method="tools/list", params={"cursor": "b"})
    )


def test_the_numbers_of_placeholders_are_kept_aside() -> None:
    one, other = asked(_call('{"b":"<token:1>","a":"x<key:4>"}')), asked(_call('{"a":"x<key:9>","b":"<token:2>"}'))
    assert (one.key == other.key, one.placeholders, other.placeholders) == (
        True,
        ("<key:4>", "<token:1>"),
        ("<key:9>", "<token:2>"),
    )


def test_placeholders_of_other_secrets_differ() -> None:
    assert key(_call('"<token:1>"')) != key(_call('"<key:1>"'))


@pytest.mark.parametrize("data", [b"garbage", b"[]", b'{"jsonrpc":"2.0","id":1,"result":{}}', b"[" * 100_000 + b"]" * 100_000])
def test_what_is_no_request_has_no_meaning(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        asked(data)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


def _shuffled(value: object, rng: Random) -> object:
    if isinstance(value, dict):
        pairs = list(cast("dict[str, object]", value).items())
        rng.shuffle(pairs)
        return {name: _shuffled(member, rng) for name, member in pairs}
    if isinstance(value, list):
        return [_shuffled(element, rng) for element in cast("list[object]", value)]
    return value


@given(_JSON, st.randoms(use_true_random=False))
def test_order_of_keys_and_white_space_never_matter(value: object, rng: Random) -> None:
    other = json.dumps(_shuffled(value, rng), indent=1)
    assert (key(_call(json.dumps(value))), _parted(json.dumps(value), other)) == (key(_call(other)), [])


@given(_JSON, _JSON)
def test_keys_are_equal_exactly_where_nothing_differs(one: object, other: object) -> None:
    left, right = json.dumps(one), json.dumps(other)
    assert (key(_call(left)) == key(_call(right))) == (_parted(left, right) == [])


@given(_JSON)
def test_a_value_is_shown_as_json_that_means_the_same(value: object) -> None:
    text = json.dumps(value)
    assert meaning(value_text(meaning(text.encode())).encode()) == meaning(text.encode())


def test_a_number_shows_its_own_spelling() -> None:
    assert (value_text(meaning(b"[1.50,-0,1e2]")), Number("1e2", "100") == Number("1e2", "1e2")) == ("[1.50, -0, 1e2]", True)


# --- where messages part


def test_differences_follow_the_recorded_order_and_what_was_only_sent_comes_last() -> None:
    assert _parted('{"b":1,"a":[1,{"x":2}],"gone":true}', '{"new":0,"a":[1,{"x":3},4],"b":2}') == [
        ("b", "1", "2"),
        ("a[1].x", "2", "3"),
        ("a[2]", None, "4"),
        ("gone", "true", None),
        ("new", None, "0"),
    ]


def test_a_value_of_another_kind_is_one_difference() -> None:
    assert _parted('{"a":{"b":1,"c":2}}', '{"a":[1,2]}') == [("a", '{"b": 1, "c": 2}', "[1, 2]")]


def test_deep_values_are_compared_without_recursion() -> None:
    deep: object = 1
    other: object = 2
    for _ in range(50_000):
        deep, other = [deep], [other]
    assert len(differences(deep, other)) == 1


def test_requests_part_by_method_and_params() -> None:
    one, other = asked(_call('{"days":3}')), asked(_call('{"days":5}'))
    assert request_differences(one, other) == (Difference(("params", "arguments", "days"), "3", "5"),)


def test_placeholders_that_differ_in_number_differ_only_where_asked_for_exactly() -> None:
    one, other = asked(_call('"<token:1>"')), asked(_call('"<token:2>"'))
    assert (len(request_differences(one, other)), len(request_differences(one, other, exact=True))) == (0, 1)


def test_answers_part_by_result_and_not_by_id() -> None:
    recorded = raw(id=1, result={"content": {"text": "a"}, "_meta": {"dev.mcpsym/usage": {"tokens": 1}}})
    assert answer_differences(recorded, raw(id="x", result={"content": {"text": "a"}})) == ()
    assert answer_differences(recorded, raw(id=1, result={"content": {"text": "b"}})) == (
        Difference(("result", "content", "text"), '"a"', '"b"'),
    )


def test_an_error_is_another_answer_than_a_result() -> None:
    found = answer_differences(raw(id=1, result={}), raw(id=1, error={"code": 1, "message": "no"}))
    assert [one.path for one in found] == [("result",), ("error",)]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("params", "arguments", "days"), "params.arguments.days"),
        (("result", "content", 0, "text"), "result.content[0].text"),
        (("params", "odd key", "x-y", "\x1b"), r'params["odd key"].x-y["\u001b"]'),
        ((), ""),
    ],
)
def test_paths_read_as_people_write_them(path: tuple[str | int, ...], text: str) -> None:
    assert path_text(path) == text


# --- the nearest


def _request(method: str, **params: object) -> bytes:
    return raw(id=1, method=method, params=params)


def test_the_nearest_request_has_the_same_target_before_it_has_fewer_differences() -> None:
    recorded = [
        asked(_request("tools/list")),
        asked(_request("tools/call", name="g", arguments={"a": 1})),
        asked(_request("tools/call", name="f", arguments={"a": 2, "b": 2})),
        asked(_request("tools/call", name="f", arguments={"a": 1, "b": 2})),
        asked(_request("tools/call", name="f", arguments={"a": 1, "b": 3})),
    ]
    sent = asked(_request("tools/call", name="f", arguments={"a": 1}))
    assert (closest(sent, recorded), distance(recorded[1], sent), distance(recorded[3], sent)) == (3, (0, 1, 1), (0, 0, 1))


def test_a_request_with_another_method_is_never_near() -> None:
    assert closest(asked(_request("tools/call", name="f")), [asked(_request("tools/list"))]) is None


@pytest.mark.parametrize(
    ("data", "label", "shown"),
    [
        (_request("tools/call", name="forecast", arguments={"city": "Oslo"}), "tools/call forecast", '{"city": "Oslo"}'),
        (_request("resources/read", uri="demo://1"), "resources/read demo://1", ""),
        (
            _request("completion/complete", ref={"name": "p"}, argument={"v": 1}),
            "completion/complete p",
            '{"ref": {"name": "p"}, "argument": {"v": 1}}',
        ),
        (_request("tools/list"), "tools/list", ""),
        (raw(id=1, method="x", params=[1, 2]), "x", "[1, 2]"),
    ],
)
def test_a_request_is_shown_by_method_target_and_the_rest(data: bytes, label: str, shown: str) -> None:
    assert (asked(data).label, asked(data).shown) == (label, shown)
