"""What is not a server's is not said to be left by it: what the test, plugins, the loop, worker threads and other servers make."""

from __future__ import annotations

import asyncio
import builtins
import functools
import io
import logging
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import anyio.to_thread
import pytest
from mcp.server.mcpserver import MCPServer

from pytest_mcpsym import link
from pytest_mcpsym.plugin import Switchboard
from tests.switchboard.servers import process

Stack = Generator[ExitStack]


@pytest.fixture
def later() -> Stack:
    """Holds what is closed when the test is over."""
    with ExitStack() as stack:
        yield stack


def server(work: Callable[[], object], lifespan: Any = None) -> MCPServer[Any]:
    """A server whose tool does some work, which may be awaited."""
    made = MCPServer("working", log_level="WARNING", lifespan=lifespan)

    @made.tool()
    async def begin() -> str:
        done = work()
        if isinstance(done, Awaitable):
            await done
        return "begun"

    return made


def in_the_way(later: ExitStack) -> None:
    """Make one of each kind, all of which stay until the test is over."""
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    later.callback(thread.join)
    later.callback(ended.set)
    file = Path(__file__).open()  # noqa: SIM115 - closed by the stack
    later.callback(file.close)
    later.callback(os.close, os.open(__file__, os.O_RDONLY))
    later.enter_context(socket.create_server(("127.0.0.1", 0)))
    child = later.enter_context(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))
    later.callback(child.kill)


def messages(board: Any) -> list[str]:
    return [finding.message for finding in board.findings]


@pytest.mark.parametrize("transport", ["memory", "http", "sockets"])
def test_what_the_test_makes_while_a_board_is_open_is_its_own(
    switchboard: Switchboard, later: ExitStack, transport: Any
) -> None:
    with switchboard(quiet=link(server(lambda: None), transport=transport)) as board:
        in_the_way(later)
        board.call("quiet__begin")
    assert messages(board) == []


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_a_task_of_the_test_makes_during_a_call_is_its_own(
    switchboard: Switchboard, later: ExitStack, backend: str
) -> None:
    async def run() -> Any:
        called, made = anyio.Event(), anyio.Event()

        async def wait() -> None:
            called.set()
            await made.wait()

        async def meanwhile() -> None:
            await called.wait()
            in_the_way(later)
            made.set()

        board: Any = None
        async with anyio.create_task_group() as tasks:
            async with switchboard(quiet=server(wait)) as board:
                tasks.start_soon(meanwhile)
                tasks.start_soon(anyio.sleep_forever)
                await board.call("quiet__begin")
            tasks.cancel_scope.cancel()
        return board

    assert messages(anyio.run(run, backend=backend)) == []


def test_the_worker_threads_of_the_loop_are_nobodys(switchboard: Switchboard) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        await anyio.to_thread.run_sync(os.getpid)
        await asyncio.to_thread(os.getpid)
        await loop.run_in_executor(None, os.getpid)
        await loop.getaddrinfo("127.0.0.1", 80)

    with switchboard(quiet=server(work)) as board:
        board.call("quiet__begin")
    assert messages(board) == []


def test_a_pool_that_waits_for_work_is_nobodys(switchboard: Switchboard, later: ExitStack) -> None:
    pool = later.enter_context(ThreadPoolExecutor())
    with switchboard(quiet=server(lambda: pool.submit(os.getpid).result())) as board:
        board.call("quiet__begin")
    assert messages(board) == []


def test_what_a_server_closes_again_is_not_left(switchboard: Switchboard) -> None:
    async def work() -> None:
        with ExitStack() as stack:
            in_the_way(stack)
        process = await anyio.open_process([sys.executable, "-c", ""])
        await process.wait()
        await process.aclose()

    with switchboard(quiet=server(work)) as board:
        board.call("quiet__begin")
    assert messages(board) == []


def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def test_what_ends_right_after_the_server_is_not_left(switchboard: Switchboard) -> None:
    @asynccontextmanager
    async def lifespan(_: object) -> AsyncGenerator[None]:
        ended = threading.Event()
        threading.Thread(target=ended.wait).start()
        task = asyncio.get_running_loop().create_task(asyncio.sleep(3600))
        served = await asyncio.start_server(refuse, "127.0.0.1", 0)
        yield
        asyncio.get_running_loop().call_later(0.03, ended.set)
        task.cancel()
        served.close()

    with switchboard(quiet=server(lambda: None, lifespan)) as board:
        board.call("quiet__begin")
    assert messages(board) == []


