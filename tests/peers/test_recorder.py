"""Real servers through `mcpsym record`: the client sees the same bytes as without it, and the file is a recording that plays."""

from __future__ import annotations

import http.client
import shlex
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from mcp_types import CallToolResult, TextContent

from pytest_mcpsym import Switchboard
from pytest_mcpsym.recorder.file import LINK
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.playback import Playback
from pytest_mcpsym.wire.reading import read
from pytest_mcpsym.wire.recording import Recording
from pytest_mcpsym.wire.script import scripts
from tests.peers.provision import npm_peer
from tests.peers.raw import conversation, handshake, request

SDK = [sys.executable, str(Path(__file__).parent / "servers" / "sdk.py"), "high"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "talk.jsonl"


def recorder(path: Path, command: list[str]) -> list[str]:
    return [sys.executable, "-m", "pytest_mcpsym", "record", str(path), "--", *command]


def found(path: Path) -> Recording:
    return read(path.read_bytes(), path.name)


@contextmanager
def recorded_url(path: Path, url: str) -> Generator[str]:
    """The address of a recorder of a server that runs."""
    command = [sys.executable, "-m", "pytest_mcpsym", "record", str(path), "--http", url]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            yield process.stderr.readline().split()[-1]
        finally:
            process.terminate()


@pytest.fixture
def served() -> Generator[str]:
    """The URL of an SDK server that runs as `mcpsym serve` runs it, with its protection against DNS rebinding."""
    command = [sys.executable, "-m", "pytest_mcpsym", "serve", "everything", "--http", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            yield process.stderr.readline().split()[-1]
        finally:
            process.terminate()


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def messages(frames: tuple[Frame, ...], direction: str) -> list[bytes]:
    return [frame.data for frame in frames if frame.direction == direction]


def played(recording: Recording) -> list[bytes]:
    """What the recorded server answers when the client asks again what it asked."""
    playback = Playback(scripts(recording.log)[LINK])
    replies = [reply.data for reply in playback.open()]
    for asked in messages(recording.log.frames, "to-server"):
        outcome = playback.receive(asked)
        assert outcome.miss is None
        replies += [reply.data for reply in outcome.replies]
    return replies


def test_the_npm_server_says_the_same_bytes_through_the_recorder(path: Path) -> None:
    command = npm_peer("server-everything", "stdio")
    asked = [
        *handshake({}),
        request(1, "tools/list"),
        request(2, "tools/call", {"name": "echo", "arguments": {"message": "Grüße \U0001f600"}}),
        request(3, "resources/read", {"uri": "demo://resource/static/document/structure.md"}),
        request("four", "tools/call", {"name": "no-such"}),
    ]

    recorded = conversation(recorder(path, command), asked)

    assert sorted(recorded) == sorted(conversation(command, asked))
    assert [data + b"\n" for data in messages(found(path).log.frames, "to-client")] == recorded


@pytest.mark.mcp(era="both")
@pytest.mark.filterwarnings("ignore:The sampling capability is deprecated")
def test_an_sdk_server_asks_its_client_through_the_recorder(path: Path, switchboard: Switchboard) -> None:
    with switchboard(peer=shlex.join(recorder(path, SDK))) as board:
        board.user.script({"name": "Ada"})
        assert text_of(board.call("peer__ask")) == "Hello, Ada"

    recording = found(path)
    assert recording.head.links[0].era == board.log.notes[0].data["era"]
    for direction in ("to-server", "to-client"):
        assert messages(recording.log.frames, direction) == messages(board.log.frames, direction)
    assert recording.log.notes[-2].data["asked"] is True


def test_what_was_recorded_plays(path: Path, switchboard: Switchboard) -> None:
    with switchboard(peer=shlex.join(recorder(path, npm_peer("server-everything", "stdio")))) as board:
        board.call("peer__echo", message="one")
        board.call("peer__get-sum", a=1, b=2)

    recording = found(path)
    assert sorted(played(recording)) == sorted(messages(recording.log.frames, "to-client"))


# over HTTP


def test_the_npm_server_over_http_is_the_same_through_the_recorder(
    path: Path, switchboard: Switchboard, everything_url: str
) -> None:
    with recorded_url(path, everything_url) as url:
        with switchboard(peer=url) as board:
            assert len(board.tools()) > 5
            board.call("peer__echo", message="Grüße \U0001f600")
            board.call("peer__trigger-long-running-operation", duration=0.2, steps=2)
        recording = found(path)

    for direction in ("to-server", "to-client"):
        assert sorted(messages(recording.log.frames, direction)) == sorted(messages(board.log.frames, direction))
    assert {note.data.get("method") for note in recording.log.notes} >= {"POST", "GET", "DELETE"}
    assert sorted(played(recording)) == sorted(messages(recording.log.frames, "to-client"))


@pytest.mark.mcp(era="both")
def test_a_server_over_http_is_the_same_through_the_recorder(path: Path, switchboard: Switchboard, served: str) -> None:
    with recorded_url(path, served) as url:
        with switchboard(peer=url) as board:
            assert "3" in text_of(board.call("peer__get-sum", a=1, b=2))
        recording = found(path)

    assert recording.head.links[0].era == board.log.notes[0].data["era"]
    for direction in ("to-server", "to-client"):
        assert sorted(messages(recording.log.frames, direction)) == sorted(messages(board.log.frames, direction))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "evil.example.com"},
        {"Origin": "http://evil.example.com"},
        {"Host": "localhost:1"},
        {"Origin": "http://localhost:1"},
        {"Origin": "null"},
    ],
)
def test_protection_against_dns_rebinding_judges_as_it_does_directly(path: Path, served: str, headers: dict[str, str]) -> None:
    def asked(url: str) -> tuple[int, bytes]:
        parts = urlsplit(url)
        with closing(http.client.HTTPConnection(parts.netloc, timeout=30)) as connection:
            connection.request("POST", parts.path, b"{}", {"Content-Type": "application/json", **headers})
            response = connection.getresponse()
            return response.status, response.read()

    with recorded_url(path, served) as url:
        assert asked(url) == asked(served)
