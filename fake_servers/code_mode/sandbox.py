"""Programs in Monty, a Python interpreter in a process of its own, with no files, no network, no clock and no entropy but what we give.

`Interpreter` is a plain object that blocks; a turn of it goes from one set of calls to the next. `Sandbox` drives it from async code:
turns run in a thread, and when the surrounding scope is cancelled the process is killed, so that neither process nor thread outlives
the call. Monty is imported here only. Pinned by `tests/fakes/test_sandbox.py`.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Generic, Literal, Self, TypeVar, cast

import anyio
import anyio.lowlevel
import anyio.to_thread
import pydantic_monty as monty

from .program import WAITS, ProgramError, with_waiting_calls

__all__ = ["FOLDER", "NOW", "Answer", "Call", "Finished", "Interpreter", "Limits", "Paused", "Sandbox", "Waiting"]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_PRINTED = 100_000
"""Bytes that a program may print."""
_LATER: monty.ExternalFuture = {"future": ...}
_TRAVELS = 4_000_000
"""Bytes of a paused program. It goes to the client and back with each call."""
_GRACE = 10.0
"""Seconds beyond the program's own after which the process is killed from outside; the type checker's time counts here too."""
_DAY = 86_400
FOLDER = "/files"
"""Where a program finds the directory that it was given."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use."""

    seconds: float = 5.0
    """Of running; waiting for a call's answer counts as none."""
    memory: int = 64_000_000
    """Bytes."""
    calls: int = 100

    def __post_init__(self) -> None:
        """Refuse limits that no program could keep.

        Raises:
            ValueError: One is negative, the time or memory is nothing, or the time is longer than a day.
        """
        if not 0 < self.seconds <= _DAY:
            raise ValueError(f"max_seconds must be more than 0 and at most {_DAY}, not {self.seconds}")
        if self.memory <= 0:
            raise ValueError(f"max_memory must be more than 0, not {self.memory}")
        if self.calls < 0:
            raise ValueError(f"max_calls must be 0 or more, not {self.calls}")


