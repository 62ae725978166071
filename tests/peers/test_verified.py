"""The everything server is verified against its recording: what was edited in the file is all that differs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

import pytest

from tests.peers.provision import npm_peer
from tests.peers.test_recorded import EVERYTHING, TEST
from tests.plugin.conftest import example
from tests.plugin.harness import Example

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
