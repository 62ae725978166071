"""Each fake runs by itself: on stdio, and over HTTP on a port."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import anyio
import pytest

from fake_servers.conformance.tools import TOOLS as FIXTURES
from fake_servers.everything.tools import TOOLS
from pytest_mcpsym import LinkError, Switchboard

pytestmark = pytest.mark.anyio

CHICAGO = {"temperature": 36, "conditions": "Light rain / drizzle", "humidity": 82}
FAKES = {
    "everything": [name for name in TOOLS if not name.endswith("-async")],
    "agent": ["run", "plan", "execute"],
    "code_mode": ["run", "stubs"],
    "conformance": list(FIXTURES),
    "sequential_thinking": ["sequentialthinking"],
    "clock": ["now", "advance", "convert", "between"],
    "files": ["list", "read", "write", "search"],
    "attachments": [
        "word_count",
        "analyse",
        "convert",
        "word_count_inline",
        "analyse_inline",
        "convert_inline",
    ],
    "issue_tracker": ["list_issues", "get_issue", "create_issue", "add_comment", "update_issue"],
}


def command(*arguments: str, before: str = "") -> list[str]:
    """The command line of a fake; with `before`, after a line of Python."""
    if not before:
        return [sys.executable, "-m", *arguments]
    return [
        sys.executable,
        "-c",
        f"import sys, runpy; {before}; sys.argv[1:] = {list(arguments[1:])}; runpy.run_module({arguments[0]!r})",
    ]


@pytest.mark.parametrize("fake", FAKES)
async def test_a_fake_serves_on_stdio(switchboard: Switchboard, fake: str) -> None:
    async with switchboard(peer=shlex.join(command(f"fake_servers.{fake}"))) as board:
        names = [tool.name.removeprefix("peer__") for tool in await board.tools()]
    assert names == FAKES[fake]


async def test_a_fake_ends_by_itself_when_its_input_ends(switchboard: Switchboard) -> None:
    async with switchboard(peer=shlex.join(command("fake_servers.agent"))) as board:
        pass
    (note,) = [note for note in board.log.notes if note.channel == "exit"]
    assert note.data == {"status": 0, "asked": True}


@contextmanager
def serving() -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command("fake_servers.everything", "--http", "0"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=20)


async def address(process: subprocess.Popen[str]) -> str:
    """Wait until the server says where it listens."""
    assert process.stderr is not None
    while line := await anyio.to_thread.run_sync(process.stderr.readline, abandon_on_cancel=True):
        if found := re.search(r"serving on (http://\S+)", line):
            return found[1]
    raise AssertionError("the server ended before it listened")


async def test_a_fake_serves_over_http(switchboard: Switchboard) -> None:
    with serving() as process:
        with anyio.fail_after(30):
            url = await address(process)
        async with switchboard(peer=url) as board:
            assert (await board.call("peer__get-structured-content", location="Chicago")).structured_content == CHICAGO


def test_a_wrong_option_is_explained() -> None:
    ran = subprocess.run(
        command("fake_servers.everything", "--port", "1"), capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (2, "mcpsym serve: the fake 'everything' takes no --port; did you mean --http?\n")


@pytest.mark.mcp(expect=["jsonrpc:unanswered"])
async def test_a_missing_extra_is_one_line_for_the_client_too(switchboard: Switchboard) -> None:
    from mcp.client.stdio import StdioServerParameters

    python, *arguments = command("fake_servers.everything", before="sys.modules['faker'] = None")
    with pytest.raises(LinkError) as refusal:
        async with switchboard(peer=StdioServerParameters(command=python, args=arguments)):
            pass
    assert str(refusal.value).splitlines()[1:] == [
        "  its words on stderr:",
        "    mcpsym serve: the fake 'everything' needs Faker: pip install 'pytest-mcpsym[fakes]'",
    ]