@dataclass(frozen=True, slots=True)
class Call:
    """One call that the program waits for."""

    function: str
    arguments: dict[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call: a value, or the text of a failure that the program may catch as a `RuntimeError`."""

    value: object = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The program waits for these calls, by their numbers; all are to be answered at once."""

    calls: dict[int, Call]


@dataclass(frozen=True, slots=True)
class Finished:
    """The program has ended with a value that is JSON."""

    value: object


@dataclass(frozen=True, slots=True)
class Paused:
    """A program that waits, to be continued in any process. Trusted: whoever loads one must know that nobody changed it."""

    dump: bytes
    """The interpreter with all it holds, its clock and what is left of time and memory included."""
    open: dict[int, Call]
    """Calls made and not answered."""
    made: int
    printed: str


class Interpreter:
    """One program in one process.

    Args:
        granted: Names of the functions.
        stubs: Their declarations, with the twins'.
        limits: What the program may use.
        seed: Seed of its `random`.
        now: Its clock, which stands still.
        folder: A directory that the program may read, and not write, as `FOLDER`.
    """

    def __init__(
        self,
        granted: Collection[str],
        stubs: str,
        limits: Limits,
        *,
        seed: int,
        now: datetime,
        folder: Path | None = None,
    ) -> None:
        self._folder = folder
        self._mount: monty.MountDir | None = None
        self._granted = frozenset(granted)
        self._limits = limits
        self._printed = monty.CollectString(_PRINTED)
        self._printed_before = ""
        self._pool = monty.Monty(max_processes=1, request_timeout=limits.seconds + _GRACE)
        self._session = self._pool.checkout(
            script_name="program.py",
            type_check=True,
            type_check_format="json",
            type_check_stubs=stubs,
            limits={
                "max_feed_duration_secs": limits.seconds,
                "max_memory": limits.memory,
                # Each call costs two; names are looked up as well. The limit that programs meet is our own, on calls.
                "max_suspensions": 1000 + 3 * limits.calls,
            },
            os_policy={"datetime": now, "timezone": "utc", "sleep": "zero", "random_start": {"seed": seed}},
        )
        self._snapshot: monty.FunctionSnapshot | monty.NameLookupSnapshot | monty.FutureSnapshot | None = None
        self._open: dict[int, Call] = {}
        self._made = 0
        self.pid: int | None = None

    def open(self) -> None:
        """Start the process."""
        if self._folder is not None:
            self._mount = monty.MountDir(host_path=self._folder, virtual_path=FOLDER, mode="read-only")
        self._pool.__enter__()
        try:
            self._session.__enter__()
        except BaseException:
            self._pool.__exit__(None, None, None)
            raise
        self.pid = self._session.worker_pid

    def close(self) -> None:
        """End the process."""
        try:
            self._session.__exit__(None, None, None)
        finally:
            self._pool.__exit__(None, None, None)
            if self._mount is not None:
                self._mount.close()

    @property
    def printed(self) -> str:
        """What the program has printed so far."""
        return self._printed_before + self._printed.output

    def start(self, program: str) -> Waiting | Finished:
        """Check a program and run it to its first calls, or its end.

        Raises:
            ProgramError: It was refused before anything ran, or has failed.
        """
        text = with_waiting_calls(program, self._granted)
        return self._advance(lambda: self._session.feed_start(text, print_callback=self._printed, mount=self._mount))

    def answer(self, answers: Mapping[int, Answer]) -> Waiting | Finished:
        """Give the program the answers of the calls that it waits for, and run it on.

        Raises:
            ProgramError: It has failed.
        """
        snapshot = self._snapshot
        settled = {number: _settled(answer) for number, answer in answers.items()}
        for number in answers:
            del self._open[number]
        if isinstance(snapshot, monty.FunctionSnapshot):
            return self._advance(lambda: snapshot.resume(settled[snapshot.call_id]))
        assert isinstance(snapshot, monty.FutureSnapshot)
        return self._advance(lambda: snapshot.resume(settled))

    def pause(self) -> Paused:
        """Return the program as it waits for its calls; it may still be answered here.

        Raises:
            ProgramError: It holds more than can travel.
        """
        assert self._snapshot is not None
        dump = self._snapshot.dump()
        if len(dump) > _TRAVELS:
            raise ProgramError(f"the program holds {len(dump)} bytes while it waits for a call; {_TRAVELS} can travel")
        return Paused(dump, dict(self._open), self._made, self.printed)

    def load(self, paused: Paused) -> None:
        """Take a program over in place of `start`; its calls are to be answered next.

        Raises:
            ProgramError: It was paused by another release of Monty, or is damaged.
        """
        try:
            snapshot = self._session.load_snapshot(paused.dump, print_callback=self._printed)
        except monty.MontyError as error:
            raise ProgramError(f"the paused program cannot be loaded by Monty {monty.__version__}: {error}") from None
        assert not isinstance(snapshot, monty.MontyComplete)
        self._snapshot = snapshot
        self._open = dict(paused.open)
        self._made = paused.made
        self._printed_before = paused.printed

    def _advance(self, turn: Callable[[], monty.SyncSnapshot]) -> Waiting | Finished:
        try:
            snapshot = turn()
            while not isinstance(snapshot, monty.MontyComplete):
                self._snapshot = snapshot
                if isinstance(snapshot, monty.FutureSnapshot):
                    return Waiting({number: self._open[number] for number in sorted(snapshot.pending_call_ids)})
                if isinstance(snapshot, monty.NameLookupSnapshot):
                    snapshot = self._look_up(snapshot)
                elif snapshot.is_os_function:
                    snapshot = snapshot.resume_auto() if self._mount is not None else snapshot.resume_not_handled()
                elif refusal := self._refusal(snapshot):
                    snapshot = snapshot.resume({"exc_type": "TypeError", "message": refusal})
                else:
                    self._made += 1
                    if self._made > self._limits.calls:
                        raise ProgramError(f"the program makes more than {self._limits.calls} calls")
                    name = snapshot.function_name
                    self._open[snapshot.call_id] = Call(name.removesuffix(WAITS), snapshot.kwargs)
                    if name.endswith(WAITS):
                        return Waiting({snapshot.call_id: self._open[snapshot.call_id]})
                    snapshot = snapshot.resume(_LATER)
            return Finished(_json(snapshot.output))
        except monty.MontyTypingError as error:
            raise ProgramError(self._complaints(error)) from None
        except monty.MontyError as error:
            raise ProgramError(_why(error, self._limits)) from None

    def _look_up(self, snapshot: monty.NameLookupSnapshot) -> monty.SyncSnapshot:
        """A function may be named without a call: `f = everything__echo`."""
        if snapshot.variable_name not in self._granted:
            return snapshot.resume()

        def function() -> None: ...

        function.__name__ = snapshot.variable_name
        return snapshot.resume(value=function)

    def _complaints(self, error: monty.MontyTypingError) -> str:
        """What the type checker found, a line each."""
        lines: dict[str, None] = {}
        for complaint in cast("list[dict[str, object]]", json.loads(error.display())):
            row = cast("dict[str, int]", complaint["location"])["row"]
            unknown = complaint["code"] == "unresolved-reference"
            granted = f" (granted: {', '.join(sorted(self._granted)) or 'none'})" if unknown else ""
            lines[f"line {row}: {complaint['message']}{granted}".replace(WAITS, "")] = None
        return "\n".join(lines)

    def _refusal(self, snapshot: monty.FunctionSnapshot) -> str | None:
        name = snapshot.function_name.removesuffix(WAITS)
        if name not in self._granted:
            return f"no function {name!r} is granted"
        if snapshot.args:
            return f"{name} takes keyword arguments only"
        try:
            json.dumps(snapshot.kwargs, allow_nan=False)
        except (TypeError, ValueError) as error:
            return f"the arguments of {name} are no JSON: {error}"
        return None


class Sandbox:
    """An interpreter for async code, to be used as a context manager.

    Args:
        interpreter: Not opened yet.
    """

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter

    async def __aenter__(self) -> Self:
        await anyio.to_thread.run_sync(self._interpreter.open)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Literal[False]:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._interpreter.close)
        return False

    async def turn(self, step: Callable[[], _T]) -> _T:
        """Run one step of the interpreter in a thread; cancelling kills the process, which ends the thread."""
        outcome = _Outcome[_T]()
        async with anyio.create_task_group() as group:
            group.start_soon(self._kill_when_cancelled, outcome)
            await anyio.to_thread.run_sync(outcome.take, step)
            group.cancel_scope.cancel()
        await anyio.lowlevel.checkpoint_if_cancelled()
        return outcome.get()

    async def _kill_when_cancelled(self, outcome: _Outcome[_T]) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            if not outcome.ready and self._interpreter.pid is not None:
                os.kill(self._interpreter.pid, getattr(signal, "SIGKILL", signal.SIGTERM))


