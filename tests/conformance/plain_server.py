"""A server with the symmetric extension in both eras, written from docs/symmetric.md with the standard library alone.

It imports nothing of this package, and offers the tools of docs/symmetric-conformance.md. `tests/conformance/test_symmetric.py` judges
it, and copies of it in which one thing is broken.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, ClassVar

Json = dict[str, Any]
EXTENSION = "dev.mcpsym/symmetric"
ENVELOPE = "io.modelcontextprotocol/"
TIME_TO_LIVE = float(os.environ.get("MCPSYM_TIME_TO_LIVE", "300"))
SUBSCRIBING = ("resources/subscribe", "resources/unsubscribe", "dev.mcpsym/updates")
NEEDS = {"tools": "tools", "resources": "resources", "prompts": "prompts", "sampling": "sampling"}


class Refusal(Exception):
    """A JSON-RPC error."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.error: Json = {"code": code, "message": message, **({} if data is None else {"data": data})}


def send(**frame: object) -> None:
    """Write one message."""
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **frame}) + "\n")
    sys.stdout.flush()


def respond(ident: object, answer: Json) -> None:
    """Write a response."""
    send(id=ident, **answer)


# --- what a handler sees of its client


class Client:
    """What both eras have in common."""

    def __init__(self, declared: Json | None, modern: bool) -> None:
        self._declared = declared
        self._modern = modern
        self.token: object = None

    def need(self, method: str, params: Json) -> None:
        """Refuse what the client did not declare."""
        member = NEEDS.get(method.partition("/")[0], "resources")
        declared: Json | None = (self._declared or {}).get(member)
        missing: Json = {}
        if method in SUBSCRIBING and (declared is None or not declared.get("subscribe")):
            missing = {"subscribe": True}
        elif member == "sampling" and "tools" in params and "tools" not in (declared or {}):
            missing = {"tools": {}}
        elif declared is not None:
            return
        required = {"requiredCapabilities": {"extensions": {EXTENSION: {member: missing}}}}
        raise Refusal(-32021 if self._modern else -32602, f"the client offers no {member}", required)

    async def ask(self, method: str, params: Json, *, watch: Callable[[Json], None] | None = None) -> Json:
        """Ask for something and return its result."""
        self.need(method, params)
        return outcome(await self.carry(method, params, watch))

    async def carry(self, method: str, params: Json, watch: Callable[[Json], None] | None) -> Json:
        """Bring a request to the client and return its answer."""
        raise NotImplementedError

    async def tool(self, name: str, arguments: Json | None = None) -> str:
        """Call a tool and return its text."""
        return text_of(await self.ask("tools/call", {"name": name, "arguments": arguments or {}}))

    async def tools(self) -> list[Json]:
        """Return the tools of all pages."""
        found: list[Json] = []
        params: Json = {}
        while True:
            page = await self.ask("tools/list", params)
            found += page["tools"]
            if "nextCursor" not in page:
                return found
            params = {"cursor": page["nextCursor"]}

    def report(self, params: Json) -> None:
        """Report progress of the handler."""
        if self.token is not None:
            send(method="notifications/progress", params={**params, "progressToken": self.token})


def text_of(result: Json) -> str:
    """The text of a tool's result."""
    return "".join(block["text"] for block in result["content"])


def outcome(answer: Json) -> Json:
    """The result in an answer; raises its error."""
    if "error" in answer:
        refusal = Refusal(0, "")
        refusal.error = answer["error"]
        raise refusal
    return answer["result"]


class Mirrored(Client):
    """The handshake era: a request of the server's own."""

    sent = 0
    waiting: ClassVar[dict[int, asyncio.Future[Json]]] = {}
    watching: ClassVar[dict[int, Callable[[Json], None]]] = {}

    def __init__(self, declared: Json | None, cause: object) -> None:
        super().__init__(declared, modern=False)
        self._cause = cause

    async def carry(self, method: str, params: Json, watch: Callable[[Json], None] | None) -> Json:
        Mirrored.sent += 1
        ident = Mirrored.sent
        meta: Json = {"dev.mcpsym/cause": self._cause}
        if watch is not None:
            meta["progressToken"] = ident
            self.watching[ident] = watch
        self.waiting[ident] = asyncio.get_running_loop().create_future()
        send(id=ident, method=method, params={**params, "_meta": meta})
        try:
            return await self.waiting[ident]
        except asyncio.CancelledError:
            send(method="notifications/cancelled", params={"requestId": ident, "reason": "nobody waits any more"})
            raise
        finally:
            del self.waiting[ident]
            self.watching.pop(ident, None)


