"""What faults make of bytes."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcpsym.faults.alter import altered, injected
from pytest_mcpsym.faults.fault import parse
from pytest_mcpsym.wire.frame import parse as parsed

CALL = b'{"jsonrpc":"2.0","id":"alice-7","method":"tools/call","params":{"name":"now","a":1e2,"_meta":{"progressToken":3}}}'
ANSWER = b'{"jsonrpc":"2.0","id":12,"result":{"n":-0}}'


def made(text: str, data: bytes, *, seed: int = 0, before: bytes = b"") -> bytes:
    return altered(parse(text), data, Random(seed), before)


@given(st.floats(0, 1), st.sampled_from([CALL, ANSWER]))
def test_truncating_keeps_the_beginning(keep: float, data: bytes) -> None:
    assert data.startswith(made(f"truncate keep={keep}", data))


@given(st.integers(1, 20), st.integers())
def test_corrupting_changes_so_many_bytes_and_the_same_seed_the_same(count: int, seed: int) -> None:
    changed = made(f"corrupt count={count}", CALL, seed=seed)
    assert sum(one != other for one, other in zip(CALL, changed, strict=True)) == count
    assert parsed(changed).kind == "not-json"
    assert changed == made(f"corrupt count={count}", CALL, seed=seed)


@pytest.mark.parametrize(("data", "ident"), [(CALL, b'"id":7,'), (ANSWER, b'"id":"12",')])
def test_an_id_changes_its_type_and_nothing_else_changes(data: bytes, ident: bytes) -> None:
    changed = made("id-type", data)
    assert ident in changed
    assert len(data) - len(changed) in (8, -2)


def test_an_id_is_that_of_the_message_before() -> None:
    assert b'"id":11,' in made("id-reused", ANSWER, before=b'{"jsonrpc":"2.0","id":11,"result":{}}')
    assert made("id-reused", ANSWER) == ANSWER


def test_a_token_is_another_one_in_requests_and_in_progress() -> None:
    assert json.loads(made("wrong-token", CALL))["params"]["_meta"] == {"progressToken": "fault-of-a-link"}
    progress = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":3,"progress":1}}'
    assert json.loads(made("wrong-token", progress))["params"]["progressToken"] == "fault-of-a-link"
    assert made("wrong-token", ANSWER) == ANSWER


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("unknown-notification", "notifications/fault-of-a-link"),
        ("unsolicited-request", "ping"),
        ("late-progress", "notifications/progress"),
    ],
)
def test_what_is_made_up_is_a_message(text: str, method: str) -> None:
    message = parsed(injected(parse(text), 1, 3) or b"")
    assert message.method == method
    assert message.reason is None


def test_progress_is_not_late_where_none_was_asked_for() -> None:
    assert injected(parse("late-progress"), 1, None) is None
