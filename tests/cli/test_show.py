"""`mcpsym show` prints a recording, and says where a file that is none is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mcpsym.cli import main
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.recording import Head, LinkHead, write

HEAD = Head(
    "test_it", (LinkHead("weather", "handshake", "stdio"), LinkHead("news", "handshake", "stdio")), "mcp 2.3.0", "2026-01-31"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    log = WireLog(clock=lambda: 0.0)
    log.frame("weather", "to-server", b'{"jsonrpc":"2.0","id":"k-81","method":"ping"}')
    log.note("weather", "stderr", text="password=swordfish")
    log.frame("news", "to-server", b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}')
    path = tmp_path / "it.jsonl"
    path.write_bytes(write(log, HEAD))
    return path


def shown(capfdbinary: pytest.CaptureFixture[bytes], *arguments: str) -> str:
    assert main(["show", *arguments]) == 0
    return capfdbinary.readouterr().out.decode()


def test_a_recording_is_shown_as_a_transcript(file: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    text = shown(capfdbinary, str(file))
    assert text.startswith("# mcpsym transcript 1\n")
    assert "host → weather  ping" in text
    assert "host → news  tools/list" in text


def test_notes_are_shown_raw_and_without_secrets(file: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    text = shown(capfdbinary, str(file), "--raw")
    assert "<password:1>" in text
    assert "swordfish" not in text


def test_one_link_is_shown_alone(file: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert "news" not in shown(capfdbinary, str(file), "--link", "weather")


def test_the_normal_form_has_numbers_for_ids(file: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert "k-81" in shown(capfdbinary, str(file))
    assert "k-81" not in shown(capfdbinary, str(file), "--normalised")


def test_json_is_a_recording_again(file: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    text = shown(capfdbinary, str(file), "--json")
    assert text == file.read_text(encoding="utf-8").replace("swordfish", "<password:1>")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello\n", ":1: the first line is no head of a recording"),
        (b'{"mcpsym":1,"test":"t","links":{},"sdk":"s","date":"d","entries":1}\n{"from"\n', ":2: the line is no JSON"),
    ],
)
def test_a_bad_file_is_told_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    assert main(["show", str(path)]) == 2
    assert f"mcpsym show: {path}{said}" in capsys.readouterr().err


def test_an_absent_file_and_an_absent_link_are_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "nowhere.jsonl"]) == 2
    assert main(["show", str(file), "--link", "moon"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "mcpsym show: nowhere.jsonl: No such file or directory",
        "mcpsym show: the recording has no link 'moon'; it has 'weather', 'news'",
    ]
