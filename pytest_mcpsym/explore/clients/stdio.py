"""The random server as a process for clients that start one: `bridge.py` is started, and the server is here.

Pinned by `tests/explore/test_play_client.py`.
"""

from __future__ import annotations

import secrets
import select
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pytest_mcpsym.explore.clients.scene import QUIET, Connection, Scene
from pytest_mcpsym.explore.clients.turn import Said
from pytest_mcpsym.transport.lines import Lines

__all__ = ["StdioStage"]

_CHUNK: Final = 65_536
_BRIDGE: Final = str(Path(__file__).with_name("bridge.py"))


class StdioStage:
    """Listens for the processes that clients start. Use it in a `with` block."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._scenes: dict[str, Scene] = {}
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, name="mcpsym-explore", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.leave()

    def enter(self, scene: Scene) -> list[str]:
        """Return the command that a client starts in this performance."""
        word = secrets.token_hex(8)
        self._scenes[word] = scene
        return [sys.executable, "-I", "-S", _BRIDGE, str(self._listener.getsockname()[1]), word]

    def leave(self) -> None:
        """End the performance: whatever is open is closed."""
        self._scenes.clear()
        for link in list(self._open):
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                link, _ = self._listener.accept()
                self._open.add(link)
                threading.Thread(target=self._serve, args=(link,), name="mcpsym-explore", daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        try:
            with link, suppress(OSError):
                _Talk(link, self._scenes).run()
        finally:
            self._open.discard(link)


class _Talk:
    """One connection."""

    def __init__(self, link: socket.socket, scenes: dict[str, Scene]) -> None:
        self._link = link
        self._scenes = scenes
        self._connection: Connection | None = None

    def run(self) -> None:
        lines = Lines()
        try:
            while True:
                ready, _, _ = select.select([self._link], [], [], QUIET)
                if not ready:
                    self._say([] if self._connection is None else self._connection.quiet())
                    continue
                chunk = self._link.recv(_CHUNK)
                if not chunk:
                    return
                for line in lines.feed(chunk):
                    self._take(line)
        finally:
            if self._connection is not None:
                self._connection.close("host")

    def _take(self, line: bytes) -> None:
        if self._connection is None:
            scene = self._scenes.get(line.decode(errors="replace"))
            if scene is None:
                raise ConnectionRefusedError("a process of a performance that is over")
            self._connection = scene.connect("stdio")
        elif line:
            self._say(self._connection.heard(line)[1])

    def _say(self, said: Sequence[Said]) -> None:
        for each in said:
            assert self._connection is not None
            self._connection.say(each)
            self._link.sendall(each.data + b"\n")