class Legs(Client):
    """The modern era: calls of one handler that waits to be continued."""

    def __init__(self, declared: Json | None) -> None:
        super().__init__(declared, modern=True)
        self.news = asyncio.Event()
        self.posted: Json = {}
        self.open: dict[str, asyncio.Future[Json]] = {}
        self.kept: list[Json] = []
        self.parked = False
        self.minted = 0
        self.task: asyncio.Task[Json] | None = None

    async def carry(self, method: str, params: Json, watch: Callable[[Json], None] | None) -> Json:
        self.minted += 1
        key = f"c{self.minted}"
        self.posted[key] = {"method": method, "params": params}
        self.open[key] = asyncio.get_running_loop().create_future()
        self.news.set()
        return await self.open[key]

    def report(self, params: Json) -> None:
        if self.parked:
            self.kept.append(params)
        else:
            super().report(params)

    def check(self, responses: Json) -> None:
        """Refuse responses that answer no call."""
        wrong = [key for key, answer in responses.items() if key not in self.open or not well_formed(answer)]
        if wrong:
            raise Refusal(-32602, "these responses answer no call", {"keys": sorted(wrong)})

    async def leg(self, responses: Json, token: object) -> Json | None:
        """Hand answers over and return the calls of the next leg; none of them: wait for more; `None`: the handler is done."""
        self.token, self.parked = token, False
        while self.kept:
            self.report(self.kept.pop(0))
        for key, answer in responses.items():
            asked = self.open.pop(key)
            if not asked.done():  # The handler gave up what it asked for.
                asked.set_result(answer)
        assert self.task is not None
        self.task.add_done_callback(lambda _: self.news.set())
        try:
            with suppress(TimeoutError):
                while not self.posted and not self.task.done():
                    await asyncio.wait_for(self.news.wait(), 0.1 if self.open else None)
                    self.news.clear()
            for _ in range(5):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.task.cancel()
            raise
        if self.task.done():
            return None
        self.parked = True
        calls, self.posted = self.posted, {}
        return calls


def well_formed(answer: Any) -> bool:
    """Whether an answer is a result or an error."""
    match answer:
        case {"result": dict(), "error": _}:
            return False
        case {"result": dict()} | {"error": {"code": int(), "message": str()}}:
            return True
        case _:
            return False


# --- tools


running = 0


async def call(client: Client, arguments: Json) -> Json:
    try:
        return await client.ask("tools/call", {"name": arguments["name"], "arguments": arguments["arguments"]})
    except Refusal as refusal:
        if "requiredCapabilities" in str(refusal.error.get("data")):
            raise
        return {"content": [{"type": "text", "text": json.dumps(refusal.error)}], "isError": True}


async def names(client: Client, arguments: Json) -> str:
    return "\n".join(tool["name"] for tool in await client.tools())


async def read(client: Client, arguments: Json) -> str:
    result = await client.ask("resources/read", {"uri": arguments["uri"]})
    return "".join(each["text"] for each in result["contents"])


async def in_turn(client: Client, arguments: Json) -> str:
    return "\n".join([await client.tool(name) for name in arguments["names"]])


async def together(client: Client, arguments: Json) -> str:
    return "\n".join(await asyncio.gather(*(client.tool(name) for name in arguments["names"])))


async def sample(client: Client, arguments: Json) -> str:
    content = {"type": "text", "text": arguments["text"]}
    tools = await client.tools()
    params: Json = {"messages": [{"role": "user", "content": content}], "maxTokens": 100, "tools": tools}
    return (await client.ask("sampling/createMessage", params))["content"]["text"]


async def report(client: Client, arguments: Json) -> str:
    client.report({"progress": 1, "total": 2})
    said = await client.tool(arguments["name"])
    client.report({"progress": 2, "total": 2})
    return said


async def watch(client: Client, arguments: Json) -> str:
    params: Json = {"name": arguments["name"], "arguments": {}}
    return text_of(await client.ask("tools/call", params, watch=client.report))


async def hurry(client: Client, arguments: Json) -> str:
    try:
        return await asyncio.wait_for(client.tool(arguments["name"]), 0.2)
    except TimeoutError:
        return "given up"


async def follow(client: Client, arguments: Json) -> str:
    resource = {"uri": arguments["uri"]}
    await client.ask("resources/subscribe", resource)
    updated = await client.ask("dev.mcpsym/updates", {})
    await client.ask("resources/unsubscribe", resource)
    return "\n".join(updated["uris"])


async def stuck(client: Client, arguments: Json) -> str:
    if "name" in arguments:
        await client.tool(arguments["name"])
    return await asyncio.get_running_loop().create_future()


async def how_many(client: Client, arguments: Json) -> str:
    return str(running - 1)


TOOLS: dict[str, Callable[[Client, Json], Awaitable[str | Json]]] = {
    **{tool.__name__: tool for tool in (call, names, read, in_turn, together, sample, report, watch, hurry, follow, stuck)},
    "running": how_many,
}


async def run_tool(client: Client, params: Json) -> Json:
    """Run a handler and return the tool's result."""
    global running  # noqa: PLW0603 - what the tool `running` counts
    running += 1
    try:
        said = await TOOLS[params["name"]](client, params.get("arguments") or {})
    finally:
        running -= 1
    return {"content": [{"type": "text", "text": said}]} if isinstance(said, str) else said


