"""The tree of who waited for whom: what was in flight at one moment, who owes the answer, and who waits for himself."""

from __future__ import annotations

import itertools
import json

from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.waiting import given_up, waiting
from tests.wire.strategies import Telling


def chain(telling: Telling, *links: str) -> list[Frame]:
    """The host calls the first link, which asks for the second, and so on. Returns the requests to the servers."""
    sent = [telling.call(links[0], 1, name="run")]
    for number, (caller, callee) in enumerate(itertools.pairwise(links), 1):
        asks = telling.request(caller, "to-client", f"up{number}", params={"name": f"{callee}__run"})
        sent.append(telling.call(callee, f"{number}x", asks, name="run"))
    return sent


def cancel(telling: Telling, request: Frame) -> None:
    telling.notify(request.link, "to-server", "cancelled", requestId=json.loads(str(request.message.id)))


def test_who_waits_for_nobody_owes_the_answer() -> None:
    telling = Telling()
    sent = chain(telling, "agent", "code", "files")
    for request in sent:
        cancel(telling, request)
    assert waiting(telling.log, sent[0].seq) == [
        "host",
        f"└─ agent  tools/call run (frame {sent[0].seq})",
        f"   └─ code  tools/call run (frame {sent[1].seq})",
        f"      └─ files  tools/call run (frame {sent[2].seq}): owes the answer",
    ]


def test_a_peer_that_waits_for_itself_is_named_with_the_cycle() -> None:
    telling = Telling()
    sent = chain(telling, "agent", "code", "agent")
    cancel(telling, sent[0])
    assert waiting(telling.log, sent[0].seq)[-1] == (
        f"      └─ agent  tools/call run (frame {sent[2].seq}): owes the answer, and waits for itself: agent > code > agent"
    )


def test_what_was_answered_before_is_left_out_and_what_is_answered_after_is_not() -> None:
    telling = Telling()
    first = telling.call("agent", 1, name="run")
    asks = telling.request("agent", "to-client", "a", params={"name": "code__done"})
    done = telling.call("code", "c1", asks, name="done")
    telling.answer(asks, result=telling.answer(done).message.value)
    late = telling.request("agent", "to-client", "b", params={"name": "code__late"})
    called = telling.call("code", "c2", late, name="late")
    cancel(telling, first)
    telling.answer(called)
    assert waiting(telling.log, first.seq) == [
        "host",
        f"└─ agent  tools/call run (frame {first.seq})",
        f"   └─ code  tools/call late (frame {called.seq}): owes the answer",
    ]


def test_a_question_to_the_host_is_owed_by_the_host() -> None:
    telling = Telling()
    (first,) = chain(telling, "agent")
    asked = telling.request("agent", "to-client", "s", "sampling/createMessage")
    cancel(telling, first)
    assert waiting(telling.log, first.seq)[-1] == f"   └─ host  sampling/createMessage (frame {asked.seq}): owes the answer"


def test_one_server_that_owes_the_host_one_answer_needs_no_tree() -> None:
    telling = Telling()
    (first,) = chain(telling, "agent")
    cancel(telling, first)
    assert waiting(telling.log, first.seq) == []


def test_a_call_that_something_else_gave_up_is_drawn_with_who_owes_its_answer() -> None:
    telling = Telling()
    sent = chain(telling, "agent", "code")
    cancel(telling, sent[0])
    assert given_up(telling.log) == [
        "host",
        f"└─ agent  tools/call run (frame {sent[0].seq})",
        f"   └─ code  tools/call run (frame {sent[1].seq}): owes the answer",
    ]


def test_one_server_that_owes_an_answer_that_was_given_up_is_named() -> None:
    telling = Telling()
    (first,) = chain(telling, "agent")
    assert given_up(telling.log) == ["host", f"└─ agent  tools/call run (frame {first.seq}): owes the answer"]


def test_what_servers_answer_when_the_board_closes_is_no_answer() -> None:
    telling = Telling()
    (first,) = chain(telling, "agent")
    telling.log.note("agent", "closing")
    telling.answer(first, "error", error={"code": -32000, "message": "Connection closed"})
    assert given_up(telling.log) == ["host", f"└─ agent  tools/call run (frame {first.seq}): owes the answer"]


def test_a_call_that_was_answered_was_not_given_up_though_its_server_gave_something_up() -> None:
    telling = Telling()
    first, second = chain(telling, "agent", "code")
    cancel(telling, second)
    telling.answer(first)
    assert given_up(telling.log) == []


def test_what_a_server_asks_by_itself_is_no_call_of_the_host() -> None:
    telling = Telling()
    asks = telling.request("agent", "to-client", "a", params={"name": "code__run"})
    telling.call("code", "c1", asks, name="run")
    assert given_up(telling.log) == []
