"""What a server leaves running is told when its link has closed, and what ends in time is not."""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.process
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx2
import pytest
from mcp.server.mcpserver import MCPServer

from pytest_mcpsym import link
from pytest_mcpsym.checks import run
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.transport import left
from pytest_mcpsym.transport.asgi import asgi_transport
from pytest_mcpsym.transport.left import watching
from pytest_mcpsym.transport.tap import Tap
from pytest_mcpsym.wire.log import WireLog
from tests.switchboard.servers import process

expected = pytest.mark.mcp(expect=["lifecycle:left-running"])

SPAWN = """
import subprocess
subprocess.Popen(["sleep", "%s"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
shake()
hear()
"""


def found(board: Any) -> list[str]:
    return [finding.message for finding in board.findings]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which processes a group has")
@pytest.mark.parametrize(
    ("seconds", "left"), [pytest.param("60", ["loose: the server left a process running: sleep"], marks=expected), ("0", [])]
)
def test_a_process_that_a_server_leaves_behind_is_named_and_ended(
    switchboard: Switchboard, tmp_path: Path, seconds: str, left: list[str]
) -> None:
    with switchboard(loose=process(tmp_path, SPAWN % seconds), era="handshake") as board:
        pass
    assert found(board) == left
    assert not [note for note in board.log.notes if note.channel == "failure"]


ESCAPE = """
import subprocess
subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
shake()
hear()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the environment of a process")
@expected
def test_a_process_that_left_the_group_of_its_server_is_named(switchboard: Switchboard, tmp_path: Path) -> None:
    with switchboard(loose=process(tmp_path, ESCAPE), era="handshake") as board:
        pass
    assert found(board) == ["loose: the server left a process running: sleep (in a process group of its own)"]
    for number in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            marks = [word for word in (number / "environ").read_bytes().split(b"\0") if word.startswith(b"MCPSYM_CANARY=")]
            if marks and (number / "comm").read_text() == "sleep\n" and os.getsid(int(number.name)) == int(number.name):
                os.kill(int(number.name), signal.SIGKILL)


_ended = threading.Event()
_kept: list[Any] = []


@pytest.fixture(autouse=True)
def cleaned(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Wait for nothing that does not end, and end it after the test."""
    monkeypatch.setattr(left, "_PATIENCE", 0.02)
    _ended.clear()
    yield
    _ended.set()
    for each in _kept:
        match each:
            case threading.Thread():
                each.join(10)
            case subprocess.Popen():
                each.kill()
                each.wait()
            case multiprocessing.process.BaseProcess():
                each.kill()
                each.join()
                each.close()
            case int():
                os.close(each)
            case asyncio.Task():
                pass
            case _:
                each.close()
    _kept.clear()


async def watch_for_ever() -> None:
    await asyncio.sleep(3600)


async def sleep_on() -> None:
    await anyio.sleep_forever()


def task() -> None:
    _kept.append(asyncio.get_running_loop().create_task(watch_for_ever()))


def wait_for_ever() -> None:
    _ended.wait()


def thread() -> None:
    _kept.append(threading.Thread(target=wait_for_ever))
    _kept[-1].start()


def named_thread() -> None:
    _kept.append(threading.Thread(target=wait_for_ever, name="poller", daemon=True))
    _kept[-1].start()


def busy_pool() -> None:
    pool = ThreadPoolExecutor(thread_name_prefix="pool")
    pool.submit(wait_for_ever)


def file() -> None:
    _kept.append(open(__file__))  # noqa: SIM115, PTH123 - the point of the test


def path() -> None:
    _kept.append(Path(__file__).open("rb"))  # noqa: SIM115 - the point of the test


def unnamed() -> None:
    _kept.append(tempfile.TemporaryFile())  # noqa: SIM115 - the point of the test


def descriptor() -> None:
    _kept.append(os.open(__file__, os.O_RDONLY))


def listener() -> None:
    _kept.append(socket.create_server(("127.0.0.1", 0)))


def pair() -> None:
    _kept.extend(socket.socketpair())


def database() -> None:
    _kept.append(sqlite3.connect(__file__))


def forked() -> None:
    _kept.append(multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,), name="worker", daemon=True))
    _kept[-1].start()


def streams() -> None:
    _kept.extend(anyio.create_memory_object_stream[int](1))


def child() -> None:
    _kept.append(subprocess.Popen(["sleep", "60"]))


