"""What a server leaves behind when its link has closed.

Of a server in this process: tasks, threads, processes, files, sockets and streams that it made (see `pytest_mcpsym.transport.owned`) and that
are still there a moment later; what a command leaves behind is in `pytest_mcpsym.transport.descendants`. What belongs to the event loop, to anyio's and asyncio's worker threads and to logging is not the server's, and
a thread of a pool that waits for work runs nothing.
Pinned by `tests/transport/test_left.py` and `tests/transport/test_left_quiet.py`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import sys
import sysconfig
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from concurrent.futures import thread as pools
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from pathlib import Path
from types import CodeType, CoroutineType, FrameType
from typing import TYPE_CHECKING, Final, cast

import anyio

from pytest_mcpsym.transport.descendants import listening
from pytest_mcpsym.transport.owned import Owned, is_owned, noting
from pytest_mcpsym.transport.tap import Tap

if TYPE_CHECKING:
    Coroutine = CoroutineType[object, object, object]

__all__ = ["context_of", "watching"]

Left = dict[str, list[tuple[str, str]]]
"""By kind, name and circumstances of each thing; the name is the same in each run, the circumstances need not be."""

_PATIENCE: Final = 0.25
"""Seconds in which what is about to end may do so; waited only where something is left."""

_POLL: Final = 0.01

_OF_THE_LOOP: Final = frozenset({"_shutdown_watcher"})
"""Tasks of libraries that belong to the loop and not to who was served first: that of sse-starlette."""

_LIBRARIES: Final = frozenset({"anyio", "asyncio", "trio"})
"""Packages whose threads are there for whoever needs one next."""

_STDLIB: Final = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), "<frozen")


def context_of(owned: Owned | None) -> Context:
    """Return a context that holds nothing of the test, only whose it is and the name of the async library where sniffio keeps it.

    Without that name sniffio searches for it at every step of the server, a tenth of a call.
    """
    bare = owned.context() if owned is not None else Context()
    sniffio = sys.modules.get("sniffio")
    if sniffio is not None:
        bare.run(sniffio.current_async_library_cvar.set, sniffio.current_async_library())
    return bare


@asynccontextmanager
async def watching(tap: Tap) -> AsyncGenerator[Owned]:
    """Log, at the end of the block, what a server in this process left behind, once it had time to end by itself."""
    with noting() as owned:
        try:
            yield owned
        finally:
            left = _left(owned)
            if left:
                with anyio.CancelScope(shield=True), anyio.move_on_after(_PATIENCE):
                    while left:
                        await anyio.sleep(_POLL)
                        left = _left(owned)
            if left:
                tap.note("left", **left)


def _left(owned: Owned) -> Left:
    kinds: dict[str, Callable[[Owned], Iterable[tuple[str, str]]]] = {
        "processes": _processes,
        "tasks": _tasks,
        "threads": _threads,
        "files": _files,
        "sockets": _sockets,
        "streams": _streams,
    }
    overdue = {kind: [(name, where) for of, name, where in owned.overdue if of == kind] for kind in kinds}
    return {kind: found for kind, look in kinds.items() if (found := sorted([*look(owned), *overdue[kind]]))}


# --- tasks


def _tasks(owned: Owned) -> Iterator[tuple[str, str]]:
    for outer in _trio_tasks(owned) if _runs_trio() else _asyncio_tasks(owned):
        chain = list(_chain(outer))
        inner = [each for each in chain if not _is_of_a_library(each.cr_code)] or chain
        if inner[0].__qualname__ not in _OF_THE_LOOP:
            yield inner[0].__qualname__, f"waits at {_line(inner[-1].cr_frame)}"


def _chain(outer: object) -> Iterator[Coroutine]:
    """Yield a coroutine, the one that it awaits, and so on."""
    while isinstance(outer, CoroutineType):
        yield cast("Coroutine", outer)
        outer = cast("Coroutine", outer).cr_await


def _runs_trio() -> bool:
    trio = sys.modules.get("trio")
    if trio is None:
        return False
    try:  # trio.lowlevel.in_trio_run() would say so, but came with 0.28
        trio.lowlevel.current_trio_token()
    except RuntimeError:
        return False
    return True


def _asyncio_tasks(owned: Owned) -> Iterator[object]:
    for task in asyncio.all_tasks():
        context = _context(task)
        if not task.done() and context is not None and is_owned(context, owned):
            yield task.get_coro()


def _context(task: asyncio.Task[object]) -> Context | None:
    """Return the context of a task; Python 3.11 has it, and tells it to the garbage collector alone, before any other context."""
    if sys.version_info >= (3, 12):
        return task.get_context()
    return next((each for each in gc.get_referents(task) if isinstance(each, Context)), None)


def _trio_tasks(owned: Owned) -> Iterator[object]:
    import trio

    root = trio.lowlevel.current_root_task()
    waiting = [root] if root is not None else []
    while waiting:
        task = waiting.pop()
        waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        if is_owned(task.context, owned):
            yield task.coro


# --- threads


def _threads(owned: Owned) -> Iterator[tuple[str, str]]:
    if not owned.threads:
        return
    frames = sys._current_frames()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - documented, and the one way to see where other threads are
    for thread in list(owned.threads):
        frame = frames.get(thread.ident or 0)
        if thread.is_alive() and not _is_a_worker(thread) and not _is_idle(frame):
            yield _title(thread), f"runs at {_line(frame)}" if frame is not None else ""


def _is_a_worker(thread: threading.Thread) -> bool:
    target: object = getattr(thread, "_target", None)
    bound: object = getattr(target, "__self__", None)
    makers: tuple[object, ...] = (type(thread), target, type(bound))
    return any(str(getattr(maker, "__module__", "")).partition(".")[0] in _LIBRARIES for maker in makers)


def _is_idle(frame: FrameType | None) -> bool:
    """Tell whether a thread of a pool waits for work: the pool may be there for all, and ends its threads when the process ends."""
    return frame is not None and frame.f_code is pools._worker.__code__  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - nothing public says where a worker waits


def _title(thread: threading.Thread) -> str:
    """Return the name that a thread was given, else what it runs: Python's own names are numbered through the process."""
    if not thread.name.startswith("Thread-"):
        return thread.name
    target = getattr(thread, "_target", None)
    return str(getattr(target, "__qualname__", type(thread).__qualname__))


