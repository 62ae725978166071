"""What a replay costs: against the same server alive, and against vcrpy, which records and replays below the protocol.

A replay reads its file from disk as a test does. The live sides are a server in process, the reference server of npm over stdio in a
process of its own, and the fake of it over HTTP. vcrpy keeps HTTP requests and their whole responses in YAML; the client is the SDK's
on both sides, and what it sends and gets is the same.
"""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol, cast

from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client
from vcr import VCR  # pyright: ignore[reportMissingTypeStubs] - it has none

from benchmarks.paired import each, paired
from benchmarks.recorder import SERVE, listening
from benchmarks.row import Effort, Row, Skipped
from fake_servers import everything
from pytest_mcpsym.replay.tapes import Tapes, recorded
from pytest_mcpsym.switchboard import switchboard
from pytest_mcpsym.switchboard.board import AsyncBoard
from pytest_mcpsym.switchboard.target import Era, link
from pytest_mcpsym.wire.recording import Head, LinkHead, Transport, of_link, write
from pytest_mcpsym.wire.redact import Rules, redact

__all__ = ["replaying"]

NPM: Final = (
    Path(__file__)
    .resolve()
    .parent.parent.joinpath(
        "tests", "peers", "npm", "node_modules", "@modelcontextprotocol", "server-everything", "dist", "index.js"
    )
)
SESSION: Final = 10
"""Calls of one session of which opening and closing are measured too."""

_ARGUMENTS: Final = {"message": "hello"}


def replaying(effort: Effort) -> Iterator[Row | Skipped]:
    """A replayed call, session and recording against the same without a recording, and against vcrpy."""
    with TemporaryDirectory() as folder, start_blocking_portal() as portal:
        bench = _Bench(portal, Path(folder), effort)
        yield from bench.call()
        yield from bench.npm()
        with listening((*SERVE, "--http", "0")) as url:
            yield from bench.vcr(url)


class _Vcr(Protocol):
    """What of vcrpy is used."""

    def use_cassette(self, path: str, *, record_mode: str) -> AbstractContextManager[object]: ...


@dataclass(frozen=True, slots=True)
class _Bench:
    portal: BlockingPortal
    folder: Path
    effort: Effort
    _numbers: Iterator[int] = field(default_factory=count)

    def call(self) -> Iterator[Row]:
        """A call alone, of a session that is open."""

        async def calls(target: object) -> float:
            async with switchboard(everything=target) as board:
                await board.client("everything").list_tools()
                return await each(lambda: _echo(board), self.effort.calls)

        def replayed(file: Path) -> float:
            return self.portal.call(calls, self._played(file, "handshake"))

        def live(server: object) -> float:
            return self.portal.call(calls, server)

        for way in ("memory", "http"):
            server = link(everything(), transport=way)
            file = self._recorded(server, "handshake", self.effort.calls)
            pairs = paired(partial(replayed, file), partial(live, server), self.effort.rounds)
            yield pairs.row("replay", f"board.call, replayed, {way}", "the server in process", "async", 0.5)

    def npm(self) -> Iterator[Row | Skipped]:
        """A session with its start, against a process. Its end is left out: this server waits to be terminated."""
        node = shutil.which("node")
        if node is None or not NPM.is_file():
            yield Skipped("replay", "the reference server of npm is not installed: python tests/peers/install.py")
            return
        target = shlex.join([node, str(NPM), "stdio"])
        file = self._recorded(target, "handshake", SESSION)

        async def until_answered(target: object) -> float:
            start = time.perf_counter()
            async with switchboard(everything=target) as board:
                await _session(board)
                return time.perf_counter() - start

        pairs = paired(
            lambda: self.portal.call(until_answered, self._played(file, "handshake")),
            lambda: self.portal.call(until_answered, target),
            min(self.effort.rounds, self.effort.starts),
        )
        yield pairs.row("replay", f"{SESSION} calls with start, replayed", "the npm server over stdio", "async", 0.1)

    def vcr(self, url: str) -> Iterator[Row]:
        """A session over HTTP, replayed and recorded, against vcrpy."""
        file = self._recorded(url, "modern", SESSION)
        recorder = cast("_Vcr", VCR(match_on=("method", "uri", "body")))
        kept = self.folder / "kept.yaml"

        async def with_vcr(path: Path, mode: str) -> None:
            with recorder.use_cassette(str(path), record_mode=mode):
                async with Client(url, mode="auto", cache=None) as client:
                    await client.list_tools()
                    for _ in range(SESSION):
                        await client.call_tool("echo", _ARGUMENTS)

        async def replayed(target: object) -> None:
            async with switchboard(everything=target, era="modern") as board:
                await _session(board)

        self.portal.call(with_vcr, kept, "once")
        pairs = paired(
            lambda: self._timed(lambda: replayed(self._played(file, "modern"))),
            lambda: self._timed(lambda: with_vcr(kept, "none")),
            self.effort.rounds,
        )
        yield pairs.row("replay", f"{SESSION} calls with start and end, replayed", "vcrpy replays them", "async", 1.0)
        pairs = paired(
            lambda: self._timed(lambda: self._record(url, "modern", SESSION)),
            lambda: self._timed(lambda: with_vcr(self._new("yaml"), "once")),
            self.effort.rounds,
        )
        yield pairs.row("replay", f"{SESSION} calls over HTTP, recorded", "vcrpy records them", "async")

    # --- recordings

    def _new(self, suffix: str) -> Path:
        return self.folder / f"take{next(self._numbers)}.{suffix}"

    def _recorded(self, target: object, era: Era, calls: int) -> Path:
        return self.portal.call(self._record, target, era, calls)

    async def _record(self, target: object, era: Era, calls: int) -> Path:
        """Call a server, and write the recording as the plugin does."""
        file = self._new("jsonl")
        async with switchboard(everything=target, era=era) as board:
            await board.client("everything").list_tools()
            for _ in range(calls):
                await _echo(board)
        transport = cast("Transport", board.log.notes[0].data["transport"])
        head = Head("", (LinkHead("everything", era, transport),), "benchmark", "2026-01-31")
        file.write_bytes(write(redact(of_link(board.log, "everything"), Rules()), head))
        return file

    def _played(self, file: Path, era: Era) -> object:
        tapes = Tapes("replay", self.folder, lambda _: file.stem, test="", root=self.folder, again="")
        spec, _ = tapes.bind("everything", recorded("no-such-command"), era, Rules())
        return spec

    def _timed(self, action: Callable[[], Awaitable[object]]) -> float:
        """Time on the wall: where the other side is a process or a server, that is what a user waits for."""
        return self.portal.call(each, action, 1, time.perf_counter)


async def _session(board: AsyncBoard) -> None:
    await board.client("everything").list_tools()
    for _ in range(SESSION):
        await _echo(board)


async def _echo(board: AsyncBoard) -> object:
    return await board.call("everything__echo", _ARGUMENTS)
