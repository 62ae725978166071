"""What `wire/render.py` promises: a transcript that a reviewer can read, line by line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcpsym.wire.frame import Direction, Envelope
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.render import render


def _blocks(*frames: tuple[Direction, bytes], width: int = 100) -> list[str]:
    log = WireLog()
    for direction, data in frames:
        log.frame("agent", direction, data)
    return render(log, width=width).rstrip("\n").split("\n\n")[1:]


def test_a_whole_route_reads_as_a_transcript() -> None:
    log = WireLog()
    log.note("agent", "open", transport="memory", era="handshake", target="agent")
    log.note("code", "open", transport="http", era="modern", target="http://h")
    log.frame("agent", "to-server", b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}')
    log.frame("agent", "to-client", b'{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25"}}')
    log.frame("agent", "to-server", b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
    call = b'{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"_meta":{"progressToken":1},"name":"run","arguments":{"n":-0}}}'
    log.frame("agent", "to-server", call)
    asked = log.frame("agent", "to-client", b'{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"code__run"}}')
    meta = b'{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}'
    data = b'{"jsonrpc":"2.0","id":"1","method":"tools/call","params":{"name":"run","_meta":%b}}' % meta
    log.cause(log.frame("code", "to-server", data, Envelope(1, (("Mcp-Name", "run"), ("accept", "*/*")))), asked, "routed")
    reply = Envelope(1, (("Content-Type", "application/json"), ("server", "x")), 200)
    log.frame("code", "to-client", b'{"jsonrpc":"2.0","id":"1","error":{"code":-32602,"message":"no"}}', reply)
    log.frame("agent", "to-client", b'{"jsonrpc":"2.0","id":2,"result":{"content":[]}}')
    assert (
        render(log)
        == """\
# mcpsym transcript 1
link agent  memory  handshake  2025-11-25
link code  http  modern  2026-07-28

host → agent  initialize  #0
    {}

agent → host  result of initialize  #0
    {"protocolVersion": "2025-11-25"}

host → agent  notification  notifications/initialized

host → agent  tools/call  run  #2  progress=1
    {"name": "run", "arguments": {"n": -0}}

agent → host  tools/call  code__run  #3
    {"name": "code__run"}