# --- the server


def declaration(capabilities: Json) -> Json | None:
    """What a client declared of the extension."""
    extensions: Json = capabilities.get("extensions") or {}
    return extensions.get(EXTENSION)


class Server:
    """One connection."""

    def __init__(self) -> None:
        self.declared: Json | None = None
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.parked: dict[str, Legs] = {}
        self.spent: dict[str, str] = {}

    def receive(self, frame: Json) -> None:
        """Take one message."""
        method = frame.get("method")
        params: Json = frame.get("params") or {}
        if method is None:
            waiting = Mirrored.waiting.get(frame["id"])
            if waiting is not None and not waiting.done():
                waiting.set_result(frame)
        elif "id" in frame:
            self.tasks[json.dumps(frame["id"])] = asyncio.create_task(self.answer(frame["id"], method, params))
        elif method == "notifications/cancelled" and (task := self.tasks.get(json.dumps(params["requestId"]))):
            task.cancel()
        elif method == "notifications/progress" and (told := Mirrored.watching.get(params["progressToken"])):
            told({key: value for key, value in params.items() if key != "progressToken"})

    async def answer(self, ident: object, method: str, params: Json) -> None:
        """Answer a request."""
        try:
            respond(ident, {"result": await self.serve(ident, method, params)})
        except Refusal as refusal:
            respond(ident, {"error": refusal.error})
        finally:
            del self.tasks[json.dumps(ident)]

    async def serve(self, ident: object, method: str, params: Json) -> Json:
        """Return the result of a request."""
        meta: Json = params.get("_meta") or {}
        modern = f"{ENVELOPE}protocolVersion" in meta
        declared = self.declared
        if modern:
            declared = declaration(meta[f"{ENVELOPE}clientCapabilities"])
        match method:
            case "initialize":
                self.declared = declaration(params["capabilities"])
                return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": SELF}
            case "server/discover":
                capabilities: Json = {"tools": {}, "extensions": {EXTENSION: {}}}
                return {"supportedVersions": ["2026-07-28"], "capabilities": capabilities, "resultType": "complete"}
            case "ping":
                return {}
            case "tools/list":
                return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]}
            case "tools/call" if not modern:
                client = Mirrored(declared, ident)
                client.token = meta.get("progressToken")
                return await run_tool(client, params)
            case "tools/call" if declared is None:
                return {"resultType": "complete", **await run_tool(Client(None, modern=True), params)}
            case "tools/call":
                legs = Legs(declared)
                legs.token = meta.get("progressToken")
                legs.task = asyncio.create_task(run_tool(legs, params))
                return await self.leg(legs, {}, legs.token)
            case "dev.mcpsym/continue" if modern:
                if declared is None:
                    Client(None, modern=True).need("tools/call", {})
                legs = self.find(params["continuation"])
                legs.check(params["responses"])
                self.use_up(params["continuation"], "replayed")
                return await self.leg(legs, params["responses"], meta.get("progressToken"))
            case "dev.mcpsym/cancel" if modern:
                legs = self.find(params["continuation"])
                self.use_up(params["continuation"], "replayed")
                self.end(legs)
                return {"resultType": "complete"}
            case _:
                raise Refusal(-32601, "Method not found")

    async def leg(self, legs: Legs, responses: Json, token: object) -> Json:
        """Return the end of a leg."""
        calls = await legs.leg(responses, token)
        assert legs.task is not None
        if calls is None:
            return {"resultType": "complete", **legs.task.result()}
        continuation = secrets.token_urlsafe(32)
        self.parked[continuation] = legs
        asyncio.get_running_loop().call_later(TIME_TO_LIVE, self.expire, continuation)
        return {"resultType": "dev.mcpsym/calls", "calls": calls, "continuation": continuation}

    def find(self, continuation: str) -> Legs:
        """Return what a continuation continues."""
        if continuation not in self.parked:
            reason = self.spent.get(continuation, "unknown")
            raise Refusal(-32602, "this continuation cannot be continued", {"reason": reason})
        return self.parked[continuation]

    def use_up(self, continuation: str, reason: str) -> None:
        """Let a continuation be good no more."""
        del self.parked[continuation]
        self.spent[continuation] = reason

    def expire(self, continuation: str) -> None:
        """End a handler that was not continued in time."""
        if continuation in self.parked:
            self.end(self.parked[continuation])
            self.use_up(continuation, "expired")

    def end(self, legs: Legs) -> None:
        """End a handler."""
        assert legs.task is not None
        legs.task.cancel()


SELF = {"name": "plain", "version": "1"}


async def main() -> None:
    """Serve until the input ends."""
    reader = asyncio.StreamReader(limit=1_000_000)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    server = Server()
    while line := await reader.readline():
        server.receive(json.loads(line))


if __name__ == "__main__":
    asyncio.run(main())
