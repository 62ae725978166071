"""`mcpsym serve NAME` passes on what the fake itself takes, and explains what it does not take."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
from mcp_types import TextContent

import fake_servers
from pytest_mcpsym import Board, Switchboard, cli
from pytest_mcpsym.cli.fake_options import options
from tests.serving.listening import SERVE, listening


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run the command, which must refuse, and return its line."""
    assert cli.main(["serve", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err.removeprefix("mcpsym serve: ").rstrip("\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("everything --intervall 3", "the fake 'everything' takes no --intervall; did you mean --interval?"),
        ("everything --htp 0", "the fake 'everything' takes no --htp; did you mean --http?"),
        ("agent --seed 1", "the fake 'agent' takes no --seed; it takes --name, --max-steps, --system"),
        ("everything --seed x", "the fake 'everything': argument --seed: 'x' is not a whole number"),
        ("everything --lifecycle soon", "the fake 'everything': argument --lifecycle: 'soon' is not a number"),
        ("code_mode --key abc", "the fake 'code_mode' takes no --key; "),
        ("code_mode --now soon", "the fake 'code_mode': argument --now: 'soon' is not a time in ISO 8601"),
        ("code_mode --max-seconds 0", "max_seconds must be more than 0 and at most 86400, not 0.0"),
        ("--interval 3 everything", "there is no fake '3'; --interval is an option of a fake only after the fake's name"),
        ("everything agent", "one server at a time: the fake 'everything' is named, and then 'agent'"),
        ("fake_servers:agent --seed 1", "fake_servers:agent, a server of your own, takes no --seed; "),
        ("agent --env TOKEN", "--env takes NAME=VALUE; 'TOKEN' has no value"),
        ("agent --host ::1", "--host is for --http and --sse; on stdio nothing listens"),
        ("agent --stateless", "--stateless is for --http"),
        ("agent --sse 0 --era modern", "--sse is of the handshake era; the modern era has --http"),
        ("agent --sse 0 --http 0", "--http and --sse are two ways to serve; give one of them"),
        (
            "tests.switchboard.test_target:asgi",
            "tests.switchboard.test_target:asgi is an ASGI app, which is served over HTTP only",
        ),
        (
            "tests.switchboard.test_target:asgi --http 0 --era modern",
            "tests.switchboard.test_target:asgi is an ASGI app, which decides",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(capsys: pytest.CaptureFixture[str], words: str, said: str) -> None:
    assert refused(capsys, *shlex.split(words)).startswith(said)


def test_a_value_is_never_repeated_where_a_variable_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "agent", "--env", "=s3cr3t") == "--env takes NAME=VALUE; '' has no name"


@pytest.mark.parametrize("fake", fake_servers.__all__)
def test_each_option_of_a_fake_is_described(fake: str) -> None:
    assert [each.flag for each in options(getattr(fake_servers, fake)) if not each.about] == []


def test_the_options_of_a_fake_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", "everything", "--list", "--json"]) == 0
    assert [each["option"] for each in json.loads(capsys.readouterr().out)] == [
        "--seed SEED",
        "--interval INTERVAL",
        "--pace PACE",
        "--lifecycle LIFECYCLE",
        "--quirks",
    ]


def test_an_option_reaches_the_fake(switchboard: Switchboard) -> None:
    with switchboard(peer=shlex.join([*SERVE, "clock", "--start", "2031-02-03T04:05:06Z"])) as board:
        assert "2031-02-03" in str(board.call("peer__now").structured_content)


def test_a_variable_reaches_the_fake(switchboard: Switchboard) -> None:
    with switchboard(peer=shlex.join([*SERVE, "everything", "--env", "SHOWN=yes", "--lifecycle", "none"])) as board:
        assert shown(board)["SHOWN"] == "yes"


def test_over_http_only_the_variables_of_the_command_line_are_shown(switchboard: Switchboard) -> None:
    with listening("everything", "--http", "0", "--env", "SHOWN=yes") as url, switchboard(peer=url) as board:
        assert shown(board) == {"SHOWN": "yes"}


def shown(board: Board) -> dict[str, str]:
    """The environment that `get-env` shows."""
    (block,) = board.call("peer__get-env").content
    assert isinstance(block, TextContent)
    return json.loads(block.text)


def written(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(text, encoding="utf-8")


def test_what_a_server_prints_does_not_break_its_wire(
    switchboard: Switchboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "loud", """
import os
from mcp.server.mcpserver import MCPServer
server = MCPServer("loud")

@server.tool()
def two() -> int:
    print("a line", flush=True)
    os.system("echo a line of a child")
    return 2
""")  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with switchboard(peer=shlex.join([*SERVE, "loud:server"])) as board:
        assert board.call("peer__two").structured_content == {"result": 2}
    assert [note.data["text"] for note in board.log.notes if note.channel == "stderr"] == ["a line", "a line of a child"]


LIFESPAN = """
import anyio
from contextlib import asynccontextmanager
from pathlib import Path
from mcp.server.lowlevel import Server

@asynccontextmanager
async def lifespan(_):
    try:
        yield
    finally:
        Path("closed").touch()
        with anyio.CancelScope(shield=True):
            await anyio.sleep(SECONDS)

server = Server("lasting", lifespan=lifespan)
"""


@pytest.mark.parametrize("seconds", ["0", "60"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_what_the_server_has_opened_and_does_not_wait_long(
    tmp_path: Path, seconds: str, number: signal.Signals
) -> None:
    written(tmp_path, "lasting", LIFESPAN.replace("SECONDS", seconds))
    command = [*SERVE, "lasting:server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}) + "\n")
            process.stdin.flush()
            assert process.stdout.readline()
            process.send_signal(number)
            assert process.wait(timeout=20) == 128 + number
        finally:
            process.kill()
    assert (tmp_path / "closed").exists()


def test_a_client_that_goes_away_ends_the_server() -> None:
    with subprocess.Popen([*SERVE, "agent"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
        process.stdin.flush()
        assert (process.wait(timeout=20), process.stderr.read()) == (0, b"")
