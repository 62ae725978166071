"""What `wire/frame.py` promises: bytes are kept, and the view says exactly what they are."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcpsym.wire.frame import Envelope, Frame, Kind, id_text, parse, parse_json


def _frame(data: bytes) -> Frame:
    return Frame(0, "a", "to-server", 0.0, data)


@pytest.mark.parametrize(
    ("data", "kind", "ident", "method"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', "request", "1", "ping"),
        (b'{"jsonrpc":"2.0","id":"1","method":"ping","params":[]}', "request", '"1"', "ping"),
        (b'{"jsonrpc":"2.0","method":"n","params":{}}', "notification", None, "n"),
        (b'{"jsonrpc":"2.0","id":-3,"result":{}}', "result", "-3", None),
        (b'{"jsonrpc":"2.0","id":1,"result":null}', "result", "1", None),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}', "error", "1", None),
        (b'{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}', "error", "null", None),
        (b'{"jsonrpc":"2.0","error":{"code":1,"message":"m"}}', "error", None, None),
    ],
)
def test_messages_are_told_apart(data: bytes, kind: Kind, ident: str | None, method: str | None) -> None:
    message = parse(data)
    assert (message.kind, message.id, message.method, message.reason) == (kind, ident, method, None)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[]", "array"),
        (b"5", "not a JSON object"),
        (b"{}", "`jsonrpc`"),
        (b'{"jsonrpc":"1.0","id":1,"method":"a"}', "`jsonrpc`"),
        (b'{"jsonrpc":2.0,"id":1,"method":"a"}', "`jsonrpc`"),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', "`method` is not a string"),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":"x"}', "`params`"),
        (b'{"jsonrpc":"2.0","id":1,"method":"a","params":null}', "`params`"),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"a"}', "`id` of a request"),
        (b'{"jsonrpc":"2.0","id":null,"method":"a"}', "`id` of a request"),
        (b'{"jsonrpc":"2.0","id":true,"method":"a"}', "`id` of a request"),
        (b'{"jsonrpc":"2.0","id":1}', "exactly one"),
        (b'{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1,"message":"m"}}', "exactly one"),
        (b'{"jsonrpc":"2.0","result":1}', "without an `id`"),
        (b'{"jsonrpc":"2.0","id":null,"result":1}', "without an `id`"),
        (b'{"jsonrpc":"2.0","id":1,"error":"x"}', "`error` is not an object"),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":"m"}}', "integer `code`"),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":true,"message":"m"}}', "integer `code`"),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":1}}', "string `message`"),
    ],
)
def test_json_that_is_no_message_is_invalid_and_says_why(data: bytes, reason: str) -> None:
    message = parse(data)
    assert (message.kind, reason in (message.reason or "")) == ("invalid", True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage",
        b"\xff{}",
        b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b"[" * 100_000,
        b'{"a":1}{"b":2}',
        b'{"a":"\x01"}',
    ],
)
def test_other_bytes_are_not_json_and_say_why(data: bytes) -> None:
    message = parse(data)
    assert (message.kind, message.value, (message.reason or "").startswith("not JSON: ")) == ("not-json", None, True)


@pytest.mark.parametrize(("value", "text"), [(5, "5"), ("5", '"5"'), (5.0, "5.0"), (None, "null"), (True, "true")])
def test_the_text_of_an_id_keeps_its_type(value: object, text: str) -> None:
    assert id_text(value) == text


def test_ids_that_compare_equal_in_python_differ() -> None:
    idents = {parse(b'{"jsonrpc":"2.0","id":%b,"method":"a"}' % raw).id for raw in (b"1", b"1.0", b'"1"', b"true")}
    assert idents == {"1", "1.0", '"1"', "true"}


def test_nesting_of_300_levels_is_parsed() -> None:
    assert parse(b'{"jsonrpc":"2.0","id":1,"result":' + b"[" * 300 + b"]" * 300 + b"}").kind == "result"


@pytest.mark.parametrize("depth", [*range(100, 1200, 7), 100_000])
def test_deep_nesting_anywhere_never_raises(depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    assert parse(b'{"jsonrpc":"2.0","id":' + deep + b',"method":"a"}').kind in ("invalid", "not-json")


def test_an_integer_of_5000_digits_is_kept_as_text_in_the_view() -> None:
    digits = "7" * 5000
    value = parse(b'{"jsonrpc":"2.0","id":1,"result":{"n":%b,"m":12}}' % digits.encode()).result
    assert value == {"n": digits, "m": 12}


def test_lone_surrogates_are_parsed() -> None:
    assert parse(b'{"jsonrpc":"2.0","id":"\\ud800","method":"a"}').id == '"\\ud800"'


def test_surrogates_encoded_as_utf8_are_refused() -> None:
    assert parse(b'{"jsonrpc":"2.0","id":"\xed\xa0\x80","method":"a"}').kind == "not-json"


def test_the_last_of_duplicate_keys_counts_in_the_view_and_both_stay_in_the_bytes() -> None:
    data = b'{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}'
    frame = _frame(data)
    assert (frame.message.id, frame.data) == ("2", data)


def test_members_that_are_no_objects_read_as_empty() -> None:
    message = parse(b'{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}')
    assert (message.params, message.result, message.error, message.meta) == ({}, {}, {}, {})


@pytest.mark.parametrize("member", [b'"method":"a","params"', b'"result"'])
def test_meta_is_read_from_params_or_result(member: bytes) -> None:
    assert parse(b'{"jsonrpc":"2.0","id":1,%b:{"_meta":{"k":1}}}' % member).meta == {"k": 1}


def test_frames_are_equal_by_value_also_after_one_was_viewed() -> None:
    first, second = _frame(b'{"jsonrpc":"2.0","id":1,"method":"a"}'), _frame(b'{"jsonrpc":"2.0","id":1,"method":"a"}')
    assert first.message.kind == "request"
    assert (first == second, hash(first) == hash(second)) == (True, True)


def test_frames_with_other_bytes_for_the_same_value_differ() -> None:
    assert _frame(b'{"n":-0}') != _frame(b'{"n": -0}')


def test_the_view_is_parsed_once() -> None:
    frame = _frame(b'{"jsonrpc":"2.0","id":1,"method":"a"}')
    assert frame.message is frame.message


def test_headers_are_found_in_any_case_and_the_first_counts() -> None:
    envelope = Envelope(1, (("Mcp-Name", "a"), ("mcp-name", "b")))
    assert (envelope.header("MCP-NAME"), envelope.header("x")) == ("a", None)


@given(st.binary())
def test_parse_takes_any_bytes(data: bytes) -> None:
    assert parse(data).kind in ("invalid", "not-json") or json.loads(data)["jsonrpc"] == "2.0"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)


@given(VALUES, st.booleans())
def test_json_is_parsed_to_its_value(value: object, ascii_only: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "jsonrpc": st.just("2.0"),
            "id": VALUES,
            "method": st.just("a") | VALUES,
            "params": VALUES,
            "result": VALUES,
            "error": VALUES,
        },
    )
)
def test_every_object_has_a_kind_and_only_invalid_ones_a_reason(value: dict[str, object]) -> None:
    message = parse(json.dumps(value).encode())
    assert (message.kind == "invalid") == (message.reason is not None)
