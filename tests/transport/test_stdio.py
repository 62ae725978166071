"""The stdio link owns its process: every byte in the log, every end noticed, nothing left behind."""

from __future__ import annotations

import gc
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from mcp.client.stdio import StdioServerParameters

from pytest_mcpsym.transport.memory import open_memory
from pytest_mcpsym.transport.process import group_runs
from pytest_mcpsym.transport.stdio import BUFFERED_MESSAGES, Patience, open_stdio
from pytest_mcpsym.transport.tap import Channel, Tap
from pytest_mcpsym.wire.log import WireLog

pytestmark = pytest.mark.anyio

PEERS = Path(__file__).parent / "peers"
DEFAULT = Patience()
HASTY = Patience(exit=0.2, kill=0.2, flush=0.1)
"""For peers that will not end with their input."""
CHILDREN = Patience(exit=10, kill=0.2)
"""For peers that will, but leave a child that does not."""


def peer(name: str, *args: str) -> StdioServerParameters:
    """Return how to start one of the scripted peers."""
    return StdioServerParameters(command=sys.executable, args=[str(PEERS / f"{name}.py"), *args])


@asynccontextmanager
async def opened(params: StdioServerParameters, log: WireLog, patience: Patience = DEFAULT) -> AsyncGenerator[Channel]:
    """Open a link; the whole test is bounded."""
    with anyio.fail_after(20):
        async with open_stdio(params, Tap(log, "peer"), patience=patience) as channel:
            yield channel


async def next_data(channel: Channel) -> bytes:
    """Return the bytes of the next frame."""
    return getattr(await channel.receive(), "data", b"")


async def until_end(channel: Channel) -> list[bytes]:
    """Return all frames until the stream ends."""
    found: list[bytes] = []
    with suppress(anyio.EndOfStream):
        while True:
            found.append(await next_data(channel))
    return found


async def until_noted(log: WireLog, text: str) -> None:
    """Wait until standard error has said something."""
    while text not in stderr(log):
        await anyio.lowlevel.checkpoint()


def notes(log: WireLog) -> list[tuple[str, dict[str, object]]]:
    """Return the side channels but standard error as plain data."""
    return [(note.channel, dict(note.data)) for note in log.notes if note.channel != "stderr"]


def stderr(log: WireLog) -> list[object]:
    """Return the lines of standard error."""
    return [note.data["text"] for note in log.notes if note.channel == "stderr"]


def exists(pid: int) -> bool:
    """Tell whether a process exists, be it as a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def runs(pid: int) -> bool:
    """Tell whether a process exists and is no zombie; an orphan may be one until process 1 collects it."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    return exists(pid)


def descriptors() -> int:
    """Return how many files this process has open."""
    return sum(1 for _ in Path("/dev/fd").iterdir())


def received(log: WireLog) -> list[bytes]:
    """Return what came from the server."""
    return [frame.data for frame in log.frames if frame.direction == "to-client"]


def request(ident: int, method: str, **params: object) -> bytes:
    """Return a request of the handshake era."""
    return json.dumps({"jsonrpc": "2.0", "id": ident, "method": method, "params": params}).encode()


def modern(ident: int, method: str, **params: object) -> bytes:
    """Return a request of the modern era."""
    envelope = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
    }
    return request(ident, method, **params, _meta=envelope)


