"""Gateways with exactly one bug each: servers that ask their client, or other servers through it. See `servers.py`."""

from __future__ import annotations

import anyio

from .calls import TRACE, Ask, Call, JsonObject, Refusal, members
from .peer import Peer

__all__ = [
    "AsksAfterCancellation",
    "AsksForNobody",
    "AsksTheLastClient",
    "AsksUndeclared",
    "AsksWithStaleCause",
    "AsksWithoutCause",
    "CancelsAnotherId",
    "DropsTrace",
    "EscapesItsSandbox",
    "ForwardsCredentials",
    "GivesUpOnError",
    "KeepsCancellations",
    "RelaysOneAtATime",
    "SortsMembers",
    "StopsCalling",
]


class AsksAfterCancellation(Peer):
    """Goes on with a call that is cancelled, and asks for the next thing that it needs."""

    async def forgo(self, call: Call, ask: Ask) -> None:
        await super().forgo(call, ask)
        params: JsonObject = {"name": "store__echo", "arguments": {"text": "and on"}, **self.ask_meta(call)}
        await self.put(call, {"jsonrpc": "2.0", "id": self.mint(call.client), "method": "tools/call", "params": params})


class AsksForNobody(Peer):
    """Asks the client's model something of its own accord, when nothing is in flight."""

    async def answer(self, call: Call, body: JsonObject) -> None:
        await super().answer(call, body)
        if call.params.get("name") == "grow":
            message = {"role": "user", "content": {"type": "text", "text": "what shall I do?"}}
            params: JsonObject = {"messages": [message], "maxTokens": 10}
            await call.send(self.text({"jsonrpc": "2.0", "id": "own", "method": "sampling/createMessage", "params": params}))


class AsksTheLastClient(Peer):
    """Sends what it asks to the client that came last, whoever's call it is for."""

    async def put(self, call: Call, request: JsonObject) -> None:
        last = self.clients[-1]
        other = next(iter(last.calls.values()), None)
        last.asks.update(call.client.asks)
        await (other.send if other is not None else last.send)(self.text(request))


class AsksUndeclared(Peer):
    """Uses the symmetric extension with clients that did not declare it."""

    def offered(self, call: Call) -> bool:
        return True


class AsksWithStaleCause(Peer):
    """Says of each question that it is for the first call, which is over."""

    def __init__(self) -> None:
        super().__init__()
        self._first: dict[int, object] = {}

    def ask_meta(self, call: Call) -> JsonObject:
        first = self._first.setdefault(id(call.client), call.id)
        meta = members(super().ask_meta(call).get("_meta"))
        return {"_meta": {key: first if value == call.id else value for key, value in meta.items()}}


class AsksWithoutCause(Peer):
    """Does not say for which of several calls it asks."""

    def ask_meta(self, call: Call) -> JsonObject:
        meta = members(super().ask_meta(call).get("_meta"))
        return {"_meta": {key: value for key, value in meta.items() if value != call.id}}


class CancelsAnotherId(Peer):
    """Cancels its own question under the id of the call that was cancelled."""

    async def forgo(self, call: Call, ask: Ask) -> None:
        await super().forgo(call, Ask(str(call.id)))


class DropsTrace(Peer):
    """Calls other servers outside of the trace that the call belongs to."""

    def ask_meta(self, call: Call) -> JsonObject:
        meta = members(super().ask_meta(call).get("_meta"))
        return {"_meta": {key: value for key, value in meta.items() if key not in TRACE}}


class EscapesItsSandbox(Peer):
    """Lets code call tools that its sandbox was not granted."""

    def granted(self, call: Call, name: object) -> bool:
        return True


class ForwardsCredentials(Peer):
    """Sends the caller's credential on to the servers that it calls."""

    def relayed(self, call: Call) -> object:
        return {**members(super().relayed(call)), "authorization": call.client.secret}


class _TakesNote(Peer):
    """Remembers whether another server was not there."""

    def __init__(self) -> None:
        super().__init__()
        self._broken = False

    def concluded(self, answer: JsonObject) -> JsonObject:
        self._broken = self._broken or "error" in answer
        return super().concluded(answer)


class GivesUpOnError(_TakesNote):
    """Calls no other server again, once one of them was not there."""

    async def ask(self, call: Call, method: str, params: JsonObject) -> JsonObject:
        if self._broken and method == "tools/call":
            await anyio.sleep_forever()
        return await super().ask(call, method, params)


class KeepsCancellations(Peer):
    """Does not cancel what it asked for when the call that it asked for is cancelled."""

    async def forgo(self, call: Call, ask: Ask) -> None:
        return


class RelaysOneAtATime(Peer):
    """Handles no call while it waits for the answer to one that it made, not even one that this answer needs."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting = 0
        self._free = anyio.Event()

    async def called(self, call: Call) -> JsonObject:
        while self._waiting and call.params.get("name") == "echo":
            await self._free.wait()
        return await super().called(call)

    async def asked(self, call: Call, method: str, params: JsonObject) -> JsonObject:
        self._waiting += 1
        try:
            return await super().asked(call, method, params)
        finally:
            self._done()

    def leg(self, call: Call, method: str, params: JsonObject) -> JsonObject:
        self._waiting += 1
        return super().leg(call, method, params)

    def drop(self, call: Call) -> Call | None:
        self._done()
        return super().drop(call)

    def _done(self) -> None:
        self._waiting -= 1
        self._free.set()
        self._free = anyio.Event()


class SortsMembers(Peer):
    """Hands arguments on with their members in another order."""

    def relayed(self, call: Call) -> object:
        return dict(sorted(members(super().relayed(call)).items()))


class StopsCalling(_TakesNote):
    """Answers with an error for every server, once one of them was not there."""

    async def tool_relay(self, call: Call) -> JsonObject:
        if self._broken:
            raise Refusal(-32000, "the servers are not there")
        return await super().tool_relay(call)
