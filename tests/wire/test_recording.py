"""What `wire/recording.py` and `wire/reading.py` promise: what was written is read back exactly, and what is no recording is refused with its line."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcpsym.wire.corpus import corpus
from pytest_mcpsym.wire.exchange import correlate
from pytest_mcpsym.wire.frame import Direction, Envelope, Frame
from pytest_mcpsym.wire.log import Cause, Entry, Note, WireLog
from pytest_mcpsym.wire.reading import read
from pytest_mcpsym.wire.recording import (
    Fault,
    Head,
    LinkHead,
    Recording,
    RecordingError,
    as_written,
    entry_line,
    head_line,
    line_of,
    of_link,
    write,
)
from pytest_mcpsym.wire.redact import Rules, redact
from tests.wire.strategies import LINKS, conforming_logs, raw

HEAD = Head("tests/test_trip.py::test_plan", (LinkHead("weather", "handshake", "stdio"),), "mcp 2.3.0", "2026-01-31")
HEADS = Head("t", tuple(LinkHead(link, "modern", "http") for link in LINKS), "mcp 2.3.0", "2026-01-31")


def _log(*messages: bytes, direction: Direction = "to-server") -> WireLog:
    log = WireLog(clock=lambda: 0.0)
    for message in messages:
        log.frame("weather", direction, message)
    return log


def _lines(log: WireLog, head: Head = HEAD) -> list[str]:
    return write(log, head).decode().splitlines()


def _file(*lines: str, entries: int | None = None) -> bytes:
    first = json.loads(_lines(WireLog())[0])
    first["entries"] = len(lines) if entries is None else entries
    return "".join(f"{line}\n" for line in (json.dumps(first), *lines)).encode()


def _refused(data: bytes) -> RecordingError:
    with pytest.raises(RecordingError) as caught:
        read(data, "plan.jsonl")
    return caught.value


# --- what a person reads


def test_the_first_line_says_what_was_recorded() -> None:
    assert _lines(_log(b"{}"))[0] == (
        '{"mcpsym":1,"test":"tests/test_trip.py::test_plan","links":{"weather":{"era":"handshake","transport":"stdio"}},'
        '"sdk":"mcp 2.3.0","date":"2026-01-31","entries":1}'
    )


def test_a_frame_is_one_line_with_its_message_as_it_was() -> None:
    message = b'{"jsonrpc": "2.0",  "id": -0, "params": {"n": 1e2, "n": 1.50}}'
    assert _lines(_log(message))[1] == f'{{"from":"client","at":0,"json":{message.decode()}}}'


def test_a_link_is_named_where_the_head_names_several() -> None:
    log = WireLog(clock=lambda: 0.0)
    log.frame("code", "to-client", b"[]")
    assert _lines(log, HEADS)[1] == '{"link":"code","from":"server","at":0,"json":[]}'


def test_http_stands_before_the_message_without_what_says_nothing() -> None:
    log = WireLog(clock=lambda: 0.0)
    log.frame("weather", "to-client", b"{}", Envelope(2, (("Content-Type", "x/y"),), 200, "e-1"))
    log.frame("weather", "to-client", b"{}", Envelope(3))
    assert _lines(log)[1:] == [
        '{"from":"server","at":0,"http":{"exchange":2,"status":200,"event":"e-1","headers":[["Content-Type","x/y"]]},"json":{}}',
        '{"from":"server","at":0,"http":{"exchange":3},"json":{}}',
    ]


def test_notes_and_causes_have_lines_of_their_own_and_causes_name_lines() -> None:
    log = WireLog(clock=lambda: 0.0)
    log.note("weather", "exit", status=0, asked=True)
    log.cause(log.frame("weather", "to-server", b"{}"), log.frame("weather", "to-client", b"{}"), "routed")
    lines = _lines(log)
    assert (lines[1], lines[4]) == (
        '{"note":"exit","at":0,"data":{"status":0,"asked":true}}',
        '{"cause":"routed","at":0,"frame":3,"by":4}',
    )


def test_an_entry_says_which_line_it_is_on() -> None:
    log = _log(b"[1]", b"[2]")
    assert _lines(log)[line_of(log.frames[1]) - 1].endswith('"json":[2]}')


def test_characters_that_editors_take_for_line_ends_are_escaped_in_notes() -> None:
    log = WireLog(clock=lambda: 0.0)
    log.note("weather", "stderr", text="a\u2028b\x85c\nd\ud800")
    assert write(log, HEAD).isascii()
    assert read(write(log, HEAD)).log == log


def test_times_are_written_in_milliseconds() -> None:
    ticks = iter([0.0, 0.0123456, 2.0])
    log = WireLog(clock=lambda: next(ticks))
    log.frame("weather", "to-server", b"{}")
    log.frame("weather", "to-server", b"{}")
    assert [json.loads(line)["at"] for line in _lines(log)[1:]] == [0.012, 2]


# --- there and back


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"garbage",
        b"\xff\xfe",
        b'{"a":\n1}',
        b'{"a":1}\r',
        b'{"a":\r1}',
        b' {"a":1}',
        b'{"a":1} ',
        b"NaN",
        b'{"a":NaN}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":1}{"b":2}',
        b'{"json":1},"json":{}',
    ],
)
def test_what_is_not_one_line_of_json_is_kept_in_base64(message: bytes) -> None:
    log = _log(message)
    assert ("raw" in json.loads(_lines(log)[1]), read(write(log, HEAD)).log) == (True, log)


@pytest.mark.parametrize(
    "message",
    [
        b"null",
        b"-0",
        b'"x"',
        b"[1,2]",
        b'{"a":1,"a":2}',
        b'{"json":1,"json":2,"raw":3,"from":4}',
        b'{ "a" : "\\ud800 \\/ \xe2\x80\xa8" }',
        b"[" * 5000 + b"]" * 5000,
        b'{"n":' + b"7" * 10_000 + b"}",
        b'{"text":",\\"json\\":1}"}',
    ],
)
def test_one_line_of_json_is_kept_as_it_is(message: bytes) -> None:
    log = _log(message)
    assert message in write(log, HEAD)
    assert read(write(log, HEAD)).log == log


@given(conforming_logs(dropped=True, garbage=True))
def test_a_redacted_log_is_read_back_as_it_was(log: WireLog) -> None:
    assert read(write(redact(log), HEADS)) == Recording(HEADS, redact(log))


@given(conforming_logs(dropped=True))
def test_a_log_in_its_own_order_is_kept_as_it_is(log: WireLog) -> None:
    assert as_written(log) == log


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
_TIMES = st.floats(0, 1e6)
_DATA = st.binary() | _JSON.map(lambda value: json.dumps(value).encode()) | _JSON.map(lambda value: raw(id=1, result=value))
_SECRETS = (
    b'"password":"hunter22",',
    b'"p\\u0061ssword":"hunter\\ud83d\\ude0022",',
    b'"text":"{\\"api_key\\": \\"k3y-k3y-k3y\\"}",',
    b'"a":1,"token":"one-0ne-one","token":"two-tw0-two",',
    b'"url":"http://u:p4ssw0rd@h/?key=abc-123-def","note":"Bearer abc.def-012345",',
    b'"secret":12345678901234567890123456789012345678901234567890,',
    b'"error":"token: s3cret-\\ud800-value"\t,\r',
)
"""Members that hold secrets, to stand first in an object: plain, escaped, in text, twice, in URLs and forms, as a number, and odd."""


def _with_secret(data: bytes, secret: bytes, times: int) -> bytes:
    return data.replace(b"{", b"{" + secret, times)


_NASTY = st.builds(
    _with_secret,
    st.sampled_from([case.data for case in corpus() if len(case.data) < 20_000]),
    st.sampled_from(_SECRETS),
    st.integers(0, 3),
)
"""Frames of the corpus of oddities, with secrets in some of their objects."""

_ENVELOPES = st.builds(
    Envelope,
    st.integers(1, 9),
    st.lists(st.tuples(st.text(), st.text()), max_size=3).map(tuple),
    st.none() | st.integers(100, 599),
    st.none() | st.text(),
)
_ENTRIES = st.one_of(
    st.builds(
        Frame, st.just(0), st.sampled_from(LINKS), st.sampled_from(("to-server", "to-client")), _TIMES, _DATA, _ENVELOPES
    ),
    st.builds(Note, st.just(0), st.sampled_from(LINKS), _TIMES, st.just("http"), st.dictionaries(st.text(), _JSON, max_size=3)),
    st.builds(Cause, st.just(0), _TIMES, st.integers(0, 9), st.integers(0, 9), st.sampled_from(("routed", "meta"))),
)


def _numbered(entries: list[Entry]) -> WireLog:
    return WireLog(_at(entry, seq) for seq, entry in enumerate(entries))


def _at(entry: Entry, seq: int) -> Entry:
    match entry:
        case Frame():
            return Frame(seq, entry.link, entry.direction, entry.time, entry.data, entry.envelope)
        case Note():
            return Note(seq, entry.link, entry.time, entry.channel, entry.data)
        case Cause():
            return Cause(seq, entry.time, entry.frame, entry.by, entry.evidence)


@given(
    st.lists(_ENTRIES, max_size=8).map(_numbered), st.sampled_from([b'{"password":"hunter22"}', b'{"url":"http://u:p4ss@h/"}'])
)
def test_any_redacted_log_is_read_back_as_it_is_written(log: WireLog, secret: bytes) -> None:
    log.frame("agent", "to-server", secret)
    kept = redact(as_written(log))
    assert read(write(redact(log), HEADS)).log == as_written(kept) == kept


@given(st.lists(_NASTY, min_size=1, max_size=4), st.sampled_from([None, "hunter22", "k3y-k3y-k3y"]))
def test_whatever_is_wrong_with_a_frame_its_redacted_log_is_read_back_without_secrets(
    frames: list[bytes], known: str | None
) -> None:
    log = _log(*frames)
    kept = redact(log, Rules(secrets=() if known is None else (("known", known),)))
    data = write(kept, HEAD)
    assert read(data).log == as_written(kept) == kept == redact(kept)
    lines = [json.loads(line, parse_int=str) for line in data.splitlines()[1:]]
    raws = [base64.b64decode(line["raw"]) for line in lines if "raw" in line]
    assert known is None or not any(known.encode() in each for each in (data, *raws))


@given(st.lists(_ENTRIES, max_size=8).map(_numbered))
def test_as_written_is_what_reading_gives_back(log: WireLog) -> None:
    assert read(write(log, HEADS)).log == as_written(log)
    assert as_written(as_written(log)) == as_written(log)


def test_a_file_with_windows_line_ends_is_the_same() -> None:
    log = _log(b'{"a":1}', b"garbage")
    assert read(write(log, HEAD).replace(b"\n", b"\r\n")).log == log


def test_a_file_without_its_last_newline_is_the_same() -> None:
    log = _log(b'{"a":1}')
    assert read(write(log, HEAD).removesuffix(b"\n")).log == log


def test_white_space_and_order_of_keys_may_be_edited_by_hand() -> None:
    data = _file(
        '{ "json" : {"n": -0 } , "at": 0.5,  "from": "server" }', '{"from":"client","at":1, "link":"weather", "json": [ ] }'
    )
    assert [frame.data for frame in read(data).log.frames] == [b'{"n": -0 }', b"[ ]"]


def test_an_empty_log_is_a_recording() -> None:
    assert read(write(WireLog(), HEAD)) == Recording(HEAD, WireLog())


# --- one file per link


def test_the_part_of_one_link_is_numbered_anew_without_causes_that_cross_links() -> None:
    log = WireLog(clock=lambda: 0.0)
    asked = log.frame("a", "to-client", b"{}")
    forwarded = log.frame("b", "to-server", b"{}")
    log.cause(forwarded, asked, "routed")
    log.cause(forwarded, forwarded, "ambiguous")
    assert of_link(log, "b").entries == (Frame(0, "b", "to-server", 0.0, b"{}"), Cause(1, 0.0, 0, 0, "ambiguous"))


@given(conforming_logs(dropped=True))
def test_the_part_of_one_link_has_the_exchanges_of_that_link(log: WireLog) -> None:
    for link in LINKS:
        parts = [exchange.request.data for exchange in correlate(of_link(log, link)).exchanges]
        assert parts == [one.request.data for one in correlate(log).exchanges if one.link == link]


# --- what cannot be written


def test_a_link_that_the_head_does_not_name_is_refused() -> None:
    log = WireLog()
    log.frame("other", "to-server", b"{}")
    with pytest.raises(ValueError, match="must name each link once"):
        write(log, HEAD)


def test_a_note_that_json_cannot_hold_is_refused() -> None:
    log = WireLog()
    log.note("weather", "stderr", text=float("nan"))
    with pytest.raises(ValueError, match="JSON"):
        write(log, HEAD)


# --- what cannot be read

FRAME = '{"from":"client","at":0,"json":{}}'


@pytest.mark.parametrize(
    ("data", "line", "fault", "says"),
    [
        (b"", 1, "no-head", "the file is empty"),
        (b"\n", 1, "no-head", "the file is empty"),
        (b"hello", 1, "no-head", "no head of a recording"),
        (FRAME.encode(), 1, "no-head", "no head of a recording"),
        (b'{"mcpsym":1,"te', 1, "truncated", "in the middle"),
        (b'{"mcpsym":2}\n', 1, "version", "version 2, and this release reads version 1"),
        (b'{"mcpsym":true}\n', 1, "version", "version true"),
        (b'{"mcpsym":1}\n', 1, "keys", "`test` is missing"),
        (_file(FRAME)[:-20], 2, "truncated", "in the middle"),
        (_file(FRAME, entries=2), 2, "truncated", "the head says 2 entries, the file has 1"),
        (_file(FRAME, FRAME, entries=1), 3, "truncated", "set `entries` in line 1 to 2"),
        (_file(FRAME, ""), 3, "not-json", "no JSON"),
        (_file(FRAME, '{"from":"client","at":0,"json":{},}'), 3, "not-json", "unexpected"),
        (_file(FRAME, '{"from":"client","at":0,"json":{"a":}}'), 3, "not-json", "unexpected"),
        (_file('{"from":"client","at":0,"json":NaN}'), 2, "not-json", "NaN"),
        (_file("<<<<<<< HEAD"), 2, "not-json", "<<<<<<<"),
        (_file("[]"), 2, "type", "no JSON object"),
        (_file("{}"), 2, "keys", "exactly one of `from`"),
        (_file('{"from":"client","note":"exit","at":0}'), 2, "keys", "exactly one of `from`"),
        (_file('{"from":"client","at":0}'), 2, "keys", "exactly one of `json` and `raw`"),
        (_file('{"from":"client","at":0,"json":1,"raw":""}'), 2, "keys", "exactly one of `json` and `raw`"),
        (_file('{"from":"client","at":0,"json":1,"json":2}'), 2, "keys", '"json" is there twice'),
        (_file('{"from":"client","at":0,"at":1,"json":2}'), 2, "keys", '"at" is there twice'),
        (_file('{"from":"client","at":0,"json":1,"extra":2}'), 2, "keys", '"extra" is unknown'),
        (_file('{"from":"client","json":1}'), 2, "keys", "`at` is missing"),
        (_file('{"from":"peer","at":0,"json":1}'), 2, "type", '`from` is not one of "client", "server"'),
        (_file('{"from":"client","at":"0","json":1}'), 2, "type", "`at` is not a number"),
        (_file('{"from":"client","at":1e999,"json":1}'), 2, "type", "`at` is not a number"),
        (_file('{"from":"client","at":true,"json":1}'), 2, "type", "`at` is not a number"),
        (_file('{"from":"client","at":0,"raw":"?"}'), 2, "type", "not base64"),
        (_file('{"from":"client","at":0,"raw":5}'), 2, "type", "`raw` is not a string"),
        (_file('{"from":"client","at":0,"link":"b","json":1}'), 2, "type", '"b", which the head does not'),
        (_file('{"from":"client","at":0,"http":5,"json":1}'), 2, "type", "`http` is no JSON object"),
        (_file('{"from":"client","at":0,"http":{"exchange":"1"},"json":1}'), 2, "type", "`exchange` is not a whole number"),
        (_file('{"from":"client","at":0,"http":{"exchange":1,"url":"x"},"json":1}'), 2, "keys", '"url" is unknown in `http`'),
        (_file('{"from":"client","at":0,"http":{"exchange":1,"headers":[["a"]]},"json":1}'), 2, "type", "[name, value]"),
        (_file('{"note":"stdout","at":0,"data":{}}'), 2, "type", "`note` is not one of"),
        (_file('{"note":"exit","at":0,"data":[]}'), 2, "type", "`data` is not a JSON object"),
        (_file(FRAME, '{"cause":"routed","at":0,"frame":2,"by":3}'), 3, "type", "`by` names line 3, which holds no frame"),
        (_file(FRAME, '{"cause":"routed","at":0,"frame":1,"by":2}'), 3, "type", "`frame` names line 1, which holds no frame"),
        (_file(FRAME).replace(b'"client"', b'"cli\xffent"'), 2, "not-json", "no UTF-8"),
        (_file("[" * 100_000 + "]" * 100_000), 2, "type", "nested too deeply"),
    ],
)
def test_what_is_no_recording_is_refused_with_its_line(data: bytes, line: int, fault: Fault, says: str) -> None:
    error = _refused(data)
    assert (error.line, error.fault, error.place) == (line, fault, f"plan.jsonl:{line}")
    assert says in str(error)


def test_a_refusal_says_what_to_do() -> None:
    assert str(_refused(_file("{}"))) == (
        "plan.jsonl:2: a line has exactly one of `from` (a frame), `note` and `cause`; "
        "undo the edit by hand, or record it again with pytest --mcp-rerecord"
    )


@given(conforming_logs(), st.data())
def test_a_file_cut_anywhere_is_refused(log: WireLog, data: st.DataObject) -> None:
    whole = write(log, HEADS)
    cut = data.draw(st.integers(0, len(whole) - 2))
    assert _refused(whole[:cut]).fault in ("no-head", "truncated")


# --- a file that grows


def _grown(log: WireLog, head: Head = HEAD) -> bytes:
    return b"".join((head_line(head), *(entry_line(entry, alone=len(head.links) == 1) for entry in log)))


@given(conforming_logs())
def test_a_file_that_was_written_line_by_line_reads_as_one_that_was_written_whole(log: WireLog) -> None:
    kept = as_written(log)

    assert read(_grown(kept, HEADS)).log == read(write(log, HEADS)).log


def test_the_lines_of_a_growing_file_are_those_of_a_whole_one() -> None:
    log = as_written(_log(b"{}", b"garbage"))

    assert _grown(log).splitlines()[1:] == write(log, HEAD).splitlines()[1:]


@pytest.mark.parametrize("message", [b'{"text":"\xc3\xa9"}', b"\xff\xfe", b"{}"])
def test_a_growing_file_that_was_cut_anywhere_holds_the_lines_before_the_cut(message: bytes) -> None:
    log = as_written(_log(b"[1]", message))
    whole = _grown(log)
    ends = [len(head_line(HEAD)) + len(entry_line(log.entries[0])), len(whole)]

    for cut in range(len(head_line(HEAD)), len(whole) + 1):
        known = sum(cut >= end - 1 for end in ends)  # a line is whole before its newline
        assert read(whole[:cut]).log.entries == log.entries[:known]


def test_a_growing_file_is_refused_where_a_line_before_the_last_is_broken() -> None:
    first, second, third = _grown(_log(b"{}", b"{}")).splitlines(keepends=True)

    assert _refused(first + second[:-9] + b"\n" + third).line == 2


def test_a_head_that_was_cut_is_refused_in_a_growing_file_too() -> None:
    assert _refused(head_line(HEAD)[:-10]).fault == "truncated"
