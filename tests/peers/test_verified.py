"""The everything server is verified against its recording: what was edited in the file, or what is random, is all that differs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

import pytest

from tests.peers.provision import npm_peer
from tests.peers.test_recorded import EVERYTHING, TEST
from tests.plugin.conftest import example
from tests.plugin.harness import Example, ini

__all__ = ["example"]

FILE = "recordings/test_it/test_it.peer.jsonl"


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_the_everything_server_answers_as_recorded_but_for_what_was_edited(
    example: Callable[..., Example], request: pytest.FixtureRequest, transport: str
) -> None:
    target = (
        str(request.getfixturevalue("everything_url")) if transport == "http" else shlex.join(npm_peer("server-everything"))
    )
    made = example(TEST.replace("BODY\n", EVERYTHING.lstrip("\n")))
    first = made.run("-p", "no:cacheprovider", "--mcp-record", "--mcp-record-in-ci", env={"TARGET": target})
    assert first.outcomes == {"passed": 1}, first.text
    edited = re.sub(r'("serverInfo":\{.*?"version":")[^"]*', r"\g<1>0.0.0", str(first.changed[FILE]))
    run = first.example.with_files({FILE: edited}).run("-p", "no:cacheprovider", "--mcp-verify", env={"TARGET": target})
    report = run.text.partition("mcp verify: ")[2].partition("to accept")[0]
    assert [line.split("   ")[0] for line in map(str.strip, report.splitlines()[1:])] == [
        "answer to initialize",
        "result.serverInfo.version",
    ], run.text


TOGGLES = """
        for _ in range(1000):
            if answered_roots(board):
                break
            time.sleep(0.01)
        uri = "demo://resource/dynamic/text/1"
        client.subscribe_resource(uri)
        assert "Started" in board.call("peer__toggle-subscriber-updates").content[0].text
        for _ in range(1000):  # The first update comes at once.
            if any(frame.message.method == "notifications/resources/updated" for frame in board.log.frames):
                break
            time.sleep(0.01)
        assert "Stopped" in board.call("peer__toggle-subscriber-updates").content[0].text
        client.unsubscribe_resource(uri)
        client.read_resource(uri)
"""
INI = ini(
    "    ignore:resources.(un)?subscribe is removed",
    "mcp_verify_ignore = peer: resources/read demo://* result.contents[*].text",
)
CALLS = 'assert "Stopped" in board.call("peer__toggle-subscriber-updates").content[0].text'


def test_the_toggles_of_the_everything_server_replay_in_their_order_alone_and_are_verified(
    example: Callable[..., Example], everything_url: str
) -> None:
    target = everything_url
    made = example(TEST.replace("BODY\n", TOGGLES.lstrip("\n")), **{"pytest.ini": INI})
    first = made.run("-p", "no:cacheprovider", "--mcp-record", "--mcp-record-in-ci", env={"TARGET": target})
    assert first.outcomes == {"passed": 1}, first.text
    verified = first.example.run("-p", "no:cacheprovider", "--mcp-verify", env={"TARGET": target})
    assert verified.outcomes == {"passed": 1}, verified.text
    early = made.files["test_it.py"].replace(CALLS, "").replace("        uri =", f"        {CALLS}\n        uri =")
    other = first.example.with_files({"test_it.py": early}).run("-p", "no:cacheprovider")
    assert other.outcomes == {"failed": 1}
    other.says("mcp replay miss in test_it", "the same, but recorded after resources/subscribe")