HANDSHAKE = [
    request(1, "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "test", "version": "0"}),
    b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
    b"no JSON",
    b'{"jsonrpc":"2.0","id":"2",\n"method":"ping"}',
    request(3, "tools/list"),
    request(4, "tools/call", name="add", arguments={"a": 2, "b": 40}),
    b'{"jsonrpc":"2.0","id":"5","method":"tools/call","params":{"name":"greet","arguments":{"name":"\xff"}}}',
    request(6, "tools/call", name="add", arguments={"a": "x"}),
]
MODERN = [
    modern(1, "server/discover"),
    modern(2, "tools/list"),
    modern(3, "tools/call", name="greet", arguments={"name": "Zoë"}),
    modern(4, "no/such"),
]


async def test_lines_cross_the_pipe_as_they_are() -> None:
    log = WireLog()
    async with opened(peer("echo"), log) as channel:
        await channel.receive()
        sent = await channel.send('{"ü":-0, "a":1e2}'.encode())
        back = await channel.receive()
    assert (sent, back) == log.frames[1:]
    data = '{"ü":-0, "a":1e2}'.encode()
    assert [(frame.direction, frame.data) for frame in log.frames[1:]] == [("to-server", data), ("to-client", data)]


async def test_a_server_that_ends_with_its_input_was_asked_to() -> None:
    log = WireLog()
    async with opened(peer("echo"), log) as channel:
        pid = int(await next_data(channel))
    assert notes(log) == [("exit", {"status": 0, "asked": True}), ("close", {"by": "host"})]
    assert not exists(pid)


@pytest.mark.parametrize("script", [HANDSHAKE, MODERN], ids=["handshake", "modern"])
async def test_an_sdk_server_says_the_same_over_a_pipe_and_in_memory(script: list[bytes]) -> None:
    async def converse(channel: Channel) -> list[bytes]:
        answers: list[bytes] = []
        for data in script:
            await channel.send(data)
            if b'"id"' in data and b"\n" not in data:
                answers.append(await next_data(channel))
        return answers

    async with opened(peer("sdk_server"), WireLog()) as channel:
        over_pipe = await converse(channel)
    server = runpy.run_path(str(PEERS / "sdk_server.py"))["server"]
    with anyio.fail_after(10):
        async with open_memory(server._lowlevel_server, Tap(WireLog(), "peer")) as channel:
            in_memory = await converse(channel)
    assert over_pipe == in_memory
    assert len(over_pipe) > 3


async def test_the_environment_is_the_sdks_default_and_what_was_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MCPSYM_SECRET", "of the test")
    params = peer("answers_environment").model_copy(update={"env": {"GIVEN": "yes"}, "cwd": tmp_path})
    async with opened(params, WireLog()) as channel:
        answers: list[bytes] = []
        for name in (b"GIVEN", b"MCPSYM_SECRET", b"PATH"):
            await channel.send(name)
            answers.append(await next_data(channel))
    folder = os.fsencode(tmp_path)
    assert answers == [b"yes " + folder, b"unset " + folder, os.fsencode(os.environ["PATH"]) + b" " + folder]


async def test_whatever_is_on_stdout_is_a_frame_but_empty_lines() -> None:
    log = WireLog()
    async with opened(peer("writes_garbage"), log) as channel:
        found = [await next_data(channel) for _ in range(4)]
    assert found == [b"listening...", b"{}", b"\xff\xfe", b" "]
    assert log.frames[4].data == b"[1,\rlast"


async def test_a_process_that_ends_at_start_ends_the_stream_and_has_said_why() -> None:
    log = WireLog()
    async with opened(peer("exits_at_start"), log) as channel:
        assert await until_end(channel) == []
        assert stderr(log) == ["no key, no service"]
        assert notes(log) == [("exit", {"status": 3, "asked": False}), ("close", {"by": "peer"})]
    assert len(notes(log)) == 2


async def test_a_process_that_ends_in_a_call_leaves_half_an_answer_and_its_status() -> None:
    log = WireLog()
    async with opened(peer("exits_in_call"), log) as channel:
        await channel.send(request(1, "ping"))
        assert await until_end(channel) == [b'{"jsonrpc":"2.0","id":1,"res']
        assert notes(log) == [("exit", {"status": 7, "asked": False}), ("close", {"by": "peer"})]
        assert stderr(log) == ["out of memory"]


async def test_a_dead_process_takes_no_messages() -> None:
    log = WireLog()
    async with opened(peer("exits_at_start"), log) as channel:
        await until_end(channel)
        with pytest.raises(anyio.BrokenResourceError):
            await channel.send(b"{}")
    assert log.frames == ()


async def test_a_killed_process_is_noticed() -> None:
    log = WireLog()
    async with opened(peer("never_reads"), log) as channel:
        os.kill(int(await next_data(channel)), signal.SIGKILL)
        await until_end(channel)
    assert notes(log) == [("exit", {"status": -signal.SIGKILL, "asked": False}), ("close", {"by": "peer"})]


async def test_a_message_that_waits_for_a_process_that_dies_fails() -> None:
    async def kill(pid: int) -> None:
        await anyio.wait_all_tasks_blocked()
        os.kill(pid, signal.SIGKILL)

    async with opened(peer("never_reads"), WireLog()) as channel:
        pid = int(await next_data(channel))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kill, pid)
            with pytest.raises(anyio.BrokenResourceError):
                await channel.send(b"x" * 1_000_000)


