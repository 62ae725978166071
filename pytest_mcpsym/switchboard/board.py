"""The two faces of a board: `Board` blocks and lives on a loop of its own, `AsyncBoard` lives on the test's loop.

Both share the read-only views. Using one from the wrong loop or thread is an error that names both places, never a hang. Pinned by
`tests/switchboard/test_board.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Concatenate, ParamSpec, TypeVar, cast

from mcp import Client
from mcp_types import CallToolResult, Implementation, ServerCapabilities, Tool

from pytest_mcpsym.checks import Registry
from pytest_mcpsym.errors import LoopError, UsageError
from pytest_mcpsym.explore.play import PATIENCE, converse
from pytest_mcpsym.explore.steps import Step
from pytest_mcpsym.switchboard import loops
from pytest_mcpsym.switchboard.engine import CallOptions, Engine, Progress, telling
from pytest_mcpsym.switchboard.handle import LinkHandle
from pytest_mcpsym.switchboard.host import Host
from pytest_mcpsym.switchboard.views import Views
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.redact import Rules

__all__ = ["AsyncBoard", "AsyncCalls", "BlockingClient", "Board", "Calls", "refuse_loop"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


class AsyncCalls:
    """Calls with options: what `AsyncBoard.options` returns."""

    def __init__(self, engine: Engine, guard: Callable[[], None], options: CallOptions) -> None:
        self._engine = engine
        self._guard = guard
        self._options = options

    async def call(self, name: str, arguments: Mapping[str, object] | None = None, /, **named: object) -> CallToolResult:
        """Call a tool; see `AsyncBoard.call`."""
        self._guard()
        return await self._engine.call(name, _arguments(arguments, named), self._options)


class AsyncBoard(Views):
    """A board on the test's own event loop."""

    _close_hint = "await board.aclose()"

    def __init__(
        self, engine: Engine, log: WireLog, host: Host, rules: Rules, close: Callable[[], Awaitable[None]], *, checks: Registry
    ) -> None:
        super().__init__(log, host, rules, checks)
        self._engine = engine
        self._close = close
        self._token = loops.current()
        self._calls = AsyncCalls(engine, self._guard, CallOptions())

    async def call(self, name: str, arguments: Mapping[str, object] | None = None, /, **named: object) -> CallToolResult:
        """Call a tool by its routed name.

        Args:
            name: `link__tool`.
            arguments: The tool's arguments.
            named: The same as keywords; use one of the two.

        Returns:
            The tool's result; `is_error` is not raised.

        Raises:
            UsageError: The name or the arguments cannot be sent.
            MCPError: The server answered with a JSON-RPC error.
            AnswerTimeout: No answer in time.
            LinkError: The link is dead or died.
        """
        return await self._calls.call(name, arguments, **named)

    def options(
        self, *, timeout: float | None = None, meta: Mapping[str, object] | None = None, progress: Progress | None = None
    ) -> AsyncCalls:
        """Return calls with a time limit in seconds, with `_meta`, or with a function that receives progress."""
        return AsyncCalls(self._engine, self._guard, CallOptions(timeout, meta, progress))

    async def tools(self) -> list[Tool]:
        """Return the tools of all links under their routed names."""
        self._guard()
        return await self._engine.tools()

    async def play(self, *steps: Step, link: str | None = None, patience: float = PATIENCE) -> None:
        """Hold a conversation with one server; see `Board.play` for arguments and errors."""
        self._guard()
        await converse(self._engine, self._engine.only(link), steps, patience)

    def client(self, name: str) -> Client:
        """Return the SDK's own typed client of one link."""
        self._guard()
        with telling():
            return self._engine.link(name).client

    def link(self, name: str) -> LinkHandle:
        """Return one link, to do faults to its messages."""
        self._guard()
        with telling():
            return LinkHandle(name, self._engine.link(name).faults)

    async def aclose(self) -> None:
        """Close all links. Closing twice does nothing.

        Raises:
            LoopError: This is not the loop that the board was opened on.
            LinkError: A link died in the background, and no call has said so.
            FindingsError: Outside pytest: the checks found something.
        """
        if not self._closed:
            loops.require(self._token)
            self._closed = True
            await self._close()

    def _guard(self) -> None:
        if self._closed:
            raise UsageError("this board is closed; make calls before its block ends")
        loops.require(self._token)


class Calls:
    """Blocking calls with options: what `Board.options` returns."""

    def __init__(self, engine: Engine, run: Runner, options: CallOptions) -> None:
        self._engine = engine
        self._run = run
        self._options = options

    def call(self, name: str, arguments: Mapping[str, object] | None = None, /, **named: object) -> CallToolResult:
        """Call a tool; see `Board.call`."""
        given = _arguments(arguments, named)
        return self._run(lambda: self._engine.call(name, given, self._options))


