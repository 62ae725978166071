"""One connection to the server under judgement, in raw frames: what both bindings have in common, and what each does its own way.

A `Talk` lets a judgement call a tool, see what the server asks of its client for it, answer, and get the tool's own result, so that one
judgement can hold for both eras. It judges nothing but that frames come in time; whatever a server sends is only sorted. Pinned by
`tests/conformance/`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, cast

import anyio

from pytest_mcpsym.symmetric.names import CALLS, CONTINUE, FULL_CAPABILITY, IDENTIFIER, LISTENING_CAPABILITY
from pytest_mcpsym.transport.tap import Channel
from pytest_mcpsym.wire.frame import Frame, id_text

__all__ = ["Asked", "Broken", "Call", "Era", "HandshakeTalk", "ModernTalk", "Talk", "told"]

Era = Literal["handshake", "modern"]
Answer = Mapping[str, object]
"""`{"result": …}` or `{"error": …}`."""

REVISION: Final[Mapping[Era, str]] = {"handshake": "2025-11-25", "modern": "2026-07-28"}
_POLL: Final = 0.02


class Broken(Exception):
    """The server did something that the extension's page forbids; the text says what, in one sentence."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Something that the server asks of its client; told apart by identity.

    Attributes:
        key: JSON text of the id of a mirrored request; the key of a call in a leg.
        method: What is asked.
        params: With what.
    """

    key: str
    method: str
    params: Mapping[str, object]

    @property
    def meta(self) -> Mapping[str, object]:
        """`_meta` of the params."""
        return cast("Mapping[str, object]", self.params.get("_meta") or {})


@dataclass(slots=True, eq=False)
class Call:
    """A `tools/call` that was made, and the leg it is in.

    Attributes:
        id: JSON text of the id of the request that is open.
        continuation: Of the last leg that ended with calls (modern era).
        open: Keys that were asked and not answered (modern era).
        declared: What of the extension the client declares on its requests (modern era).
    """

    id: str
    continuation: object = None
    open: dict[str, Asked] = field(default_factory=dict[str, Asked])
    declared: Mapping[str, object] | None = None


def told(text: str) -> Answer:
    """Return the answer of a tool that says something."""
    return {"result": {"content": [{"type": "text", "text": text}]}}


class Talk(ABC):
    """One connection.

    Args:
        channel: To the server.
        patience: Seconds that a frame may take.

    Attributes:
        requests: What the server asked in requests of its own and was not looked at.
        notifications: What it notified.
        responses: What it answered and was not looked at, by JSON text of the id.
    """

    def __init__(self, channel: Channel, patience: float) -> None:
        self._channel = channel
        self._patience = patience
        self._sent = 100
        self.requests: list[Asked] = []
        self.notifications: list[Mapping[str, object]] = []
        self.responses: dict[str, Frame] = {}

    # --- frames

    async def send(self, frame: Mapping[str, object]) -> None:
        """Send one message."""
        try:
            await self._channel.send(json.dumps({"jsonrpc": "2.0", **frame}).encode())
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise Broken("the server has gone, and what was sent to it next could not be written") from None

    async def request(self, method: str, params: Mapping[str, object], *, ident: object = None) -> str:
        """Send a request and return the JSON text of its id."""
        if ident is None:
            self._sent += 1
            ident = self._sent
        await self.send({"id": ident, "method": method, "params": params})
        return id_text(ident)

    async def until(self, holds: Callable[[], bool], what: str, within: float | None = None) -> None:
        """Receive frames until something holds.

        Raises:
            Broken: It does not in time, or the server has gone.
        """
        seconds = within or self._patience
        with anyio.move_on_after(seconds) as limit:
            while not holds():
                try:
                    frame = await self._channel.receive()
                except anyio.EndOfStream:
                    raise Broken(f"the server has gone, without {what}") from None
                if isinstance(frame, Frame):
                    self._sort(frame)
        if limit.cancelled_caught and not holds():
            raise Broken(f"the server did not send {what} within {seconds:g} s")

    def _sort(self, frame: Frame) -> None:
        message = frame.message
        match message.kind:
            case "request":
                self.requests.append(Asked(message.id or "", message.method or "", message.params))
            case "notification":
                self.notifications.append(cast("Mapping[str, object]", message.value))
            case "result" | "error":
                self.responses[message.id or ""] = frame
            case _:
                raise Broken(f"the server sent what is no message of JSON-RPC: {message.reason}")

    async def response(self, ident: str, what: str = "", within: float | None = None) -> Mapping[str, object]:
        """Wait for a response and return it whole."""
        await self.until(lambda: ident in self.responses, what or f"an answer to request {ident}", within)
        return cast("Mapping[str, object]", self.responses.pop(ident).message.value)

    # --- what judgements say

    async def ask(self, method: str, params: Mapping[str, object]) -> Mapping[str, object]:
        """Send a request and return its response."""
        return await self.response(await self.request(method, self.enveloped(params)))

    async def notify(self, method: str, params: Mapping[str, object]) -> None:
        """Send a notification."""
        await self.send({"method": method, "params": params})

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, object] | None = None,
        *,
        ident: object = None,
        meta: Mapping[str, object] | None = None,
        declared: Mapping[str, object] | None = FULL_CAPABILITY,
    ) -> Call:
        """Call a tool.

        Args:
            tool: Its name.
            arguments: Its arguments.
            ident: Of the request; default the next number.
            meta: Members of `_meta`.
            declared: What of the extension the client declares, `None` for nothing (modern era: the handshake has said it before).
        """
        params: dict[str, object] = {"name": tool, "arguments": dict(arguments or {}), **({"_meta": meta} if meta else {})}
        return Call(await self.request("tools/call", self.enveloped(params, declared), ident=ident), declared=declared)

    async def end(self, call: Call) -> Mapping[str, object]:
        """Return the response of a tool, which must have everything it asked for."""
        return await self.response(call.id, f"the result of the tool (request {call.id})")

    async def result(self, call: Call) -> Mapping[str, object]:
        """Return the result of a tool.

        Raises:
            Broken: It was an error.
        """
        response = await self.end(call)
        if "result" not in response:
            raise Broken(f"the tool was answered with an error: {json.dumps(response.get('error'), ensure_ascii=False)}")
        return cast("Mapping[str, object]", response["result"])

    async def refusal(self, call: Call) -> Mapping[str, object]:
        """Return the JSON-RPC error of a tool.

        Raises:
            Broken: It was a result, or the server asked for something instead.
        """
        response = await self.end(call)
        if "error" not in response:
            raise Broken(
                f"the tool should be refused, and was answered with {json.dumps(response.get('result'), ensure_ascii=False)}"
            )
        return cast("Mapping[str, object]", response["error"])

    async def one(self, call: Call, method: str) -> Asked:
        """Return the one thing that the server asks for now.

        Raises:
            Broken: It asks for another method, or for more.
        """
        asked = await self.asked(call, 1)
        if len(asked) != 1 or asked[0].method != method:
            raise Broken(
                f"the server should ask for one {method}, and asked for {', '.join(each.method for each in asked) or 'nothing'}"
            )
        return asked[0]

    async def running(self) -> int:
        """Return how many handlers the server's tool `running` counts; whatever came before its answer was received by then."""
        result = await self.result(await self.call("running"))
        text = "".join(str(block.get("text")) for block in cast("Sequence[Mapping[str, object]]", result.get("content") or ()))
        if not text.isdigit():
            raise Broken(f"the tool `running` should say a number, and says {text!r}")
        return int(text)

    async def until_idle(self, why: str) -> None:
        """Wait until no handler runs.

        Raises:
            Broken: One does, for ever.
        """
        with anyio.move_on_after(self._patience):
            while await self.running():  # noqa: ASYNC110 - what is waited for is another process
                await anyio.sleep(_POLL)
            return
        raise Broken(f"a handler still runs {why}")

    async def sleep(self, seconds: float) -> None:
        """Let time pass, which some judgements are about."""
        await anyio.sleep(seconds)

    def members(self, ident: str) -> Mapping[str, object]:
        """Return the members of a response that has come and was not looked at; none if it has not."""
        frame = self.responses.get(ident)
        return {} if frame is None else cast("Mapping[str, object]", frame.message.value)

    async def settle(self) -> None:
        """Forget what came of earlier judgements."""
        await self.running()
        self.requests.clear()
        self.notifications.clear()
        self.responses.clear()

    # --- what each binding does its own way

    @abstractmethod
    def enveloped(
        self, params: Mapping[str, object], declared: Mapping[str, object] | None = FULL_CAPABILITY
    ) -> Mapping[str, object]:
        """Return params as a request of this era has them."""

    @abstractmethod
    async def begin(self, within: float) -> Mapping[str, object]:
        """Open the connection, in so many seconds, and return the server's capabilities."""

    @abstractmethod
    async def asked(self, call: Call, count: int) -> list[Asked]:
        """Wait until the server has asked for so many things, and return all that it asked for since the last time."""

    @abstractmethod
    async def answer(self, call: Call, answers: Mapping[Asked, Answer]) -> None:
        """Answer, in the order of the mapping."""


