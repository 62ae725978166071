"""One performance of the random server: its connections, the log that they write, and when something was last said.

Safe to use from several threads. Pinned by `tests/explore/test_play_client.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final, Literal

from pytest_mcpsym.explore.clients.actor import Actor
from pytest_mcpsym.explore.clients.moves import Http, Move
from pytest_mcpsym.explore.clients.turn import Said
from pytest_mcpsym.explore.offer import Offer
from pytest_mcpsym.transport.tap import Tap
from pytest_mcpsym.wire.frame import Envelope, Frame
from pytest_mcpsym.wire.log import WireLog

__all__ = ["LINK", "QUIET", "Connection", "Scene"]

QUIET: Final = 0.01
"""Seconds without a word of the client after which an answer that was held is given."""

LONG: Final = 0.1
"""The same for an answer that waits for another request."""

LINK: Final = "server"
"""Name of the first link of a client; those after it have a number."""


class Connection:
    """One connection of the client to the server.

    Args:
        scene: The performance.
        actor: What plays the server.
        tap: Where frames go.
    """

    def __init__(self, scene: Scene, actor: Actor, tap: Tap) -> None:
        self.actor = actor
        self.tap = tap
        self._scene = scene
        self._lock = threading.Lock()
        self._closed = False

    def heard(self, data: bytes, envelope: Envelope | None = None) -> tuple[Frame, list[Said]]:
        """Log a message of the client and return it with what is said to it."""
        with self._lock:
            self._scene.touch()
            return self.tap.sent(data, envelope), self.actor.heard(data)

    def quiet(self) -> list[Said]:
        """Return what is said now, if the client has been quiet for long enough."""
        with self._lock:
            for_another = self._scene.silence >= LONG
            return self.actor.quiet(for_another=for_another) if self._scene.silence >= QUIET else []

    def say(self, said: Said, envelope: Envelope | None = None) -> Frame:
        """Log a message to the client, just before it is written."""
        self._scene.touch()
        return self.tap.received(said.data, envelope)

    def close(self, by: Literal["host", "peer"]) -> None:
        """Log that the connection was closed; the client is the host."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._scene.touch()
                self.tap.note("close", by=by)


class Scene:
    """One performance.

    Args:
        moves: What the server does of its own will.
        era: The era that it speaks.
        offer: What it offers.
    """

    def __init__(self, moves: Sequence[Move], era: Literal["handshake", "modern"], offer: Offer) -> None:
        self.log = WireLog()
        self.era = era
        self.http = next((move for move in moves if isinstance(move, Http)), Http())
        self.connections: list[Connection] = []
        self._moves = moves
        self._offer = offer
        self._last = time.monotonic()

    def connect(self, transport: Literal["memory", "stdio", "http"]) -> Connection:
        """Begin a connection."""
        number = len(self.connections) + 1
        tap = Tap(self.log, LINK if number == 1 else f"{LINK}-{number}")
        tap.note("open", transport=transport, era=self.era, target="a random server")
        connection = Connection(self, Actor(self._moves, self.era, self._offer), tap)
        self.connections.append(connection)
        self.touch()
        return connection

    def touch(self) -> None:
        """Take note that something happened."""
        self._last = time.monotonic()

    @property
    def silence(self) -> float:
        """Seconds since something happened."""
        return time.monotonic() - self._last

    @property
    def owes(self) -> bool:
        """Whether the server has answers that it has yet to give."""
        return any(each.actor.owes for each in self.connections)

    @property
    def tap(self) -> Tap:
        """Where what concerns no connection is noted."""
        return self.connections[0].tap if self.connections else Tap(self.log, LINK)
