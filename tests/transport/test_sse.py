"""Events of a stream, byte for byte, however the chunks fall."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcpsym.transport.sse import EventDecoder, ServerSentEvent

STREAM = (
    b"\xef\xbb\xbfid: 1\r\n: comment\r\nretry: 20\r\ndata:\r\n\r\n"
    b'event: message\rid:2\rdata: {"a":\xff}\r\r'
    b"data: one\ndata:  two\nunknown: x\ndata\n\nevent: other\ndata: x\n\ndata: cut off"
)
EVENTS = [
    ServerSentEvent(b"", id="1", retry=20),
    ServerSentEvent(b'{"a":\xff}', id="2"),
    ServerSentEvent(b"one\n two\n"),
    ServerSentEvent(b"x", event="other"),
]


@given(st.lists(st.integers(0, len(STREAM))))
def test_events_do_not_depend_on_where_the_chunks_are_cut(cuts: list[int]) -> None:
    decoder, places = EventDecoder(), sorted({0, *cuts, len(STREAM)})
    chunks = [STREAM[start:end] for start, end in pairwise(places)]
    assert [event for chunk in chunks for event in decoder.feed(chunk)] == EVENTS


@pytest.mark.parametrize("end", [b"\n\n", b"\r\r", b"\r\n\r\n"])
def test_an_event_is_complete_with_the_last_byte_of_its_blank_line(end: bytes) -> None:
    decoder = EventDecoder()
    events = decoder.feed(b"data: x" + end)
    assert (events, decoder.feed(b"data: y" + end)) == ([ServerSentEvent(b"x")], [ServerSentEvent(b"y")])


@given(st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"])))
def test_no_other_character_ends_a_line(text: str) -> None:
    data = text.encode()
    assert EventDecoder().feed(b"data: " + data + b"\n\n") == [ServerSentEvent(data)]


@pytest.mark.parametrize("line", [b"id: a\0b", b"retry: -1", b"retry: 1e3", b"retry: 9999999999", b": data", b"event: x"])
def test_a_field_that_means_nothing_makes_no_event(line: bytes) -> None:
    assert EventDecoder().feed(line + b"\n\n") == []


def test_an_event_without_an_id_of_its_own_does_not_inherit_one() -> None:
    assert [event.id for event in EventDecoder().feed(b"id: 1\ndata: a\n\ndata: b\n\n")] == ["1", None]
