"""The memory link behaves as a pipe does: bytes, limits, ends, and nothing that crosses beside the wire."""

from __future__ import annotations

import contextvars
import json
import runpy
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import anyio
import pytest
from mcp.server import MCPServer
from mcp.server.lowlevel import Server
from mcp.server.models import InitializationOptions
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification, ServerCapabilities

from pytest_mcpsym.checks import run
from pytest_mcpsym.transport.memory import BUFFERED_MESSAGES, ServerReads, ServerWrites, open_memory
from pytest_mcpsym.transport.tap import Channel, Tap
from pytest_mcpsym.wire.log import WireLog

pytestmark = pytest.mark.anyio

PEERS = Path(__file__).parent / "peers"
SECRET: contextvars.ContextVar[str] = contextvars.ContextVar("SECRET")
INITIALIZE = (
    b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},'
    b'"clientInfo":{"name":"test","version":"0"}}}'
)


@dataclass
class Scripted:
    """A server that is one coroutine function."""

    script: Callable[[ServerReads, ServerWrites], Awaitable[None]]

    def create_initialization_options(self) -> InitializationOptions:
        return InitializationOptions(server_name="scripted", server_version="0", capabilities=ServerCapabilities())

    async def run(self, read: ServerReads, write: ServerWrites, _options: InitializationOptions, /) -> None:
        await self.script(read, write)


@asynccontextmanager
async def opened(
    script: Callable[[ServerReads, ServerWrites], Awaitable[None]], log: WireLog, *, grace: float = 2.0
) -> AsyncGenerator[Channel]:
    """Open a link to a scripted server; the whole test is bounded."""
    with anyio.fail_after(10):
        async with open_memory(Scripted(script), Tap(log, "peer"), grace=grace) as channel:
            yield channel


def notes(log: WireLog) -> list[tuple[str, dict[str, object]]]:
    """Return the side channels as plain data."""
    return [(note.channel, dict(note.data)) for note in log.notes]


def notification(method: str, **params: object) -> SessionMessage:
    """Return a message that a server can send."""
    return SessionMessage(JSONRPCNotification(jsonrpc="2.0", method=method, params=params or None))


def low_level(server: object) -> Server[object]:
    """Return the low-level server inside an SDK server."""
    return cast("Server[object]", getattr(server, "_lowlevel_server"))  # noqa: B009 - it is private, and typed as such


def real_server() -> Server[object]:
    """Return the low-level server inside the SDK server that the stdio tests run as a process."""
    return low_level(runpy.run_path(str(PEERS / "sdk_server.py"))["server"])


def modern(ident: int, method: str, **params: object) -> bytes:
    """Return a request of the modern era."""
    envelope = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
    }
    return json.dumps({"jsonrpc": "2.0", "id": ident, "method": method, "params": params | {"_meta": envelope}}).encode()


async def until_end(channel: Channel) -> list[bytes]:
    """Return all frames until the stream ends."""
    found: list[bytes] = []
    try:
        while True:
            frame = await channel.receive()
            found.append(getattr(frame, "data", b""))
    except anyio.EndOfStream:
        return found


async def wait_for_eof(read: ServerReads, write: ServerWrites) -> None:
    """Be a server that says nothing."""
    async with read, write:
        async for _ in read:
            pass


async def test_a_real_server_answers_through_bytes() -> None:
    log = WireLog()
    with anyio.fail_after(10):
        async with open_memory(real_server(), Tap(log, "peer")) as channel:
            await channel.send(INITIALIZE)
            frame = await channel.receive()
    assert [(entry.direction, entry.data) for entry in log.frames] == [
        ("to-server", INITIALIZE),
        ("to-client", getattr(frame, "data", None)),
    ]


async def test_a_server_that_ends_with_its_input_was_closed_by_the_host() -> None:
    log = WireLog()
    async with opened(wait_for_eof, log):
        pass
    assert notes(log) == [("close", {"by": "host"})]


async def test_the_link_logs_the_bytes_that_the_sdk_writes_to_a_pipe() -> None:
    async def script(read: ServerReads, write: ServerWrites) -> None:
        await write.send(notification("notifications/ü", a=1.0, b=None))

    log = WireLog()
    async with opened(script, log) as channel:
        await until_end(channel)
    assert [frame.data for frame in log.frames] == [
        '{"jsonrpc":"2.0","method":"notifications/ü","params":{"a":1.0,"b":null}}'.encode()
    ]


