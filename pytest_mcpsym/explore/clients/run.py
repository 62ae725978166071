"""Run a client against the random server once, and log how it fares.

A client is a function of this process or a command. It gets the server in one of three ways: `memory`, a transport for `mcp.Client`;
`stdio`, a command to start; `http`, a URL. Pinned by `tests/explore/test_play_client.py`.
"""

from __future__ import annotations

import contextvars
import inspect
import os
import shlex
import subprocess
import threading
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final, Literal, cast

import anyio

from pytest_mcpsym.explore.clients.memory import in_memory
from pytest_mcpsym.explore.clients.scene import Scene
from pytest_mcpsym.explore.clients.turn import members

__all__ = ["Client", "Stage", "Way", "perform", "stage"]

Way = Literal["memory", "stdio", "http"]
Client = Callable[..., object] | Sequence[str]

_TICK: Final = 0.01
_STARTS: Final = 20.0
"""Seconds that a client has to say its first word: interpreters start slowly on busy machines."""
_GRACE: Final = 1.0
"""Seconds that a client has to end after it was asked to."""
_REFUSED: Final = frozenset({"MCPError", "McpError", "ToolError"})
"""Names of the exceptions by which clients tell their callers that a server refused."""
_GOES_ON: Final = 3
"""Requests after a refusal that show that a client did not end for it; two may have been on their way."""
_REPLACED: Final = "{server}"


@dataclass(frozen=True)
class Stage:
    """Where performances take place.

    Attributes:
        enter: Returns what a client is given to reach the server of a performance.
        leave: Ends a performance.
    """

    enter: Callable[[Scene], object]
    leave: Callable[[], None]


@contextmanager
def stage(way: Way) -> Generator[Stage]:
    """Open the stage for one way of reaching the server."""
    if way == "memory":
        yield Stage(in_memory, lambda: None)
    elif way == "stdio":
        from pytest_mcpsym.explore.clients.stdio import StdioStage

        with StdioStage() as stdio:
            yield Stage(stdio.enter, stdio.leave)
    else:
        from pytest_mcpsym.explore.clients.http import HttpStage

        with HttpStage() as http:
            yield Stage(http.enter, http.leave)


def perform(scene: Scene, where: Stage, client: Client, *, backend: str, patience: float) -> None:
    """Run a client until it ends, or is silent for too long, and note in the log what went wrong with it.

    Args:
        scene: The performance.
        where: The stage.
        client: A function of one argument, or a command.
        backend: Event loop of a client that is an async function.
        patience: Seconds that the client may be silent while the server owes it nothing.
    """
    server = where.enter(scene)
    running = _Function(client, server, backend) if callable(client) else _Process(client, server, scene)
    try:
        while not running.over:
            running.wait(_TICK)
            if scene.silence > (patience if scene.log.frames else max(patience, _STARTS)) + (_GRACE if scene.owes else 0):
                scene.tap.note("failure", kind="silent", reason=f"the client said nothing for {patience:g} s, and did not end")
                break
    finally:
        where.leave()
        running.end()
    if (reason := running.failure(refused=_refused(scene))) is not None:
        scene.tap.note("failure", kind="failed", reason=reason)
    for connection in scene.connections:
        connection.close("host")


def _refused(scene: Scene) -> bool:
    """Whether the server said no, and the client may have ended for it: what goes on asking has got over it.

    It says no with an error, with a result that says that a tool failed, or with a revision that the client did not ask for.
    """
    frames = [frame for frame in scene.log.frames if frame.message.kind != "notification"]
    asked = [frame.message.params.get("protocolVersion") for frame in frames[:1]]
    if len(frames) == 2 and asked != [frames[1].message.result.get("protocolVersion")]:
        return True
    later = [frame.seq for frame in frames if frame.direction == "to-server" and frame.message.kind == "request"][-_GOES_ON:]
    return any(
        (frame.message.kind == "error" or members(frame.message.result).get("isError") is True)
        and (len(later) < _GOES_ON or frame.seq > later[0])
        for frame in frames
        if frame.direction == "to-client"
    )


