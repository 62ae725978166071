"""What a server in this process makes: threads, processes, files, sockets and streams are noted where they are made.

A server in this process runs in a context of its own, and so does whatever it calls: that is how what it makes is told from what the
test, a plugin, the event loop or another server makes at the same time. While such a server is open, the handful of functions that
make these things look at the context after they have done their work. An audit hook would hear more and can never be taken off
again: it makes `id()` ten times slower for the rest of the process. So what a thread of the server opens, and what C code opens
behind Python's back (but for SQLite), is not noted. Pinned by `tests/transport/test_left.py` and `tests/transport/test_left_quiet.py`.
"""

from __future__ import annotations

import builtins
import functools
import io
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final, cast
from weakref import WeakKeyDictionary, WeakSet

from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

if TYPE_CHECKING:
    import multiprocessing.process

    _Stream = MemoryObjectSendStream[object] | MemoryObjectReceiveStream[object]

__all__ = ["Owned", "is_owned", "noting"]


class Owned:
    """What one server made; weak, so that what is forgotten and collected is gone here too.

    Attributes:
        threads: Threads that it started.
        sockets: Sockets of Python that it opened.
        files: File objects that it opened.
        descriptors: File descriptors from `os.open` and of SQLite, each with what identifies its file and its path.
        processes: Names of the processes that it started, by number.
        streams: Memory streams of anyio that it made, each with the line that made it.
        overdue: What had to be cancelled because it did not end: kind, name and circumstances.
    """

    def __init__(self) -> None:
        self.threads: WeakSet[threading.Thread] = WeakSet()
        self.sockets: WeakSet[socket.socket] = WeakSet()
        self.files: WeakSet[io.IOBase] = WeakSet()
        self.descriptors: dict[int, tuple[tuple[int, int], str]] = {}
        self.processes: dict[int, str] = {}
        self.streams: WeakKeyDictionary[_Stream, str] = WeakKeyDictionary()
        self.overdue: list[tuple[str, str, str]] = []

    def context(self) -> Context:
        """Return a new context that holds nothing but whose it is."""
        context = Context()
        context.run(_OWNER.set, self)
        return context


_Function = Callable[..., object]
"""Any function."""

_OWNER: ContextVar[Owned] = ContextVar("mcpsym_owner")


def is_owned(context: Context, owned: Owned) -> bool:
    """Tell whether a context is one of a server's, or was copied from one."""
    return context.get(_OWNER) is owned


def _started(owned: Owned, _result: object, thread: object) -> None:
    owned.threads.add(cast("threading.Thread", thread))


def _connected(owned: Owned, _result: object, made: object) -> None:
    owned.sockets.add(cast("socket.socket", made))


def _spawned(owned: Owned, _result: object, made: object) -> None:
    process = cast("subprocess.Popen[bytes]", made)
    command = cast("object", process.args)
    if isinstance(command, str):
        first: object = next(iter(command.split()), command)
    else:
        first = cast("list[object]", command)[0] if isinstance(command, (list, tuple)) else command
    owned.processes[process.pid] = Path(os.fsdecode(cast("str", first))).name


def _opened(owned: Owned, result: object, _what: object) -> None:
    if isinstance(result, io.IOBase):
        owned.files.add(result)


def _described(owned: Owned, result: object, what: object) -> None:
    if isinstance(result, int):
        found = os.fstat(result)
        path = os.fsdecode(cast("str", what)) if isinstance(what, (str, bytes, os.PathLike)) else ""
        owned.descriptors[result] = ((found.st_dev, found.st_ino), path)


def _forked(owned: Owned, _result: object, made: object) -> None:
    process = cast("multiprocessing.process.BaseProcess", made)
    if process.pid is not None:
        owned.processes[process.pid] = process.name


def _streamed(owned: Owned, _result: object, made: object) -> None:
    owned.streams[cast("_Stream", made)] = _maker()


