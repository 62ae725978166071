"""No way that a server has to say a secret brings it into a recording: each is replaced, or the file is refused."""

from __future__ import annotations

import base64
import shlex
import sys
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.peers.servers import leaky
from tests.plugin.harness import Example, Run, ini

TOKEN = "st1-variable-0a1b2c"
PASSWORD = "correct-horse-battery"
"""Nothing shows that it is a secret but the option before it."""

SAYINGS = leaky.sayings(TOKEN, PASSWORD)

TEST = f"""
import os

import pytest
from mcp.server.mcpserver import Context, MCPServer

from pytest_mcpsym import link

COMMAND = {shlex.join([sys.executable, str(Path(leaky.__file__)), "--password", PASSWORD])!r}

def peer(recorded):
    return recorded(link(COMMAND, env={{"SHOP_TOKEN": {TOKEN!r}}}))

def test_stdio(switchboard, recorded):
    with switchboard(peer=peer(recorded)) as board:
        board.call("peer__stderr")
        for tool in {list(SAYINGS)!r}:
            board.call(f"peer__{{tool}}", {{"password": "pw1-sent", "note": {TOKEN!r}}})
        with pytest.raises(Exception, match="401"):
            board.call("peer__error")

def test_split(switchboard, recorded):
    with switchboard(peer=peer(recorded)) as board:
        board.call("peer__split")

def test_http(switchboard, recorded):
    server = MCPServer("shop", log_level="WARNING")

    @server.tool()
    async def heard(context: Context) -> str:
        return str(dict(context.headers))

    headers = {{"Authorization": "Basic Ym9iOnB3MS1odHRw", "X-Shop-Key": "hk1-0a1b2c3d4e5f"}}
    with switchboard(peer=recorded(link(server, transport="http", headers=headers))) as board:
        told = board.call("peer__heard").content[0].text
        assert "hk1-0a1b2c3d4e5f" in told and "Ym9iOnB3MS1odHRw" in told
"""

SECRETS = [
    TOKEN,
    PASSWORD,
    TOKEN.encode().hex(),
    base64.b64encode(f"xy{TOKEN}z".encode()).decode()[4:-4],
    base64.b64encode(b"bob:pw1-basic").decode(),
    "Ym9iOnB3MS1odHRw",
    "hk1-0a1b2c3d4e5f",
    "ghp_0123456789abcdefghij0123456789abcdef",
    "c2lnbmF0dXJl",
    *(f"{kind}1-{where}" for kind, where in [("at", "json"), ("rt", "json"), ("ac", "form"), ("cs", "form"), ("cv", "form")]),
    *(f"{kind}1-{where}" for kind, where in [("pw", "url"), ("ak", "url"), ("at", "url"), ("ck", "header"), ("ak", "header")]),
    *(
        f"{kind}1-{where}"
        for kind, where in [("pw", "yaml"), ("bt", "stderr"), ("pw", "sent"), ("pw", "basic"), ("pw", "http")]
    ),
]


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run that recorded."""
    files = {"test_it.py": TEST, "pytest.ini": ini("mcp_checks = -isolation:*")}
    example = Example(MappingProxyType(files), tmp_path_factory.mktemp("secrets"))
    return example.run("-p", "no:cacheprovider", "--mcp-record", "--mcp-record-in-ci", plugins="anyio")


def test_all_is_recorded_but_what_has_to_be_refused(recording: Run) -> None:
    assert recording.outcomes == {"passed": 3, "error": 1}, recording.text
    files = {path for path in recording.changed if path.endswith(".jsonl")}
    assert files == {f"recordings/test_it/test_{name}.peer.jsonl" for name in ("stdio", "http")}


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_in_no_file_and_on_no_terminal(recording: Run, secret: str) -> None:
    holding = [path for path, text in recording.changed.items() if text and secret in text]
    assert holding == []
    assert secret not in recording.text


def test_each_was_said_and_is_replaced(recording: Run) -> None:
    text = str(recording.changed["recordings/test_it/test_stdio.peer.jsonl"])
    assert "SHOP_TOKEN is <shop_token:1>" in text
    assert "I was started with <password:" in text
    assert "401 for <shop_token:1>" in text
    assert "Authorization: Bearer <authorization:" in text


def test_a_secret_in_pieces_is_refused_with_its_place(recording: Run) -> None:
    assert recording.says("recordings/test_it/test_split.peer.jsonl:", "result.content still holds the value of SHOP_TOKEN")


def test_what_was_redacted_replays(recording: Run) -> None:
    kept = recording.example.with_files({"test_it.py": TEST.replace("test_split", "split")})
    run = kept.run("-p", "no:cacheprovider", "-k", "stdio", plugins="anyio")
    assert run.outcomes == {"passed": 1, "deselected": 1}, run.text
