"""`mcpsym serve` runs fakes and a user's own servers, ends cleanly and explains mistakes in one line."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import subprocess
from pathlib import Path
from urllib.parse import urljoin

import httpx2
import pytest

from pytest_mcpsym import Switchboard
from tests.serving.listening import SERVE, listening

CHICAGO = {"temperature": 36, "conditions": "Light rain / drizzle", "humidity": 82}


def ran(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SERVE, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False, cwd=cwd
    )


@pytest.mark.mcp(era="both")
def test_a_fake_serves_on_stdio(switchboard: Switchboard) -> None:
    with switchboard(peer=shlex.join([*SERVE, "everything", "--seed", "3"])) as board:
        assert board.call("peer__get-structured-content", location="Chicago").structured_content == CHICAGO


@pytest.mark.mcp(era="both")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_fake_serves_over_http_and_a_signal_ends_it(switchboard: Switchboard, number: signal.Signals) -> None:
    with subprocess.Popen([*SERVE, "everything", "--http", "0"], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            url = re.search(r"http://\S+", process.stderr.readline())
            assert url is not None
            with switchboard(peer=url[0]) as board:
                assert board.call("peer__get-structured-content", location="Chicago").structured_content == CHICAGO
            process.send_signal(number)
            assert process.wait(timeout=20) == 128 + number
        finally:
            process.kill()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_fake_serves_over_sse(anyio_backend: str) -> None:
    del anyio_backend
    from mcp import Client
    from mcp.client.sse import sse_client

    with listening("everything", "--sse", "0") as url:
        async with Client(sse_client(url), mode="legacy") as client:
            answer = await client.call_tool("get-structured-content", {"location": "Chicago"})
        assert answer.structured_content == CHICAGO


def test_what_is_no_message_is_refused_over_sse_as_everywhere() -> None:
    with listening("everything", "--sse", "0") as url, httpx2.Client(timeout=20) as client, client.stream("GET", url) as stream:
        lines = stream.iter_lines()  # held, because the stream ends with it
        path = next(line for line in lines if line.startswith("data: ")).removeprefix("data: ")
        answer = client.post(urljoin(url, path), content=b"[]", headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_server_that_waits_for_input(number: signal.Signals) -> None:
    message = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}})  # fmt: skip
    with subprocess.Popen([*SERVE, "agent"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(message + "\n")
            process.stdin.flush()
            assert '"serverInfo"' in process.stdout.readline()
            process.send_signal(number)
            assert process.wait(timeout=20) == 128 + number
        finally:
            process.kill()


def test_a_server_of_ones_own_is_served(switchboard: Switchboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(
        "from mcp.server.mcpserver import MCPServer\nserver = MCPServer('mine')\n\n"
        "@server.tool()\ndef two() -> int:\n    return 2\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    with switchboard(peer=shlex.join([*SERVE, "mine:server"])) as board:
        assert board.call("peer__two").structured_content == {"result": 2}


def test_the_end_of_the_input_is_a_clean_end() -> None:
    ended = ran("agent")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_the_fakes_are_listed_with_a_line_each() -> None:
    import fake_servers

    listed = json.loads(ran("--list", "--json").stdout)
    assert [each["name"] for each in listed] == list(fake_servers.__all__)
    assert all(each["about"] for each in listed)
    assert [line.split()[0] for line in ran("--list").stdout.splitlines()] == list(fake_servers.__all__)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evrything"], "there is no fake 'evrything'; did you mean 'everything'?"),
        ([], "name a server; `mcpsym serve --list` says which there are"),
        (["nowhere:server"], "'nowhere:server': there is no module 'nowhere'; 'module:attribute' is looked up as an import"),
        (["agent", "--http", "70000"], "cannot listen on port 70000: a port is a number from 0 to 65535"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments: list[str], said: str) -> None:
    ended = ran(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"mcpsym serve: {said}")
    assert ended.stderr.count("\n") == 1


def test_a_port_in_use_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = ran("agent", "--http", str(port))
    assert (ended.returncode, ended.stderr) == (
        2,
        f"mcpsym serve: cannot listen on 127.0.0.1, port {port}: Address already in use; --http 0 takes a free port\n",
    )