def test_a_database_that_the_test_has_open_too_is_not_left_by_the_server(
    switchboard: Switchboard, later: ExitStack, tmp_path: Path
) -> None:
    path = tmp_path / "notes.db"
    mine = sqlite3.connect(path)
    later.callback(mine.close)
    with switchboard(quiet=server(lambda: sqlite3.connect(path).close())) as board:
        board.call("quiet__begin")
    assert messages(board) == []


def test_a_log_file_that_a_server_opens_by_writing_to_it_first_is_nobodys(
    switchboard: Switchboard, later: ExitStack, tmp_path: Path
) -> None:
    logger = logging.getLogger("quiet")
    with switchboard(quiet=server(lambda: logger.warning("hello"))) as board:
        handler = logging.FileHandler(tmp_path / "all.log", delay=True)
        later.callback(handler.close)
        logger.addHandler(handler)
        later.callback(logger.removeHandler, handler)
        board.call("quiet__begin")
    assert "hello" in (tmp_path / "all.log").read_text()
    assert messages(board) == []


def open_now() -> dict[str, str]:
    """Descriptors and threads of this process, with what they are, but for worker threads, which end when they like."""
    found = {
        str(thread.ident): thread.name for thread in threading.enumerate() if not thread.name.startswith(("AnyIO", "Trio"))
    }
    for number in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found[number.name] = str(number.readlink())
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the descriptors of a process")
@pytest.mark.parametrize("transport", ["memory", "http", "sockets", "stdio"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_board_itself_leaves_no_descriptor_and_no_thread_behind(
    switchboard: Switchboard, tmp_path: Path, transport: Any, backend: str
) -> None:
    async def run() -> None:
        target = process(tmp_path, "shake(); hear()") if transport == "stdio" else link(server(int), transport=transport)
        async with switchboard(quiet=target):
            pass

    anyio.run(run, backend=backend)  # What is opened once for the whole process is there from now on.
    before = open_now()
    anyio.run(run, backend=backend)
    assert {number: what for number, what in open_now().items() if number not in before} == {}


@pytest.mark.mcp(expect=["lifecycle:left-open"])
def test_a_second_board_is_not_charged_with_what_the_first_left(switchboard: Switchboard, later: ExitStack) -> None:
    shared = server(lambda: later.enter_context(Path(__file__).open()))  # noqa: SIM115 - closed by the stack
    with switchboard(quiet=server(lambda: None)) as around:
        with switchboard(loose=shared) as loose:
            loose.call("loose__begin")
        around.call("quiet__begin")
    with switchboard(quiet=server(lambda: None)) as after:
        after.call("quiet__begin")
    assert (messages(around), messages(after)) == ([], [])
    (message,) = messages(loose)
    assert message.startswith("loose: the server left a file open")


def places() -> list[object]:
    return [threading.Thread.start, socket.socket.__init__, subprocess.Popen.__init__, builtins.open, io.open, os.open]


def test_python_is_as_it_was_when_the_last_board_has_closed(switchboard: Switchboard) -> None:
    before = places()
    with switchboard(first=server(lambda: None)):
        with switchboard(second=server(lambda: None)):
            inside = places()
        assert places() == inside
    assert places() == before
    assert not any(one is other for one, other in zip(before, inside, strict=True))


def test_what_others_put_around_open_while_a_board_is_open_stays(
    switchboard: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    with switchboard(quiet=server(lambda: None)):
        around = functools.partial(builtins.open)
        monkeypatch.setattr(builtins, "open", around)
    assert builtins.open is around


def test_a_mock_of_open_inside_a_server_works(switchboard: Switchboard) -> None:
    read: list[str] = []
    mocked = mock.patch("io.open", mock.mock_open(read_data="mocked"))
    with switchboard(quiet=server(lambda: read.append(Path("x").read_text()))) as board, mocked:
        board.call("quiet__begin")
    assert read == ["mocked"]
    assert messages(board) == []


def test_the_functions_look_the_same_while_a_board_is_open(switchboard: Switchboard) -> None:
    with switchboard(quiet=server(lambda: None)):
        assert (open.__name__, open.__module__) in {("open", "_io"), ("open", "io")}
        with pytest.raises(FileNotFoundError), Path("/no/such/file").open():
            pass
