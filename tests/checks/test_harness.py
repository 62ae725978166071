"""What a fault of a link did is nobody's finding, and what a server does by itself stays one."""

from __future__ import annotations

import pytest

from pytest_mcpsym.checks import run
from tests.wire.strategies import Telling, raw


def done(telling: Telling, kind: str, direction: str = "to-server", **told: object) -> None:
    data = {"fault": kind, "kind": kind, "direction": direction, "method": "tools/call", "id": None, "became": None}
    telling.log.note("weather", "fault", **{**data, **told})


def ids(telling: Telling) -> list[str]:
    return [finding.check for finding in run(telling.log)]


def twice(telling: Telling) -> None:
    """A request that comes twice, and is answered twice."""
    one, two = telling.call("weather", 1), telling.call("weather", 1)
    for each in (one, two, two):
        telling.answer(each)


def test_a_duplicate_of_a_fault_is_no_reuse_of_an_id() -> None:
    telling = Telling()
    twice(telling)
    assert ids(telling) == ["jsonrpc:id-reused", "jsonrpc:answered-twice"]
    done(telling, "duplicate", id="1")
    assert ids(telling) == []


@pytest.mark.parametrize(("link", "ident"), [("weather", "2"), ("clock", "1")])
def test_a_fault_excuses_its_own_request_alone(link: str, ident: str) -> None:
    telling = Telling()
    twice(telling)
    telling.log.note(
        link, "fault", fault="duplicate", kind="duplicate", direction="to-server", method="", id=ident, became=None
    )
    assert ids(telling) == ["jsonrpc:id-reused", "jsonrpc:answered-twice"]


@pytest.mark.parametrize(("kind", "direction"), [("delay", "to-server"), ("split", "to-server"), ("drop", "to-client")])
def test_a_message_that_arrived_whole_is_owed_an_answer(kind: str, direction: str) -> None:
    telling = Telling()
    telling.call("weather", 1)
    done(telling, kind, direction, id="1")
    assert ids(telling) == ["jsonrpc:unanswered"]


def test_a_request_that_never_arrived_may_be_cancelled() -> None:
    telling = Telling()
    done(telling, "drop", id="7")
    telling.notify("weather", "to-server", "cancelled", requestId=7)
    assert ids(telling) == []


def test_the_id_that_a_request_has_since_is_excused_too() -> None:
    telling = Telling()
    done(telling, "id-type", id='"7"', became="7")
    telling.call("weather", 7)
    assert ids(telling) == []


def test_a_handshake_that_a_fault_reordered_is_no_finding() -> None:
    telling = Telling()
    telling.answer(telling.request("weather", "to-server", 0, "initialize"))
    call = telling.request("weather", "to-server", 1, "tools/list")
    telling.answer(call, tools=[])
    done(telling, "reorder", method="notifications/initialized")
    assert ids(telling) == ["lifecycle:before-initialized"]
    done(telling, "reorder", method="tools/list", id="1")
    assert ids(telling) == []


@pytest.mark.parametrize("direction", ["to-server", "to-client"])
@pytest.mark.parametrize("kind", ["exit", "half-close"])
def test_nothing_is_owed_after_the_end_that_a_fault_made(kind: str, direction: str) -> None:
    telling = Telling()
    telling.call("weather", 1)
    done(telling, kind, direction, id="2")
    assert ids(telling) == []


def test_what_a_fault_broke_is_still_owed_an_error() -> None:
    telling = Telling()
    telling.frame("weather", "to-server", raw(id=1, method="tools/call")[:-5])
    done(telling, "truncate", id="1")
    assert ids(telling) == ["jsonrpc:silence"]


def test_what_the_host_made_of_a_request_that_a_fault_duplicated_is_no_finding() -> None:
    telling = Telling()
    asked = telling.request("weather", "to-client", 1, "roots/list")
    for _ in range(2):
        telling.answer(asked, roots=[])
    assert ids(telling) == ["jsonrpc:answered-twice"]
    done(telling, "duplicate", "to-client", what="request", id="1", method="roots/list")
    assert ids(telling) == []


def test_an_answer_of_the_host_that_a_fault_gave_another_id_is_no_finding() -> None:
    telling = Telling()
    telling.frame("weather", "to-server", raw(id=9, result={}))
    assert ids(telling) == ["jsonrpc:answer-to-nobody"]
    done(telling, "id-type", what="answer", id='"9"', became="9", method="roots/list")
    assert ids(telling) == []


def test_a_call_whose_cancellation_a_fault_lost_is_owed_nothing() -> None:
    telling = Telling()
    telling.call("weather", 1)
    assert ids(telling) == ["jsonrpc:unanswered"]
    done(telling, "drop", what="notification", method="notifications/cancelled", names="1")
    assert ids(telling) == []


@pytest.mark.parametrize(("token", "found"), [(1, []), (2, ["progress:not-increasing"])])
def test_progress_of_a_call_that_a_fault_duplicated_may_come_twice(token: int, found: list[str]) -> None:
    telling = Telling()
    for ident in (1, 2):
        call = telling.request("weather", "to-server", ident, "tools/call", {"name": "now", "_meta": {"progressToken": ident}})
        if ident == token:
            for _ in range(2):
                telling.notify("weather", "to-client", "progress", progressToken=token, progress=1)
        telling.answer(call)
    done(telling, "duplicate", what="request", id="1")
    assert ids(telling) == found