class HandshakeTalk(Talk):
    """Mirrored requests.

    Args:
        channel: To the server.
        patience: Seconds that a frame may take.
        declared: What of the extension the client declares; `None` for nothing.
    """

    def __init__(self, channel: Channel, patience: float, declared: Mapping[str, object] | None = LISTENING_CAPABILITY) -> None:
        super().__init__(channel, patience)
        self._declared = declared

    def enveloped(
        self, params: Mapping[str, object], declared: Mapping[str, object] | None = FULL_CAPABILITY
    ) -> Mapping[str, object]:
        """Return the params as they are: the handshake has said the rest."""
        return params

    async def begin(self, within: float) -> Mapping[str, object]:
        """Shake hands."""
        capabilities: dict[str, object] = {} if self._declared is None else {"extensions": {IDENTIFIER: self._declared}}
        params = {
            "protocolVersion": REVISION["handshake"],
            "capabilities": capabilities,
            "clientInfo": {"name": "pytest-mcpsym conformance", "version": "1"},
        }
        response = await self.response(await self.request("initialize", params, ident=0), "an answer to `initialize`", within)
        await self.notify("notifications/initialized", {})
        return _capabilities(response, "initialize")

    async def asked(self, call: Call, count: int) -> list[Asked]:
        """Wait for requests of the server's own."""
        await self.until(
            lambda: len(self.requests) >= count or call.id in self.responses,
            f"{count} requests of its own for the tool it runs",
        )
        if len(self.requests) < count:  # it was answered instead
            raise Broken(
                f"the server should ask its client for something, and answered: {self.responses[call.id].data.decode()}"
            )
        found, self.requests = self.requests, []
        return found

    async def answer(self, call: Call, answers: Mapping[Asked, Answer]) -> None:
        """Send responses."""
        for asked, answer in answers.items():
            await self.send({"id": json.loads(asked.key), **answer})