def _line(frame: FrameType | None) -> str:
    """Return file and line of the innermost frame that is of no library."""
    inner = frame
    while inner is not None and _is_of_a_library(inner.f_code):
        inner = inner.f_back
    shown = inner or frame
    return f"{Path(shown.f_code.co_filename).name}:{shown.f_lineno}" if shown is not None else "?"


def _is_of_a_library(code: CodeType) -> bool:
    """Tell whether code is of the standard library, or of those that run tasks and threads for others."""
    path = Path(code.co_filename)
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1] in _LIBRARIES
    return code.co_filename.startswith(_STDLIB)


# --- files, sockets and streams


def _files(owned: Owned) -> Iterator[tuple[str, str]]:
    logs = _logs() if owned.files else set[object]()
    seen: set[int] = set()
    for file in list(owned.files):
        if not file.closed and file not in logs:
            with suppress(OSError, ValueError):
                seen.add(file.fileno())
            path: object = getattr(file, "name", "?")
            yield ("unnamed file", f"descriptor {path}") if isinstance(path, int) else (Path(str(path)).name, str(path))
    for number, (identity, path) in list(owned.descriptors.items()):
        with suppress(OSError):
            found = os.fstat(number)
            if (found.st_dev, found.st_ino) == identity and number not in seen:
                yield Path(path).name, f"{path}, descriptor {number}"


def _logs() -> set[object]:
    """Return the files of logging handlers, which one server opens by chance and which are there for all."""
    handlers = cast("list[Callable[[], object]]", getattr(logging, "_handlerList", []))
    return {getattr(handler(), "stream", None) for handler in handlers}


def _sockets(owned: Owned) -> Iterator[tuple[str, str]]:
    for made in list(owned.sockets):
        if made.fileno() == -1:
            continue
        with suppress(OSError):
            yield _socket(made)


def _socket(made: socket.socket) -> tuple[str, str]:
    here = _address(made.getsockname)
    if made.type == socket.SOCK_STREAM and made.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return "listening socket", f"at {here}"
    there = _address(made.getpeername)
    return "socket", f"{here} > {there}" if there else f"at {here}" if here else "not connected"


def _streams(owned: Owned) -> Iterator[tuple[str, str]]:
    for stream, made in list(owned.streams.items()):
        if not stream._closed:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - only its end of the pair tells it publicly
            yield type(stream).__name__, f"made at {made}"


def _address(tell: Callable[[], object]) -> str:
    try:
        address = tell()
    except OSError:
        return ""
    if isinstance(address, tuple):
        host, port, *_ = cast("tuple[object, ...]", address)
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    return os.fsdecode(address) if isinstance(address, (str, bytes)) else str(address)


# --- processes


def _processes(owned: Owned) -> Iterator[tuple[str, str]]:
    for number, name in list(owned.processes.items()):
        if _runs(number):
            yield name, listening(number)


def _runs(number: int) -> bool:
    """Tell whether a child process runs, and leave its status to whoever waits for it."""
    if sys.platform == "win32":
        return False
    try:
        return os.waitid(os.P_PID, number, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False
