"""What a transport is to the rest of the house: a channel that moves bytes, and a tap that logs them.

A transport opens a `Channel` inside an async context manager, writes every frame and side-channel event to its `Tap` at the moment
it happens, and owns every task, process and socket that it started. Nothing else writes frames to the wire log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from pytest_mcpsym.wire.frame import Envelope, Frame
from pytest_mcpsym.wire.log import SideChannel, WireLog

__all__ = ["UNASKED", "Channel", "Tap", "Undelivered"]

UNASKED: Final = ""
"""In place of an id: what the server says unasked can reach the host no more."""


@dataclass(frozen=True, slots=True)
class Tap:
    """The place where one link writes into the wire log."""

    log: WireLog
    link: str

    def sent(self, data: bytes, envelope: Envelope | None = None) -> Frame:
        """Log a frame that goes to the server; call it before the bytes are written."""
        return self.log.frame(self.link, "to-server", data, envelope)

    def received(self, data: bytes, envelope: Envelope | None = None) -> Frame:
        """Log a frame that came from the server; call it as soon as the bytes are complete."""
        return self.log.frame(self.link, "to-client", data, envelope)

    def note(self, channel: SideChannel, **data: object) -> None:
        """Log an event on a side channel."""
        self.log.note(self.link, channel, **data)


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A request whose answer can never come, with the error that its caller gets. It is no frame: nothing crossed the wire.

    Attributes:
        id: The request's id as JSON text (`pytest_mcpsym.wire.frame.id_text`), or `UNASKED`.
        code: JSON-RPC error code.
        message: One sentence for the caller.
    """

    id: str
    code: int
    message: str


class Channel(Protocol):
    """One open connection to a server, in bytes."""

    async def send(self, data: bytes, headers: Mapping[str, str] | None = None) -> Frame | None:
        """Log and write one message; `headers` go with it over HTTP and mean nothing elsewhere.

        Returns `None` for the one message that becomes something else than a frame: a modern cancellation over HTTP, which is the
        closing of the response stream.

        Raises:
            anyio.BrokenResourceError: The peer is gone.
            anyio.ClosedResourceError: The channel was closed on this side.
        """
        ...

    async def receive(self) -> Frame | Undelivered:
        """Return the next message from the server, already logged.

        Raises:
            anyio.EndOfStream: No more can come.
        """
        ...