RUNNING = {
    thread: "running: wait_for_ever (runs at test_left.py:LINE)",
    named_thread: "running: poller (runs at test_left.py:LINE)",
    busy_pool: "running: pool_0 (runs at test_left.py:LINE)",
    child: "running: sleep",
    file: f"open: test_left.py ({__file__})",
    path: f"open: test_left.py ({__file__})",
    descriptor: f"open: test_left.py ({__file__}, descriptor NUMBER)",
    unnamed: "open: unnamed file (descriptor NUMBER)",
    listener: "open: listening socket (at ADDRESS)",
    database: f"open: test_left.py ({__file__}, descriptor NUMBER)",
    forked: "running: worker",
    streams: "open: MemoryObjectReceiveStream (made at test_left.py:LINE), MemoryObjectSendStream (made at test_left.py:LINE)",
    pair: "open: socket (not connected), socket (not connected)",
}


def server(start: Callable[[], None]) -> MCPServer[Any]:
    """A server whose tool leaves something behind."""
    made = MCPServer("leaving", log_level="WARNING")

    @made.tool()
    async def begin() -> str:
        start()
        return "begun"

    return made


def kept(message: str) -> str:
    """A message without what differs from run to run."""
    message = re.sub(r"127.0.0.1:\d+", "ADDRESS", re.sub(r"descriptor \d+", "descriptor NUMBER", message))
    return re.sub(r"\.py:\d+", ".py:LINE", message)


leaving = pytest.mark.mcp(expect=["lifecycle:left-*"])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has files without a name, and tells what SQLite opens")
@pytest.mark.parametrize(
    ("backend", "transport", "start"),
    [
        *(("asyncio", "memory", start) for start in RUNNING),
        ("trio", "memory", thread),
        ("trio", "http", descriptor),
        ("asyncio", "http", file),
        ("asyncio", "sockets", thread),
        ("trio", "sockets", listener),
    ],
)
@leaving
def test_what_a_server_in_this_process_leaves_behind_is_named(
    switchboard: Switchboard,
    backend: str,
    transport: Literal["memory", "http", "sockets"],
    start: Callable[[], None],
) -> None:
    async def run() -> Any:
        async with switchboard(loose=link(server(start), transport=transport)) as board:
            await board.call("loose__begin")
        return board

    (message,) = found(anyio.run(run, backend=backend))
    assert kept(message).endswith(RUNNING[start])


@pytest.mark.parametrize("transport", ["memory", "http"])
@pytest.mark.parametrize("era", ["handshake", "modern"])
@expected
def test_a_task_that_a_server_leaves_behind_is_named(
    switchboard: Switchboard, transport: Literal["memory", "http"], era: Literal["handshake", "modern"]
) -> None:
    async def run() -> Any:
        async with switchboard(loose=link(server(task), transport=transport), era=era) as board:
            await board.call("loose__begin")
        return board

    (message,) = found(anyio.run(run))
    assert kept(message) == "loose: the server left a task running: watch_for_ever (waits at test_left.py:LINE)"


@expected
def test_a_task_that_a_server_leaves_in_a_nursery_of_others_is_named(switchboard: Switchboard) -> None:
    async def run() -> Any:
        board: Any = None
        async with anyio.create_task_group() as others:

            def start() -> None:
                others.start_soon(sleep_on)

            async with switchboard(loose=server(start)) as board:
                await board.call("loose__begin")
            others.cancel_scope.cancel()
        return board

    (message,) = found(anyio.run(run, backend="trio"))
    assert message.startswith("loose: the server left a task running: sleep_on (waits at ")


def test_an_answer_over_http_that_does_not_end_is_named() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["type"] == "lifespan":
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await anyio.sleep_forever()

    async def ask(log: WireLog) -> None:
        async with (
            watching(Tap(log, "loose")) as owned,
            asgi_transport(app, grace=0.01, owned=owned) as transport,
            httpx2.AsyncClient(transport=transport, base_url="http://loose") as client,
            client.stream("GET", "/events"),
        ):
            pass

    log = WireLog()
    anyio.run(ask, log)
    assert [finding.message for finding in run(log)] == [
        "loose: the server left a stream open: answer to GET /events (went on for 0.01 s after its client had left)"
    ]


@leaving
def test_of_two_servers_only_the_one_that_leaves_something_behind_is_named(switchboard: Switchboard) -> None:
    with switchboard(first=server(lambda: None), second=server(thread)) as board:
        board.call("first__begin")
        board.call("second__begin")
    assert [finding.link for finding in board.findings] == ["second"]
