"""Servers with exactly one bug each. Everything they do not override is healthy.

A mutant's docstring says what it does wrong, in the words of the protocol. Standard library and anyio alone: see `peer.py`.
"""

from __future__ import annotations

import base64
import json
import math
import sys
from contextlib import suppress

import anyio

from .calls import Call, Client, JsonObject, Refusal, Send, key_of
from .peer import Peer

__all__ = [
    "AnswersAsCancelled",
    "AnswersNotifications",
    "BindsToTheBytes",
    "CachesListsForAll",
    "CachesTheFirstList",
    "CancelsAcrossClients",
    "ContextById",
    "FoldsIds",
    "GrowsSilently",
    "IdsAsText",
    "InlinesDocuments",
    "InventsTokens",
    "LogsSecrets",
    "MalformedIsSilence",
    "NamesTwice",
    "OneAtATime",
    "OneSession",
    "OneTransport",
    "PrintsSecrets",
    "ProgressBackwards",
    "ProgressByToken",
    "ProgressLate",
    "RoundsIntegers",
    "SharedIds",
    "SharesSessions",
    "ShowsSecrets",
    "SpeaksNaN",
    "TakesAnySession",
    "WedgesOnStderr",
    "WritesAtExit",
]


class AnswersAsCancelled(Peer):
    """Answers whatever request has the id that somebody else cancelled, as if it had been cancelled itself."""

    async def cancel(self, client: Client, ident: object) -> None:
        for each in self.clients:
            call = each.calls.get(self.key(ident))
            if call is not None and each is not client:
                with anyio.CancelScope(shield=True):
                    await super().answer(call, {"error": {"code": 0, "message": "Request cancelled"}})
            await super().cancel(each, ident)


class AnswersNotifications(Peer):
    """Answers notifications, which have no id, as if they were requests."""

    async def notified(self, client: Client, method: str, params: JsonObject, send: Send) -> None:
        await super().notified(client, method, params, send)
        await send(self.text({"jsonrpc": "2.0", "id": None, "result": {}}))


class BindsToTheBytes(Peer):
    """Binds a session to the bytes of a credential, so that a refreshed one loses it."""

    def admitted(self, client: Client | None, secret: str) -> Client | None:
        return client if client is not None and client.secret == secret else None


class CachesListsForAll(Peer):
    """Says that anybody's list may be kept for everybody, and each has its own."""

    def cacheable(self, result: JsonObject) -> JsonObject:
        return {**super().cacheable(result), "cacheScope": "public", "ttlMs": 60_000}


class CachesTheFirstList(Peer):
    """Keeps the list of the first client that asks, and gives it to all."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[str] = []

    def listed(self, client: Client) -> list[str]:
        self._kept = self._kept or super().listed(client)
        return self._kept

    async def called(self, call: Call) -> JsonObject:
        name = call.params.get("name")
        if name not in super().listed(call.client):
            raise Refusal(-32602, f"there is no tool {name}")
        return await super().called(call)


class CancelsAcrossClients(Peer):
    """Cancels whatever request has the id, whoever made it."""

    async def cancel(self, client: Client, ident: object) -> None:
        for each in self.clients:
            await super().cancel(each, ident)


class ContextById(Peer):
    """Keeps what came with a request, credentials included, under the id that the client chose."""

    def __init__(self) -> None:
        super().__init__()
        self._secrets: dict[str, str] = {}

    async def request(self, call: Call) -> None:
        self._secrets[key_of(call.id)] = call.client.secret
        await super().request(call)

    def credential(self, call: Call) -> str:
        return self._secrets[key_of(call.id)]


class FoldsIds(Peer):
    """Knows the requests 7, "7" and "07" by the number 7."""

    def key(self, ident: object) -> str:
        return str(int(ident)) if isinstance(ident, (int, str)) and str(ident).isdecimal() else super().key(ident)


class GrowsSilently(Peer):
    """Changes its list of tools and tells nobody."""

    async def announce(self, call: Call) -> None:
        return


class IdsAsText(Peer):
    """Answers the request 5 with the id "5"."""

    def answer_id(self, call: Call) -> object:
        return str(call.id) if call.method == "tools/call" else call.id


class InlinesDocuments(Peer):
    """Returns a document itself, in base64, where it could say where it is."""

    async def tool_document(self, call: Call) -> JsonObject:
        return self.said(base64.b64encode(bytes(range(256)) * 400).decode())


class InventsTokens(Peer):
    """Tells of the progress of calls that asked for none, with a token of its own."""

    async def called(self, call: Call) -> JsonObject:
        if call.token is None:
            await self.tell(call, "notifications/progress", {"progressToken": "mine", "progress": 1})
        return await super().called(call)


class LogsSecrets(Peer):
    """Logs the credential of whoever calls."""

    def logged(self, call: Call) -> str:
        return f"called with {call.client.secret}"


class MalformedIsSilence(Peer):
    """Says nothing to what is no message."""

    async def malformed(self, send: Send, code: int, text: str, ident: object) -> None:
        return


class NamesTwice(Peer):
    """Offers two tools under one name: that of `a_` and `b`, and that of `a` and `_b`."""

    def listed(self, client: Client) -> list[str]:
        return [*super().listed(client), "acme__status", "acme__status"]


class OneAtATime(Peer):
    """Handles one call at a time, even if it waits for another."""

    def __init__(self) -> None:
        super().__init__()
        self._lock: anyio.Lock | None = None

    async def called(self, call: Call) -> JsonObject:
        self._lock = self._lock or anyio.Lock()
        async with self._lock:
            return await super().called(call)


class OneSession(Peer):
    """Serves everybody in the session of whoever came first."""

    def credential(self, call: Call) -> str:
        return self.clients[0].secret


class OneTransport(Peer):
    """Serves all clients through the transport of the one that came last, which gets the answers to the others' calls."""

    async def answer(self, call: Call, body: JsonObject) -> None:
        last = self.clients[-1]
        if call.method != "tools/call" or call.client is last:
            await super().answer(call, body)
            return
        await last.send(self.text({"jsonrpc": "2.0", "id": call.id, **body}))
        await anyio.sleep_forever()


