"""The connections to the server under judgement: one process per way of connecting, started when a judgement first needs it.

A process serves many judgements; those that a failed one used are ended, so that the next finds a fresh one. Pinned by
`tests/conformance/test_symmetric.py`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import anyio
import anyio.abc
from mcp.client.stdio import StdioServerParameters

from pytest_mcpsym.conformance.talk import Broken, Era, HandshakeTalk, ModernTalk, Talk
from pytest_mcpsym.symmetric.names import LISTENING_CAPABILITY
from pytest_mcpsym.transport.stdio import Patience, open_stdio
from pytest_mcpsym.transport.tap import Tap
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog

__all__ = ["TIME_TO_LIVE", "Desk"]

TIME_TO_LIVE: Final = "MCPSYM_TIME_TO_LIVE"
"""The environment variable that tells the server for how many seconds a continuation is good."""

_PATIENCE: Final = Patience(exit=0.5, kill=1.0)
_SHOWN: Final = 2_000
"""Characters of a frame that a failure shows."""


class _Place:
    """One process, held open by a task of its own."""

    def __init__(self, talk: Talk, log: WireLog) -> None:
        self.talk = talk
        self.log = log
        self.capabilities: Mapping[str, object] = {}
        self.stop = anyio.Event()
        self.seen = 0


class Desk:
    """Opens connections; made by `desk`.

    Attributes:
        era: Of the judgement at hand.
    """

    def __init__(self, command: Sequence[str], patience: float, opening: float, tasks: anyio.abc.TaskGroup) -> None:
        self.era: Era = "handshake"
        self._command = command
        self._patience = patience
        self._opening = opening
        self._tasks = tasks
        self._places: dict[str, _Place] = {}
        self._used: dict[str, _Place] = {}
        self._never: dict[str, Broken] = {}

    async def talk(self, *, declared: Mapping[str, object] | None = LISTENING_CAPABILITY) -> Talk:
        """Return a connection in the era of the judgement.

        Args:
            declared: What of the extension the client declares in the handshake; `None` for nothing. A modern client says it on each
                request.
        """
        if self.era == "modern":
            return await self.modern()
        place = await self._place(f"handshake {json.dumps(declared)}", {}, declared)
        return place.talk

    async def modern(self, *, place: str = "", time_to_live: float | None = None) -> ModernTalk:
        """Return a modern connection.

        Args:
            place: Tells processes apart.
            time_to_live: Seconds that a continuation shall be good for.
        """
        environment = {} if time_to_live is None else {TIME_TO_LIVE: str(time_to_live)}
        found = await self._place(f"modern {place} {environment}", environment, None)
        assert isinstance(found.talk, ModernTalk)
        return found.talk

    async def capabilities(self) -> Mapping[str, object]:
        """Return what the server declares in the era of the judgement."""
        await self.talk()
        return next(reversed(self._used.values())).capabilities

    def close(self, used: bool = False) -> None:
        """End the processes: all of them, or those that the judgement at hand has used."""
        for key in list(self._used if used else self._places):
            place = self._places.pop(key, None)
            if place is not None:
                place.stop.set()

    def forget(self) -> None:
        """Begin a judgement: from now on, `transcript` shows only what comes."""
        self._used.clear()
        for place in self._places.values():
            place.seen = len(place.log)

    def transcript(self) -> str:
        """Return what crossed the wire in this judgement, and what the server said on standard error."""
        lines: list[str] = []
        for key, place in self._used.items():
            lines.append(f"frames ({key.split()[0]}):")
            for entry in place.log.entries[place.seen :]:
                if isinstance(entry, Frame):
                    arrow = "client → server" if entry.direction == "to-server" else "server → client"
                    lines.append(f"  {arrow}  {entry.data.decode('utf-8', 'backslashreplace')[:_SHOWN]}")
            said = [str(note.data.get("text")) for note in place.log.notes if note.channel == "stderr"]
            lines += ["standard error, its end:", *(f"  {line}" for line in said[-10:])] if said else []
        return "\n".join(lines)

    async def _place(self, key: str, environment: Mapping[str, str], declared: Mapping[str, object] | None) -> _Place:
        if key in self._never:
            raise self._never[key]
        place = self._places.get(key)
        if place is None:
            try:
                place = await self._tasks.start(self._hold, key, environment, declared)
            except Broken as error:  # it would do so again, and each judgement would wait for it
                self._never[key] = error
                raise
            assert isinstance(place, _Place)
            self._places[key] = place
        elif key not in self._used:
            self._used[key] = place
            await place.talk.settle()
        return place

    async def _hold(
        self,
        key: str,
        environment: Mapping[str, str],
        declared: Mapping[str, object] | None,
        *,
        task_status: anyio.abc.TaskStatus[_Place],
    ) -> None:
        log = WireLog()
        program, *arguments = self._command
        parameters = StdioServerParameters(command=program, args=arguments, env=dict(environment))
        async with open_stdio(parameters, Tap(log, "server"), patience=_PATIENCE) as channel:
            modern = key.startswith("modern")
            talk = ModernTalk(channel, self._patience) if modern else HandshakeTalk(channel, self._patience, declared)
            place = self._used[key] = _Place(talk, log)
            place.capabilities = await talk.begin(self._opening)
            task_status.started(place)
            await place.stop.wait()


@asynccontextmanager
async def desk(command: Sequence[str], *, patience: float, opening: float) -> AsyncGenerator[Desk]:
    """Yield a desk, and end its processes afterwards.

    Args:
        command: The server's command line.
        patience: Seconds that a frame may take.
        opening: Seconds that the first may take.
    """
    async with anyio.create_task_group() as tasks:
        made = Desk(command, patience, opening, tasks)
        yield made
        made.close()
