"""What is known of a message before a fault is done to it."""

from __future__ import annotations

import pytest

from pytest_mcpsym.faults.seen import see
from tests.wire.strategies import Telling, raw

CANCELLED = b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a-1"}}'


def told() -> Telling:
    telling = Telling()
    telling.request("weather", "to-server", 1, "tools/call", {"_meta": {"progressToken": 5}})
    telling.request("weather", "to-client", 1, "roots/list")
    telling.request("clock", "to-server", 2, "tools/list")
    return telling


@pytest.mark.parametrize(
    ("direction", "data", "known"),
    [
        ("to-server", raw(id=7, method="ping"), ("ping", "request", None)),
        ("to-server", CANCELLED, ("notifications/cancelled", "notification", None)),
        ("to-client", raw(id=1, result={}), ("tools/call", "answer", 5)),
        ("to-server", raw(id=1, result={}), ("roots/list", "answer", None)),
        ("to-client", raw(id=2, result={}), ("", "answer", None)),
        ("to-client", b"no JSON", ("", "", None)),
    ],
)
def test_an_answer_has_the_method_and_the_token_of_its_request(
    direction: str, data: bytes, known: tuple[str, str, object]
) -> None:
    seen = see(told().log, "weather", direction, data)
    assert (seen.method, seen.sort, seen.token) == known


def test_a_cancellation_names_a_request() -> None:
    assert see(told().log, "weather", "to-server", CANCELLED).names == '"a-1"'
