"""A healthy MCP server made of nothing but JSON, in both eras: what the mutants break in one place each.

It uses no SDK, because an SDK would mend what a mutant is there to break. It is written against the protocol: revision 2025-11-25
with the mirrored requests of the symmetric extension, and revision 2026-07-28 with its legs. Standard library and anyio alone, so
that it starts fast as a process. Pinned by `tests/fakes/test_mutants.py`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, cast

import anyio

from .calls import (
    CALLS,
    CANCEL,
    CAUSE,
    CONTINUE,
    HANDSHAKE,
    MODERN,
    TRACE,
    Ask,
    Call,
    Client,
    JsonObject,
    Refusal,
    Send,
    key_of,
    members,
    principal,
)

__all__ = ["TOOLS", "Peer"]

TOOLS: Final[Mapping[str, str]] = {
    "echo": "Return the arguments, in structured content",
    "count": "Count to `to`, one progress notification for each step; wait for the gate `name` after the first, where one is named",
    "gate": "Wait until the gate `name` is opened",
    "open": "Open the gate `name`",
    "relay": "Call the tool `name` of another server with `arguments`, and return its result",
    "ask": "Ask the client's model `prompt`, and return what it says",
    "grow": "Offer this client one more tool, and say that its list has changed",
    "log": "Send a log message",
    "fail": "Fail with an error",
    "headers": "Wait for the gate `name`, then return the credential that the request came with",
    "noise": "Write `bytes` bytes to standard error",
    "document": "Return a document, by link",
    "run": "Call the tool `name` of another server from a sandbox in which only `tools` are granted",
}


class Peer:
    """A healthy server. One object serves all its clients; a mutant overrides one method.

    Attributes:
        process: Whether it has a standard error of its own, which `noise` fills.
        tools: Names of its tools.
        clients: Whom it serves.
    """

    def __init__(self) -> None:
        self.process = False
        self.tools: list[str] = list(TOOLS)
        self.clients: list[Client] = []

    # Messages in.

    def join(self, client: Client) -> Client:
        """Begin to serve a client."""
        client.own.append(f"own_{len(self.clients)}")
        self.clients.append(client)
        return client

    def leave(self, client: Client) -> None:
        """A client is gone."""
        self.clients.remove(client)

    def session_id(self) -> str:
        """The id of a session that is about to be opened."""
        return f"session-of-{type(self).__name__}-{id(self):x}-{len(self.clients):04}"

    def admitted(self, client: Client | None, secret: str) -> Client | None:
        """Return the client of a session, if it is there and the credential that names it is its own."""
        if client is None or principal(client.secret) != principal(secret):
            return None
        client.secret = secret
        return client

    async def hear(self, client: Client, data: bytes, send: Send) -> None:
        """Take one message to its end; of a request that is its answer."""
        try:
            message = cast("object", json.loads(data))
        except (ValueError, RecursionError):
            await self.malformed(send, -32700, "Parse error", None)
            return
        parts = members(message)
        method, ident = parts.get("method"), parts.get("id")
        if parts.get("jsonrpc") != "2.0" or not (isinstance(method, str) or "result" in parts or "error" in parts):
            await self.malformed(send, -32600, "Invalid Request", ident if isinstance(ident, (str, int)) else None)
        elif not isinstance(method, str):
            self.answered(client, parts)
        elif "id" not in parts:
            await self.notified(client, method, members(parts.get("params")), send)
        elif isinstance(ident, bool) or not isinstance(ident, (str, int)):
            await self.malformed(send, -32600, "Invalid Request", None)
        else:
            await self.request(Call(client, ident, method, members(parts.get("params")), send))

    async def malformed(self, send: Send, code: int, text: str, ident: object) -> None:
        """Answer what is no JSON-RPC message."""
        await send(self.text({"jsonrpc": "2.0", "id": ident, "error": {"code": code, "message": text}}))

    def answered(self, client: Client, message: JsonObject) -> None:
        """Take the answer to something that was asked of the client."""
        ask = client.asks.pop(key_of(message.get("id")), None)
        if ask is not None:
            ask.answer = message
            ask.came.set()

    async def notified(self, client: Client, method: str, params: JsonObject, send: Send) -> None:
        """Take a notification, to which nothing is sent."""
        if method == "notifications/cancelled":
            await self.cancel(client, params.get("requestId"))

    async def cancel(self, client: Client, ident: object) -> None:
        """Stop the call that a client names, if it is in flight."""
        call = client.calls.get(self.key(ident))
        if call is not None:
            call.scope.cancel()

    async def request(self, call: Call) -> None:
        """Handle a request and answer it, unless it is cancelled."""
        key = self.key(call.id)
        call.client.calls[key] = call
        body: JsonObject = {}
        try:
            with call.scope:
                body = await self.outcome(call)
        finally:
            if call.client.calls.get(key) is call:
                del call.client.calls[key]
        if not call.scope.cancelled_caught:
            await self.answer(call, body)

    def key(self, ident: object) -> str:
        """What a request in flight is known by."""
        return key_of(ident)

    async def outcome(self, call: Call) -> JsonObject:
        """The `result` or `error` member of the answer."""
        try:
            return {"result": await self.result(call)}
        except Refusal as refusal:
            error: JsonObject = {"code": refusal.code, "message": str(refusal)}
            return {"error": error if refusal.data is None else {**error, "data": refusal.data}}

    # Messages out.

    def text(self, message: JsonObject) -> bytes:
        """One message as bytes."""
        return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()

    async def answer(self, call: Call, body: JsonObject) -> None:
        """Send the answer to a request."""
        await call.send(self.text({"jsonrpc": "2.0", "id": self.answer_id(call), **body}))

    def answer_id(self, call: Call) -> object:
        """The id that an answer has."""
        return call.id

    async def progress(self, call: Call, done: int, total: int) -> None:
        """Tell how far a call is, if the client asked for it."""
        if call.token is not None:
            await self.tell(call, "notifications/progress", {"progressToken": call.token, "progress": done, "total": total})

    async def tell(self, call: Call, method: str, params: JsonObject) -> None:
        """Send a notification on the stream of a request."""
        await call.send(self.text({"jsonrpc": "2.0", "method": method, "params": params}))

    # Methods.

    async def result(self, call: Call) -> JsonObject:
        """The result of a request."""
        if call.method == "initialize":
            call.client.capabilities = members(call.params.get("capabilities"))
            return {"protocolVersion": HANDSHAKE, "capabilities": self.capabilities(), "serverInfo": self.info()}
        if call.method == "ping":
            return {}
        if call.method == "server/discover":
            listing: JsonObject = {
                "supportedVersions": [MODERN],
                "capabilities": self.capabilities(),
                "serverInfo": self.info(),
            }
            return self.whole(call, self.cacheable(listing))
        if call.method == "tools/list":
            tools = [self.described(name) for name in self.listed(call.client)]
            return self.whole(call, self.cacheable({"tools": tools}) if call.modern else {"tools": tools})
        if call.method == "tools/call":
            return await self.called(call)
        if call.method == CONTINUE:
            return self.whole(call, self.gone_on(call))
        if call.method == CANCEL:
            self.drop(call)
            return self.whole(call, {})
        raise Refusal(-32601, f"there is no method {call.method}")

    def capabilities(self) -> JsonObject:
        """What the server declares."""
        return {"tools": {"listChanged": True}, "logging": {}}

    def info(self) -> JsonObject:
        """Name and version."""
        return {"name": "peer", "version": "1.0.0"}

    def listed(self, client: Client) -> list[str]:
        """Names of the tools that a client may see."""
        return [*self.tools, *client.own]

    def described(self, name: str) -> JsonObject:
        """A tool as `tools/list` has it."""
        return {"name": name, "description": TOOLS.get(name, "A tool that came later"), "inputSchema": {"type": "object"}}

    def cacheable(self, result: JsonObject) -> JsonObject:
        """A result of the modern era with how long and by whom it may be kept."""
        return {**result, "ttlMs": 0, "cacheScope": "private"}

    def whole(self, call: Call, result: JsonObject) -> JsonObject:
        """A final result, as the era of the request writes it."""
        return {"resultType": "complete", **result} if call.modern else result

    async def called(self, call: Call) -> JsonObject:
        """Call a tool."""
        name = str(call.params.get("name"))
        own = "own" if name in call.client.own else name
        handler = cast("Callable[[Call], Awaitable[JsonObject]] | None", getattr(self, f"tool_{own}", None))
        if name not in self.listed(call.client) or handler is None:
            raise Refusal(-32602, f"there is no tool {name}")
        return self.whole(call, await handler(call))

    def said(self, text: str, /, **structured: object) -> JsonObject:
        """The result of a tool that says something."""
        result: JsonObject = {"content": [{"type": "text", "text": text}]}
        return {**result, "structuredContent": structured} if structured else result

    # Tools.

    async def tool_echo(self, call: Call) -> JsonObject:
        """Return what came."""
        return self.said(str(call.arguments.get("text", "")), **call.arguments)

    async def tool_count(self, call: Call) -> JsonObject:
        """Count, and tell of it."""
        to = call.arguments.get("to", 3)
        total = to if isinstance(to, int) else 3
        for step in range(1, total + 1):
            await self.progress(call, step, total)
            if step == 1 and "name" in call.arguments:
                await self.gate(call).wait()
        return self.said(f"counted to {total}")

    async def tool_gate(self, call: Call) -> JsonObject:
        """Wait for `open`."""
        await self.gate(call).wait()
        return self.said("open")

    async def tool_open(self, call: Call) -> JsonObject:
        """Let `gate` go on."""
        self.gate(call).set()
        return self.said("opened")

    def gate(self, call: Call) -> anyio.Event:
        """A gate of one client."""
        return call.client.gates.setdefault(str(call.arguments.get("name")), anyio.Event())

    async def tool_headers(self, call: Call) -> JsonObject:
        """Return what the request came with, as servers do that are made for debugging."""
        await self.gate(call).wait()
        return self.said(self.credential(call) or "none")

    def credential(self, call: Call) -> str:
        """The credential that a request came with."""
        return call.client.secret

    async def tool_grow(self, call: Call) -> JsonObject:
        """Offer one tool more."""
        call.client.own.append(f"later_{len(call.client.own)}")
        await self.announce(call)
        return self.said("grown")

    async def announce(self, call: Call) -> None:
        """Say that the list of tools has changed; a modern client is told only where it listens."""
        if not call.modern:
            await self.tell(call, "notifications/tools/list_changed", {})

    async def tool_log(self, call: Call) -> JsonObject:
        """Send a log message, if one is wanted."""
        if not call.modern:
            await self.tell(call, "notifications/message", {"level": "info", "data": self.logged(call)})
        return self.said("logged")

    def logged(self, call: Call) -> str:
        """What is logged of a call."""
        return f"tool {call.params.get('name')} was called"

    async def tool_fail(self, call: Call) -> JsonObject:
        """Fail."""
        raise Refusal(-32000, self.excuse(call))

    def excuse(self, call: Call) -> str:
        """What an error says."""
        return f"{call.params.get('name')} failed, as it was asked to"

    async def tool_noise(self, call: Call) -> JsonObject:
        """Fill standard error."""
        size = call.arguments.get("bytes", 0)
        line = "x" * 1023 + "\n"
        if self.process and isinstance(size, int):
            for _ in range(size // len(line)):
                sys.stderr.write(line)
        return self.said("written")

    async def tool_own(self, call: Call) -> JsonObject:
        """Serve the client that alone is offered this."""
        return self.said("yours")

    async def tool_document(self, call: Call) -> JsonObject:
        """Return where a document is."""
        return {"content": [{"type": "resource_link", "uri": "document://7", "name": "seven"}]}

    # What the server asks of its client.

    async def tool_relay(self, call: Call) -> JsonObject:
        """Call a tool of another server."""
        params: JsonObject = {"name": call.arguments.get("name"), "arguments": self.relayed(call)}
        return await self.ask(call, "tools/call", {**params, **self.ask_meta(call)})

    async def tool_run(self, call: Call) -> JsonObject:
        """Call a tool for code in a sandbox."""
        name = call.arguments.get("name")
        if not self.granted(call, name):
            raise Refusal(-32602, f"this sandbox has no {name}")
        return await self.ask(call, "tools/call", {"name": name, "arguments": {}, **self.ask_meta(call)})

    def granted(self, call: Call, name: object) -> bool:
        """Whether a sandbox may call a tool."""
        tools = call.arguments.get("tools")
        return isinstance(tools, list) and name in tools

    def relayed(self, call: Call) -> object:
        """The arguments that go on to the other server."""
        return call.arguments.get("arguments", {})

    async def tool_ask(self, call: Call) -> JsonObject:
        """Ask the client's model."""
        message: JsonObject = {"role": "user", "content": {"type": "text", "text": call.arguments.get("prompt", "")}}
        return await self.ask(call, "sampling/createMessage", {"messages": [message], "maxTokens": 100, **self.ask_meta(call)})

    def ask_meta(self, call: Call) -> JsonObject:
        """`_meta` of what is asked because of a call: what caused it, and its trace."""
        trace = {key: call.meta[key] for key in TRACE if key in call.meta}
        meta: JsonObject = trace if call.modern else {CAUSE: call.id, **trace}
        return {"_meta": meta} if meta else {}

    async def ask(self, call: Call, method: str, params: JsonObject) -> JsonObject:
        """Ask something of the client, and return what the tool that asked returns."""
        if not self.offered(call):
            raise Refusal(-32021 if call.modern else -32602, "the client does not declare the symmetric extension")
        if call.modern:
            return self.leg(call, method, params)
        return self.concluded(await self.asked(call, method, params))

    def offered(self, call: Call) -> bool:
        """Whether the client declared that it can be asked."""
        return "tools" in call.symmetric

    def leg(self, call: Call, method: str, params: JsonObject) -> JsonObject:
        """End a leg of a modern call with something to ask."""
        call.client.minted += 1
        continuation = f"go-on-{call.client.minted}"
        call.client.legs[key_of(continuation)] = call
        return {"resultType": CALLS, "calls": {"c1": {"method": method, "params": params}}, "continuation": continuation}

    def gone_on(self, call: Call) -> JsonObject:
        """End a modern call with the answer to what its leg asked."""
        if self.drop(call) is None:
            raise Refusal(-32602, "this continuation cannot be continued", {"reason": "unknown"})
        return self.concluded(members(members(call.params.get("responses")).get("c1")))

    def drop(self, call: Call) -> Call | None:
        """Forget the leg that a request goes on with or cancels, and return the call that it was of."""
        return call.client.legs.pop(key_of(call.params.get("continuation")), None)

    async def asked(self, call: Call, method: str, params: JsonObject) -> JsonObject:
        """Send a request to the client and wait for its answer; it is cancelled together with what caused it."""
        ask = Ask(self.mint(call.client))
        call.client.asks[key_of(ask.id)] = ask
        await self.put(call, {"jsonrpc": "2.0", "id": ask.id, "method": method, "params": params})
        try:
            await ask.came.wait()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self.forgo(call, ask)
            raise
        return ask.answer

    async def put(self, call: Call, request: JsonObject) -> None:
        """Send a request where its cause came from."""
        await call.send(self.text(request))

    async def forgo(self, call: Call, ask: Ask) -> None:
        """Cancel what was asked because of a call that is cancelled."""
        await self.tell(call, "notifications/cancelled", {"requestId": ask.id, "reason": "its cause was cancelled"})

    def mint(self, client: Client) -> str:
        """An id that no request of the server had."""
        client.minted += 1
        return f"s{client.minted}"

    def concluded(self, answer: JsonObject) -> JsonObject:
        """What a tool returns that asked one thing and was given its answer."""
        if "error" in answer:
            error = members(answer["error"])
            return {**self.said(str(error.get("message"))), "isError": True}
        result = members(answer.get("result"))
        if "role" in result:
            return self.said(str(members(result.get("content")).get("text", "")))
        return {key: value for key, value in result.items() if key in ("content", "structuredContent", "isError")}
