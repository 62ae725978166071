"""One program, recorded in process, over stdio and over HTTP: each recording replays for the tests of the other two.

A recording keeps its transport, so that a test has what it had when that was recorded. What a test gets and what it sends is the same
on all three; this says what is not, and why.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, cast

import pytest

from pytest_mcpsym.wire.frame import Direction, Frame
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.match import meaning, value_text
from pytest_mcpsym.wire.reading import read
from tests.peers.alone import ALONE
from tests.plugin.harness import Example, Run

Era = Literal["handshake", "modern"]

WAYS = ("memory", "stdio", "sockets")
ERAS: tuple[Era, ...] = ("handshake", "modern")
SESSIONS = ("of_sdk", "given_up")

TEST = f"""
import json, os, pathlib

import pytest

from tests.peers import sessions

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
@pytest.mark.mcp(era="both")
@pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")
@pytest.mark.parametrize("session", {SESSIONS!r})
@pytest.mark.parametrize("way", {WAYS!r})
async def test_it(switchboard, recorded, request, way, session):
    peer = recorded(sessions.real("low", way))
    async with sessions.answering(switchboard(peer=peer)) as board:
        got = await getattr(sessions, session)(board)
    assert board.findings == ()
    pathlib.Path(f"{{request.node.name}}.json").write_text(json.dumps(got), "utf-8")
    pathlib.Path(f"{{request.node.name}}.txt").write_text(board.transcript(), "utf-8")
"""


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run that recorded all."""
    example = Example(MappingProxyType({"test_it.py": TEST}), tmp_path_factory.mktemp("once"))
    run = example.run("-p", "no:cacheprovider", "--mcp-record", "--mcp-record-in-ci", plugins="anyio")
    assert run.outcomes == {"passed": len(ERAS) * len(WAYS) * len(SESSIONS)}, run.text
    return run


def case(era: Era, way: str, session: str) -> str:
    return f"test_it[{era}-{way}-{session}]"


def file_of(era: Era, way: str, session: str) -> str:
    return f"recordings/test_it/{case(era, way, session)}.peer.jsonl"


def log_of(run: Run, era: Era, way: str, session: str) -> WireLog:
    path = file_of(era, way, session)
    text = run.changed[path]
    assert text is not None
    return read(text.encode(), path).log


def given_to_another(text: str, test: str) -> str:
    """Return a recording with the test in its head that is to share it, as the error says to do."""
    head, _, rest = text.partition("\n")
    return json.dumps({**json.loads(head), "test": f"test_it.py::{test}"}) + "\n" + rest


def test_a_recording_replays_for_its_own_test_with_the_same_transcript(recording: Run) -> None:
    run = recording.example.with_files({"conftest.py": ALONE}).run("-p", "no:cacheprovider", plugins="anyio")
    assert run.outcomes == recording.outcomes, run.text
    assert run.changed == {}


@pytest.mark.parametrize("step", [1, 2])
def test_a_recording_replays_for_the_tests_of_the_other_transports(recording: Run, step: int) -> None:
    moved: dict[str, str | None] = {"conftest.py": ALONE}
    for era in ERAS:
        for session in SESSIONS:
            for place, way in enumerate(WAYS):
                other = WAYS[(place + step) % len(WAYS)]
                text = recording.changed[file_of(era, way, session)]
                assert text is not None
                moved[file_of(era, other, session)] = given_to_another(text, case(era, other, session))
    run = recording.example.with_files(moved).run("-p", "no:cacheprovider", plugins="anyio")
    assert run.outcomes == recording.outcomes, run.text
    assert {path: text for path, text in run.changed.items() if path.endswith(".json")} == {}  # each got what it got live


def said(log: WireLog, direction: Direction) -> list[object]:
    """Return what one side said, each message without what numbers requests, in an order that says nothing."""
    messages = [
        _unnumbered(meaning(frame.data)) for frame in log.frames if frame.direction == direction and not _cancels(frame)
    ]
    return sorted(messages, key=value_text)


def _cancels(frame: Frame) -> bool:
    return frame.message.method == "notifications/cancelled"


def _unnumbered(value: object) -> object:
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, object]", value)
    return {name: _unnumbered(member) for name, member in members.items() if name not in _NUMBERS}


_NUMBERS = ("id", "progressToken", "io.modelcontextprotocol/subscriptionId")


@pytest.mark.parametrize("way", ["stdio", "sockets"])
@pytest.mark.parametrize("era", ERAS)
def test_the_messages_of_a_session_are_those_of_the_server_in_process(recording: Run, era: Era, way: str) -> None:
    one, other = (log_of(recording, era, each, "of_sdk") for each in ("memory", way))
    assert said(one, "to-server") == said(other, "to-server")
    assert said(one, "to-client") == said(other, "to-client")


@pytest.mark.parametrize("era", ERAS)
def test_only_a_recording_over_http_has_statuses_and_headers(recording: Run, era: Era) -> None:
    wrapped = {way: {frame.envelope is not None for frame in log_of(recording, era, way, "of_sdk").frames} for way in WAYS}
    assert wrapped == {"memory": {False}, "stdio": {False}, "sockets": {True}}


def test_a_call_given_up_is_a_frame_but_for_the_modern_era_over_http_where_its_stream_is_closed(recording: Run) -> None:
    def cancelled(era: Era, way: str) -> int:
        return sum(
            frame.message.method == "notifications/cancelled" for frame in log_of(recording, era, way, "given_up").frames
        )

    counts: Mapping[Era, list[int]] = {era: [cancelled(era, way) for way in WAYS] for era in ERAS}
    assert counts == {"handshake": [1, 1, 1], "modern": [1, 1, 0]}
