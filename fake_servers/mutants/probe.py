"""What an ordinary host never sends, and may: a client without an SDK, with odd ids, odd messages, and odd uses of a session.

Pinned by `tests/fakes/test_mutants.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

import anyio

from pytest_mcpsym.switchboard.connect import connect
from pytest_mcpsym.switchboard.target import Era, LinkSpec
from pytest_mcpsym.transport.tap import Channel, Tap
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog

from .calls import HANDSHAKE, MODERN, JsonObject

__all__ = ["Raw", "probed"]

PATIENCE: Final = 1.0
"""Seconds that an answer may take; a healthy peer needs a hundredth of it, on a busy machine a tenth."""
START: Final = 10.0
"""Seconds that a process may take to start."""
_ME: Final = {"name": "probe", "version": "1.0.0"}


@dataclass(slots=True)
class Raw:
    """A client of one link, in bytes.

    Attributes:
        answers: Ids, as JSON text, of what was answered.
        session: The HTTP session, where there is one.
    """

    channel: Channel
    era: Era
    answers: dict[str, anyio.Event] = field(default_factory=dict[str, anyio.Event])
    session: str | None = None

    async def listen(self) -> None:
        """Take what comes, until the end."""
        with suppress(anyio.EndOfStream):
            while True:
                item = await self.channel.receive()
                if isinstance(item, Frame):
                    self.took(item)
                    session = None if item.envelope is None else item.envelope.header("mcp-session-id")
                    self.session = session or self.session
                    ident = item.message.id if item.message.kind in ("result", "error") else None
                else:
                    ident = item.id
                self.answers.setdefault(ident or "", anyio.Event()).set()

    def took(self, frame: Frame) -> None:
        """Told of each frame."""

    async def open(self) -> None:
        """Begin as the era asks for."""
        if self.era == "handshake":
            await self.first("initialize", protocolVersion=HANDSHAKE, capabilities={}, clientInfo=_ME)
            await self.tell("notifications/initialized")
        else:
            await self.first("server/discover")

    async def ask(self, ident: object, method: str, headers: Mapping[str, str] | None = None, /, **params: object) -> None:
        """Send a request and wait for the answer, but not for ever."""
        await self.put(ident, method, headers, **params)
        await self.came(ident)

    async def first(self, method: str, /, **params: object) -> None:
        """Ask for the first time, of a peer that may still be starting."""
        await self.put(0, method, None, **params)
        with anyio.move_on_after(START):
            await self.answers["0"].wait()

    async def put(self, ident: object, method: str, headers: Mapping[str, str] | None = None, /, **params: object) -> None:
        """Send a request."""
        self.answers[json.dumps(ident)] = anyio.Event()
        await self.send({"jsonrpc": "2.0", "id": ident, "method": method, "params": self._stamped(params)}, headers)

    async def call(self, ident: object, tool: str, /, **arguments: object) -> None:
        """Send a call of a tool."""
        await self.put(ident, "tools/call", None, name=tool, arguments=arguments)

    async def came(self, *idents: object) -> None:
        """Wait for answers, but not for ever."""
        with anyio.move_on_after(PATIENCE):
            for ident in idents:
                await self.answers[json.dumps(ident)].wait()

    async def tell(self, method: str, /, **params: object) -> None:
        """Send a notification."""
        await self.send({"jsonrpc": "2.0", "method": method, "params": params})

    async def send(self, message: object, headers: Mapping[str, str] | None = None) -> None:
        """Send a message, whatever it is; a link that is gone takes none."""
        version = HANDSHAKE if self.era == "handshake" else MODERN
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self.channel.send(data, {"mcp-protocol-version": version, **(headers or {})})

    def _stamped(self, params: JsonObject) -> JsonObject:
        if self.era == "handshake":
            return params
        prefix = "io.modelcontextprotocol/"
        meta = {prefix + "protocolVersion": MODERN, prefix + "clientCapabilities": {}, prefix + "clientInfo": _ME}
        return {**params, "_meta": meta}


async def probed(spec: LinkSpec, log: WireLog, era: Era, server: str) -> None:
    """Open one more link to a peer, to which there is the link `server` already, and use it oddly."""
    tap = Tap(log, "probe")
    opened: dict[str, object] = {"transport": spec.transport, "era": era, "target": spec.label, "server": server}
    tap.note("open", **opened)
    async with connect(_as(spec, "probe-1"), tap) as channel, anyio.create_task_group() as tasks:
        raw = Raw(channel, era)
        tasks.start_soon(raw.listen)
        await raw.open()
        await _odd_ids(raw)
        await raw.call("undeclared", "relay", name="store__echo", arguments={})
        await raw.tell("notifications/of-nobody")
        await raw.came("undeclared")
        if raw.session is not None:
            thieving = Tap(log, "thief")
            thieving.note("open", **opened)
            await _odd_sessions(raw, spec, thieving)
        await raw.send(b"not a message")
        await raw.send({"jsonrpc": "2.0", "id": 99})
        await raw.came("undeclared")
        await raw.ask("last", "tools/list")
        tap.note("closing")
        tasks.cancel_scope.cancel()


def _as(spec: LinkSpec, who: str) -> LinkSpec:
    return replace(spec, headers={"authorization": f"Bearer credential-of-{who}"}) if spec.headers else spec


async def _odd_ids(raw: Raw) -> None:
    """Numbers and texts that look alike are different ids, and cancelling one leaves the others."""
    alike: list[object] = ["07", "7", 7]
    for ident in alike:
        await raw.call(ident, "gate", name="odd")
    await raw.tell("notifications/cancelled", requestId="07")
    await raw.call(0, "open", name="odd")
    await raw.came(0, 7, "7")


async def _odd_sessions(raw: Raw, spec: LinkSpec, thieving: Tap) -> None:
    """A session goes on when its credential is refreshed, and is nobody else's."""
    await raw.ask("refreshed", "tools/list", {"authorization": "Bearer credential-of-probe-2"})
    async with connect(_as(spec, "thief-1"), thieving) as channel, anyio.create_task_group() as tasks:
        thief = Raw(channel, raw.era)
        tasks.start_soon(thief.listen)
        await thief.ask("mine", "tools/list", {"mcp-session-id": str(raw.session)})
        tasks.cancel_scope.cancel()
