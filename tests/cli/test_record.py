"""`mcpsym record` explains mistakes in one line, before it touches a file or starts a server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RECORD = [sys.executable, "-m", "pytest_mcpsym", "record"]


def ran(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RECORD, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False, cwd=cwd
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["f.jsonl"], "say what to record, one of: mcpsym record f.jsonl -- COMMAND"),
        (["f.jsonl", "--"], "say what to record, one of: mcpsym record f.jsonl -- COMMAND"),
        (["f.jsonl", "--port", "1", "--", "x"], "say what to record, one of: mcpsym record f.jsonl -- COMMAND"),
        (["f.jsonl", "--http", "http://x", "--", "x"], "say what to record, one of: mcpsym record f.jsonl -- COMMAND"),
        (["f.jsonl", "--http", "x.org/mcp"], "--http x.org/mcp: give the URL of the server, such as http://127.0.0.1:8000/mcp"),
        (["f.jsonl", "--http", "http://x:y/"], "--http http://x:y/: give the URL of the server, such as http://127.0.0.1:8000"),
        (
            ["f.jsonl", "--http", "http://x", "--port", "70000"],
            "cannot listen on port 70000: a port is a number from 0 to 65535",
        ),
        (["notes.txt", "--http", "http://x"], "notes.txt: it exists and is no recording, so it is not replaced"),
        (["f.jsonl", "--", "no-such-program-99"], "cannot run 'no-such-program-99': there is no such program"),
        (["no/such/f.jsonl", "--", sys.executable], "no/such/f.jsonl: No such file or directory"),
        (["notes.txt", "--", sys.executable], "notes.txt: it exists and is no recording, so it is not replaced"),
        (["--secret", "NO_SUCH_99", "f.jsonl", "--", sys.executable], "--secret NO_SUCH_99: there is no environment variable"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_everything_as_it_was(tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "notes.txt").write_text("precious", "utf-8")

    ended = ran(*arguments, cwd=tmp_path)

    assert ended.returncode == 2
    assert ended.stderr.startswith(f"mcpsym record: {says}")
    assert len(ended.stderr.splitlines()) == 1
    assert [(each.name, each.read_text("utf-8")) for each in tmp_path.iterdir()] == [("notes.txt", "precious")]


def test_a_command_without_its_dashes_is_explained(tmp_path: Path) -> None:
    ended = ran("f.jsonl", "npx", "server", cwd=tmp_path)

    assert ended.returncode == 2
    assert "mcpsym record [-h] [--secret VARIABLE] FILE (-- COMMAND ... | --http URL [--port N])" in ended.stderr