class _Function:
    """A client that is a function, in a thread of its own."""

    def __init__(self, function: Callable[..., object], server: object, backend: str) -> None:
        self._function = function
        self._server = server
        self._backend = backend
        self._stopping = False
        self._stopped = False
        self._error: BaseException | None = None
        self._done = threading.Event()
        # An empty context, because the caller's may say that a loop runs.
        self._thread = threading.Thread(target=contextvars.Context().run, args=(self._run,), name="mcpsym-client", daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        return self._done.is_set()

    def wait(self, seconds: float) -> None:
        self._done.wait(seconds)

    def end(self) -> None:
        if not self.over:
            self._stopped = True
        self._stopping = True
        self._done.wait(_GRACE)

    def failure(self, *, refused: bool) -> str | None:
        if self._error is None or self._stopped:
            return None
        errors = list(_leaves(self._error))
        if refused and all(any(base.__name__ in _REFUSED for base in type(each).__mro__) for each in errors):
            return None
        told = "; ".join(f"{type(each).__name__}: {each}" for each in errors)
        return f"the client raised {told}"

    def _run(self) -> None:
        try:
            if inspect.iscoroutinefunction(self._function):
                anyio.run(self._run_async, backend=self._backend)
            else:
                self._function(self._server)
        except BaseException as error:  # noqa: BLE001 - whatever the client raises is what is looked for
            self._error = error
        finally:
            self._done.set()

    async def _run_async(self) -> None:
        failure: list[BaseException] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, tasks.cancel_scope)
            try:
                await cast("Callable[[object], Awaitable[object]]", self._function)(self._server)
            except Exception as error:  # noqa: BLE001 - raised again outside of the task group, which would wrap it
                failure.append(error)
            tasks.cancel_scope.cancel()
        if failure:
            raise failure[0]

    async def _watch(self, scope: anyio.CancelScope) -> None:
        while not self._stopping:  # noqa: ASYNC110 - it is set by another thread
            await anyio.sleep(_TICK)
        scope.cancel()


class _Process:
    """A client that is a command."""

    def __init__(self, command: Sequence[str], server: object, scene: Scene) -> None:
        self._scene = scene
        words = list(map(str, cast("list[object]", server))) if isinstance(server, list) else [str(server)]
        environment = {**os.environ, "MCPSYM_SERVER": shlex.join(words)}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            _spelled(command, words), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=environment
        )
        self._stopped = False
        self._last = ""
        self._readers = [
            threading.Thread(target=self._read, args=(stream, is_error), daemon=True)
            for stream, is_error in ((self._process.stdout, False), (self._process.stderr, True))
        ]
        for each in self._readers:
            each.start()

    @property
    def over(self) -> bool:
        return self._process.poll() is not None

    def wait(self, seconds: float) -> None:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    def end(self) -> None:
        for stop in (self._process.terminate, self._process.kill):
            if self.over:
                break
            self._stopped = True
            stop()
            self.wait(_GRACE)
        for each in self._readers:
            each.join(_GRACE)

    def failure(self, *, refused: bool) -> str | None:
        status = self._process.returncode
        self._scene.tap.note("exit", status=status, asked=self._stopped)
        if self._stopped or not status or (refused and status > 0):
            return None
        ended = f"the client ended with exit status {status}" if status > 0 else f"the client was ended by signal {-status}"
        return f"{ended}: {self._last}" if self._last else ended

    def _read(self, stream: IO[bytes] | None, is_error: bool) -> None:
        assert stream is not None
        with stream:
            for line in stream:
                if is_error:
                    told = line.decode(errors="replace").rstrip("\r\n")
                    self._last = told.strip() or self._last
                    self._scene.tap.note("stderr", text=told)


def _spelled(command: Sequence[str], words: list[str]) -> list[str]:
    """Return a client's command with the server in the place that it has for it, or at its end."""
    if not any(_REPLACED in word for word in command):
        return [*command, *words]
    spelled: list[str] = []
    for word in command:
        spelled += words if word == _REPLACED else [word.replace(_REPLACED, shlex.join(words))]
    return spelled


def _leaves(error: BaseException) -> Generator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(each)
    else:
        yield error
