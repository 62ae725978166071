"""A healthy client, and clients with exactly one bug each. They meet a server that does much which is legal and surprises.

A client opens as its era asks for, lists, calls a tool twice, and leaves. `conversed` holds it: in memory, as a process, or over HTTP.
A mutant overrides what it breaks. Standard library and anyio alone: see `peer.py`. Pinned by `tests/fakes/test_mutants.py`.
"""

from __future__ import annotations

import json
from typing import Final, Protocol

import anyio

from .calls import HANDSHAKE, MODERN, JsonObject, key_of, members

__all__ = ["AnswersNoPing", "Caller", "DiesOfManyChanges", "DiesOfProgress", "ListsTooEarly", "TakesAnyIdForItsOwn", "Wire"]

_ME: Final = {"name": "caller", "version": "1.0.0"}
_PREFIX: Final = "io.modelcontextprotocol/"


class Wire(Protocol):
    """The client's end of a connection."""

    async def send(self, data: bytes, /) -> None:
        """Send one message."""
        ...

    async def receive(self) -> bytes | None:
        """Return the next message, `None` when there are no more."""
        ...


class Caller:
    """A healthy client.

    Attributes:
        era: `handshake` or `modern`.
    """

    def __init__(self) -> None:
        self.era = "handshake"
        self._minted = 0
        self._waiting: dict[str, anyio.Event] = {}
        self._results: dict[str, JsonObject] = {}
        self._tokens: set[str] = set()

    async def run(self, wire: Wire) -> None:
        """Talk until there is no more to say."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen, wire)
            await self.talk(wire)
            tasks.cancel_scope.cancel()

    async def talk(self, wire: Wire) -> None:
        """Open, list, call twice."""
        if self.era == "handshake":
            await self.shake_hands(wire)
        else:
            await self.ask(wire, "server/discover", {})
        await self.ask(wire, "tools/list", {})
        for number in range(2):
            await self.call(wire, number)

    async def shake_hands(self, wire: Wire) -> None:
        """Say hello, and that the answer came."""
        await self.ask(wire, "initialize", {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": _ME})
        await self.put(wire, {"method": "notifications/initialized"})

    async def call(self, wire: Wire, number: int) -> None:
        """Call a tool and take its progress."""
        token = f"progress-{number}"
        self._tokens.add(token)
        params: JsonObject = {"name": "count", "arguments": {"to": 2}, "_meta": {"progressToken": token}}
        await self.ask(wire, "tools/call", params)
        self._tokens.discard(token)

    async def ask(self, wire: Wire, method: str, params: JsonObject) -> JsonObject:
        """Send a request, the first with the id 0, and return the answer."""
        ident = self._minted
        self._minted += 1
        event = self._waiting[key_of(ident)] = anyio.Event()
        if self.era == "modern":
            meta = {_PREFIX + "protocolVersion": MODERN, _PREFIX + "clientInfo": _ME, _PREFIX + "clientCapabilities": {}}
            params = {**params, "_meta": {**members(params.get("_meta")), **meta}}
        await self.put(wire, {"id": ident, "method": method, "params": params})
        await event.wait()
        return self._results.pop(key_of(ident))

    async def put(self, wire: Wire, message: JsonObject) -> None:
        """Send a message."""
        await wire.send(json.dumps({"jsonrpc": "2.0", **message}).encode())

    async def _listen(self, wire: Wire) -> None:
        while (data := await wire.receive()) is not None:
            await self.hear(wire, members(json.loads(data)))

    async def hear(self, wire: Wire, message: JsonObject) -> None:
        """Take a message: what has a method is never an answer."""
        if "method" not in message:
            self.answered(message)
        elif "id" in message:
            await self.asked(wire, message)
        else:
            await self.told(str(message["method"]), members(message.get("params")))

    def answered(self, message: JsonObject) -> None:
        """Take an answer."""
        key = key_of(message.get("id"))
        event = self._waiting.pop(key, None)
        if event is not None:
            self._results[key] = message
            event.set()

    async def asked(self, wire: Wire, message: JsonObject) -> None:
        """Answer what the server asks."""
        if message["method"] == "ping":
            await self.put(wire, {"id": message["id"], "result": {}})
        else:
            await self.put(wire, {"id": message["id"], "error": {"code": -32601, "message": "not here"}})

    async def told(self, method: str, params: JsonObject) -> None:
        """Take a notification; whatever it does not know it lets pass."""
        if method == "notifications/progress":
            self.progressed(params.get("progressToken"))

    def progressed(self, token: object) -> bool:
        """Take progress, and return whether anybody waits for it."""
        return token in self._tokens


class AnswersNoPing(Caller):
    """Answers nothing before it has the answer to its own request, not even a ping."""

    async def asked(self, wire: Wire, message: JsonObject) -> None:
        if not self._waiting:
            await super().asked(wire, message)


class DiesOfManyChanges(Caller):
    """Ends when it is told of a change while it still has to see to the last one."""

    def __init__(self) -> None:
        super().__init__()
        self._stale = False

    async def told(self, method: str, params: JsonObject) -> None:
        if method.endswith("/list_changed"):
            if self._stale:
                raise RuntimeError("a list is being asked for already")
            self._stale = True
        await super().told(method, params)


class DiesOfProgress(Caller):
    """Ends when it is told of progress with a token that it does not know, or no longer."""

    def progressed(self, token: object) -> bool:
        if not super().progressed(token):
            raise LookupError(f"there is no progress token {token!r}")
        return True


class ListsTooEarly(Caller):
    """Asks for the tools before it has said that the handshake is over."""

    async def put(self, wire: Wire, message: JsonObject) -> None:
        if message.get("method") == "notifications/initialized":
            await self.ask(wire, "tools/list", {})
        await super().put(wire, message)


class TakesAnyIdForItsOwn(Caller):
    """Takes a request of the server for the answer to its own request with that id."""

    async def hear(self, wire: Wire, message: JsonObject) -> None:
        if "id" in message and key_of(message["id"]) in self._waiting:
            self.answered(message)
        else:
            await super().hear(wire, message)
