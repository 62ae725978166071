"""What `wire/log.py` promises: one order, append-only, compared by value, safe to append to from several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from typing import cast

import pytest

from pytest_mcpsym.wire.frame import Envelope, Frame
from pytest_mcpsym.wire.log import Cause, Note, WireLog

FRAME = Frame(0, "a", "to-server", 0.0, b"")


def _log() -> WireLog:
    ticks = count()
    return WireLog(clock=lambda: float(next(ticks)))


def _filled() -> WireLog:
    log = _log()
    log.note("b", "open", transport="memory")
    first = log.frame("a", "to-server", b"{}")
    log.cause(log.frame("b", "to-server", b"[]", Envelope(1)), first, "routed")
    return log


def test_entries_are_numbered_and_timed_in_the_order_they_were_appended() -> None:
    assert [(entry.seq, entry.time) for entry in _filled()] == [(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0)]


def test_times_are_relative_to_the_opening_of_the_log() -> None:
    readings = iter([100.0, 100.5])
    log = WireLog(clock=lambda: next(readings))
    assert log.frame("a", "to-server", b"").time == 0.5


def test_what_is_appended_is_returned_and_kept() -> None:
    log = _log()
    frame = log.frame("a", "to-client", b"x", Envelope(2, status=200))
    assert (frame, log.frames) == (Frame(0, "a", "to-client", 1.0, b"x", Envelope(2, status=200)), (frame,))


def test_a_note_keeps_its_data() -> None:
    log = _log()
    log.note("a", "exit", status=-9, asked=True)
    assert log.notes == (Note(0, "a", 1.0, "exit", {"status": -9, "asked": True}),)


def test_a_cause_names_both_frames_by_seq() -> None:
    assert _filled().causes == (Cause(3, 4.0, 2, 1, "routed"),)


def test_frames_notes_and_causes_are_all_entries() -> None:
    log = _filled()
    assert sorted([*log.frames, *log.notes, *log.causes], key=lambda entry: entry.seq) == list(log.entries)


def test_links_come_in_the_order_of_their_first_entry() -> None:
    assert _filled().links == ("b", "a")


def test_the_frames_of_one_link_can_be_read() -> None:
    assert [frame.data for frame in _filled().on("b")] == [b"[]"]


def test_the_length_counts_all_entries() -> None:
    assert len(_filled()) == 4


def test_logs_are_equal_by_value() -> None:
    assert _filled() == _filled()


def test_logs_with_other_entries_differ() -> None:
    log = _filled()
    log.note("a", "close", by="host")
    assert log != _filled()


def test_a_log_differs_from_what_is_no_log() -> None:
    assert _log() != cast("object", ())


def test_a_log_cannot_be_hashed() -> None:
    with pytest.raises(TypeError):
        hash(_log())


def test_a_log_made_from_entries_is_equal_and_goes_on_counting() -> None:
    copy = WireLog(_filled().entries)
    assert (copy == _filled(), copy.frame("a", "to-server", b"").seq) == (True, 4)


def test_entries_read_earlier_do_not_grow() -> None:
    log = _filled()
    before = log.entries
    log.frame("a", "to-server", b"")
    assert len(before) == 4


def test_the_log_says_what_it_holds() -> None:
    assert repr(_filled()) == "<WireLog: 2 frames on 2 links>"


def test_threads_append_without_losing_or_renumbering_anything() -> None:
    log = WireLog()
    start = threading.Barrier(4)

    def append(link: str) -> None:
        start.wait(timeout=10)
        for number in range(250):
            log.frame(link, "to-server", b"%d" % number)
            log.note(link, "stderr", text=str(number))

    threads = [threading.Thread(target=append, args=(link,)) for link in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert [entry.seq for entry in log] == list(range(2000))
    assert all([frame.data for frame in log.on(link)] == [b"%d" % n for n in range(250)] for link in "abcd")


APPENDS: dict[str, Callable[[WireLog], object]] = {
    "frame": lambda log: log.frame("a", "to-server", b""),
    "note": lambda log: log.note("a", "stderr", text=""),
    "cause": lambda log: log.cause(FRAME, FRAME, "routed"),
}


@pytest.mark.parametrize("append", APPENDS.values(), ids=APPENDS)
def test_an_append_that_comes_in_the_middle_of_another_waits_for_its_turn(append: Callable[[WireLog], object]) -> None:
    intruders: list[threading.Thread] = []

    def clock() -> float:
        if ready.is_set() and not intruders:
            intruders.append(threading.Thread(target=append, args=(log,)))
            intruders[0].start()
            intruders[0].join(timeout=0.2)
        return 0.0

    ready = threading.Event()
    log = WireLog(clock=clock)
    ready.set()
    append(log)
    intruders[0].join(timeout=10)
    assert [entry.seq for entry in log] == [0, 1]


def test_times_never_run_backwards_when_threads_append() -> None:
    log = WireLog()
    threads = [threading.Thread(target=lambda: [log.note("a", "stderr", text="") for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    times = [entry.time for entry in log]
    assert times == sorted(times)


def test_the_entries_of_a_kind_are_sorted_out_once_and_grow_with_the_log() -> None:
    log = WireLog()
    first = log.frame("echo", "to-server", b"{}")
    frames = log.frames
    log.note("echo", "stderr", text="hello")
    assert (frames, log.frames, len(log.notes), log.causes) == ((first,), (first,), 1, ())
    second = log.frame("echo", "to-client", b"{}")
    assert (frames, log.frames, len(log.entries)) == ((first,), (first, second), 3)
    assert log.frames is log.frames
