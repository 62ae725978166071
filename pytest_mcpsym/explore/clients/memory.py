"""The random server in the client's own event loop: a transport of the SDK whose messages pass as bytes.

Pinned by `tests/explore/test_play_client.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from pytest_mcpsym.explore.clients.scene import QUIET, Connection, Scene
from pytest_mcpsym.explore.clients.turn import Said
from pytest_mcpsym.switchboard.streams import LinkTransport

__all__ = ["in_memory"]


class _Memory:
    """One connection in memory."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._out: deque[Said] = deque()
        self._arrived = anyio.Event()
        self._connection: Connection | None = None
        self._ended = False

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None]:
        self._connection = self._scene.connect("memory")
        try:
            yield
        finally:
            self._ended = True
            self._arrived.set()
            self._connection.close("host")

    async def read(self) -> SessionMessage | Exception:
        connection = self._held()
        while not self._out:
            if self._ended:
                raise anyio.EndOfStream
            with anyio.move_on_after(QUIET):
                await self._arrived.wait()
            self._arrived = anyio.Event()
            self._out.extend(connection.quiet())
        await anyio.lowlevel.checkpoint()
        said = self._out.popleft()
        connection.say(said)
        try:
            return SessionMessage(jsonrpc_message_adapter.validate_json(said.data, by_name=False))
        except ValueError as error:
            return error

    async def write(self, item: SessionMessage) -> None:
        await anyio.lowlevel.checkpoint()
        if self._ended:
            raise anyio.ClosedResourceError
        _, said = self._held().heard(item.message.model_dump_json(by_alias=True, exclude_unset=True).encode())
        self._out.extend(said)
        self._arrived.set()

    def _held(self) -> Connection:
        assert self._connection is not None
        return self._connection


def in_memory(scene: Scene) -> LinkTransport:
    """Return a transport that `mcp.Client` takes, or whose streams `ClientSession` takes."""
    memory = _Memory(scene)
    return LinkTransport(memory.opened, memory.read, memory.write)
