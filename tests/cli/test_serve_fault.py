"""`mcpsym serve --fault`: what a client on stdio meets."""

from __future__ import annotations

import json
import os
import select
import shlex
import subprocess
import sys
import threading

import pytest

from pytest_mcpsym import AnswerTimeout, Board, LinkError, UsageError
from pytest_mcpsym.cli import main
from pytest_mcpsym.plugin import Switchboard


def served(*faults: str) -> str:
    """The command that serves the clock with faults."""
    words = [sys.executable, "-m", "pytest_mcpsym", "serve", "clock"]
    return shlex.join([*words, *(word for fault in faults for word in ("--fault", fault))])


def said(board: Board) -> list[object]:
    return [note.data["text"] for note in board.log.notes if note.channel == "stderr"]


def test_an_answer_is_lost_and_the_server_goes_on(switchboard: Switchboard) -> None:
    with switchboard(clock=served("drop to-client tools/call nth=1", "delay to-client tools/list seconds=0.01")) as board:
        with pytest.raises(AnswerTimeout):
            board.options(timeout=1).call("clock__now")
        assert not board.call("clock__now").is_error
        board.client("clock").list_tools()
    assert [frame.message.kind for frame in board.log.frames].count("result") == 3
    assert said(board)[0] == 'fault: drop to-client tools/call nth=1: tools/call (id "clock-1"): lost'


@pytest.mark.mcp(expect=["jsonrpc:unanswered"])
def test_a_server_that_a_fault_ends_is_gone(switchboard: Switchboard) -> None:
    with switchboard(clock=served("exit to-server tools/call")) as board, pytest.raises(LinkError, match="ended"):
        board.options(timeout=10).call("clock__now")
    assert str(said(board)[0]).startswith("fault: exit to-server tools/call: tools/call")


def test_a_client_that_reads_standard_error_gets_the_answer_behind_a_flood(switchboard: Switchboard) -> None:
    with switchboard(clock=served("stderr-flood to-client tools/call")) as board:
        assert not board.call("clock__now").is_error
    assert sum(len(str(text)) + 1 for text in said(board)[:-1]) == 1_048_576
    assert str(said(board)[-1]).startswith("fault: stderr-flood to-client tools/call: tools/call")


def test_a_client_that_does_not_read_standard_error_gets_no_answer_until_it_does() -> None:
    me = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "deaf", "version": "1"}}
    first = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": me}
    pipe = subprocess.PIPE
    with subprocess.Popen(shlex.split(served("stderr-flood")), stdin=pipe, stdout=pipe, stderr=pipe) as process:
        limit = threading.Timer(60, process.kill)
        limit.start()
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps(first).encode() + b"\n")
        process.stdin.flush()
        process.stderr.read(1)
        answered, _, _ = select.select([process.stdout], [], [], 0)
        assert answered == []
        process.stderr.read(1_048_575)
        assert json.loads(process.stdout.readline())["id"] == 1
        process.kill()
        limit.cancel()


def test_a_link_refuses_to_flood_the_standard_error_of_its_server(switchboard: Switchboard) -> None:
    with switchboard(clock=served()) as board, pytest.raises(UsageError) as refused:
        board.link("clock").fault("stderr-flood")
    assert "the fault 'stderr-flood' is for mcpsym serve, and this link is stdio, on which there are delay" in str(
        refused.value
    )


def spoken(*faults: str, then: bytes = b"") -> tuple[bytes, bytes]:
    """What a process writes on both streams to whoever says `initialize` and something else, and ends its input."""
    me = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
    first = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": me}
    said = json.dumps(first).encode() + b"\n" + then
    done = subprocess.run(shlex.split(served(*faults)), input=said, capture_output=True, timeout=60, check=False)
    return done.stdout, done.stderr


def test_the_same_seed_gives_the_same_bytes() -> None:
    pings = b"".join(b'{"jsonrpc":"2.0","id":%d,"method":"ping"}\n' % number for number in range(2, 20))
    once, again = (spoken("corrupt to-client ping chance=0.5 seed=7", then=pings) for _ in range(2))
    assert once == again
    assert 0 < once[0].count(b'"result":{}}\n') < 18


def test_an_answer_comes_in_pieces_of_a_pipe() -> None:
    with subprocess.Popen(
        shlex.split(served("split pieces=3 seconds=0.3 at=framing", "delay ping seconds=0")),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        limit = threading.Timer(60, process.kill)
        limit.start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
        process.stdin.flush()
        pieces = [os.read(process.stdout.fileno(), 65_536), os.read(process.stdout.fileno(), 65_536)]
        process.kill()
        limit.cancel()
    assert pieces[0].startswith(b'{"jsonrpc"')
    assert pieces[1] == b"\n"


def test_an_answer_waits_for_the_next_one_or_for_the_end() -> None:
    out, err = spoken("coalesce seconds=30")
    assert json.loads(out)["id"] == 1
    assert err.startswith(b"fault: coalesce to-client seconds=30.0: initialize (id 1): comes together with the next one")


def test_the_kinds_of_faults_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--fault", "help"]) == 0
    listed = capsys.readouterr().out
    assert "drop  The message is lost. (to-client, to-server; on stdio and HTTP)\n" in listed
    assert "    code=503  which\n" in listed
    assert listed.endswith("    seed=0  decides what is left to chance; the same seed decides the same\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--fault", "dorp"], "--fault: there is no fault 'dorp'; did you mean 'drop'?"),
        (
            ["--fault", "status code=500"],
            "--fault: the fault 'status' is for mcpsym serve over HTTP, and this is mcpsym serve, on which there are delay, slow",
        ),
        (
            ["--http", "0", "--fault", "half-close"],
            "--fault: the fault 'half-close' is for mcpsym serve, and this is mcpsym serve over HTTP",
        ),
        (
            ["--fault", "split to-server"],
            "--fault: the fault 'split' to-server cannot be on mcpsym serve: what is served reads messages",
        ),
        (["--fault-seed", "1"], "--fault-seed is for --fault, and there is none"),
        (["--fault", "drop", "--fault-seed", "soon"], "--fault-seed takes a whole number or `random`, not 'soon'"),
    ],
)
def test_a_wrong_fault_is_one_line(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "clock", *words]) == 2
    assert capsys.readouterr().err.startswith(f"mcpsym serve: {says}")
