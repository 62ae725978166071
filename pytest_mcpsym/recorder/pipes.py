"""The recorder of a server that is a process: it starts the server and passes three streams, signals and the exit status on.

Each stream is passed on byte for byte, chunk by chunk as it comes, and what ended it on one side ends it on the other. A line is kept
before its newline is passed on, so the file never knows less than a peer. The server is in the recorder's process group, so what a
client does to the group reaches both. Nothing here needs an event loop, so that the recorder starts fast. Pinned by
`tests/recorder/test_pipes.py`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import IO, Final

from pytest_mcpsym.recorder.file import GrowingFile
from pytest_mcpsym.transport.lines import Lines

__all__ = ["record_command"]

_CHUNK: Final = 65_536
_STDERR_LINE: Final = 65_536
_QUIET: Final = 0.5
"""Seconds that the streams of a server that has ended may stay silent, where a child of it holds them open."""
_PASSED_ON: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_OF_TERMINAL: Final = ("SIGINT", "SIGQUIT")


def record_command(command: Sequence[str], file: GrowingFile) -> int:
    """Start a server, pass everything on until it has ended, and return its exit status; negative where a signal ended it.

    Call it from the main thread. It uses up the process's standard streams.

    Args:
        command: The server's command, which gets the environment and the working directory of this process.
        file: The recording; it is closed at the end.

    Raises:
        OSError: The server cannot be started.
        ValueError: A word of the command holds a NUL.
    """
    with _signals() as pass_on:
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
        pass_on(process)
        return _Recorded(process, file).status()


class _Recorded:
    """One server with its streams."""

    def __init__(self, process: subprocess.Popen[bytes], file: GrowingFile) -> None:
        self._process = process
        self._file = file
        self._asked = False
        _Pump(os.dup(0), _taken(process.stdin), Lines(), self._ask, self._ask_to_end)
        _leave(0)
        self._answers = _Pump(_taken(process.stdout), os.dup(1), Lines(), self._answer)
        _leave(1)
        self._warnings = _Pump(_taken(process.stderr), os.dup(2), Lines(_STDERR_LINE), self._warn)

    def status(self) -> int:
        status = self._process.wait()
        for pump in (self._answers, self._warnings):
            pump.drain()
        self._file.note("exit", status=status, asked=self._asked)
        self._file.note("close", by="host" if self._asked else "peer")
        self._file.close()
        return status

    def _ask(self, line: bytes) -> None:
        if line:
            self._file.frame("to-server", line)

    def _ask_to_end(self) -> None:
        self._asked = True
        self._file.note("closing")

    def _answer(self, line: bytes) -> None:
        if line:
            self._file.frame("to-client", line)

    def _warn(self, line: bytes) -> None:
        self._file.note("stderr", text=line.decode(errors="replace"))


class _Pump:
    """Passes one stream on, in a thread of its own, until it ends on either side; then it is closed on both.

    Args:
        source: Where bytes come from; a descriptor that the pump owns.
        sink: Where they go; a descriptor that the pump owns.
        lines: Cuts them into lines.
        keep: Called with every line before the end of it is passed on.
        ended: Called when the source has ended, before the sink is closed.
    """

    def __init__(
        self, source: int, sink: int, lines: Lines, keep: Callable[[bytes], None], ended: Callable[[], None] = lambda: None
    ) -> None:
        self._source = source
        self._sink = sink
        self._lines = lines
        self._keep = keep
        self._ended = ended
        self._chunks = 0
        self._is_keeping = False
        # The end of the server is the end of the recorder, whatever its client still holds open.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def drain(self) -> None:
        """Wait until the stream has ended, or is silent; what takes long to keep is no silence."""
        chunks = -1
        while self._thread.is_alive() and (self._is_keeping or chunks != self._chunks):
            chunks = self._chunks
            self._thread.join(_QUIET)

    def _run(self) -> None:
        with suppress(OSError):
            self._pass_on()
        for end in (self._source, self._sink):
            with suppress(OSError):
                os.close(end)

    def _pass_on(self) -> None:
        while chunk := os.read(self._source, _CHUNK):
            self._chunks += 1
            self._is_keeping = True
            for line in self._lines.feed(chunk):
                self._keep(line)
            self._is_keeping = False
            while chunk:
                chunk = chunk[os.write(self._sink, chunk) :]
        if rest := self._lines.rest():
            self._is_keeping = True
            self._keep(rest)
        self._ended()


def _taken(stream: IO[bytes] | None) -> int:
    assert stream is not None
    descriptor = os.dup(stream.fileno())
    stream.close()
    return descriptor


def _leave(descriptor: int) -> None:
    """Let go of a standard stream that a pump holds now, so that the pump alone decides when it is closed."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, descriptor)
    os.close(nothing)


@contextmanager
def _signals() -> Generator[Callable[[subprocess.Popen[bytes]], None]]:
    """Pass signals on to a server, also those that came before it was started; what is ignored stays ignored."""
    early: list[int] = []
    server: list[subprocess.Popen[bytes]] = []

    def caught(number: int, _frame: FrameType | None) -> None:
        if not server:
            early.append(number)
        elif not _came_from_terminal(number):
            server[0].send_signal(number)

    def pass_on(process: subprocess.Popen[bytes]) -> None:
        server.append(process)
        for number in early:
            process.send_signal(number)

    wanted = [found for name in _PASSED_ON if (found := getattr(signal, name, None)) is not None]
    before = {each: signal.signal(each, caught) for each in wanted if signal.getsignal(each) is not signal.SIG_IGN}
    try:
        yield pass_on
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _came_from_terminal(number: int) -> bool:
    """Say whether a terminal sent a signal to the whole process group, so that the server has it already."""
    if signal.Signals(number).name not in _OF_TERMINAL or not hasattr(os, "tcgetpgrp"):
        return False
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
