"""What faults make of bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcpsym.faults.alter import altered, injected, told, touches
from pytest_mcpsym.faults.fault import parse
from pytest_mcpsym.faults.seen import Seen, see
from pytest_mcpsym.wire.frame import parse as parsed
from pytest_mcpsym.wire.log import WireLog

CALL = b'{"jsonrpc":"2.0","id":"alice-7","method":"tools/call","params":{"name":"now","a":1e2,"_meta":{"progressToken":3}}}'
ANSWER = b'{"jsonrpc":"2.0","id":12,"result":{"n":-0}}'


def made(text: str, data: bytes, *, seed: int = 0, before: bytes = b"") -> bytes:
    return altered(parse(text), seen(data, before), data, Random(seed))


def seen(data: bytes, before: bytes = b"", token: object = None) -> Seen:
    return replace(see(WireLog(), "peer", "to-client", data, before), token=token)


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


NOTIFICATION = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":3,"progress":1}}'


@pytest.mark.parametrize(
    ("text", "data", "before", "token", "is_touched"),
    [
        ("id-type", CALL, b"", None, True),
        ("id-type", NOTIFICATION, b"", None, False),
        ("id-reused", CALL, ANSWER, None, True),
        ("id-reused", CALL, b"", None, False),
        ("id-reused", ANSWER, ANSWER, None, False),
        ("wrong-token", CALL, b"", None, True),
        ("wrong-token", NOTIFICATION, b"", None, True),
        ("wrong-token", ANSWER, b"", None, False),
        ("late-progress", ANSWER, b"", 3, True),
        ("late-progress", ANSWER, b"", None, False),
        ("late-progress", NOTIFICATION, b"", 3, False),
        ("drop", NOTIFICATION, b"", None, True),
    ],
)
def test_a_fault_touches_what_has_the_thing_that_it_is_done_to(
    text: str, data: bytes, before: bytes, token: object, is_touched: bool
) -> None:
    assert touches(parse(text), seen(data, before, token)) == is_touched


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("delay seconds=2", "held back for 2 s"),
        ("slow rate=10", "takes 4.3 s to cross"),
        ("truncate", "only the first 21 of 43 bytes come"),
        ("corrupt count=2", "replaced byte "),
        ("id-type", 'has the id "12"'),
        ("status code=404", "HTTP answers 404, and the server gets nothing"),
    ],
)
def test_what_was_done_is_told_in_words(text: str, words: str) -> None:
    assert told(parse(text), ANSWER, made(text, ANSWER)).startswith(words)


def test_many_bytes_that_were_replaced_are_counted() -> None:
    assert told(parse("corrupt count=30"), CALL, made("corrupt count=30", CALL)).endswith(" and 22 more")