host → code  tools/call  run  #"1"  because agent → host #3 (routed)
    HTTP POST  mcp-name: run
    _meta {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    {"name": "run"}

code → host  error of tools/call  #"1"
    HTTP 200  application/json
    {"code": -32602, "message": "no"}

agent → host  result of tools/call  #2
    {"content": []}
"""
    )


def _call(meta: bytes) -> tuple[Direction, bytes]:
    return "to-server", b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":%b}}' % meta


def test_meta_is_shown_again_only_when_it_changes_and_the_progress_token_does_not_count() -> None:
    blocks = _blocks(_call(b'{"k":1,"progressToken":1}'), _call(b'{"k":1,"progressToken":2}'), _call(b'{"k":2}'))
    assert blocks == [
        'host → agent  ping  #1  progress=1\n    _meta {"k": 1}',
        "host → agent  ping  #1  progress=2\n    _meta as before",
        'host → agent  ping  #1\n    _meta {"k": 2}',
    ]


def test_meta_that_becomes_empty_is_shown() -> None:
    assert _blocks(_call(b'{"k":1}'), _call(b'{"progressToken":2}'))[1] == "host → agent  ping  #1  progress=2\n    _meta {}"


def test_meta_of_one_direction_says_nothing_about_the_other() -> None:
    result: tuple[Direction, bytes] = ("to-client", b'{"jsonrpc":"2.0","id":1,"result":{"_meta":{"k":1}}}')
    assert _blocks(_call(b'{"k":1}'), result)[1] == 'agent → host  result of ping  #1\n    _meta {"k": 1}'


def test_the_http_envelope_is_shown_again_only_when_it_changes() -> None:
    log = WireLog()
    for exchange, name in enumerate(["a", "a", "b"], 1):
        log.frame("x", "to-server", b'{"jsonrpc":"2.0","id":1,"method":"ping"}', Envelope(exchange, (("mcp-name", name),)))
    assert [block.count("HTTP POST") for block in render(log).split("\n\n")[1:]] == [1, 0, 1]


@pytest.mark.parametrize(
    ("data", "block"),
    [
        (b"garbage\x00 ", "host → agent  not JSON  (unexpected 'garbage\\x00 ' at character 0)\n    not JSON: 'garbage\\x00 '"),
        (b"\xff", "host → agent  not JSON  (not UTF-8)\n    not JSON: b'\\xff'"),
        (
            b"[1]",
            "host → agent  invalid  (a JSON array: one message per frame (only revision 2025-03-26 has batches))\n    [1]",
        ),
        (b'{"id":1}', 'host → agent  invalid  (`jsonrpc` is missing or not "2.0")  #1\n    {"id": 1}'),
    ],
)
def test_frames_that_are_no_message_say_why_and_are_shown_whole(data: bytes, block: str) -> None:
    assert _blocks(("to-server", data)) == [block]


@pytest.mark.parametrize(
    "data",
    [
        b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "extra": -0}',
        b'{"jsonrpc": "2.0", "id": 1, "id": 1, "method": "ping"}',
    ],
)
def test_a_message_with_members_beyond_its_envelope_is_shown_whole(data: bytes) -> None:
    assert _blocks(("to-server", data)) == [f"host → agent  ping  #1\n    {data.decode()}"]


def test_a_duplicate_meta_stays_in_the_payload() -> None:
    assert _blocks(_call(b'{"k":1},"_meta":{}'))[0].endswith('\n    {"_meta": {"k": 1}, "_meta": {}}')


def test_requests_of_both_directions_with_one_id_are_told_apart() -> None:
    blocks = _blocks(
        ("to-server", b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'),
        ("to-client", b'{"jsonrpc":"2.0","id":1,"method":"roots/list"}'),
        ("to-server", b'{"jsonrpc":"2.0","id":1,"result":{}}'),
        ("to-client", b'{"jsonrpc":"2.0","id":1,"result":{}}'),
        ("to-client", b'{"jsonrpc":"2.0","id":"1","result":{}}'),
    )
    assert [block.split("  ")[1] for block in blocks[2:]] == ["result of roots/list", "result of tools/list", "result"]


def test_side_channels_are_shown_on_demand() -> None:
    log = WireLog()
    log.note("a", "open", transport="stdio", era="handshake", target="x")
    log.note("a", "stderr", text="oh\x1b no ")
    log.note("a", "exit", status=-9, asked=True)
    log.note("a", "failure", reason="gone")
    shown = "# mcpsym transcript 1\nlink a  stdio  handshake\n"
    notes = "\na  stderr  oh\\u001b no\n\na  exit  asked=true  status=-9\n\na  failure  gone\n"
    assert (render(log), render(log, side_channels=True)) == (shown, shown + notes)


def test_long_payloads_are_broken_at_the_width() -> None:
    block = _blocks(_call(b'{"k":1},"a":"%b","b":1' % (b"x" * 20)), width=30)[0]
    assert block.split("\n")[2:] == ["    {", f'      "a": "{"x" * 20}",', '      "b": 1', "    }"]


def test_a_frame_of_any_depth_can_be_shown() -> None:
    deep = b'{"jsonrpc":"2.0","id":1,"result":{"d":' + b"[" * 50_000 + b"]" * 50_000 + b"}}"
    assert "nested too deeply to parse" in _blocks(("to-client", deep))[0]


ANY = st.binary(max_size=30) | st.sampled_from(
    [
        b'{"jsonrpc":"2.0","id":"\\ud800\\n","method":"a\\u0000 b ","params":{"name":"\\udfff ","_meta":[1]}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x ","_meta":{"progressToken":"\\ud800 "}}}',
        b'{"jsonrpc":"2.0","id":1,"result":[ ]}',
        b'{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":" "}}',
        b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":{"a":[]}}}',
        b'{"jsonrpc":"2.0","id":{"a":[1]},"method":"x"}',
    ]
)


@given(st.lists(ANY, max_size=4), st.text(max_size=5))
def test_whatever_frames_hold_the_transcript_is_tidy_utf8(frames: list[bytes], link: str) -> None:
    log = WireLog()
    log.note(link, "open", transport=link)
    log.note(link, "stderr", text=link)
    for number, data in enumerate(frames):
        envelope = Envelope(1, (("mcp-x", link),), None if number else 200)
        log.frame(link, "to-client" if number % 2 else "to-server", data, envelope)
    text = render(log, side_channels=True)
    lines = text.encode("utf-8").decode("utf-8").splitlines()
    assert (text.endswith("\n"), text.endswith("\n\n"), [line for line in lines if line != line.rstrip()]) == (True, False, [])


@given(st.lists(ANY, max_size=4))
def test_rendering_twice_gives_the_same_text(frames: list[bytes]) -> None:
    log = WireLog()
    for data in frames:
        log.frame("a", "to-server", data)
    assert render(log) == render(log)