@pytest.mark.parametrize(
    ("sent", "arrived"),
    [
        (b'{"jsonrpc":"2.0","method":"a"}', ["a"]),
        (b'{"jsonrpc":"2.0","method":"a"}\n{"jsonrpc":"2.0","method":"b"}', ["a", "b"]),
        (b'{"jsonrpc":"2.0","method":"a"}\r{"jsonrpc":"2.0","method":"b"}', ["a", "b"]),
        (b'{"jsonrpc":"2.0",\r\n"method":"a"}', ["ValidationError", "ValidationError"]),
        (b'{"jsonrpc":"2.0","method":"\xff"}', ["\ufffd"]),
        ('{"jsonrpc":"2.0","method":"a\u2028b\x85c"}'.encode(), ["a\u2028b\x85c"]),
        (b"", ["ValidationError"]),
        (b"[]", ["ValidationError"]),
        (b'{"jsonrpc":"2.0","method":"a"}\n', ["a", "ValidationError"]),
    ],
)
async def test_the_server_gets_the_lines_that_a_pipe_would_give_it(sent: bytes, arrived: list[str]) -> None:
    seen: list[str] = []

    async def script(read: ServerReads, write: ServerWrites) -> None:
        async for item in read:
            message = item.message if isinstance(item, SessionMessage) else item
            seen.append(message.method if isinstance(message, JSONRPCNotification) else type(message).__name__)

    log = WireLog()
    async with opened(script, log) as channel:
        await channel.send(sent)
    assert seen == arrived
    assert [frame.data for frame in log.frames] == [sent]


async def test_nothing_of_the_tests_context_reaches_the_server() -> None:
    async def script(read: ServerReads, write: ServerWrites) -> None:
        seen = [SECRET.get("nothing")]
        async for _ in read:
            seen.append(SECRET.get("nothing"))
            await write.send(notification("seen", values=seen))

    SECRET.set("leaked at start")
    log = WireLog()
    async with opened(script, log) as channel:
        SECRET.set("leaked by send")
        await channel.send(b"1")
        frame = await channel.receive()
    assert json.loads(getattr(frame, "data", b""))["params"]["values"] == ["nothing", "nothing"]


async def test_the_context_of_a_sender_does_not_reach_a_tool_of_a_real_server() -> None:
    server = MCPServer("spy")

    @server.tool()
    def look() -> str:
        return SECRET.get("nothing")

    SECRET.set("leaked")
    with anyio.fail_after(10):
        async with open_memory(low_level(server), Tap(WireLog(), "peer")) as channel:
            await channel.send(modern(1, "tools/call", name="look", arguments={}))
            frame = await channel.receive()
    assert json.loads(getattr(frame, "data", b""))["result"]["structuredContent"] == {"result": "nothing"}


async def test_a_message_that_cannot_be_serialised_ends_the_server() -> None:
    async def script(read: ServerReads, write: ServerWrites) -> None:
        await write.send(notification("fine"))
        await write.send(notification("bad", text="\ud800"))
        await write.send(notification("never"))

    log = WireLog()
    async with opened(script, log) as channel:
        assert len(await until_end(channel)) == 1
    assert [channel for channel, _ in notes(log)] == ["failure", "close"]
    assert "surrogates not allowed" in str(log.notes[0].data["reason"])
    assert log.notes[1].data == {"by": "peer"}


async def test_a_server_that_raises_ends_the_stream_and_not_the_test() -> None:
    async def script(read: ServerReads, write: ServerWrites) -> None:
        await write.send(notification("last words"))
        raise ExceptionGroup("task group", [ValueError("no such table")])

    log = WireLog()
    async with opened(script, log) as channel:
        assert len(await until_end(channel)) == 1
    assert notes(log) == [("failure", {"reason": "ValueError: no such table"}), ("close", {"by": "peer"})]


async def test_a_server_that_exits_the_process_ends_the_stream_and_not_the_test() -> None:
    async def script(read: ServerReads, write: ServerWrites) -> None:
        raise SystemExit(2)

    log = WireLog()
    async with opened(script, log) as channel:
        assert await until_end(channel) == []
    assert notes(log) == [("failure", {"reason": "SystemExit: 2"}), ("close", {"by": "peer"})]


async def test_a_server_that_is_gone_takes_no_messages() -> None:
    async def script(read: ServerReads, write: ServerWrites) -> None:
        return

    log = WireLog()
    async with opened(script, log) as channel:
        await until_end(channel)
        with pytest.raises(anyio.BrokenResourceError):
            await channel.send(b"{}")
    assert log.frames == ()


