"""A peer made from a recording: an ordinary channel, behind which nobody is.

`open_played` gives the client what `pytest_mcpsym.wire.playback` says that the recorded server said, on the transport that was
recorded: over HTTP with the recorded statuses, headers and streams, so that the log of a replay has the normal form of the log that
was recorded. A message that the recording does not answer is told to `Played.missed`, and its caller gets a JSON-RPC error. Pinned by
`tests/replay/test_modes.py` and, for real servers, `tests/peers/test_recorded.py`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import anyio
from mcp_types import CONNECTION_CLOSED

from pytest_mcpsym.replay.broken import broken_off
from pytest_mcpsym.transport.pipe import Pipe
from pytest_mcpsym.transport.tap import Channel, Tap, Undelivered
from pytest_mcpsym.wire.exchange import token_text
from pytest_mcpsym.wire.frame import Envelope, Frame, id_text, parse
from pytest_mcpsym.wire.miss import Miss
from pytest_mcpsym.wire.playback import Outcome, Playback, Reply

if TYPE_CHECKING:
    from pytest_mcpsym.faults.active import Faults

__all__ = ["MISS_REASON", "Played", "PlayedChannel", "open_played"]

MISS_REASON: Final = "replay-miss"
"""`data.reason` of the JSON-RPC error that the caller of a miss gets."""

_MISS_CODE: Final = -32603
_SESSION: Final = "mcp-session-id"
_VERSION: Final = "mcp-protocol-version"


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """What a link is made from when it is replayed.

    Attributes:
        label: What the recorded target was called.
        file: Path of the recording, as it is shown.
        playback: The recorded link, to be played once.
        http: Whether it was recorded over HTTP.
        modern: Whether it was recorded in the modern era, whose cancellation over HTTP is no frame.
        missed: Told of each message that the recording does not answer, with its frame.
        replayed: Is told which recorded frame each frame of the server replays, by their `seq`.
    """

    label: str
    file: str
    playback: Playback
    http: bool
    modern: bool
    missed: Callable[[Miss, Frame], None]
    replayed: dict[int, int]


class PlayedChannel:
    """Answers as the recorded server did, at once and in recorded order."""

    def __init__(self, played: Played, tap: Tap, faults: Faults | None = None) -> None:
        self._faults = faults
        self._played = played
        self._tap = tap
        self._inbox = Pipe[Frame | Undelivered]()
        self._exchanges = 0
        self._carriers: dict[str, int] = {}
        self._unanswered: dict[str, int] = {}
        self._stream: int | None = None
        self._session: str | None = None
        self._version: str | None = None
        self._closed = False

    def open(self) -> None:
        """Say what the recorded server said before the client did."""
        self.say(self._played.playback.open())

    async def send(self, data: bytes, headers: Mapping[str, str] | None = None) -> Frame | None:
        """Log a message, and answer it as the recorded server did."""
        if self._closed:
            raise anyio.ClosedResourceError
        orders = self._faults.take() if self._faults is not None else ()
        message = parse(data)
        if self._played.http and self._played.modern and message.method == "notifications/cancelled":
            self.heard(data, headers, Outcome())
            self._close_stream(token_text(message.params.get("requestId")) or "")
            return None
        frame = self._tap.sent(data, self._envelope(headers or {}))
        if frame.envelope is not None and message.kind == "request" and message.id is not None:
            self._carriers[message.id] = self._unanswered[message.id] = frame.envelope.exchange
        if frame.envelope is not None and message.method == "notifications/initialized" and not self._played.modern:
            self._own_stream()
        outcome = self._played.playback.receive(data, message)
        broken = await broken_off(orders)
        if broken is None:
            self.heard(data, headers, outcome)
            self.say(outcome.replies)
        elif broken.reason and message.kind == "request" and message.id is not None:
            self.say(outcome.replies[: broken.answers])
            self._inbox.put(Undelivered(message.id, CONNECTION_CLOSED, broken.reason))
        if outcome.miss is not None:
            self._played.missed(outcome.miss, frame)
            self._refuse(outcome, outcome.miss)
        await anyio.lowlevel.checkpoint()
        return frame

    async def receive(self) -> Frame | Undelivered:
        """Return the next frame of the recorded server."""
        try:
            return await self._inbox.get()
        except anyio.ClosedResourceError:
            raise anyio.EndOfStream from None

    def close(self) -> None:
        """End the connection on this side."""
        self._end("host")
        self._inbox.end_reading()

    async def end_input(self) -> None:
        """End the recorded server with its input: see `pytest_mcpsym.faults.channel`."""
        self._end("peer")

    def kill(self) -> None:
        """End the recorded server at once."""
        self._end("peer")

    def _end(self, by: str) -> None:
        if not self._closed:
            self._closed = True
            self._tap.note("close", by=by)
            self._inbox.end_writing()

    def _close_stream(self, ident: str) -> None:
        """Cancel as the modern era does over HTTP: the log says that the host closed the stream of a request."""
        exchange = self._unanswered.pop(ident, None)
        if exchange is not None:
            self._tap.note("http", exchange=exchange, event="closed", by="host")
        self.say(self._played.playback.closed(ident))

    def _envelope(self, headers: Mapping[str, str]) -> Envelope | None:
        if not self._played.http:
            return None
        self._exchanges += 1
        session = () if self._session is None or self._played.modern else ((_SESSION, self._session),)
        # As over HTTP itself, an answer goes with the revision that the frames before it named.
        self._version = headers.get(_VERSION, self._version)
        version = () if self._version is None or _VERSION in headers else ((_VERSION, self._version),)
        return Envelope(self._exchanges, (*session, *version, *headers.items()))

    def heard(self, data: bytes, headers: Mapping[str, str] | None, outcome: Outcome) -> None:
        """Take note of what the client sent and what follows from it; for those who do more than play."""

    def say(self, replies: Sequence[Reply]) -> None:
        """Give the client what the server says."""
        for reply in replies:
            frame = self._tap.received(reply.data, self._carried(reply))
            if reply.recorded is not None:
                self._played.replayed[frame.seq] = reply.recorded.seq
            if self._unanswered and frame.message.kind in ("result", "error"):
                self._unanswered.pop(str(frame.message.id), None)
            self._inbox.put(frame)

    def _carried(self, reply: Reply) -> Envelope | None:
        """The HTTP wrapping of a frame: as it was recorded, on the exchange of this run that carries it."""
        if not self._played.http:
            return None
        recorded = None if reply.recorded is None else reply.recorded.envelope
        for name, value in () if recorded is None else recorded.headers:
            if name.lower() == _SESSION:
                self._session = value
        number = None if reply.carrier is None else self._carriers.get(id_text(json.loads(reply.carrier)))
        if number is None:
            number = self._own_stream()
        return Envelope(number, status=200) if recorded is None else replace(recorded, exchange=number)

    def _own_stream(self) -> int:
        """The number of the exchange that stands for the link's own stream (the `GET` of the handshake era)."""
        if self._stream is None:
            self._exchanges += 1
            self._stream = self._exchanges
        return self._stream

    def _refuse(self, outcome: Outcome, miss: Miss) -> None:
        what = f"holds another {miss.label}" if miss.reason == "answer" else f"does not answer this {miss.label}"
        text = f"mcp replay miss: {self._played.file} {what}; the test's report says where they part"
        error = {"code": _MISS_CODE, "message": text, "data": {"reason": MISS_REASON, "why": miss.reason}}
        for ident in outcome.failed:
            data = b'{"jsonrpc":"2.0","id":' + ident + b',"error":' + json.dumps(error).encode() + b"}"
            self.say((Reply(data, ident),))


@asynccontextmanager
async def open_played(played: Played, tap: Tap, faults: Faults | None = None) -> AsyncGenerator[Channel]:
    """Play a recorded link; nothing is started and nothing is left. What faults do to HTTP is done to what is played."""
    channel = PlayedChannel(played, tap, faults)
    channel.open()
    try:
        yield channel
    finally:
        channel.close()
