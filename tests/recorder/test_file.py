"""What `recorder/file.py` promises: whole lines, never a secret, the era of the first request, and no file lost by a typing error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_mcpsym.recorder.file import GrowingFile, secrets_of
from pytest_mcpsym.wire.frame import Envelope
from pytest_mcpsym.wire.reading import read
from pytest_mcpsym.wire.recording import Recording

INITIALIZE = b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}'
MODERN = (
    b'{"jsonrpc":"2.0","id":1,"method":"tools/list",'
    b'"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}'
)
SECRET = "correct-horse-7"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "talk.jsonl"


def found(path: Path) -> Recording:
    return read(path.read_bytes(), path.name)


def grown(path: Path, *asked: bytes) -> GrowingFile:
    file = GrowingFile(path, "stdio", "server", clock=lambda: 0.0)
    for data in asked:
        file.frame("to-server", data)
    return file


def test_each_entry_is_on_disk_before_the_next(path: Path) -> None:
    file = grown(path)
    for count in range(1, 4):
        file.frame("to-client", b"{}")
        assert len(found(path).log.frames) == count


@pytest.mark.parametrize(
    ("asked", "era"),
    [
        ((), "handshake"),
        ((INITIALIZE,), "handshake"),
        ((MODERN, MODERN), "modern"),
        ((b"garbage", b'{"jsonrpc":"2.0","method":"notifications/x"}', MODERN), "modern"),
        ((MODERN, INITIALIZE), "handshake"),
        ((INITIALIZE, MODERN), "handshake"),
    ],
)
def test_the_era_is_that_of_the_requests(path: Path, asked: tuple[bytes, ...], era: str) -> None:
    grown(path, *asked)

    recording = found(path)
    assert recording.head.links[0].era == era
    assert recording.log.notes[0].data["era"] == era
    assert [frame.data for frame in recording.log.frames] == list(asked)


def test_a_secret_of_the_environment_is_never_written(path: Path) -> None:
    file = GrowingFile(path, "stdio", f"server {SECRET}", rules=secrets_of({"API_KEY": SECRET, "HOME": "/home/ada"}))
    file.frame("to-client", f'{{"text":"/home/ada {SECRET}"}}'.encode())
    file.note("stderr", text=f"using {SECRET}")

    assert SECRET not in path.read_text("utf-8")
    assert found(path).log.frames[0].data == b'{"text":"/home/ada <api_key:1>"}'


def test_a_variable_can_be_named_a_secret(path: Path) -> None:
    file = GrowingFile(path, "stdio", "server", rules=secrets_of({"PLACE": SECRET}, ("PLACE",)))
    file.frame("to-client", f'"{SECRET}"'.encode())

    assert found(path).log.frames[0].data == b'"<place:1>"'


def test_what_turns_out_to_be_a_secret_is_taken_out_of_what_is_written(path: Path) -> None:
    file = grown(path, f'{{"text":"{SECRET}"}}'.encode(), MODERN)
    file.frame("to-server", b"{}", Envelope(1, (("Authorization", f"Bearer {SECRET}"),)))
    file.frame("to-client", b"[]")

    assert SECRET not in path.read_text("utf-8")
    assert [frame.data for frame in found(path).log.frames] == [b'{"text":"<authorization:1>"}', MODERN, b"{}", b"[]"]


def test_nothing_but_the_file_is_left_behind(path: Path) -> None:
    grown(path, MODERN, INITIALIZE).close()

    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_recording_is_replaced(path: Path) -> None:
    grown(path, INITIALIZE).close()
    grown(path).close()

    assert found(path).log.frames == ()


def test_two_recorders_of_one_file_do_not_mix_their_lines(path: Path) -> None:
    first, second = grown(path), grown(path)
    for _ in range(3):
        first.frame("to-client", b"1")
        second.frame("to-client", b"2")

    assert {frame.data for frame in found(path).log.frames} == {b"2"}


def test_what_is_no_recording_is_not_replaced(path: Path) -> None:
    path.write_text("precious", "utf-8")

    with pytest.raises(FileExistsError, match="no recording"):
        grown(path)
    assert path.read_text("utf-8") == "precious"


def test_a_device_is_not_replaced() -> None:
    with pytest.raises(FileExistsError, match="no recording"):
        grown(Path(os.devnull))


def test_a_file_that_cannot_be_written_any_more_ends_the_recording_with_a_line(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = grown(path)
    path.unlink()
    file.frame("to-server", MODERN)  # the head would have to be written anew
    file.frame("to-server", MODERN)

    (line,) = capsys.readouterr().err.splitlines()
    assert "the recording ends here, the conversation goes on" in line


def test_what_comes_after_the_close_is_not_kept(path: Path) -> None:
    file = grown(path)
    file.close()
    file.frame("to-client", b"late")
    file.close()

    assert found(path).log.frames == ()


def test_a_text_that_was_clean_is_searched_again_once_there_is_more_to_look_for(path: Path) -> None:
    file = grown(path)
    file.note("stderr", text=f"using {SECRET}")
    file.note("stderr", text=f"using {SECRET}")
    file.frame("to-server", b"{}", Envelope(1, (("Authorization", f"Bearer {SECRET}"),)))
    file.note("stderr", text=f"using {SECRET}")

    texts = [note.data["text"] for note in found(path).log.notes if note.channel == "stderr"]
    assert texts == ["using <authorization:1>"] * 3


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 50_000,
        b"[" * 50_000 + b"]" * 50_000,
        b'{"method":"initialize","_meta":[' * 5_000,
        b'"\\ud800"',
        b"\xef\xbb\xbf{}",
        b'{"id":' + b"9" * 9_999 + b"}",
        b'{"a":NaN,"a":1e400,"":-0}',
        b'"' + b"x" * 2_000_000 + b'"',
        b"\x00\xff",
    ],
)
def test_whatever_a_peer_says_is_kept_as_it_is(path: Path, data: bytes) -> None:
    file = grown(path, data)
    file.frame("to-client", data)

    assert [frame.data for frame in found(path).log.frames] == [data, data]
