"""Tasks replay and are verified: one that the server carries out, and one that the client does.

The SDK's client cannot begin a task, so a client of raw frames does, on the channel that a board would have opened.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from fake_servers import everything
from pytest_mcpsym import link
from pytest_mcpsym.replay.tapes import Mode, Tape, Tapes, recorded
from pytest_mcpsym.switchboard.connect import connect
from pytest_mcpsym.switchboard.target import LinkSpec, Transport
from pytest_mcpsym.switchboard.views import Views
from pytest_mcpsym.transport.tap import Tap
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.redact import Rules
from pytest_mcpsym.wire.render import render
from tests.fakes.frames import Frames

pytestmark = pytest.mark.anyio

TASKS: dict[str, object] = {"requests": {"sampling": {"createMessage": {}}, "elicitation": {"create": {}}}}
CLIENT: dict[str, object] = {"sampling": {}, "elicitation": {}, "tasks": TASKS}
MINE = {"taskId": "of-the-client", "status": "working", "createdAt": "2026-01-31T10:00:00Z", "ttl": 1000, "pollInterval": 1}
SAID = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "four"}}


@dataclass
class _Opened:
    """As much of a board as a tape looks at."""

    log: WireLog
    rules: Rules = field(default_factory=Rules)
    closed: bool = True


@asynccontextmanager
async def opened(mode: Mode, folder: Path, target: LinkSpec) -> AsyncGenerator[tuple[Frames, Tape, WireLog]]:
    """Open the link as a board does in a mode, and write what it recorded."""
    tapes = Tapes(mode, folder, str, test="test_it.py::test_it", root=folder, again="pytest --mcp-rerecord")
    spec, tape = tapes.bind("peer", recorded(target), "handshake", Rules())
    assert tape is not None
    log = WireLog()
    tap = Tap(log, "peer")
    tap.note("open", transport=spec.transport, era="handshake", target="everything")
    async with connect(spec, tap) as channel:
        yield Frames(channel, "handshake", CLIENT), tape, log
        tap.note("closing")
    tape.board = cast("Views", _Opened(log))
    if mode == "record":
        tape.file.write_bytes(tape.content())
    assert (tapes.missed(), tapes.unplayed(), tapes.drifted()) == ("", "", "")


async def of_the_server(client: Frames) -> object:
    """Begin a task that asks what was meant, wait for it, and look at it."""
    client.answers["elicitation/create"] = {"action": "accept", "content": {"interpretation": "snake"}}
    arguments = {"topic": "Python", "ambiguous": True}
    begun = await client.result("tools/call", {"name": "simulate-research-query", "arguments": arguments, "task": {"ttl": 5}})
    ident = begun["task"]["taskId"]
    result = await client.result("tasks/result", {"taskId": ident})
    told = await client.notified("notifications/tasks/status")
    assert told["taskId"] == ident
    state = await client.result("tasks/get", {"taskId": ident})
    listed = await client.result("tasks/list")
    assert [task["taskId"] for task in listed["tasks"]] == [ident]
    return result["content"], state["status"]


async def of_the_client(client: Frames) -> object:
    """Carry out as a task what the server asks."""
    client.answers |= {
        "sampling/createMessage": {"task": MINE},
        "tasks/get": {**MINE, "status": "completed"},
        "tasks/result": SAID,
    }
    arguments = {"prompt": "2+2?", "maxTokens": 10}
    result = await client.result("tools/call", {"name": "trigger-sampling-request-async", "arguments": arguments})
    assert "four" in result["content"][0]["text"]
    return result


@pytest.mark.parametrize("transport", ["memory", "http"])
@pytest.mark.parametrize("talk", [of_the_server, of_the_client])
async def test_a_task_replays_with_nobody_there_and_is_verified(
    talk: Callable[[Frames], Awaitable[object]], transport: Transport, tmp_path: Path
) -> None:
    said: dict[Mode, object] = {}
    logs: dict[Mode, str] = {}
    modes: tuple[Mode, ...] = ("record", "replay", "verify")
    for mode in modes:
        target = link("no-such-server-99") if mode == "replay" else link(everything(pace=0), transport=transport)
        async with opened(mode, tmp_path, target) as (client, tape, log):
            await client.shake()
            said[mode] = await talk(client)
        logs[mode] = render(log)
        assert (tape.verification is not None and tape.verification.compared > 1) is (mode == "verify")
    assert said["replay"] == said["verify"] == said["record"]
    assert logs["replay"] == logs["verify"] == logs["record"]
