"""A file that `mcpsym record` made of any client is replayed by `recorded(...)`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_mcpsym import Switchboard
from tests.plugin.harness import Example

MCPSYM = [sys.executable, "-m", "pytest_mcpsym"]

TEST = """
def test_it(switchboard, recorded):
    with switchboard(peer=recorded("no-such-server-99")) as board:
        assert "3" in board.call("peer__get-sum", a=1, b=2).content[0].text
"""


@pytest.mark.mcp(era="both")
def test_what_the_recorder_kept_replays(
    example: Callable[..., Example], pytester: pytest.Pytester, switchboard: Switchboard, tmp_path: Path
) -> None:
    path = tmp_path / "talk.jsonl"
    command = [*MCPSYM, "record", str(path), "--", *MCPSYM, "serve", "everything"]
    with switchboard(peer=shlex.join(command)) as board:
        board.call("peer__get-sum", a=1, b=2)
    era = board.log.notes[0].data["era"]

    files = {"recordings/test_it/test_it.peer.jsonl": path.read_text("utf-8")}
    run = example(TEST).with_files(files).run_here(pytester, f"--mcp-era={era}", "-p", "no:cacheprovider")

    assert run.outcomes == {"passed": 1}
