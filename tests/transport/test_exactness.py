"""Whatever JSON a server of ours is sent, its answer is the same on every transport, and the connection lives on."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import anyio
import pytest
from mcp.client.stdio import StdioServerParameters

from fake_servers import everything
from pytest_mcpsym.switchboard.connect import connect
from pytest_mcpsym.switchboard.target import link
from pytest_mcpsym.transport.tap import Channel, Tap
from pytest_mcpsym.wire.corpus import Case, corpus
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog

pytestmark = pytest.mark.anyio

Era = Literal["handshake", "modern"]
SERVER = Path(__file__).parent / "peers" / "strict_server.py"
HEADERS = {
    "handshake": {"mcp-protocol-version": "2025-11-25"},
    "modern": {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"},
}
INITIALIZE = (
    b'{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},'
    b'"clientInfo":{"name":"test","version":"0"}}}'
)


@pytest.fixture(params=["handshake", "modern"])
def era(request: pytest.FixtureRequest) -> Era:
    """The era that the client opens with."""
    return request.param


@pytest.fixture(params=["memory", "stdio", "http", "sockets"])
def transport(request: pytest.FixtureRequest) -> str:
    """What carries the bytes."""
    return str(request.param)


@asynccontextmanager
async def opened(transport: str, log: WireLog) -> AsyncGenerator[Channel]:
    """Open a channel to `everything`; the whole test is bounded."""
    if transport == "stdio":
        spec = link(StdioServerParameters(command=sys.executable, args=[str(SERVER)], cwd=Path(__file__).parents[2]))
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
            came = [each for each in frames if each.direction == "to-client"]
            assert (str(case), said(came)) == (str(case), [*wanted, ("result", alive, None)])
            assert frames[0].data == case.data
            assert all(each.envelope is None or each.envelope.status in (200, 400) for each in came)


def case_params(era: Era) -> str:
    """Return the parameters of a request that has none."""
    modern = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
    }
    return json.dumps({"_meta": modern} if era == "modern" else {})