def _maker() -> str:
    """Return the line that had a stream made: the innermost that is not of anyio, of a dataclass's `__init__` or of this module."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - far cheaper than `inspect`
    while frame is not None and (
        frame.f_globals.get("__name__", "").partition(".")[0] == "anyio" or frame.f_code.co_filename in _OWN
    ):
        frame = frame.f_back
    return "?" if frame is None else f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


_OWN: Final = frozenset({__file__, "<string>"})


def _told(original: _Function, *, tell: Callable[[Owned, object, object], None]) -> _Function:
    """Return a function that does what another does, and then tells whoever's context this is of it."""
    owner = _OWNER

    @functools.wraps(original)
    def made(*args: object, **kwargs: object) -> object:
        __tracebackhide__ = True
        result = original(*args, **kwargs)
        owned = owner.get(None)
        if owned is not None:
            tell(owned, result, args[0] if args else None)
        return result

    return made


def _told_of_databases(original: _Function) -> _Function:
    """Return `sqlite3.connect`, which notes the descriptor that SQLite opens behind Python's back, on Linux."""
    owner = _OWNER

    @functools.wraps(original)
    def connect(*args: object, **kwargs: object) -> object:
        __tracebackhide__ = True
        owned = owner.get(None)
        if owned is None:
            return original(*args, **kwargs)
        where = args[0] if args else kwargs.get("database")
        path = os.path.realpath(os.fsdecode(cast("str", where))) if isinstance(where, (str, bytes, os.PathLike)) else ""
        before = _holding(path)
        result = original(*args, **kwargs)
        for number in _holding(path) - before:
            _described(owned, number, path)
        return result

    return connect


def _holding(path: str) -> set[int]:
    """Return the descriptors of this process that hold a file, on Linux."""
    found: set[int] = set()
    for number in Path("/proc/self/fd").glob("[0-9]*"):
        with suppress(OSError):
            if str(number.readlink()) == path:
                found.add(int(number.name))
    return found


_Maker = tuple[object, str, Callable[[_Function], _Function]]

_MAKERS: Final[tuple[_Maker, ...]] = (
    (threading.Thread, "start", partial(_told, tell=_started)),
    (socket.socket, "__init__", partial(_told, tell=_connected)),
    (subprocess.Popen, "__init__", partial(_told, tell=_spawned)),
    (builtins, "open", partial(_told, tell=_opened)),
    (io, "open", partial(_told, tell=_opened)),
    (os, "open", partial(_told, tell=_described)),
    (MemoryObjectSendStream, "__post_init__", partial(_told, tell=_streamed)),
    (MemoryObjectReceiveStream, "__post_init__", partial(_told, tell=_streamed)),
)
"""Where each maker is looked up, and what puts a function that notes what it made around it."""

_OTHERS: Final = (
    ("multiprocessing.process", "BaseProcess", "start", partial(_told, tell=_forked)),
    ("sqlite3", "", "connect", _told_of_databases),
)
"""Makers in modules that are not imported for this: module, class, name, and the same."""


def _makers() -> list[_Maker]:
    """Return the makers of all modules that are there."""
    others: list[_Maker] = []
    for module, kind, name, wrap in _OTHERS:
        found: object = sys.modules.get(module)
        place = getattr(found, kind, None) if kind else found
        if place is not None:
            others.append((place, name, wrap))
    return [*_MAKERS, *others]


class _Switch:
    """Puts the telling functions in place while at least one server is open; what others put around them in the meantime stays."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._makers: list[_Maker] = []
        self._originals: list[_Function] = []
        self._made: list[_Function] = []

    def on(self) -> None:
        with self._lock:
            self._open += 1
            if self._open == 1:
                self._makers = _makers()
                originals = [cast("_Function", vars(place)[name]) for place, name, _ in self._makers]
                if originals != self._originals:
                    pairs = zip(originals, self._makers, strict=True)
                    self._made = [wrap(original) for original, (_, _, wrap) in pairs]
                    self._originals = originals
                for (place, name, _), made in zip(self._makers, self._made, strict=True):
                    setattr(place, name, made)

    def off(self) -> None:
        with self._lock:
            self._open -= 1
            if self._open == 0:
                for (place, name, _), made, original in zip(self._makers, self._made, self._originals, strict=True):
                    if vars(place)[name] is made:
                        setattr(place, name, original)


_SWITCH: Final = _Switch()


@contextmanager
def noting() -> Generator[Owned]:
    """Note what one server makes, for the length of a block."""
    _SWITCH.on()
    try:
        yield Owned()
    finally:
        _SWITCH.off()
