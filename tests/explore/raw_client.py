"""A client made of nothing but JSON, and clients with exactly one bug each: what the search has to find.

`clients(BUG)` is the client as a function over a transport in memory. `python raw_client.py BUG COMMAND...` starts the server as a process.
It lists tools and resources, calls two tools at once, reads a resource and ends.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, cast

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

__all__ = ["BUGS", "RawClient", "clients"]

Json = dict[str, object]

_ENVELOPE = "io.modelcontextprotocol/"
_INFO = {"name": "raw", "version": "1"}


class Port(Protocol):
    """Where messages go and come from."""

    async def send(self, message: Json) -> None:
        """Send one."""
        ...

    async def receive(self) -> Json:
        """Return the next one."""
        ...


class RawClient:
    """A healthy client. A bug overrides one method."""

    modern = False

    def __init__(self, port: Port) -> None:
        self.port = port
        self.number = -1
        self.open: list[object] = []
        self.answers: dict[object, Json] = {}

    async def send(self, message: Json) -> None:
        """Write one message."""
        await self.port.send({"jsonrpc": "2.0", **message})

    async def ask(self, method: str, **params: object) -> int:
        """Send a request and return its id."""
        self.number += 1
        meta: Json = {"progressToken": self.number}
        if self.modern:
            meta |= {_ENVELOPE + "protocolVersion": "2026-07-28", _ENVELOPE + "clientInfo": _INFO}
            meta[_ENVELOPE + "clientCapabilities"] = {"elicitation": {}, "roots": {}}
        self.open.append(self.number)
        await self.send({"id": self.number, "method": method, "params": {**params, "_meta": meta}})
        return self.number

    async def answer(self, number: int) -> Json:
        """Read until a request has its answer, and return it."""
        while number not in self.answers:
            await self.hear(await self.port.receive())
        return self.answers[number]

    async def hear(self, message: Json) -> None:
        """Take one message of the server."""
        if "method" not in message:
            await self.answered(message)
        elif "id" in message:
            await self.asked(message)
        else:
            await self.told(message)

    async def answered(self, message: Json) -> None:
        """Take an answer."""
        self.open.remove(message["id"])
        self.answers[message["id"]] = message

    async def asked(self, message: Json) -> None:
        """Answer what the server asks."""
        if message["method"] == "ping":
            await self.send({"id": message["id"], "result": {}})
        elif message["method"] == "roots/list":
            await self.send({"id": message["id"], "result": {"roots": []}})
        else:
            await self.send({"id": message["id"], "error": {"code": -32601, "message": "no"}})

    async def told(self, message: Json) -> None:
        """Take a notification."""

    async def wait(self, method: str, **params: object) -> Json:
        """Ask, and return the result; empty for an error."""
        said = await self.answer(await self.ask(method, **params))
        answer = cast("Json", said.get("result") or {})
        if answer.get("resultType") == "input_required":
            return await self.resume(method, params, answer)
        return answer

    async def resume(self, method: str, params: Mapping[str, object], needed: Json) -> Json:
        """Bring what was needed."""
        responses: Json = {
            key: {"roots": []} if each["method"] == "roots/list" else {"action": "cancel"}
            for key, each in cast("dict[str, Json]", needed.get("inputRequests") or {}).items()
        }
        state = {"requestState": needed["requestState"]} if "requestState" in needed else {}
        return await self.wait(method, **params, inputResponses=responses, **state)

    async def listed(self, kind: str) -> list[Json]:
        """List everything, page by page."""
        found: list[Json] = []
        cursor: Json = {}
        while True:
            page = await self.wait(f"{kind}/list", **cursor)
            found += cast("list[Json]", page.get(kind) or [])
            if "nextCursor" not in page:
                return found
            cursor = {"cursor": self.cursor(page["nextCursor"])}

    def cursor(self, given: object) -> object:
        """Return the cursor to ask with."""
        return given

    async def use(self) -> None:
        """Use the server, and leave."""
        if self.modern:
            await self.wait("server/discover")
        else:
            hello: Json = {"protocolVersion": "2025-11-25", "capabilities": {"roots": {}}, "clientInfo": _INFO}
            await self.wait("initialize", **hello)
            await self.send({"method": "notifications/initialized"})
        tools = await self.listed("tools")
        both = [await self.ask("tools/call", name=tool["name"], arguments={}) for tool in tools[:2]]
        for number, tool in zip(both, tools, strict=False):
            answer = await self.answer(number)
            if cast("Json", answer.get("result") or {}).get("resultType") == "input_required":
                await self.resume("tools/call", {"name": tool["name"], "arguments": {}}, cast("Json", answer["result"]))
            else:
                self.read(answer)
        resources = await self.listed("resources")
        for resource in resources[:1]:
            await self.wait("resources/read", uri=resource["uri"])

    def read(self, answer: Json) -> None:
        """Take the result of a tool."""


class DiesOfLateProgress(RawClient):
    """F08: progress with a token that is not in flight kills it."""

    async def told(self, message: Json) -> None:
        if message["method"] == "notifications/progress":
            token = cast("Json", message["params"])["progressToken"]
            if token not in self.open:
                raise KeyError(token)


class TakesRequestsForAnswers(RawClient):
    """F36: a request of the server whose id is one of its own is taken for an answer."""

    async def hear(self, message: Json) -> None:
        if message.get("id") in self.open:
            await self.answered(message)
        elif "id" in message and "method" in message:
            await self.asked(message)


class DiesOfFiveChanges(RawClient):
    """F36: the fifth `list_changed` kills it."""

    changes = 0

    async def told(self, message: Json) -> None:
        self.changes += str(message["method"]).endswith("list_changed")
        if self.changes >= 5:
            raise RuntimeError("too much at once")


class AnswersNoPing(RawClient):
    """A ping before the answer is ignored."""

    async def asked(self, message: Json) -> None:
        if message["method"] != "ping":
            await super().asked(message)


class AnswersInOrder(RawClient):
    """It takes answers to come in the order of the requests."""

    async def answered(self, message: Json) -> None:
        if message["id"] != self.open[0]:
            raise RuntimeError("not that one")
        await super().answered(message)


class AnswersWithText(RawClient):
    """Ids of the server come back as text."""

    async def send(self, message: Json) -> None:
        await super().send({**message, "id": str(message["id"])} if "result" in message else message)


class ReadsText(RawClient):
    """It takes the first content of a result to be text."""

    def read(self, answer: Json) -> None:
        if "result" in answer:
            content = cast("list[Json]", cast("Json", answer["result"])["content"])
            assert isinstance(content[0]["text"], str)


class StripsCursors(RawClient):
    """It takes the white space from cursors."""

    def cursor(self, given: object) -> object:
        return str(given).strip()


class ForgetsState(RawClient):
    """It does not bring `requestState` back."""

    modern = True

    async def resume(self, method: str, params: Mapping[str, object], needed: Json) -> Json:
        return await super().resume(method, params, {key: each for key, each in needed.items() if key != "requestState"})


BUGS: Mapping[str, type[RawClient]] = {
    each.__name__: each
    for each in (
        DiesOfLateProgress,
        TakesRequestsForAnswers,
        DiesOfFiveChanges,
        AnswersNoPing,
        AnswersInOrder,
        AnswersWithText,
        ReadsText,
        StripsCursors,
        ForgetsState,
    )
}
"""All with a bug, by name."""


class _Memory:
    """A port on the streams of a transport."""

    def __init__(self, reads: Any, writes: Any) -> None:
        self._reads = reads
        self._writes = writes

    async def send(self, message: Json) -> None:
        from mcp.shared.message import SessionMessage
        from mcp_types import jsonrpc_message_adapter

        await self._writes.send(SessionMessage(jsonrpc_message_adapter.validate_python(message)))

    async def receive(self) -> Json:
        item = await self._reads.receive()
        return cast("Json", json.loads(item.message.model_dump_json(by_alias=True, exclude_unset=True)))


class _Pipe:
    """A port on a process."""

    def __init__(self, process: anyio.abc.Process) -> None:
        self._process = process
        assert process.stdout is not None
        self._lines = BufferedByteReceiveStream(process.stdout)

    async def send(self, message: Json) -> None:
        assert self._process.stdin is not None
        await self._process.stdin.send(json.dumps(message).encode() + b"\n")

    async def receive(self) -> Json:
        return cast("Json", json.loads(await self._lines.receive_until(b"\n", 1 << 20)))


def clients(kind: type[RawClient]) -> Callable[[Any], Awaitable[None]]:
    """Return a client as a function over a transport in memory."""

    async def client(server: Any) -> None:
        async with server as (reads, writes):
            await kind(_Memory(reads, writes)).use()

    return client


async def _main(kind: type[RawClient], command: list[str]) -> None:
    async with await anyio.open_process(command, stderr=None) as process:
        await kind(_Pipe(process)).use()
        assert process.stdin is not None
        await process.stdin.aclose()


if __name__ == "__main__":
    anyio.run(_main, BUGS.get(sys.argv[1], RawClient), sys.argv[2:])
