"""What `wire/splice.py` and `wire/tokens.py` promise: edits change what they name and nothing else."""

from __future__ import annotations

import json
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcpsym.wire.pretty import pretty
from pytest_mcpsym.wire.splice import Path, SpliceError, find, splice
from pytest_mcpsym.wire.tokens import tokens

FRAME = b'{"jsonrpc": "2.0", "id": 1, "params": {"name": "a__echo", "n": [-0, 1e2, 0.10], "_meta": {"x": 1}}}'


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        (("id",), b"1"),
        (("params", "n"), b"[-0, 1e2, 0.10]"),
        (("params", "n", 1), b"1e2"),
        (("params", "n", 3), None),
        (("params", "n", "x"), None),
        (("params", 0), None),
        (("params", "name", "x"), None),
        (("nothing", "here"), None),
        ((), FRAME),
    ],
)
def test_find_returns_the_raw_slice(path: Path, raw: bytes | None) -> None:
    assert find(FRAME, path) == raw


def test_find_takes_the_last_of_duplicate_keys_at_every_level() -> None:
    data = b'{"a":{"b":1,"b":2},"a":{"b":3,"b" : 4 }}'
    assert find(data, ("a", "b")) == b"4"


def test_find_does_not_see_into_a_member_that_a_later_duplicate_replaces() -> None:
    assert find(b'{"a":{"b":1},"a":{}}', ("a", "b")) is None


def test_a_typical_forwarding_edit_leaves_the_rest_byte_for_byte() -> None:
    edited = splice(FRAME, {("id",): b'"s-1"', ("params", "name"): b'"echo"', ("params", "_meta"): None})
    assert edited == b'{"jsonrpc": "2.0", "id": "s-1", "params": {"name": "echo", "n": [-0, 1e2, 0.10]}}'


@pytest.mark.parametrize(
    ("keys", "left"),
    [
        ("a", b'{ "b": 2 , "c": 3 }'),
        ("b", b'{ "a": 1  , "c": 3 }'),
        ("c", b'{ "a": 1 , "b": 2  }'),
        ("ab", b'{ "c": 3 }'),
        ("ac", b'{ "b": 2  }'),
        ("bc", b'{ "a": 1   }'),
        ("abc", b"{  }"),
        ("z", b'{ "a": 1 , "b": 2 , "c": 3 }'),
    ],
)
def test_a_deleted_member_takes_its_comma_with_it(keys: str, left: bytes) -> None:
    assert splice(b'{ "a": 1 , "b": 2 , "c": 3 }', dict.fromkeys(((key,) for key in keys), None)) == left


@pytest.mark.parametrize(
    ("data", "edits", "after"),
    [
        (b"{}", {("k",): b"1"}, b'{"k":1}'),
        (b"{ }", {("k",): b"1"}, b'{"k":1 }'),
        (b'{"a": 1 }', {("k",): b"1", ("l",): b"2"}, b'{"a": 1,"k":1,"l":2 }'),
        (b'{"a": 1}', {("a",): None, ("k",): b"2"}, b'{"k":2}'),
        (b'{"a": 1, "b": 2}', {("b",): None, ("k",): b"3"}, b'{"a": 1,"k":3}'),
        (b'{"a": 1}', {('q"\ud800\u00e9',): b"2"}, b'{"a": 1,"q\\"\\ud800\\u00e9":2}'),
        (b'{"p": {}}', {("p", "_meta"): b"{}"}, b'{"p": {"_meta":{}}}'),
        (b"[1, 2, 3]", {(0,): None, (2,): b"9"}, b"[2, 9]"),
        (b"[1, 2, 3]", {(7,): None}, b"[1, 2, 3]"),
        (b" 1 ", {(): b"2"}, b" 2 "),
        (b"{}", {("a", "b"): None}, b"{}"),
        (b"3", {("a", "b"): None}, b"3"),
        (b'{"a": 1, "a": {}, "a": [], "a": {}}', {("a", "b"): b"2"}, b'{"a": 1, "a": {"b":2}, "a": [], "a": {"b":2}}'),
        (b'{"a": {"b": 1}, "a": {"b": {}}}', {("a", "b", "c"): b"2"}, b'{"a": {"b": 1}, "a": {"b": {"c":2}}}'),
    ],
)
def test_members_are_inserted_at_the_end_of_their_object(data: bytes, edits: dict[Path, bytes | None], after: bytes) -> None:
    assert splice(data, edits) == after


def test_duplicate_keys_are_edited_at_all_their_occurrences() -> None:
    data = b'{"id":1,"p":{"n":1},"id":2,"p":{"n":2,"n":3}}'
    assert splice(data, {("id",): b"9", ("p", "n"): None}) == b'{"id":9,"p":{},"id":9,"p":{}}'


def test_keys_are_compared_after_their_escapes_are_decoded() -> None:
    data = rb'{"\u0069d": 1, "caf\u00e9": 2, "\ud83d\ude00": 3}'
    assert (
        splice(data, {("id",): b"7", ("café",): b"8", ("😀",): b"9"}) == rb'{"\u0069d": 7, "caf\u00e9": 8, "\ud83d\ude00": 9}'
    )