async def test_a_closed_channel_takes_no_messages_and_has_none() -> None:
    async with opened(peer("echo"), WireLog()) as channel:
        pass
    with pytest.raises(anyio.ClosedResourceError):
        await channel.send(b"{}")
    await until_end(channel)
    with pytest.raises(anyio.EndOfStream):
        await channel.receive()


async def test_a_server_that_never_answers_is_left_by_a_deadline() -> None:
    log = WireLog()
    async with opened(peer("never_answers"), log) as channel:
        await channel.send(request(1, "ping"))
        with anyio.move_on_after(0.05) as scope:
            await channel.receive()
    assert scope.cancelled_caught
    assert notes(log) == [("exit", {"status": 0, "asked": True}), ("close", {"by": "host"})]


async def test_a_megabyte_of_stderr_holds_nothing_up_and_is_logged() -> None:
    log = WireLog()
    async with opened(peer("floods_stderr"), log) as channel:
        await channel.send(b"1")
        assert await next_data(channel) == b"1"
    lines = [str(line) for line in stderr(log)]
    assert lines[:10_000] == ["x" * 99] * 10_000
    assert "".join(lines[10_000:]) == "é" * 100_000
    assert max(len(line.encode()) for line in lines) <= 65_536


async def test_a_line_of_five_megabytes_goes_there_and_back() -> None:
    line = b"x" * 5_000_000
    async with opened(peer("echo"), WireLog()) as channel:
        await channel.receive()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(channel.send, line)
            assert await next_data(channel) == line


async def test_a_character_that_comes_in_two_chunks_is_whole() -> None:
    log = WireLog()
    async with opened(peer("writes_halves"), log) as channel:
        await channel.send(b"first")
        await until_noted(log, "half")
        await channel.send(b"second")
        assert await next_data(channel) == '"é"'.encode()


