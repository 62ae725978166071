"""Sessions that serve somebody else, and sessions that end by themselves."""

from __future__ import annotations

import pytest

from pytest_mcpsym.checks import run
from pytest_mcpsym.wire.frame import Envelope, Frame
from tests.wire.strategies import Telling, raw

ID = "session-of-alice-0001"


def told(telling: Telling) -> list[tuple[str, tuple[int, ...]]]:
    return [(each.check, each.frames) for each in run(telling.log) if each.check.startswith("session:")]


def opened(telling: Telling, link: str = "alice", credential: str = "Bearer a") -> Frame:
    envelope = Envelope(1, (("authorization", credential),))
    asked = telling.log.frame(link, "to-server", raw(id=0, method="initialize", params={}), envelope)
    telling.log.note(link, "http", exchange=1, event="response", status=200, headers=[])
    telling.log.frame(link, "to-client", raw(id=0, result={}), Envelope(1, (("Mcp-Session-Id", ID),), 200))
    telling.log.frame(link, "to-server", raw(method="notifications/initialized"), Envelope(2, (("mcp-session-id", ID),)))
    return asked


def used(telling: Telling, link: str, credential: str, status: int) -> Frame:
    headers = (("authorization", credential), ("mcp-session-id", ID))
    frame = telling.log.frame(link, "to-server", raw(id=5, method="tools/list", params={}), Envelope(3, headers))
    telling.log.note(link, "http", exchange=3, event="response", status=status, headers=[])
    if status < 400:
        telling.answer(frame, tools=[])
    return frame


def test_a_session_that_serves_another_caller_is_an_error() -> None:
    telling = Telling()
    opening = opened(telling)
    theft = used(telling, "mallory", "Bearer m", 200)
    assert told(telling) == [("session:taken", (opening.seq, theft.seq))]


@pytest.mark.parametrize(("link", "credential", "status"), [("mallory", "Bearer m", 404), ("again", "Bearer a", 200)])
def test_a_session_that_refuses_others_or_serves_its_owner_elsewhere_is_no_finding(
    link: str, credential: str, status: int
) -> None:
    telling = Telling()
    opened(telling)
    used(telling, link, credential, status)
    assert told(telling) == []


@pytest.mark.parametrize(
    ("credential", "says"), [("Bearer a", "of this link"), ("Bearer a2", "once its credential was refreshed")]
)
def test_a_session_that_ends_by_itself_is_a_warning(credential: str, says: str) -> None:
    telling = Telling()
    opened(telling)
    used(telling, "alice", credential, 404)
    (finding,) = [each for each in run(telling.log) if each.check == "session:lost"]
    assert finding.severity == "warning"
    assert says in finding.message


def test_a_session_that_its_client_ended_is_gone() -> None:
    telling = Telling()
    opened(telling)
    telling.log.note("alice", "http", exchange=9, event="request", method="DELETE", headers=[["mcp-session-id", ID]])
    used(telling, "alice", "Bearer a", 404)
    assert told(telling) == []


def test_a_session_id_that_was_given_to_somebody_else_is_one_error_however_it_is_used() -> None:
    telling = Telling()
    opening = opened(telling)
    opened(telling, "bob", "Bearer b")
    used(telling, "bob", "Bearer b", 200)
    again = next(frame for frame in telling.log.frames if frame.link == "bob" and frame.direction == "to-client")
    assert told(telling) == [("session:shared", (opening.seq, again.seq))]


@pytest.mark.parametrize(("bob", "found"), [({}, []), ({"server": "alice"}, ["session:shared"])])
def test_two_servers_may_give_the_same_session_id_and_one_may_not(bob: dict[str, str], found: list[str]) -> None:
    telling = Telling()
    telling.log.note("alice", "open", transport="http", era="handshake", target="server")
    telling.log.note("bob", "open", transport="http", era="handshake", target="server", **bob)
    opened(telling)
    opened(telling, "bob", "Bearer b")
    used(telling, "bob", "Bearer b", 200)
    assert [check for check, _ in told(telling)] == found
