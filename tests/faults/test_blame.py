"""Which faults an error names."""

from __future__ import annotations

from pytest_mcpsym.errors import LinkError
from pytest_mcpsym.faults.blame import blamed, ended
from pytest_mcpsym.wire.log import WireLog


def done(log: WireLog, link: str, kind: str, **told: object) -> None:
    data = {"fault": kind, "kind": kind, "direction": "to-client", "method": "tools/call", "what": "answer", "did": "lost"}
    log.note(link, "fault", **{**data, "id": None, "became": None, "names": None, **told})


def test_what_was_done_to_a_request_is_named_alone() -> None:
    log = WireLog()
    done(log, "b", "drop", id='"b-1"')
    done(log, "b", "drop", id='"b-2"')
    assert blamed(log, 0, "b", '"b-2"') == ("`drop` on link 'b', to the answer to tools/call (id \"b-2\"): lost",)


def test_where_nothing_was_done_to_it_all_that_was_done_since_is_named() -> None:
    log = WireLog()
    for place in range(6):
        done(log, "b", "drop", id=str(place))
    told = blamed(log, 1, "a", '"a-1"')
    assert [sentence[:10] for sentence in told] == ["`drop` on ", "`drop` on ", "`drop` on ", "and 2 more"]
    assert "(id 1)" in told[0]
    assert blamed(log, 1, "a", '"a-1"', meanwhile=False) == ()


def test_what_was_done_to_a_cancellation_is_no_cause() -> None:
    log = WireLog()
    done(log, "b", "drop", method="notifications/cancelled", what="notification", names="1")
    assert blamed(log, 0, "b", "1") == ()


def test_a_link_is_ended_by_what_ends_links_and_else_perhaps_by_anything() -> None:
    log = WireLog()
    done(log, "b", "truncate")
    assert ended(log, "b")[1] is False
    assert len(ended(log, "b")[0]) == 1
    done(log, "b", "exit", did="the server is killed")
    told, certain = ended(log, "b")
    assert certain
    assert told == ("`exit` on link 'b', to the answer to tools/call: the server is killed",)
    assert ended(log, "a") == ((), False)


def test_an_error_says_it_once_at_the_end_of_its_first_line() -> None:
    error = LinkError("b", "exited", "it ended\n  its last words").blame(["one", "two"]).blame(["three"])
    assert str(error) == "link 'b': it ended; done on purpose: one; two\n  its last words"
    assert error.faults == ("one", "two")