async def cancelled_send(channel: Channel, data: bytes) -> None:
    """Start to send and be cancelled when the pipe is full."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(channel.send, data)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()


async def test_a_cancelled_send_does_not_tear_its_message() -> None:
    line = b"x" * 1_000_000
    async with opened(peer("reads_on_signal"), WireLog()) as channel:
        pid = int(await next_data(channel))
        await cancelled_send(channel, line)
        os.kill(pid, signal.SIGUSR1)
        await channel.send(b"last")
        assert await next_data(channel) == line
        assert await next_data(channel) == b"last"


async def test_what_was_sent_is_written_before_the_input_is_closed() -> None:
    log = WireLog()
    line = b"x" * 1_000_000
    async with opened(peer("reads_on_signal"), log, Patience(flush=10)) as channel:
        pid = int(await next_data(channel))
        await cancelled_send(channel, line)
        os.kill(pid, signal.SIGUSR1)
    assert received(log)[1:] == [line]


async def test_what_a_server_writes_after_the_end_of_its_input_is_logged() -> None:
    log = WireLog()
    async with opened(peer("answers_on_the_way_out"), log):
        pass
    assert [int(frame.data) for frame in log.frames] == list(range(200))
    assert [entry[0] for entry in notes(log)] == ["exit", "close"]


async def test_a_server_that_resists_is_killed() -> None:
    log = WireLog()
    async with opened(peer("never_reads"), log, HASTY) as channel:
        pid = int(await next_data(channel))
    assert notes(log) == [("exit", {"status": -signal.SIGKILL, "asked": True}), ("close", {"by": "host"})]
    assert not exists(pid)


async def test_a_message_that_nobody_reads_does_not_hold_up_the_close() -> None:
    async with opened(peer("never_reads"), WireLog(), HASTY) as channel:
        pid = int(await next_data(channel))
        await cancelled_send(channel, b"x" * 1_000_000)
    assert not exists(pid)
    gc.collect()


@pytest.mark.parametrize("told", [(), ("exit",)], ids=["leader-waits", "leader-exits"])
async def test_a_child_that_ignores_sigterm_does_not_outlive_the_link(told: tuple[str, ...]) -> None:
    async with opened(peer("leaves_child", *told), WireLog(), CHILDREN) as channel:
        pid = int(await next_data(channel))
    assert not runs(pid)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells zombies apart")
def test_a_group_of_zombies_does_not_run() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], start_new_session=True) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert exists(process.pid)
        assert not group_runs(process.pid)


async def test_no_process_outlives_a_cancelled_body() -> None:
    pid = 0
    with anyio.CancelScope() as scope:
        async with opened(peer("leaves_child"), WireLog(), CHILDREN) as channel:
            pid = int(await next_data(channel))
            scope.cancel()
            await anyio.sleep_forever()
    assert pid
    assert not runs(pid)


async def test_no_process_outlives_a_body_that_raises_and_the_error_comes_out_as_it_is() -> None:
    found: list[int] = []

    async def fail() -> None:
        async with opened(peer("leaves_child"), WireLog(), CHILDREN) as channel:
            found.append(int(await next_data(channel)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert [runs(pid) for pid in found] == [False]


async def test_a_link_opened_in_a_cancelled_scope_leaves_no_process() -> None:
    log = WireLog()
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with opened(peer("echo"), log) as channel:
            await channel.receive()
    assert ("close", {"by": "host"}) in notes(log)


async def test_the_stream_ends_with_its_process_though_a_child_holds_the_pipes() -> None:
    log = WireLog()
    async with opened(peer("leaves_child", "exit"), log, CHILDREN) as channel:
        await channel.receive()
        assert await until_end(channel) == []
        assert notes(log) == [("exit", {"status": 0, "asked": False}), ("close", {"by": "peer"})]


async def test_a_daemon_that_holds_the_pipes_does_not_hold_up_the_close() -> None:
    log = WireLog()
    pid = 0
    try:
        async with opened(peer("leaves_child", "session"), log, CHILDREN) as channel:
            pid = int(await next_data(channel))
        assert runs(pid)
    finally:
        os.kill(pid, signal.SIGKILL)
    assert [note for note in notes(log) if note[0] != "left"] == [
        ("exit", {"status": 0, "asked": True}),
        ("close", {"by": "host"}),
    ]


async def test_a_daemon_that_holds_the_pipes_costs_no_descriptor_and_no_warning() -> None:
    async with opened(peer("echo"), WireLog()):  # Whatever the event loop opens once for all processes is open after this.
        pass
    before = descriptors()
    pid = 0
    try:
        async with opened(peer("leaves_child", "session", "exit"), WireLog(), CHILDREN) as channel:
            pid = int(await next_data(channel))
            with suppress(anyio.BrokenResourceError):  # The daemon holds the input too, so that most of this stays unwritten.
                await channel.send(b"x" * 1_000_000)
        with anyio.fail_after(5):
            while descriptors() > before:
                await anyio.lowlevel.checkpoint()
    finally:
        os.kill(pid, signal.SIGKILL)
    gc.collect()


async def test_frames_that_nobody_read_are_logged_at_close() -> None:
    log = WireLog()
    async with opened(peer("echo"), log) as channel:
        for _ in range(BUFFERED_MESSAGES * 2):
            await channel.send(b"x")
        while len(received(log)) < BUFFERED_MESSAGES:
            await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
        assert len(received(log)) == BUFFERED_MESSAGES
    assert received(log)[1:] == [b"x"] * BUFFERED_MESSAGES * 2
