"""The canonical order, rule by rule and as properties."""

from __future__ import annotations

import json
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import Cause, Note, WireLog
from pytest_mcpsym.wire.order import canonical
from tests.wire.strategies import Telling, conforming_logs, reshuffled


def told(log: WireLog) -> list[str]:
    """Return the frames of a log in canonical order as `link direction what`."""
    lines: list[str] = []
    for entry in canonical(log).entries:
        if isinstance(entry, Frame):
            message = entry.message
            arrow = ">" if entry.direction == "to-server" else "<"
            what = message.params.get("name") or message.method or message.kind
            lines.append(f"{entry.link}{arrow}{what}" + (f"#{json.loads(message.id)}" if message.id else ""))
    return lines


def test_opening_notes_come_first_and_other_notes_not_at_all() -> None:
    telling = Telling()
    telling.open("b")
    telling.call("b", 1)
    telling.log.note("b", "stderr", text="hello")
    telling.open("a")
    telling.log.note("b", "close", by="host")
    entries = canonical(telling.log).entries
    assert [entry.link for entry in entries if isinstance(entry, Note)] == ["b", "a"]
    assert isinstance(entries[2], Frame)


def test_links_come_in_order_of_opening_and_those_never_opened_by_name() -> None:
    telling = Telling()
    for link in ["z", "d", "c"]:
        telling.notify(link, "to-server", "initialized")
    telling.open("z")
    assert told(telling.log) == [
        "z>notifications/initialized",
        "c>notifications/initialized",
        "d>notifications/initialized",
    ]


def test_the_section_of_a_link_holds_first_what_the_host_sent_each_request_with_its_answer() -> None:
    telling = Telling()
    asked = telling.request("a", "to-client", 0, "roots/list")
    first, second = telling.request("a", "to-server", 1, "initialize"), telling.request("a", "to-server", 2, "tools/list")
    telling.notify("a", "to-client", "tools/list_changed")
    telling.answer(second)
    telling.answer(asked)
    telling.answer(first)
    assert told(telling.log) == [
        "a>initialize#1",
        "a<result#1",
        "a>tools/list#2",
        "a<result#2",
        "a<roots/list#0",
        "a>result#0",
        "a<notifications/tools/list_changed",
    ]


def test_a_nested_hop_stands_between_the_asking_request_and_its_answer() -> None:
    telling = Telling()
    telling.open("code")
    telling.open("agent")
    run = telling.call("agent", 1, name="run")
    asked = telling.request("agent", "to-client", 2, params={"name": "ask"}, meta={"dev.mcpsym/cause": 1})
    execute = telling.call("code", 3, asked, name="exec")
    telling.notify("code", "to-client", "message", data="")
    telling.answer(execute)
    telling.answer(asked)
    telling.answer(run)
    assert told(telling.log) == [
        "code<notifications/message",
        "agent>run#1",
        "agent<ask#2",
        "code>exec#3",
        "code<result#3",
        "agent>result#2",
        "agent<result#1",
    ]


def test_concurrent_routes_do_not_mix() -> None:
    telling = Telling()
    first = telling.request("a", "to-server", 1, params={"name": "x"}, meta={"progressToken": 1}, stream=1)
    second = telling.request("a", "to-server", 2, params={"name": "y"}, stream=2)
    sampling = telling.request("a", "to-client", 5, "sampling/createMessage", stream=2)
    telling.notify("a", "to-client", "message", data="", stream=1)
    telling.answer(second)
    telling.notify("a", "to-client", "progress", progressToken=1)
    telling.answer(sampling)
    telling.answer(first)
    assert told(telling.log) == [
        "a>x#1",
        "a<notifications/message",
        "a<notifications/progress",
        "a<result#1",
        "a>y#2",
        "a<sampling/createMessage#5",
        "a>result#5",
        "a<result#2",
    ]


@pytest.mark.parametrize("method", ["ping", "roots/list"])
def test_what_belongs_to_the_link_stays_there_even_with_a_sole_request_in_flight(method: str) -> None:
    telling = Telling()
    telling.call("a", 1)
    telling.request("a", "to-client", 5, method)
    assert told(telling.log) == [f"a<{method}#5", "a>tool#1"]


def test_a_request_with_a_sole_request_in_flight_belongs_to_it_and_a_notification_does_not() -> None:
    telling = Telling()
    telling.call("a", 1)
    telling.request("a", "to-client", 5, "elicitation/create")
    telling.notify("a", "to-client", "message", data="")
    assert told(telling.log) == ["a<notifications/message", "a>tool#1", "a<elicitation/create#5"]


def test_an_ambiguous_request_is_a_route_of_its_own() -> None:
    telling = Telling()
    for number in (1, 2):
        telling.call("agent", number)
    asked = telling.request("agent", "to-client", 3, params={"name": "ask"})
    telling.call("clock", 4, asked, name="now")
    assert told(telling.log) == ["agent>tool#1", "agent>tool#2", "agent<ask#3", "clock>now#4"]


def test_a_mirrored_list_is_followed_by_what_was_asked_for_it() -> None:
    telling = Telling()
    telling.call("agent", 1)
    asked = telling.request("agent", "to-client", 2, "tools/list")
    listed = telling.request("clock", "to-server", 3, "tools/list")
    telling.caused(listed, asked)
    telling.answer(listed)
    telling.answer(asked)
    assert told(telling.log) == [
        "agent>tool#1",
        "agent<tools/list#2",
        "clock>tools/list#3",
        "clock<result#3",
        "agent>result#2",
    ]


def test_the_legs_of_a_claimed_result_follow_one_another_with_their_calls() -> None:
    telling = Telling()
    first = telling.answer(telling.call("agent", 1), continuation="c")
    other = telling.call("agent", 9)
    telling.answer(telling.call("clock", 2, first))
    telling.answer(telling.request("agent", "to-server", 3, "dev.mcpsym/continue", {"continuation": "c"}))
    telling.answer(other)
    assert told(telling.log) == [
        "agent>tool#1",
        "agent<result#1",
        "clock>tool#2",
        "clock<result#2",
        "agent>dev.mcpsym/continue#3",
        "agent<result#3",
        "agent>tool#9",
        "agent<result#9",
    ]


def test_a_cause_record_stays_behind_the_frame_that_it_explains() -> None:
    telling = Telling()
    telling.call("agent", 1)
    asked = telling.request("agent", "to-client", 2)
    forwarded = telling.call("clock", 3, asked)
    entries = canonical(telling.log).entries
    record = entries[list(entries).index(forwarded) + 1]
    assert isinstance(record, Cause)
    assert (record.frame, record.by) == (forwarded.seq, asked.seq)


@given(conforming_logs(dropped=True, garbage=True))
def test_every_frame_appears_exactly_once(log: WireLog) -> None:
    found = Counter(entry.seq for entry in canonical(log).entries if isinstance(entry, Frame))
    assert found == Counter(frame.seq for frame in log.frames)


@given(conforming_logs(dropped=True), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_interleaving_of_links(log: WireLog, rng: Random) -> None:
    assert told(reshuffled(log, rng)) == told(log)


def test_ten_thousand_nested_hops_can_be_ordered() -> None:
    telling = Telling()
    asked = None
    for number in range(10_000):
        telling.call(f"l{number}", 1, asked)
        asked = telling.request(f"l{number}", "to-client", 1)
    assert [entry for entry in canonical(telling.log).entries if isinstance(entry, Frame)] == list(telling.log.frames)
