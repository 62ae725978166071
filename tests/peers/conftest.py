"""What the tests on real servers share: the event loops, and one everything server over HTTP for the whole run."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.peers.provision import npm_peer
from tests.peers.waiting import until

_START = 30.0
"""Seconds that the server may take to listen."""

_LEASH = Path(__file__).parent / "servers" / "ends_with_stdin.cjs"
"""Ends the server with its input, also where this process is killed and tears nothing down."""

_PORTS = 3
"""Ports to try: another process may take one between the moment it is found free and the moment the server listens."""


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """The event loop under an async test."""
    return str(request.param)


@pytest.fixture(scope="session")
def everything_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The URL of `@modelcontextprotocol/server-everything`, one process for all tests; each board has a session of its own."""
    node, *script = npm_peer("server-everything", "streamableHttp")
    command = [node, "--require", str(_LEASH), *script]
    folder = tmp_path_factory.mktemp("server-everything")
    said = folder / "stderr.txt"
    for _ in range(_PORTS):
        port = _free_port()
        with _running(command, port, said) as process:
            if _starts(process, said):
                yield f"http://127.0.0.1:{port}/mcp"
                return
    pytest.fail(f"{command} did not listen on any of {_PORTS} ports: {said.read_text('utf-8', 'replace')}")


@contextmanager
def _running(command: list[str], port: int, said: Path) -> Generator[subprocess.Popen[bytes]]:
    """Run a server with its standard error in a file, and end it whatever happens."""
    with said.open("wb") as stderr:
        process = subprocess.Popen(
            command, env={**os.environ, "PORT": str(port)}, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate(timeout=10)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _starts(process: subprocess.Popen[bytes], said: Path) -> bool:
    """Wait until the server listens or has ended, and tell which."""

    def listens() -> bool:
        return "listening on port" in said.read_text("utf-8", "replace")

    until(lambda: listens() or process.poll() is not None, "the everything server to listen", limit=_START)
    return listens()
