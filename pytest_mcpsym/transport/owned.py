"""What a server in this process makes: threads, processes, files, sockets and streams are noted where they are made.

A server in this process runs in a context of its own, and so does whatever it calls: that is how what it makes is told from what the
test, a plugin, the event loop or another server makes at the same time. While such a server is open, the handful of functions that
make these things look at the context after they have done their work. An audit hook would hear more and can never be taken off
again: it makes `id()` ten times slower for the rest of the process. So what a thread of the server opens, and what C code opens
behind Python's back, is not noted. Pinned by `tests/transport/test_left.py` and `tests/transport/test_left_quiet.py`.
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
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from contextvars import Context, ContextVar
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final, cast
from weakref import WeakKeyDictionary, WeakSet

from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

if TYPE_CHECKING:
    _Stream = MemoryObjectSendStream[object] | MemoryObjectReceiveStream[object]

__all__ = ["Owned", "is_owned", "noting"]


class Owned:
    """What one server made; weak, so that what is forgotten and collected is gone here too.

    Attributes:
        threads: Threads that it started.
        sockets: Sockets of Python that it opened.
        files: File objects that it opened.
        descriptors: File descriptors from `os.open`, each with what identifies its file and its path.
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
    words: list[object] = (
        [command]
        if isinstance(command, (str, bytes)) or not isinstance(command, Iterable)
        else list(cast("Iterable[object]", command))
    )
    first = os.fsdecode(cast("str", words[0]))
    owned.processes[process.pid] = Path(first.split()[0] if isinstance(command, str) else first).name


def _opened(owned: Owned, result: object, _what: object) -> None:
    if isinstance(result, io.IOBase):
        owned.files.add(result)


def _described(owned: Owned, result: object, what: object) -> None:
    if isinstance(result, int):
        found = os.fstat(result)
        path = os.fsdecode(cast("str", what)) if isinstance(what, (str, bytes, os.PathLike)) else ""
        owned.descriptors[result] = ((found.st_dev, found.st_ino), path)


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

_MAKERS: Final[tuple[tuple[object, str, Callable[..., None]], ...]] = (
    (threading.Thread, "start", _started),
    (socket.socket, "__init__", _connected),
    (subprocess.Popen, "__init__", _spawned),
    (builtins, "open", _opened),
    (io, "open", _opened),
    (os, "open", _described),
    (MemoryObjectSendStream, "__post_init__", _streamed),
    (MemoryObjectReceiveStream, "__post_init__", _streamed),
)
"""Where each maker is looked up, and what notes what it made: from its result, and from the first thing it was called with."""


def _told(original: Callable[..., object], tell: Callable[..., None]) -> Callable[..., object]:
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


class _Switch:
    """Puts the telling functions in place while at least one server is open; what others put around them in the meantime stays."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._originals: list[object] = [None] * len(_MAKERS)
        self._made: list[Callable[..., object]] = []

    def on(self) -> None:
        with self._lock:
            self._open += 1
            if self._open == 1:
                originals = [vars(place)[name] for place, name, _ in _MAKERS]
                if originals != self._originals:
                    pairs = zip(originals, _MAKERS, strict=True)
                    self._made = [_told(original, tell) for original, (_, _, tell) in pairs]
                    self._originals = originals
                for (place, name, _), made in zip(_MAKERS, self._made, strict=True):
                    setattr(place, name, made)

    def off(self) -> None:
        with self._lock:
            self._open -= 1
            if self._open == 0:
                for (place, name, _), made, original in zip(_MAKERS, self._made, self._originals, strict=True):
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
