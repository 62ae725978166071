"""Real servers through `mcpsym record`: the client sees the same bytes as without it, and the file is a recording that plays."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from mcp_types import TextContent

from pytest_mcpsym import Switchboard
from pytest_mcpsym.recorder.file import LINK
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.playback import Playback
from pytest_mcpsym.wire.recording import Recording, read
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
        (content,) = board.call("peer__ask").content
        assert isinstance(content, TextContent)
        assert "Ada" in content.text

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