async def test_a_server_that_stopped_reading_takes_no_messages() -> None:
    async def script(read: ServerReads, write: ServerWrites) -> None:
        await read.aclose()
        await write.send(notification("deaf"))
        await anyio.sleep_forever()

    log = WireLog()
    async with opened(script, log, grace=0.01) as channel:
        await channel.receive()
        with pytest.raises(anyio.BrokenResourceError):
            await channel.send(b"{}")


async def test_a_closed_channel_takes_no_messages_and_has_none() -> None:
    async with opened(wait_for_eof, WireLog()) as channel:
        pass
    with pytest.raises(anyio.ClosedResourceError):
        await channel.send(b"{}")
    with pytest.raises(anyio.EndOfStream):
        await channel.receive()


async def test_a_server_nobody_reads_from_waits_and_loses_nothing() -> None:
    written = 0
    total = BUFFERED_MESSAGES * 3

    async def script(read: ServerReads, write: ServerWrites) -> None:
        nonlocal written
        for number in range(total):
            await write.send(notification("n", number=number))
            written += 1

    log = WireLog()
    async with opened(script, log) as channel:
        await anyio.wait_all_tasks_blocked()
        assert (written, len(log.frames)) == (BUFFERED_MESSAGES, BUFFERED_MESSAGES)
        numbers = [json.loads(data)["params"]["number"] for data in await until_end(channel)]
    assert numbers == list(range(total))


async def test_a_server_that_waits_for_room_is_read_to_its_end_at_close() -> None:
    async def script(read: ServerReads, write: ServerWrites) -> None:
        for number in range(BUFFERED_MESSAGES * 3):
            await write.send(notification("n", number=number))

    log = WireLog()
    async with opened(script, log):
        pass
    assert len(log.frames) == BUFFERED_MESSAGES * 3
    assert notes(log) == [("close", {"by": "host"})]


async def test_a_sender_waits_for_a_server_that_does_not_read() -> None:
    async def script(read: ServerReads, write: ServerWrites) -> None:
        await anyio.sleep_forever()

    log = WireLog()
    async with opened(script, log, grace=0.01) as channel:
        for _ in range(BUFFERED_MESSAGES):
            await channel.send(b"{}")
        with anyio.move_on_after(0.05) as scope:
            await channel.send(b"{}")
    assert scope.cancelled_caught


async def test_a_server_that_ignores_the_end_of_its_input_is_cancelled_and_named() -> None:
    async def script(read: ServerReads, write: ServerWrites) -> None:
        await anyio.sleep_forever()

    log = WireLog()
    async with opened(script, log, grace=0.01):
        pass
    assert notes(log)[0] == ("close", {"by": "host"})
    assert [finding.message for finding in run(log)] == [
        "peer: the server left a task running: the server itself (went on for 0.01 s after its input had ended)"
    ]


async def test_the_servers_last_messages_after_the_end_of_its_input_are_logged() -> None:
    async def script(read: ServerReads, write: ServerWrites) -> None:
        async for _ in read:
            pass
        await write.send(notification("goodbye"))

    log = WireLog()
    async with opened(script, log):
        pass
    assert [frame.message.method for frame in log.frames] == ["goodbye"]
    assert [type(entry).__name__ for entry in log] == ["Frame", "Note"]


async def test_an_error_in_the_body_comes_out_as_it_is() -> None:
    log = WireLog()
    with pytest.raises(ZeroDivisionError):
        async with opened(wait_for_eof, log):
            raise ZeroDivisionError
    assert notes(log) == [("close", {"by": "host"})]


async def test_a_cancelled_body_lets_the_server_end_by_itself() -> None:
    ended_by: list[str] = []

    async def script(read: ServerReads, write: ServerWrites) -> None:
        try:
            async for _ in read:
                pass
            ended_by.append("end of input")
        except anyio.get_cancelled_exc_class():
            ended_by.append("cancellation")
            raise

    with anyio.CancelScope() as scope:
        async with opened(script, WireLog()):
            scope.cancel()
            await anyio.sleep_forever()
    assert ended_by == ["end of input"]


async def test_a_cancelled_receive_loses_no_frame() -> None:
    async def script(read: ServerReads, write: ServerWrites) -> None:
        async for _ in read:
            await write.send(notification("answer"))

    log = WireLog()
    async with opened(script, log) as channel:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await channel.receive()
        await channel.send(b"1")
        frame = await channel.receive()
    assert frame == log.frames[1]
