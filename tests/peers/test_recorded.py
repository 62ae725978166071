"""Servers that nobody here wrote are recorded once; then the same test passes with the server gone, and its log is the same."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import pytest

from tests.peers.alone import ALONE
from tests.peers.provision import npm_peer
from tests.plugin.conftest import example
from tests.plugin.harness import Example, Run

__all__ = ["example"]

MakeExample = Callable[..., Example]

TEST = """
import os, pathlib, time

def answered_roots(board):
    return any(frame.direction == "to-server" and "roots" in frame.message.result for frame in board.log.frames)

def test_it(switchboard, recorded):
    opener = switchboard(peer=recorded(os.environ.get("TARGET", "no-such-command-of-anybody")))
    opener.model.script("a sampled answer")
    opener.user.script({"name": "Ada", "color": "blue", "check": True})
    with opener as board:
        client = board.client("peer")
BODY
    pathlib.Path("log.txt").write_text(board.transcript(), "utf-8")
"""

EVERYTHING = """
        for _ in range(1000):  # The server asks for roots when it pleases, some time after the handshake.
            if answered_roots(board):
                break
            time.sleep(0.01)
        assert answered_roots(board)
        assert len(client.list_tools().tools) > 10
        assert board.call("peer__echo", message="hi").content[0].text == "Echo: hi"
        told = []
        board.options(progress=lambda *p: told.append(p)).call("peer__trigger-long-running-operation", duration=0.3, steps=3)
        assert [p[0] for p in told] == [1, 2, 3]
        client.read_resource("demo://resource/static/document/features.md")
        assert client.get_prompt("simple-prompt").messages
        asked = board.call("peer__trigger-sampling-request", prompt="say it", maxTokens=10)
        assert "a sampled answer" in str(asked.content)
        assert board.call("peer__trigger-elicitation-request").content
"""

THINKING = """
        for number in (1, 2, 3):
            thought = {"thought": f"step {number}", "thoughtNumber": number, "totalThoughts": 3, "nextThoughtNeeded": number < 3}
            assert board.call("peer__sequentialthinking", thought).structured_content["thoughtHistoryLength"] == number
"""


def recorded_then_replayed(made: Example, target: str) -> tuple[Run, Run]:
    """Run an example twice: against the server, and with no way to reach it."""
    first = made.run("-p", "no:cacheprovider", "--mcp-record", "--mcp-record-in-ci", env={"TARGET": target})
    assert first.outcomes == {"passed": 1}, first.text
    return first, first.example.with_files({"conftest.py": ALONE}).run("-p", "no:cacheprovider")


@pytest.mark.parametrize(
    ("peer", "body"),
    [(("server-everything", "stdio"), EVERYTHING), (("server-sequential-thinking",), THINKING)],
    ids=["everything", "sequential-thinking"],
)
def test_an_npm_server_over_stdio_replays_without_a_process(example: MakeExample, peer: tuple[str, ...], body: str) -> None:
    made = example(TEST.replace("BODY\n", body.lstrip("\n")))
    first, again = recorded_then_replayed(made, shlex.join(npm_peer(*peer)))
    assert again.outcomes == {"passed": 1}, again.text
    assert (again.folder / "log.txt").read_text("utf-8") == first.changed["log.txt"]


def test_calls_in_another_order_are_a_miss_and_no_wrong_answer(example: MakeExample) -> None:
    made = example(TEST.replace("BODY\n", THINKING.lstrip("\n")))
    first, _ = recorded_then_replayed(made, shlex.join(npm_peer("server-sequential-thinking")))
    other = first.example.with_files({"test_it.py": made.files["test_it.py"].replace("(1, 2, 3)", "(2, 1, 3)")})
    run = other.run("-p", "no:cacheprovider")
    assert run.outcomes == {"failed": 1}
    run.says("mcp replay miss in test_it", "the same, but recorded after tools/call sequentialthinking")


def test_an_npm_server_over_http_replays_without_a_request_and_is_verified(example: MakeExample, everything_url: str) -> None:
    first, again = recorded_then_replayed(example(TEST.replace("BODY\n", EVERYTHING.lstrip("\n"))), everything_url)
    assert again.outcomes == {"passed": 1}, again.text
    assert (again.folder / "log.txt").read_text("utf-8") == first.changed["log.txt"]
    verified = first.example.run("-p", "no:cacheprovider", "--mcp-verify", env={"TARGET": everything_url})
    assert verified.outcomes == {"passed": 1}, verified.text
    verified.says("recordings: 1 verified")
