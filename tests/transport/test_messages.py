"""A message is read as the SDK's own adapter reads it, whatever the bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import JSONRPCRequest, jsonrpc_message_adapter
from pydantic import TypeAdapter, ValidationError

from pytest_mcpsym.transport import messages
from pytest_mcpsym.transport.messages import read_message

NAMES = ("jsonrpc", "id", "method", "params", "result", "error", "code", "message", "other")
VALUES = st.one_of(
    st.sampled_from(["2.0", "1.0", "tools/call", "error", 1, 1.0, 1.5, True, None, "1", -32700, 'a "method"', "\u00e9\ud800"]),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["x", 1, None]), max_size=3),
    st.lists(st.integers(), max_size=2),
)
MEMBERS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=6)


def by_adapter(data: bytes) -> object:
    try:
        return jsonrpc_message_adapter.validate_json(data, by_name=False)
    except ValidationError as error:
        return str(error)


def read(data: bytes) -> object:
    try:
        return read_message(data)
    except ValidationError as error:
        return str(error)


def same(data: bytes) -> bool:
    one, other = read(data), by_adapter(data)
    fields = [getattr(each, "model_fields_set", None) for each in (one, other)]
    return (type(one), one) == (type(other), other) and fields[0] == fields[1]


@given(MEMBERS, st.booleans(), st.booleans())
def test_a_message_is_what_the_adapter_says(members: list[tuple[str, object]], whole: bool, plain: bool) -> None:
    if whole:
        members = [("jsonrpc", "2.0"), *members]
    texts = (f"{json.dumps(name)}:{json.dumps(value, ensure_ascii=not plain)}" for name, value in members)
    assert same(f"{{{','.join(texts)}}}".encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"id":Infinity}}',
        b'{"jsonrpc":"2.0","method":"x","params":{"id":1}}',
        b'{"jsonrpc":"2.0","id":1,"result":{},"\\u0065rror":{"code":1,"message":""}}',
        b'{"jsonrpc":"2.0","id":1,"\\u006dethod":"x","result":{}}',
        b'{"jsonrpc":"2.0","id":1,"method":"x","method":"y"}',
        b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}',
    ],
)
def test_odd_bytes_are_what_the_adapter_says(data: bytes) -> None:
    assert same(data)


def test_a_plain_request_is_tried_as_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "jsonrpc_message_adapter", TypeAdapter(int))
    assert isinstance(read_message(b'{"jsonrpc":"2.0","id":1,"method":"ping"}'), JSONRPCRequest)
