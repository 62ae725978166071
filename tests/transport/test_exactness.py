"""Whatever JSON a server of ours is sent, its answer is the same on every transport, and the connection lives on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from typing import Literal

import anyio
import pytest
from mcp.client.stdio import StdioServerParameters

from fake_servers import everything
from pytest_mcpsym.switchboard.connect import connect
from pytest_mcpsym.switchboard.target import link
from pytest_mcpsym.transport.asgi import Message, Receive, Scope, Send
from pytest_mcpsym.transport.strict_app import MOST_BYTES, StrictApp
from pytest_mcpsym.transport.tap import Channel, Tap
from pytest_mcpsym.wire.corpus import Case, corpus
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog

pytestmark = pytest.mark.anyio

Era = Literal["handshake", "modern"]
FIFTY = 50_000_000
TEXTS = (
    "\U0001f600 \u2028\u2029\x85",
    "\ufeff\x00\x1f\x7f",
    '\r\n \\u2028 \\\\ "/',
    "e\u0301 \u00e9 \ud7ff\ue000\uffff",
    "",
)
SERVE = ["-m", "pytest_mcpsym", "serve", "everything"]
HEADERS = {
    "handshake": {"mcp-protocol-version": "2025-11-25"},
    "modern": {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"},
}
WAYS = pytest.mark.parametrize(
    ("anyio_backend", "transport"),
    [("asyncio", "memory"), ("trio", "memory"), ("asyncio", "stdio"), ("trio", "http"), ("asyncio", "sockets")],
)
"""Each transport, and each event loop in process; a server that is a process has its own."""

INITIALIZE = (
    b'{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},'
    b'"clientInfo":{"name":"test","version":"0"}}}'
)


@pytest.fixture(params=["handshake", "modern"])
def era(request: pytest.FixtureRequest) -> Era:
    """The era that the client opens with."""
    return request.param


@asynccontextmanager
async def opened(transport: str, log: WireLog) -> AsyncGenerator[Channel]:
    """Open a channel to `everything`; the whole test is bounded."""
    if transport == "stdio":
        spec = link(StdioServerParameters(command=sys.executable, args=SERVE))
    else:
        spec = link(everything(lifecycle=None), transport=transport)  # pyright: ignore[reportArgumentType] - a text of a parameter
    with anyio.fail_after(30):
        async with connect(spec, Tap(log, "peer")) as channel:
            yield channel


async def frame(channel: Channel, wanted: Callable[[Frame], bool]) -> Frame:
    """Receive up to a frame that is wanted."""
    while True:
        item = await channel.receive()
        if isinstance(item, Frame) and wanted(item):
            return item


async def start(channel: Channel, era: Era) -> None:
    """Say what a client of the era says first."""
    if era == "handshake":
        await channel.send(INITIALIZE)
        await frame(channel, lambda item: item.message.id == '"hello"')
        await channel.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}', HEADERS[era])


def said(frames: list[Frame]) -> list[tuple[str, str | None, object]]:
    """Return kind, id and error code of each frame."""
    return [(each.message.kind, each.message.id, each.message.error.get("code")) for each in frames]


def owed(case: Case, *, over_http: bool) -> list[tuple[str, str | None, object]]:
    """Return what a case says of the frames that come back."""
    if case.outcome == "answered":
        return [("result", case.id, None)]
    return [("error", case.id, case.code)] if over_http or case.outcome == "refused" else []


@WAYS
async def test_every_case_has_the_outcome_that_it_is_owed_and_the_connection_lives_on(transport: str, era: Era) -> None:
    log = WireLog()
    over_http = transport in ("http", "sockets")
    async with opened(transport, log) as channel:
        await start(channel, era)
        for number, case in enumerate(corpus(modern=era == "modern")):
            alive = f'"alive-{number}"'
            since = len(log.frames)
            wanted = owed(case, over_http=over_http)
            await channel.send(case.data, HEADERS[era])
            for _ in wanted:
                await frame(channel, lambda item: item.message.kind in ("result", "error"))
            params = case_params(era)
            await channel.send(
                f'{{"jsonrpc":"2.0","id":{alive},"method":"tools/list","params":{params}}}'.encode(), HEADERS[era]
            )
            await frame(channel, lambda item, alive=alive: item.message.id == alive)
            frames = log.frames[since:]
            came = [each for each in frames if each.direction == "to-client" and each.message.method is None]
            assert (str(case), said(came)) == (str(case), [*wanted, ("result", alive, None)])
            assert frames[0].data == case.data
            assert all(each.envelope is None or each.envelope.status in (200, 400) for each in came)


@WAYS
async def test_a_text_comes_back_as_it_went(transport: str) -> None:
    async with opened(transport, WireLog()) as channel:
        await start(channel, "handshake")
        for text, is_ascii in product(TEXTS, (True, False)):
            await channel.send(echo(text, is_ascii=is_ascii), HEADERS["handshake"])
            answer = await frame(channel, lambda item: item.message.id == "1")
            assert answer.message.result["content"] == [{"type": "text", "text": f"Echo: {text}"}]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("transport", ["memory", "http"])
async def test_fifty_megabytes_go_there_and_back(transport: str) -> None:
    async with opened(transport, WireLog()) as channel:
        await start(channel, "handshake")
        await channel.send(echo("x" * FIFTY), HEADERS["handshake"])
        answer = await frame(channel, lambda item: item.message.id == "1")
        assert len(answer.data) > FIFTY


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_is_longer_than_a_body_may_be_is_refused_by_http_and_the_connection_lives_on() -> None:
    async with opened("http", WireLog()) as channel:
        await start(channel, "handshake")
        await channel.send(b"[" * (MOST_BYTES + 1), HEADERS["handshake"])
        await channel.send(echo("alive"), HEADERS["handshake"])
        await frame(channel, lambda item: item.message.id == "1")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_is_posted_elsewhere_passes_as_it_is() -> None:
    bodies: list[bytes] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        bodies.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"grant_type=none"}

    async def send(_message: Message) -> None: ...

    for path in ("/token", "/mcp"):
        await StrictApp(app, "/mcp")({"type": "http", "method": "POST", "path": path}, receive, send)
    assert bodies == [b"grant_type=none", b""]


def test_what_is_piped_into_a_server_is_answered_before_it_ends() -> None:
    given = INITIALIZE + b"\n" + echo("first") + b"\n"
    ran = subprocess.run([sys.executable, *SERVE], input=given, capture_output=True, timeout=60, check=True)
    assert [b"serverInfo" in line or b"Echo: first" in line for line in ran.stdout.splitlines()] == [True, True]


def test_a_server_ends_with_its_input_though_a_call_goes_on() -> None:
    params = {"name": "trigger-long-running-operation", "arguments": {"duration": 600}}
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    ran = subprocess.run([sys.executable, *SERVE], input=INITIALIZE + b"\n" + call, capture_output=True, timeout=60, check=True)
    assert b"Long running operation completed" not in ran.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says how much memory a process had at most")
def test_fifty_megabytes_cost_a_server_on_a_pipe_a_few_times_their_size() -> None:
    with subprocess.Popen([sys.executable, *SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(INITIALIZE + b"\n" + echo("x" * FIFTY) + b"\n")
        process.stdin.flush()
        assert b"serverInfo" in process.stdout.readline()
        assert len(process.stdout.readline()) > FIFTY
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        process.stdin.close()
    most = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert most is not None
    assert int(most[1]) * 1024 < 8 * FIFTY


def echo(text: str, *, is_ascii: bool = True) -> bytes:
    """Return a call of `echo` with the id 1."""
    params = {"name": "echo", "arguments": {"message": text}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return json.dumps(message, ensure_ascii=is_ascii).encode()


def case_params(era: Era) -> str:
    """Return the parameters of a request that has none."""
    modern = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
    }
    return json.dumps({"_meta": modern} if era == "modern" else {})