class ModernTalk(Talk):
    """Claimed results in legs."""

    def enveloped(
        self, params: Mapping[str, object], declared: Mapping[str, object] | None = FULL_CAPABILITY
    ) -> Mapping[str, object]:
        """Return the params with the envelope of a modern request."""
        envelope = {
            "io.modelcontextprotocol/protocolVersion": REVISION["modern"],
            "io.modelcontextprotocol/clientInfo": {"name": "pytest-mcpsym conformance", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {} if declared is None else {"extensions": {IDENTIFIER: declared}},
        }
        return {**params, "_meta": {**envelope, **cast("Mapping[str, object]", params.get("_meta") or {})}}

    async def begin(self, within: float) -> Mapping[str, object]:
        """Discover."""
        sent = await self.request("server/discover", self.enveloped({}))
        response = await self.response(sent, "an answer to `server/discover`", within)
        return _capabilities(response, "server/discover")

    async def leg(self, call: Call) -> Mapping[str, object]:
        """Wait for the end of a leg and return its result, which has calls.

        Raises:
            Broken: The tool was answered instead.
        """
        response = await self.end(call)
        result = cast("Mapping[str, object]", response.get("result") or {})
        if result.get("resultType") != CALLS or not isinstance(result.get("calls"), dict):
            raise Broken(
                f"a leg should end with calls for the client, and ended with {json.dumps(response, ensure_ascii=False)}"
            )
        call.continuation = result.get("continuation")
        for key, value in cast("Mapping[str, object]", result["calls"]).items():
            made = cast("Mapping[str, object]", value if isinstance(value, dict) else {})
            params = cast("Mapping[str, object]", made.get("params") or {})
            call.open[key] = Asked(key, str(made.get("method")), params)
        return result

    async def asked(self, call: Call, count: int) -> list[Asked]:
        """Wait for the end of a leg, and go on for as long as it only asks to wait."""
        before = set(call.open)
        await self.leg(call)
        while not call.open:  # wait for more
            await self.resume(call, {})
            await self.leg(call)
        return [asked for key, asked in call.open.items() if key not in before]

    async def answer(self, call: Call, answers: Mapping[Asked, Answer]) -> None:
        """Begin the next leg with them."""
        for asked in answers:
            call.open.pop(asked.key, None)
        await self.resume(call, {asked.key: answer for asked, answer in answers.items()})

    async def resume(self, call: Call, responses: Mapping[str, object], *, meta: Mapping[str, object] | None = None) -> None:
        """Begin the next leg."""
        params: dict[str, object] = {
            "continuation": call.continuation,
            "responses": responses,
            **({"_meta": meta} if meta else {}),
        }
        call.id = await self.request(CONTINUE, self.enveloped(params, call.declared))


def _capabilities(response: Mapping[str, object], method: str) -> Mapping[str, object]:
    result = response.get("result")
    if not isinstance(result, dict):
        raise Broken(f"{method} was answered with {json.dumps(response, ensure_ascii=False)}")
    return cast("Mapping[str, object]", cast("dict[str, object]", result).get("capabilities") or {})