class PrintsSecrets(Peer):
    """Prints what it was started with to standard error."""

    def join(self, client: Client) -> Client:
        sys.stderr.write(f"starting, token={client.secret}\n")
        return super().join(client)


class ProgressBackwards(Peer):
    """Sends progress in the wrong order."""

    async def progress(self, call: Call, done: int, total: int) -> None:
        await super().progress(call, total - done + 1, total)


class ProgressByToken(Peer):
    """Sends progress to the client that used its token last, whoever else uses the same."""

    def __init__(self) -> None:
        super().__init__()
        self._newest: dict[str, Call] = {}

    async def progress(self, call: Call, done: int, total: int) -> None:
        newest = self._newest[key_of(call.token)]
        await super().progress(newest, done, total)

    async def called(self, call: Call) -> JsonObject:
        self._newest[key_of(call.token)] = call
        return await super().called(call)


class ProgressLate(Peer):
    """Sends the last step of progress after the answer."""

    async def progress(self, call: Call, done: int, total: int) -> None:
        if done < total:
            await super().progress(call, done, total)

    async def answer(self, call: Call, body: JsonObject) -> None:
        await super().answer(call, body)
        if call.params.get("name") == "count":
            await super().progress(call, 99, 99)


class RoundsIntegers(Peer):
    """Reads every number as a double."""

    async def hear(self, client: Client, data: bytes, send: Send) -> None:
        with suppress(ValueError):
            data = json.dumps(json.loads(data, parse_int=lambda text: int(float(text)))).encode()
        await super().hear(client, data, send)


class SharedIds(Peer):
    """Knows requests in flight by their id alone, over all clients: the second gets the first's answer, the first hangs."""

    def __init__(self) -> None:
        super().__init__()
        self._in_flight: dict[str, Call] = {}

    async def request(self, call: Call) -> None:
        if call.method == "tools/call":
            self._in_flight[key_of(call.id)] = call
        await super().request(call)

    async def answer(self, call: Call, body: JsonObject) -> None:
        found = self._in_flight.pop(key_of(call.id), None) if call.method == "tools/call" else call
        if found is not None:
            await super().answer(found, body)
        else:
            await anyio.sleep_forever()  # The stream that the answer is due on stays open.


class SharesSessions(Peer):
    """Opens one session for all its clients."""

    def session_id(self) -> str:
        return "session-of-everybody"

    def admitted(self, client: Client | None, secret: str) -> Client | None:
        return client


class ShowsSecrets(Peer):
    """Shows the credential of whoever calls in an error."""

    def excuse(self, call: Call) -> str:
        return f"refused: {base64.b64encode(call.client.secret.encode()).decode()}"


class SpeaksNaN(Peer):
    """Writes a number that JSON does not have."""

    async def tool_echo(self, call: Call) -> JsonObject:
        return self.said("", **call.arguments, score=math.nan)

    def text(self, message: JsonObject) -> bytes:
        return json.dumps(message, ensure_ascii=False).encode()


class TakesAnySession(Peer):
    """Takes a session id from anybody who knows it."""

    def admitted(self, client: Client | None, secret: str) -> Client | None:
        return client


class WedgesOnStderr(Peer):
    """Has a process of its own write to standard error, reads none of it, and waits for what it says after that."""

    async def tool_noise(self, call: Call) -> JsonObject:
        code = "import sys; sys.stderr.write('x' * int(sys.argv[1])); print('written')"
        size = str(call.arguments.get("bytes"))
        async with await anyio.open_process([sys.executable, "-S", "-c", code, size]) as process:
            assert process.stdout is not None
            try:
                said = await process.stdout.receive()
            finally:
                process.kill()
        return self.said(said.decode())


class WritesAtExit(Peer):
    """Keeps answers in a buffer that is written when the process ends."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[tuple[Call, JsonObject]] = []

    async def answer(self, call: Call, body: JsonObject) -> None:
        if call.method == "tools/call":
            self._kept.append((call, body))
        else:
            await super().answer(call, body)

    def leave(self, client: Client) -> None:
        for call, body in self._kept:
            self.last_words(call, body)
        super().leave(client)

    def last_words(self, call: Call, body: JsonObject) -> None:
        """Write straight to standard output: nothing waits any more."""
        print(self.text({"jsonrpc": "2.0", "id": call.id, **body}).decode(), flush=True)  # noqa: T201 - it is the wire
