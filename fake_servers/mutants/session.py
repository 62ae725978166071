"""One session that is the same for every mutant and for every control: an ordinary use of a server, by two clients, with a gateway.

Nothing in it knows which bug it is going to meet. What a mutant does not answer stays open until the board closes, and no longer.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

import anyio
from anyio.abc import TaskGroup
from mcp import MCPError, StdioServerParameters

from pytest_mcpsym.errors import McpsymError
from pytest_mcpsym.switchboard.board import AsyncBoard
from pytest_mcpsym.switchboard.opener import Opener
from pytest_mcpsym.switchboard.settings import Settings
from pytest_mcpsym.switchboard.target import Era, LinkSpec, link
from pytest_mcpsym.wire.log import WireLog

from .carriers import Carried
from .peer import Peer
from .probe import probed

__all__ = ["Way", "held"]

Way = Literal["memory", "stdio", "http"]

PATIENCE: Final = 3.0
"""Seconds after which the session goes on without an answer; a healthy peer needs a hundredth of it, on a busy machine a tenth."""
IMPATIENCE: Final = 0.1
"""The same once an answer did not come: a peer that hangs does so again."""
QUIET: Final = 0.05
"""Seconds without a frame after which nothing more is on its way."""
LINGER: Final = 1.15
"""Seconds that the board stays open after a cancellation, so that what ran on is seen to."""
EXACT: Final = 9_007_199_254_740_993
"""An integer that no double holds."""
NOISE: Final = 1_048_576
"""More than a pipe holds."""

_GRANTS: Final = ("store__echo", "store__gate", "store__relay")

Work = Callable[[], Awaitable[object]]


async def held(make: Callable[[], Peer], era: Era, way: Way) -> WireLog:
    """Hold the session with a peer on two links, and return its log.

    Args:
        make: Makes the peer; a process is told its name.
        era: Era of the links.
        way: How the peer is reached. As a process it has one client only.
    """
    shared = Carried(make())
    callers = ("alice",) if way == "stdio" else ("alice", "bob")
    links = {each: replace(_at(shared, make.__name__, way, each), grants=_GRANTS) for each in callers}
    settings = replace(Settings(), open_timeout=10.0, fail_on_findings=False)
    opener = Opener({**links, "store": link(Carried(Peer()))}, era, settings)
    opener.model.script(*["it is so"] * 16)
    board: AsyncBoard | None = None
    async with anyio.create_task_group() as tasks:
        with _closing_leniently(lambda: board is not None):
            async with opener as board:
                session = _Session(board, tasks, tuple(links))
                await session.hold()
                await probed(links["alice"], board.log, era, "alice")
                await session.linger()
    assert board is not None
    return board.log


@contextmanager
def _closing_leniently(opened: Callable[[], bool]) -> Generator[None]:
    """Let a mutant be dead by the time its board closes, but not before it is open."""
    try:
        yield
    except McpsymError:
        if not opened():
            raise


def _at(shared: Carried, name: str, way: Way, caller: str) -> LinkSpec:
    if way == "stdio":
        return link(StdioServerParameters(command=sys.executable, args=[str(Path(__file__).parent / "__main__.py"), name]))
    if way == "memory":
        return link(shared, transport="memory")
    # No secret, but what stands for one, so that it can be seen where it goes.
    return link(shared.app, headers={"authorization": f"Bearer credential-of-{caller}-1"})


async def _heard(progress: float, total: float | None, message: str | None) -> None:
    """Take progress, which is on the log already."""
    del progress, total, message


@dataclass(slots=True)
class _Session:
    board: AsyncBoard
    tasks: TaskGroup
    names: tuple[str, ...]
    own: dict[str, str] = field(default_factory=lambda: defaultdict(lambda: "echo"))
    cancelled: float = 0.0
    patience: float = PATIENCE

    async def hold(self) -> None:
        """Use each peer by itself, both at the same time, and `store` through them."""
        for name in self.names:
            await self.tried(partial(self._listed, name))
            await self.tried(partial(self.board.client(name).call_tool, "echo", {"text": "typed"}))
        await self._both(self._one_by_one)
        await self._at_once()
        await self._abandoned()
        await self._both(self._again)

    async def _listed(self, name: str) -> None:
        """List tools, and take note of the one that is this client's alone."""
        tools = await self.board.client(name).list_tools()
        self.own[name] = next((tool.name for tool in tools.tools if tool.name.startswith("own_")), "echo")

    async def linger(self) -> None:
        """Keep the board open for as long as cancelled work may take to end."""
        await anyio.sleep(max(0.0, LINGER - (anyio.current_time() - self.cancelled)))

    async def tried(self, *work: Work) -> None:
        """Do some things at once and wait for them, but not longer than `PATIENCE`; what became of them is on the log."""
        done = [anyio.Event() for _ in work]
        for each, event in zip(work, done, strict=True):
            self.tasks.start_soon(_through, each, event)
        with anyio.move_on_after(self.patience) as waiting:
            for event in done:
                await event.wait()
        if waiting.cancelled_caught:
            self.patience = IMPATIENCE

    def call(self, name: str, tool: str, /, **arguments: object) -> Work:
        return partial(self.board.call, f"{name}__{tool}", arguments)

    def typed(self, name: str, tool: str, /, **arguments: object) -> Work:
        """A call by the SDK's client, whose ids and tokens are numbers and the same on both links."""
        return partial(self.board.client(name).call_tool, tool, arguments, progress_callback=_heard)

    def told(self, name: str, tool: str, /, **arguments: object) -> Work:
        return partial(self.board.options(progress=_heard).call, f"{name}__{tool}", arguments)

    async def _both(self, work: Callable[[str], Coroutine[object, object, None]]) -> None:
        async with anyio.create_task_group() as tasks:
            for name in self.names:
                tasks.start_soon(work, name)

    async def _one_by_one(self, name: str) -> None:
        board = self.board
        await self.tried(self.call(name, "echo", text="größer", number=EXACT, nothing=None, list=[1, 2.5, True]))
        await self.tried(self.call(name, "log"))
        await self.tried(self.call(name, "fail"))
        await self.tried(self.call(name, "noise", bytes=NOISE))
        await self.tried(self.call(name, "document"))
        await self.tried(self.call(name, self.own[name]))
        await self.tried(self.call(name, "ask", prompt=f"{name} asks"))
        for tool in ("store__echo", "store__log"):
            await self.tried(self.call(name, "run", name=tool, tools=["store__echo"]))
        echoed: dict[str, object] = {"text": f"from {name}", "number": EXACT}
        trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
        relay = partial(board.options(meta=trace).call, f"{name}__relay", {"name": "store__echo", "arguments": echoed})
        await self.tried(relay)
        await self.tried(self.call(name, "relay", name="nobody__echo", arguments={}))
        again: dict[str, object] = {"name": f"{name}__echo", "arguments": {"text": "round"}}
        await self.tried(self.call(name, "relay", name="store__relay", arguments=again))
        await self.tried(self.told(name, "count", to=4))

    async def _at_once(self) -> None:
        """Calls at the same time: some wait for a gate, which opens when all of them have begun."""
        waiting = [work for name in self.names for work in self._waiting(name)]
        opening = [self.call(name, "open", name="a") for name in self.names]

        async def opened() -> None:
            await self.quiet()
            await self.tried(*opening)

        await self.tried(*waiting, opened)

    def _waiting(self, name: str) -> list[Work]:
        return [
            self.typed(name, "count", to=3, name="a"),
            self.typed(name, "headers", name="a"),
            self.call(name, "gate", name="a"),
            self.call(name, "relay", name="store__echo", arguments={"text": f"one of {name}"}),
            self.call(name, "ask", prompt=f"{name} asks among others"),
            self.call(name, "relay", name="store__echo", arguments={"text": f"two of {name}"}),
            self.call(name, "echo", text="goes on"),
        ]

    async def _abandoned(self) -> None:
        """Calls of which some are cancelled: the typed one of the first client, with the id of one of the second; and relays."""
        first, *others = self.names

        def given_up(work: Work) -> Work:
            async def until_all_wait() -> None:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_through, work, anyio.Event())
                    await self.quiet()
                    tasks.cancel_scope.cancel()

            return until_all_wait

        relays = [self.call(name, "relay", name="store__gate", arguments={"name": name}) for name in self.names]
        for name in others:
            self.tasks.start_soon(_through, self.typed(name, "gate", name="b"), anyio.Event())
        await self.tried(given_up(self.typed(first, "gate", name="b")), *map(given_up, relays))
        self.cancelled = anyio.current_time()
        await self.tried(*[self.call(name, "open", name="b") for name in others])

    async def quiet(self) -> None:
        """Wait until nothing more is on its way."""
        seen = -1
        with anyio.move_on_after(PATIENCE):
            while seen != len(self.board.log):
                seen = len(self.board.log)
                await anyio.sleep(QUIET)

    async def _again(self, name: str) -> None:
        """The same peer, later."""
        await self.tried(self.call(name, "grow"))
        await self.quiet()
        await self.tried(self.board.client(name).list_tools)
        await self.tried(self.call(name, "relay", name="store__echo", arguments={"text": "the last"}))
        await self.tried(self.told(name, "count", to=2))


async def _through(work: Work, done: anyio.Event) -> None:
    try:
        await work()
    except (McpsymError, MCPError):
        return
    finally:
        done.set()
