"""Where bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcpsym.faults.fault import parse
from pytest_mcpsym.faults.pieces import pieces
from pytest_mcpsym.transport.sse import EventCutter, event_data

EVENT = b'event: message\r\ndata: {"a":1}\r\n\r\n'


@given(st.binary(max_size=60), st.integers(2, 9), st.sampled_from(["", " at=character", " at=framing"]))
def test_pieces_are_the_whole_and_no_more_than_were_wanted(data: bytes, most: int, where: str) -> None:
    cut = pieces(parse(f"split pieces={most}{where}"), data)
    assert b"".join(cut) == data
    assert len(cut) <= most
    assert all(cut) or not data


@pytest.mark.parametrize(
    ("text", "data", "cut"),
    [
        ("split pieces=2", b"abcd", [b"ab", b"cd"]),
        ("split pieces=9 at=character", "hü€".encode(), [b"h\xc3", b"\xbc\xe2", b"\x82", b"\xac"]),
        ("split pieces=9 at=framing", EVENT, [b"event: message\r", b"\nda", b'ta: {"a":1}\r', b"\n\r", b"\n"]),
        ("split pieces=2 at=framing", b'{"a":1}\n', [b'{"a":1}', b"\n"]),
        ("split pieces=2 at=character", b"abcd", [b"ab", b"cd"]),
    ],
)
def test_a_message_is_cut_evenly_or_where_it_hurts(text: str, data: bytes, cut: list[bytes]) -> None:
    assert pieces(parse(text), data) == cut


@given(st.integers(1, 12))
def test_a_stream_falls_into_the_same_events_however_it_is_cut(size: int) -> None:
    stream = EVENT + b"data: 2\n\n" + b": a comment"
    cutter = EventCutter()
    events = [event for start in range(0, len(stream), size) for event in cutter.feed(stream[start : start + size])]
    assert [event_data(event) for event in events] == [b'{"a":1}', b"2"]
    assert b"".join(events) + cutter.rest() == stream