class Runner:
    """Runs coroutine functions on the board's own loop and waits for them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, is_closed: Callable[[], bool]) -> None:
        self._loop = loop
        self._is_closed = is_closed

    def __call__(self, function: Callable[[], Awaitable[_R]]) -> _R:
        self.refuse_closed()
        refuse_loop("call")
        return asyncio.run_coroutine_threadsafe(_awaited(function), self._loop).result()

    def refuse_closed(self) -> None:
        """Refuse to go on once the board is closed."""
        if self._is_closed():
            raise UsageError("this board is closed; make calls before its block ends")


async def _awaited(function: Callable[[], Awaitable[_R]]) -> _R:
    return await function()


def _blocking(method: Callable[Concatenate[Client, _P], Awaitable[_R]]) -> Callable[Concatenate[BlockingClient, _P], _R]:
    """Make a method of the SDK's client one of the blocking view, with the same parameters and result."""

    def call(self: BlockingClient, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return self.run(lambda: method(self.client, *args, **kwargs))

    call.__name__ = method.__name__
    call.__doc__ = method.__doc__
    return call


class BlockingClient:
    """A blocking view of one link's SDK client: the same methods, without `await`."""

    def __init__(self, client: Client, run: Runner) -> None:
        self.client = client
        self.run = run

    list_tools = _blocking(Client.list_tools)
    call_tool = _blocking(Client.call_tool)
    list_resources = _blocking(Client.list_resources)
    list_resource_templates = _blocking(Client.list_resource_templates)
    read_resource = _blocking(Client.read_resource)
    subscribe_resource = _blocking(Client.subscribe_resource)  # pyright: ignore[reportDeprecated] - it is there for the handshake era
    unsubscribe_resource = _blocking(Client.unsubscribe_resource)  # pyright: ignore[reportDeprecated] - it is there for the handshake era
    list_prompts = _blocking(Client.list_prompts)
    get_prompt = _blocking(Client.get_prompt)
    complete = _blocking(Client.complete)
    set_logging_level = _blocking(Client.set_logging_level)  # pyright: ignore[reportDeprecated] - it is there for the handshake era
    send_ping = _blocking(Client.send_ping)  # pyright: ignore[reportDeprecated] - it is there for the handshake era
    send_roots_list_changed = _blocking(Client.send_roots_list_changed)  # pyright: ignore[reportDeprecated] - it is there for the handshake era

    @property
    def protocol_version(self) -> str:
        """The negotiated protocol revision."""
        return self.client.protocol_version

    @property
    def server_capabilities(self) -> ServerCapabilities:
        """What the server declared."""
        return self.client.server_capabilities

    @property
    def server_info(self) -> Implementation | None:
        """Name and version of the server."""
        return self.client.server_info

    @property
    def instructions(self) -> str | None:
        """What the server says of its use."""
        return self.client.instructions


class Board(Views):
    """A board on an event loop of its own, in a thread of its own; every call blocks."""

    def __init__(
        self,
        engine: Engine,
        log: WireLog,
        host: Host,
        rules: Rules,
        close: Callable[[], None],
        *,
        checks: Registry,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(log, host, rules, checks)
        self._engine = engine
        self._close = close
        self._run = Runner(loop, lambda: self._closed)
        self._calls = Calls(engine, self._run, CallOptions())

    def call(self, name: str, arguments: Mapping[str, object] | None = None, /, **named: object) -> CallToolResult:
        """Call a tool by its routed name; see `AsyncBoard.call` for arguments, result and errors."""
        return self._calls.call(name, arguments, **named)

    def options(
        self, *, timeout: float | None = None, meta: Mapping[str, object] | None = None, progress: Progress | None = None
    ) -> Calls:
        """Return calls with a time limit in seconds, with `_meta`, or with a function that receives progress."""
        return Calls(self._engine, self._run, CallOptions(timeout, meta, progress))

    def tools(self) -> list[Tool]:
        """Return the tools of all links under their routed names."""
        return self._run(self._engine.tools)

    def play(self, *steps: Step, link: str | None = None, patience: float = PATIENCE) -> None:
        """Hold a conversation with one server: requests side by side, cancellations in between.

        At the end the server is asked whether it still lives. What it did is judged by the checks, as always.

        Args:
            steps: `Ask`, `Cancel`, `Wait` and `Reconnect` of `pytest_mcpsym.explore`.
            link: Which server; it may be left out where there is one.
            patience: Seconds that an answer is waited for; a request that has none by then is cancelled.

        Raises:
            UsageError: A step is none, or the board has several links and none is named.
            LinkError: The link died, or the server does not answer any more.
        """
        self._run(lambda: converse(self._engine, self._engine.only(link), steps, patience))

    def client(self, name: str) -> BlockingClient:
        """Return a blocking view of the SDK's own typed client of one link."""
        self._run.refuse_closed()
        with telling():
            return BlockingClient(self._engine.link(name).client, self._run)

    def link(self, name: str) -> LinkHandle:
        """Return one link, to do faults to its messages."""
        self._run.refuse_closed()
        with telling():
            return LinkHandle(name, self._engine.link(name).faults)

    def close(self) -> None:
        """Close all links; see `AsyncBoard.aclose` for errors. Closing twice does nothing."""
        if not self._closed:
            self._closed = True
            self._close()


def refuse_loop(what: str) -> None:
    """Refuse to block an event loop that runs in this thread.

    Raises:
        LoopError: It says what to write instead.
    """
    here = loops.running()
    if here is not None:
        remedy = "open it with `async with switchboard(...)`" + (" and `await` its calls" if what == "call" else "")
        raise LoopError(
            f"a blocking board cannot {what} here: the {here[0]} event loop runs in this thread and would stand still; {remedy}"
        )


def _arguments(arguments: Mapping[str, object] | None, named: Mapping[str, object]) -> Mapping[str, object]:
    if arguments is None:
        return named
    if named:
        raise UsageError(f"arguments were given twice: as a mapping and as keywords ({', '.join(named)}); use one")
    if not all(isinstance(key, str) for key in _keys(arguments)):
        raise UsageError("arguments must have strings as names, as JSON objects do")
    return dict(arguments)


def _keys(arguments: object) -> Iterable[object]:
    """Users without a type checker give lists and strings too."""
    if not isinstance(arguments, Mapping):
        raise UsageError(f"arguments must be a mapping of names to values, not {type(arguments).__name__}")
    return cast("Mapping[object, object]", arguments)
