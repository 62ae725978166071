"""A server of one's own, in memory and as a process on stdio, and a finding that is known and expected."""

# pyright: basic

import runpy
import sys
from pathlib import Path

import pytest
from mcp.client.stdio import StdioServerParameters

SERVER = Path(__file__).with_name("greeting_server.py")


def command(*arguments):
    return StdioServerParameters(command=sys.executable, args=[str(SERVER), *arguments])


def test_in_memory(switchboard):
    server = runpy.run_path(str(SERVER))["server"]
    with switchboard(greeting=server) as board:
        assert board.call("greeting__greet", name="Ada").content[0].text == "Hello, Ada!"


def test_as_a_process(switchboard):
    with switchboard(greeting=command()) as board:
        assert board.call("greeting__greet", name="Ada").content[0].text == "Hello, Ada!"

    (exited,) = [note for note in board.log.notes if note.channel == "exit"]
    assert exited.data["status"] == 0


@pytest.mark.mcp(expect=["jsonrpc:not-json-rpc"])
def test_a_banner_on_stdout_is_a_known_finding(switchboard):
    with switchboard(greeting=command("--banner")) as board:
        board.call("greeting__greet", name="Ada")

    (finding,) = board.findings
    assert "greeting server is ready" in finding.message
