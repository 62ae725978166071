"""What is owed to bytes that are no message follows from the bytes alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcpsym.wire.corpus import Case, corpus
from pytest_mcpsym.wire.frame import parse
from pytest_mcpsym.wire.strict import DEEPEST, PARSE_ERROR, refusal


@pytest.mark.parametrize("modern", [False, True])
@pytest.mark.parametrize("index", range(len(corpus())), ids=[str(case) for case in corpus()])
def test_the_corpus_says_what_the_rules_say(index: int, modern: bool) -> None:
    case = corpus(modern=modern)[index]
    refused = refusal(case.data)
    if refused is None:
        assert (case.outcome, case.code, case.id) == ("answered", None, case.id)
    else:
        assert (refused.owed, refused.code) == (case.outcome == "refused", case.code)
        assert json.dumps(refused.id) == case.id


def test_the_corpus_has_each_name_once() -> None:
    assert len({case.name for case in corpus()}) == len(corpus())


def test_a_refusal_is_a_json_rpc_error_itself() -> None:
    refused = refusal(b'{"jsonrpc":"1.0","id":"\\u2603","method":"ping"}')
    assert refused is not None
    assert parse(refused.data).kind == "error"
    assert parse(refused.data).id == '"\\u2603"'


@pytest.mark.parametrize(
    "text",
    [
        b'"\\\\ud800"',
        b'"1e400 and 1E999"',
        b'"' + b"9" * 5_000 + b'"',
        b'"' + b"[" * 500 + b'"',
        b'"\\ud83d\\ude00"',
        b'{"' + b"[" * 500 + b'":1}',
    ],
)
def test_what_only_looks_odd_is_taken(text: bytes) -> None:
    assert refusal(b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":' + text + b"}}") is None


def test_as_deep_as_may_be_is_taken_and_one_level_more_is_not() -> None:
    def nested(levels: int) -> bytes:
        return b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":' + b"[" * levels + b"]" * levels + b"}}"

    assert refusal(nested(DEEPEST - 2)) is None
    refused = refusal(nested(DEEPEST - 1))
    assert refused is not None
    assert (refused.code, refused.message) == (PARSE_ERROR, "Parse error: nested deeper than 200 levels")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(params=st.dictionaries(st.text(), _JSON, max_size=3), ident=st.integers() | st.text(), is_ascii=st.booleans())
def test_whatever_json_can_be_kept_is_taken(params: dict[str, object], ident: int | str, is_ascii: bool) -> None:
    data = json.dumps({"jsonrpc": "2.0", "id": ident, "method": "m", "params": params}, ensure_ascii=is_ascii)
    assert refusal(data.encode()) is None


@given(st.binary(max_size=40))
def test_no_bytes_raise(data: bytes) -> None:
    refused = refusal(data)
    assert refused is None or isinstance(refused.data, bytes)


def test_a_case_shows_its_name() -> None:
    assert str(Case("odd", b"", "nothing")) == "odd"
