"""The conversations that the wire reference shows: each method in each revision, with our `everything`, message by message.

Nothing here knows an SDK client: what is sent is written out. `conversations()` runs them all in memory, in a few seconds.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

import anyio
from mcp.server.mcpserver import Context, MCPServer

from fake_servers import everything
from pytest_mcpsym.switchboard.connect import connect
from pytest_mcpsym.switchboard.target import link
from pytest_mcpsym.transport.tap import Channel, Tap
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog

__all__ = ["HANDSHAKE", "MODERN", "REVISIONS", "Conversation", "conversations"]

HANDSHAKE: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN: Final = "2026-07-28"
REVISIONS: Final = (*HANDSHAKE, MODERN)

_CLIENT: Final = {"name": "raw-client", "version": "1.0.0"}
_OFFERED: Final[Mapping[str, Mapping[str, object]]] = {
    "roots": {"listChanged": True},
    "sampling": {},
    "elicitation": {"form": {}, "url": {}},
}
_ROOTS: Final = {"roots": [{"uri": "file:///home/user/project", "name": "project"}]}
_SAMPLED: Final = {
    "role": "assistant",
    "content": {"type": "text", "text": "A haiku."},
    "model": "some-model",
    "stopReason": "endTurn",
}
_FILLED: Final = {"action": "accept", "content": {"name": "Ada"}}
_MEANT: Final = {"action": "accept", "content": {"interpretation": "snake"}}
_RELATED: Final = "io.modelcontextprotocol/related-task"
_ANSWERS: Final[Mapping[str, Mapping[str, object]]] = {
    "roots/list": _ROOTS,
    "sampling/createMessage": _SAMPLED,
    "elicitation/create": _FILLED,
    "ping": {},
}


class Talk:
    """A raw client on one connection."""

    def __init__(self, channel: Channel, revision: str) -> None:
        self._channel = channel
        self.revision = revision
        self._ids = 0

    @property
    def is_modern(self) -> bool:
        """Whether each request carries its own envelope."""
        return self.revision == MODERN

    async def send(self, method: str, params: Mapping[str, object] | None = None, *, level: str | None = None) -> int:
        """Send one request and return its id."""
        self._ids += 1
        given = dict(params or {})
        if self.is_modern:
            envelope: dict[str, object] = {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientInfo": _CLIENT,
                "io.modelcontextprotocol/clientCapabilities": {**_OFFERED, "roots": {}},
            }
            if level is not None:
                envelope["io.modelcontextprotocol/logLevel"] = level
            given["_meta"] = {**_members(given.get("_meta")), **envelope}
        message: dict[str, object] = {"jsonrpc": "2.0", "id": self._ids, "method": method}
        await self._write(message | ({"params": given} if given else {}))
        return self._ids

    async def notify(self, method: str, params: Mapping[str, object] | None = None) -> None:
        """Send one notification."""
        await self._write({"jsonrpc": "2.0", "method": method, **({"params": params} if params else {})})

    async def until(self, wanted: Callable[[Frame], bool]) -> Frame:
        """Receive up to a message, and answer what the server asks on the way."""
        while True:
            frame = await self._channel.receive()
            assert isinstance(frame, Frame)
            if frame.message.kind == "request":
                answer = _ANSWERS[str(frame.message.method)]
                about = _members(frame.message.params.get("_meta"))
                if _RELATED in about:
                    answer = {**_MEANT, "_meta": about}
                await self._write({"jsonrpc": "2.0", "id": json.loads(str(frame.message.id)), "result": answer})
            if wanted(frame):
                return frame

    async def ask(self, method: str, params: Mapping[str, object] | None = None, *, level: str | None = None) -> Frame:
        """Send one request and return its answer."""
        ident = str(await self.send(method, params, level=level))
        return await self.until(lambda frame: frame.message.id == ident and frame.message.method is None)

    async def call(self, name: str, arguments: Mapping[str, object] | None = None, **more: object) -> Frame:
        """Call a tool; where it wants input first, give it and ask again, as the modern era has it."""
        params: dict[str, object] = {"name": name, "arguments": arguments or {}, **more}
        answer = await self.ask("tools/call", params)
        result = answer.message.result
        if result.get("resultType") != "input_required":
            return answer
        wanted = _members(result["inputRequests"])
        given = {key: _ANSWERS[str(_members(each)["method"])] for key, each in wanted.items()}
        state = {"requestState": result["requestState"]} if "requestState" in result else {}
        return await self.ask("tools/call", {**params, "inputResponses": given, **state})

    async def initialize(self) -> None:
        """Say what a client of the handshake era says first."""
        offered = {key: value for key, value in _OFFERED.items() if key != "elicitation" or self.revision >= "2025-06-18"}
        await self.ask("initialize", {"protocolVersion": self.revision, "capabilities": offered, "clientInfo": _CLIENT})
        await self.notify("notifications/initialized")

    async def _write(self, message: Mapping[str, object]) -> None:
        await self._channel.send(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode())


def _members(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


async def _listed(talk: Talk) -> None:
    await talk.ask("tools/list")


async def _called(talk: Talk) -> None:
    await talk.call("echo", {"message": "hello"})
    await talk.call("get-structured-content", {"location": "Chicago"})
    await talk.call("get-sum", {"a": "two", "b": 1})
    await talk.call("no-such-tool")


async def _progress(talk: Talk) -> None:
    token = {"_meta": {"progressToken": "p1"}}
    await talk.call("trigger-long-running-operation", {"duration": 0.02, "steps": 2}, **token)


async def _cancelled(talk: Talk) -> None:
    ident = await talk.send(
        "tools/call", {"name": "trigger-long-running-operation", "arguments": {"duration": 600, "steps": 2}}
    )
    await talk.notify("notifications/cancelled", {"requestId": ident, "reason": "the user changed their mind"})
    await talk.ask(
        "tools/call" if talk.is_modern else "ping",
        {"name": "echo", "arguments": {"message": "alive"}} if talk.is_modern else None,
    )


async def _resources(talk: Talk) -> None:
    await talk.ask("resources/list")


async def _templates(talk: Talk) -> None:
    await talk.ask("resources/templates/list")


async def _read(talk: Talk) -> None:
    await talk.ask("resources/read", {"uri": "demo://resource/dynamic/text/1"})
    await talk.ask("resources/read", {"uri": "demo://resource/dynamic/blob/1"})
    await talk.ask("resources/read", {"uri": "demo://resource/none"})


async def _subscribed(talk: Talk) -> None:
    uri = {"uri": "demo://resource/dynamic/text/1"}
    await talk.ask("resources/subscribe", uri)
    await talk.ask("tools/call", {"name": "toggle-subscriber-updates", "arguments": {}})


async def _unsubscribed(talk: Talk) -> None:
    await talk.ask("resources/unsubscribe", {"uri": "demo://resource/dynamic/text/1"})


async def _listened(talk: Talk) -> None:
    wanted = {"toolsListChanged": True, "resourceSubscriptions": ["note://one"]}
    ident = await talk.send("subscriptions/listen", {"notifications": wanted})
    await talk.until(lambda frame: frame.message.method == "notifications/subscriptions/acknowledged")
    await talk.ask("tools/call", {"name": "write", "arguments": {"text": "hello"}})
    await talk.notify("notifications/cancelled", {"requestId": ident})


async def _prompts(talk: Talk) -> None:
    await talk.ask("prompts/list")


async def _prompt(talk: Talk) -> None:
    await talk.ask("prompts/get", {"name": "args-prompt", "arguments": {"city": "Paris"}})
    await talk.ask("prompts/get", {"name": "args-prompt"})


async def _completed(talk: Talk) -> None:
    ref = {"type": "ref/prompt", "name": "completable-prompt"}
    await talk.ask("completion/complete", {"ref": ref, "argument": {"name": "department", "value": "E"}})


async def _levelled(talk: Talk) -> None:
    await talk.ask("logging/setLevel", {"level": "warning"})


async def _logged(talk: Talk) -> None:
    await talk.ask(
        "tools/call", {"name": "toggle-simulated-logging", "arguments": {}}, level="debug" if talk.is_modern else None
    )
    if not talk.is_modern:
        await talk.ask("tools/call", {"name": "toggle-simulated-logging", "arguments": {}})


async def _pinged(talk: Talk) -> None:
    await talk.ask("ping")


async def _sampled(talk: Talk) -> None:
    await talk.call("trigger-sampling-request", {"prompt": "Write a haiku.", "maxTokens": 50})


async def _elicited(talk: Talk) -> None:
    await talk.call("trigger-elicitation-request")


async def _url(talk: Talk) -> None:
    asked = {"url": "https://example.com/consent", "message": "Please consent.", "elicitationId": "e1", "errorPath": False}
    await talk.call("trigger-url-elicitation", asked)


async def _rooted(talk: Talk) -> None:
    await talk.call("get-roots-list")


async def _roots_changed(talk: Talk) -> None:
    await talk.notify("notifications/roots/list_changed")
    await talk.until(lambda frame: frame.message.method == "roots/list")
    await talk.ask("ping")


async def _discovered(talk: Talk) -> None:
    await talk.ask("server/discover")


async def _begin(talk: Talk, topic: str, *, ambiguous: bool = False) -> dict[str, object]:
    """Begin a task; return what names it."""
    arguments = {"topic": topic, "ambiguous": ambiguous}
    params = {"name": "simulate-research-query", "arguments": arguments, "task": {"ttl": 60_000}}
    begun = await talk.ask("tools/call", params)
    return {"taskId": _members(begun.message.result["task"])["taskId"]}


async def _status(talk: Talk, status: str) -> None:
    await talk.until(lambda frame: frame.message.params.get("status") == status)


async def _task(talk: Talk) -> None:
    task = await _begin(talk, "python", ambiguous=True)
    for _ in range(2):  # this server says twice that it wants input
        await _status(talk, "input_required")
    await talk.ask("tasks/get", task)
    await talk.ask("tasks/list")
    await talk.ask("tasks/result", task)
    await talk.ask("tasks/cancel", await _begin(talk, "bees"))
    await talk.ask("tools/call", {"name": "simulate-research-query", "arguments": {"topic": "no task"}})


async def _task_looked_at(talk: Talk) -> None:
    await talk.ask("tasks/get", await _begin(talk, "bees"))
    await talk.ask("tasks/get", {"taskId": "none"})


async def _task_fetched(talk: Talk) -> None:
    await talk.ask("tasks/result", await _begin(talk, "bees"))


async def _tasks_listed(talk: Talk) -> None:
    await _begin(talk, "bees")
    await talk.ask("tasks/list")


async def _task_cancelled(talk: Talk) -> None:
    task = await _begin(talk, "bees")
    await talk.ask("tasks/cancel", task)
    await talk.ask("tasks/cancel", task)


async def _task_told(talk: Talk) -> None:
    await _begin(talk, "bees")
    await _status(talk, "completed")


async def _begun(talk: Talk) -> None:
    del talk


def _server(topic: str) -> object:
    if topic == "subscriptions/listen":
        return _notes()
    pace = 0.2 if topic in ("tools/call (task)", "tasks/result", "notifications/tasks/status") else 30
    return everything(interval=600, pace=pace, lifecycle=600 if topic == "notifications/roots/list_changed" else None)


def _notes() -> MCPServer:
    """A server with one resource that changes; `everything` has none in the modern era."""
    server = MCPServer("notes", version="1.0.0")

    @server.tool()
    async def write(text: str, ctx: Context[object]) -> str:
        await ctx.notify_resource_updated("note://one")
        return text

    assert write
    return server


_Run = Callable[[Talk], Awaitable[None]]

_TASKS: Final = ("2025-11-25",)

RUNS: Final[Mapping[str, tuple[_Run, tuple[str, ...]]]] = {
    "initialize": (_begun, HANDSHAKE),
    "server/discover": (_discovered, (MODERN,)),
    "ping": (_pinged, HANDSHAKE),
    "tools/list": (_listed, REVISIONS),
    "tools/call": (_called, REVISIONS),
    "resources/list": (_resources, REVISIONS),
    "resources/templates/list": (_templates, REVISIONS),
    "resources/read": (_read, REVISIONS),
    "resources/subscribe": (_subscribed, HANDSHAKE),
    "resources/unsubscribe": (_unsubscribed, HANDSHAKE),
    "subscriptions/listen": (_listened, (MODERN,)),
    "prompts/list": (_prompts, REVISIONS),
    "prompts/get": (_prompt, REVISIONS),
    "completion/complete": (_completed, REVISIONS),
    "logging/setLevel": (_levelled, HANDSHAKE),
    "sampling/createMessage": (_sampled, REVISIONS),
    "elicitation/create": (_elicited, ("2025-06-18", "2025-11-25", MODERN)),
    "elicitation/create (url)": (_url, ("2025-11-25", MODERN)),
    "roots/list": (_rooted, REVISIONS),
    "notifications/progress": (_progress, REVISIONS),
    "notifications/cancelled": (_cancelled, REVISIONS),
    "notifications/message": (_logged, REVISIONS),
    "notifications/roots/list_changed": (_roots_changed, HANDSHAKE),
    "tools/call (task)": (_task, _TASKS),
    "tasks/get": (_task_looked_at, _TASKS),
    "tasks/result": (_task_fetched, _TASKS),
    "tasks/list": (_tasks_listed, _TASKS),
    "tasks/cancel": (_task_cancelled, _TASKS),
    "notifications/tasks/status": (_task_told, _TASKS),
}
"""What is run for each method, and in which revisions."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One run.

    Attributes:
        topic: The method that it shows.
        revision: The revision that both sides speak.
        frames: The messages, in order, without the handshake unless that is the topic.
    """

    topic: str
    revision: str
    frames: tuple[Frame, ...]


def conversations() -> dict[tuple[str, str], Conversation]:
    """Run all, and return them by topic and revision."""
    return anyio.run(_all)


async def _all() -> dict[tuple[str, str], Conversation]:
    return {
        (topic, revision): Conversation(topic, revision, await _one(topic, run, revision))
        for topic, (run, revisions) in RUNS.items()
        for revision in revisions
    }


async def _one(topic: str, run: _Run, revision: str) -> tuple[Frame, ...]:
    log = WireLog()
    with anyio.fail_after(30):
        async with connect(link(_server(topic)), Tap(log, "server")) as channel:
            talk = Talk(channel, revision)
            if not talk.is_modern:
                await talk.initialize()
            since = 0 if topic == "initialize" else len(log.frames)
            await run(talk)
            return tuple(log.frames[since:])
