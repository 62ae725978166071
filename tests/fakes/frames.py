"""A client of raw frames, over any transport of a link and in either era: what a server says is looked at as it came."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio

from pytest_mcpsym.switchboard.connect import connect
from pytest_mcpsym.switchboard.target import Era, describe
from pytest_mcpsym.transport.tap import Channel, Tap
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog

__all__ = ["Frames", "frames"]

MODERN = "2026-07-28"
Members = dict[str, Any]
"""JSON members, of which a test says itself what they are."""


class Frames:
    """One connection. Requests of the server are answered with `answers[method]`."""

    def __init__(self, channel: Channel, era: Era, capabilities: Mapping[str, object]) -> None:
        self.said: list[Members] = []
        self.answers: dict[str, object] = {}
        self._channel = channel
        self._era = era
        self._capabilities = capabilities
        self._sent = 0

    async def begin(self, method: str, params: Mapping[str, object] | None = None, **meta: object) -> int:
        """Send a request and return its id; `meta` are members of `_meta`."""
        self._sent += 1
        known = {} if self._era == "handshake" else self._envelope()
        members = {**(params or {}), **({"_meta": {**known, **meta}} if known or meta else {})}
        message = {"jsonrpc": "2.0", "id": self._sent, "method": method, "params": members}
        await self._channel.send(json.dumps(message).encode(), self._headers(method, members))
        return self._sent

    async def ask(self, method: str, params: Mapping[str, object] | None = None, **meta: object) -> Members:
        """Send a request and return the message that answers it."""
        sent = await self.begin(method, params, **meta)
        return await self.until(lambda message: "method" not in message and message.get("id") == sent)

    async def result(self, method: str, params: Mapping[str, object] | None = None, **meta: object) -> Members:
        """Send a request and return its result."""
        answer = await self.ask(method, params, **meta)
        assert "result" in answer, answer
        return cast("Members", answer["result"])

    async def notify(self, method: str, params: Mapping[str, object] | None = None) -> None:
        """Send a notification."""
        message = {"jsonrpc": "2.0", "method": method, **({} if params is None else {"params": params})}
        await self._channel.send(json.dumps(message).encode(), self._headers(method, {}))

    async def until(self, is_it: Callable[[Members], bool]) -> Members:
        """Receive until a message is the one, and return it."""
        while True:
            with anyio.fail_after(20):
                frame = await self._channel.receive()
            assert isinstance(frame, Frame), frame
            message = cast("Members", json.loads(frame.data))
            self.said.append(message)
            if "id" in message and message.get("method") in self.answers:
                answer = {"jsonrpc": "2.0", "id": message["id"], "result": self.answers[message["method"]]}
                await self._channel.send(json.dumps(answer).encode(), None)
            if is_it(message):
                return message

    async def notified(self, method: str) -> Members:
        """Receive until a notification of a method has come, and return the parameters of the first."""
        while not (found := [message for message in self.said if message.get("method") == method]):
            await self.until(lambda _: True)
        return cast("Members", found[0].get("params"))

    async def shake(self) -> Members:
        """Shake hands, where the era has that, and return the result."""
        if self._era == "modern":
            return await self.result("server/discover")
        info = {"name": "frames", "version": "1"}
        params = {"protocolVersion": "2025-11-25", "capabilities": self._capabilities, "clientInfo": info}
        found = await self.result("initialize", params)
        await self.notify("notifications/initialized")
        return found

    def _envelope(self) -> Members:
        prefix = "io.modelcontextprotocol/"
        return {
            f"{prefix}protocolVersion": MODERN,
            f"{prefix}clientInfo": {"name": "frames", "version": "1"},
            f"{prefix}clientCapabilities": self._capabilities,
        }

    def _headers(self, method: str, params: Mapping[str, object]) -> dict[str, str] | None:
        if self._era == "handshake":
            return None if method == "initialize" else {"mcp-protocol-version": "2025-11-25"}
        name = params.get("uri") if method.startswith("resources/") else params.get("name")
        named = {"mcp-name": str(name)} if name is not None else {}
        return {"mcp-protocol-version": MODERN, "mcp-method": method, **named}


@asynccontextmanager
async def frames(target: object, era: Era, capabilities: Mapping[str, object] | None = None) -> AsyncGenerator[Frames]:
    """Open a connection to what a link is made from."""
    async with connect(describe(target), Tap(WireLog(), "server")) as channel:
        yield Frames(channel, era, capabilities or {})
