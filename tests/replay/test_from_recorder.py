"""A file that `mcpsym record` made of any client is replayed by `recorded(...)`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_mcpsym import Switchboard
from pytest_mcpsym.wire.corpus import corpus
from pytest_mcpsym.wire.frame import parse
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


ODD = """
import pytest

@pytest.mark.mcp(expect=["jsonrpc:*"])
def test_it(switchboard, recorded):
    with switchboard(peer=recorded("no-such-server-99")) as board:
        for said in SAID:
            board.call("peer__say", hex=said, then=True)
            assert said in [frame.data.hex() for frame in board.log.frames]
"""


@pytest.mark.mcp(era="handshake", expect=["jsonrpc:*"])
def test_what_is_no_message_replays_byte_for_byte(
    example: Callable[..., Example], pytester: pytest.Pytester, switchboard: Switchboard, tmp_path: Path
) -> None:
    path = tmp_path / "talk.jsonl"
    parrot = Path(__file__).parents[1] / "transport" / "peers" / "says_what_it_is_told.py"
    said = [case.data.hex() for case in corpus() if parse(case.data).kind == "not-json" and len(case.data) < 10_000]
    with switchboard(peer=shlex.join([*MCPSYM, "record", str(path), "--", sys.executable, str(parrot)])) as board:
        for each in said:
            board.call("peer__say", hex=each, then=True)

    files = {"recordings/test_it/test_it.peer.jsonl": path.read_text("utf-8")}
    run = (
        example(ODD.replace("SAID", repr(said)))
        .with_files(files)
        .run_here(pytester, "--mcp-era=handshake", "-p", "no:cacheprovider")
    )

    assert run.outcomes == {"passed": 1}