@dataclass(slots=True)
class _Outcome(Generic[_T]):
    """What a step returned or raised, so that a task group does not wrap it."""

    values: list[_T] = field(default_factory=list[_T])
    error: BaseException | None = None

    @property
    def ready(self) -> bool:
        return bool(self.values) or self.error is not None

    def take(self, step: Callable[[], _T]) -> None:
        try:
            self.values.append(step())
        except BaseException as error:  # noqa: BLE001 - raised again by `get`
            self.error = error

    def get(self) -> _T:
        if self.error is not None:
            raise self.error
        return self.values[0]


def _settled(answer: Answer) -> monty.ExternalSettledResult:
    if answer.failure is not None:
        return {"exc_type": "RuntimeError", "message": answer.failure}
    return {"return_value": answer.value}


def _why(error: monty.MontyError, limits: Limits) -> str:
    if isinstance(error, monty.MontyCrashedError):
        if error.timed_out:
            return f"the program was stopped: it ran longer than {limits.seconds:g} s"
        return "the program was stopped: its process ended"
    if str(error).endswith(f"> {_PRINTED} bytes") and limits.memory != _PRINTED:
        return f"the program prints more than {_PRINTED} bytes"
    line = ""
    if isinstance(error, (monty.MontyRuntimeError, monty.MontySyntaxError)) and (frames := error.traceback()):
        line = f"line {frames[-1].line}: "
    return f"{line}{error}".replace(WAITS, "")


def _json(value: object) -> object:
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ProgramError(f"the program's value is no JSON: {error}") from None