def test_brackets_quotes_and_backslashes_inside_strings_are_no_structure() -> None:
    data = rb'{"a": "}]\"{[\\", "b": {"c": "\\\"]"}, "d": 1}'
    assert splice(data, {("d",): b"2"}) == data.replace(b"1}", b"2}")


@pytest.mark.parametrize(
    ("data", "edits", "words"),
    [
        (b"{", {("a",): b"1"}, "the data is no JSON"),
        (b'{"a": 1,}', {("a",): b"1"}, "the data is no JSON"),
        (b'{"a": NaN}', {("a",): b"1"}, "unexpected 'NaN}' at character 6"),
        (b'\xef\xbb\xbf{"a": 1}', {("a",): b"1"}, "the data is no JSON"),
        (b'{"a": "\xff"}', {("a",): b"1"}, "the data is no JSON"),
        (b"[" * 5000, {(0,): b"1"}, "unexpected end"),
        (b"{}", {("a", "b"): b"1"}, "at a.b: a does not exist"),
        (b'{"a": 1}', {("a", "b"): b"1"}, "at a.b: a is neither an object nor an array"),
        (b'{"a": {}, "a": 1}', {("a", "b"): b"1"}, "a is neither an object nor an array"),
        (b'{"a": {"b": {}}, "a": {"b": 1}}', {("a", "b", "c"): b"1"}, "a.b is neither an object nor an array"),
        (b'{"a": []}', {("a", "b"): b"1"}, "at a.b: a is an array"),
        (b'{"a": []}', {("a", 0): b"1"}, "at a.0: there is no such index"),
        (b'{"a": {}}', {("a", 0): b"1"}, "a is an object, and its keys are strings"),
        (b"5", {("a",): b"1"}, "the document is neither an object nor an array"),
        (b"{}", {(): None}, "the whole document cannot be deleted"),
        (b"{}", {("a",): b"1", ("a", "b"): b"1"}, "at a.b: a is edited as a whole"),
        (b"{}", {("a", "b"): b"1", ("a",): b"1"}, "at a.b: a is edited as a whole"),
    ],
)
def test_an_edit_that_cannot_be_made_says_where_and_why(data: bytes, edits: dict[Path, bytes | None], words: str) -> None:
    with pytest.raises(SpliceError) as caught:
        splice(data, edits)
    assert words in str(caught.value)


def test_the_error_carries_the_path() -> None:
    with pytest.raises(SpliceError) as caught:
        splice(b"{}", {("a", "b c"): b"1"})
    assert (caught.value.path, 'a."b c"' in str(caught.value)) == (("a", "b c"), True)


@pytest.mark.parametrize("depth", [300, 20_000])
def test_deep_nesting_is_edited_on_the_way_and_at_the_bottom(depth: int) -> None:
    data = b'{"a":' * depth + b"-0" + b"}" * depth
    path: Path = ("a",) * depth
    assert find(splice(data, {path: b"1e2"}), path) == b"1e2"


def test_a_deep_subtree_that_no_path_enters_is_passed_over() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    assert splice(b'{"deep": ' + deep + b', "id": 1}', {("id",): b"2"}) == b'{"deep": ' + deep + b', "id": 2}'


def test_a_number_of_5000_digits_is_no_obstacle() -> None:
    digits = b"7" * 5000
    assert splice(b'{"n": ' + digits + b', "id": 1}', {("id",): b"2"}) == b'{"n": ' + digits + b', "id": 2}'


# --- properties

TEXT = st.text(st.characters(), max_size=6)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
RAW_NUMBERS = st.sampled_from(["-0", "1e2", "1E400", "0.10", "123456789012345678901234567890.5"])
SPACE = st.text(" \t\n\r", max_size=2)


@st.composite
def raw_strings(draw: st.DrawFn) -> str:
    return json.dumps(draw(TEXT), ensure_ascii=draw(st.booleans())).encode("utf-8", "replace").decode()


def _spaced(mark: str) -> st.SearchStrategy[str]:
    return st.tuples(SPACE, SPACE).map(lambda pair: pair[0] + mark + pair[1])


def _containers(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    keys = st.sampled_from(['"a"', '"b"', r'"\u0061"']) | raw_strings()
    members = st.tuples(keys, _spaced(":"), children).map("".join)

    def joined(parts: st.SearchStrategy[str], brackets: str) -> st.SearchStrategy[str]:
        inside = st.tuples(SPACE, st.lists(parts, max_size=4), _spaced(","), SPACE)
        return inside.map(lambda t: brackets[0] + t[0] + t[2].join(t[1]) + t[3] + brackets[1])

    return joined(children, "[]") | joined(members, "{}")


RAW_SCALARS = raw_strings() | RAW_NUMBERS | SCALARS.map(json.dumps)
RAW = st.recursive(RAW_SCALARS, _containers, max_leaves=12)
OBJECTS = st.lists(st.tuples(st.sampled_from(['"a"', '"b"', '"c"', r'"\u0062"']), RAW), max_size=5).map(
    lambda members: "{ " + " , ".join(f"{key} :{value}" for key, value in members) + "\n}"
)


def _paths(value: object, path: Path = ()) -> list[Path]:
    found = [path]
    if isinstance(value, dict):
        for key, member in cast("dict[str, object]", value).items():
            found += _paths(member, (*path, key))
    elif isinstance(value, list):
        for index, element in enumerate(cast("list[object]", value)):
            found += _paths(element, (*path, index))
    return found


@given(RAW, st.data())
def test_what_was_put_in_is_found_there(raw: str, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(_paths(json.loads(raw))))
    text = data.draw(RAW).encode()
    assert find(splice(raw.encode(), {path: text}), path) == text


@given(RAW, st.data())
def test_putting_back_what_was_found_changes_nothing(raw: str, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(_paths(json.loads(raw))))
    found = find(raw.encode(), path)
    edited = splice(raw.encode(), {path: b"0"})
    assert json.loads(splice(edited, {path: found})) == json.loads(raw)


@given(OBJECTS, st.sampled_from("abcz"), RAW)
def test_an_edit_leaves_the_raw_slices_of_the_other_members(raw: str, key: str, text: str) -> None:
    edited = splice(raw.encode(), {(key,): text.encode()})
    others = [other for other in "abcz" if other != key]
    assert [find(edited, (other,)) for other in others] == [find(raw.encode(), (other,)) for other in others]


@given(OBJECTS, st.sampled_from("abcz"))
def test_a_deletion_removes_exactly_the_named_member(raw: str, key: str) -> None:
    left = cast("dict[str, object]", json.loads(raw))
    left.pop(key, None)
    assert json.loads(splice(raw.encode(), {(key,): None})) == left


@given(OBJECTS, st.sampled_from("abcz"), RAW)
def test_a_member_can_be_deleted_and_inserted_again(raw: str, key: str, text: str) -> None:
    deleted = splice(raw.encode(), {(key,): None})
    assert find(splice(deleted, {(key,): text.encode()}), (key,)) == text.encode()


@given(RAW)
def test_no_edits_is_no_change(raw: str) -> None:
    assert splice(raw.encode(), {}) == raw.encode()


@given(RAW | st.text('{}[]:,"\\0123456789-+.eEtrufalsn \x00\n', max_size=12))
def test_tokens_accept_what_the_standard_parser_accepts(text: str) -> None:
    try:
        json.loads(text)
        is_json = True
    except ValueError:
        is_json = False
    try:
        accepted = bool(list(tokens(text)))
    except ValueError:
        accepted = False
    assert accepted == is_json


# --- pretty


def test_pretty_keeps_number_spelling_key_order_and_duplicates() -> None:
    assert pretty(b'{"b":-0,"a":1e2,"b":[0.10,{}]}') == '{"b": -0, "a": 1e2, "b": [0.10, {}]}'


def test_pretty_breaks_what_does_not_fit_the_width() -> None:
    text = pretty(b'{"name":"echo","arguments":{"message":"hi"},"list":[]}', width=30)
    assert text.splitlines() == [
        "{",
        '  "name": "echo",',
        '  "arguments": {',
        '    "message": "hi"',
        "  },",
        '  "list": []',
        "}",
    ]


def test_pretty_decodes_printable_escapes_and_keeps_the_others() -> None:
    raw = rb'["caf\u00e9 \ud83d\ude00", "\ud800 \u0000\u001b\n\t\"\\ \u202e\u00a0 \/"]'
    assert pretty(raw) == r'["café 😀", "\ud800 \u0000\u001b\n\t\"\\ \u202e\u00a0 /"]'


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"garbage\x00", "not JSON: 'garbage\\x00'"),
        (b"", "not JSON: ''"),
        (b"a\nb\xc3\xa9", "not JSON: 'a\\nbé'"),
        (b"\xff{}", "not JSON: b'\\xff{}'"),
        (b"\xef\xbb\xbf{}", "not JSON: '\\ufeff{}'"),
        (b"[NaN]", "not JSON: '[NaN]'"),
    ],
)
def test_pretty_shows_other_data_on_one_unambiguous_line(data: bytes, text: str) -> None:
    assert pretty(data) == text


def test_pretty_of_deep_nesting_stays_small() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    assert len(pretty(deep)) < 2 * len(deep)


@given(RAW, st.integers(0, 60))
def test_pretty_parses_back_to_the_same_value(raw: str, width: int) -> None:
    assert json.loads(pretty(raw.encode(), width=width), parse_float=str) == json.loads(raw, parse_float=str)


@given(RAW, st.integers(0, 60))
def test_pretty_keeps_every_number_as_it_was_spelled(raw: str, width: int) -> None:
    def numbers(text: str) -> list[str]:
        return [text[token.start : token.end] for token in tokens(text) if token.kind == "number"]

    assert numbers(pretty(raw.encode(), width=width)) == numbers(raw)


@given(st.binary())
def test_pretty_takes_any_bytes_and_returns_text_that_can_be_written(data: bytes) -> None:
    assert pretty(data).encode("utf-8")
