"""A server's process: what to start and why that failed, and how it and its whole group end.

The process leads a group of its own, so that its children end with it; every wait for an end is bounded. Pinned by
`tests/transport/test_stdio.py`.
"""

from __future__ import annotations

import difflib
import os
import shlex
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

import anyio
from anyio.abc import Process
from mcp.client.stdio import get_default_environment

from pytest_mcpsym.errors import LinkError, LinkFailure
from pytest_mcpsym.transport.tap import Tap

if TYPE_CHECKING:
    import asyncio

__all__ = ["POLL", "StdioParameters", "close_transport", "end_tree", "group_runs", "start_process"]

POLL: Final = 0.01
"""Seconds between two looks at whether a process or its group has ended."""


class StdioParameters(Protocol):
    """What to start; the SDK's `StdioServerParameters` is one."""

    @property
    def command(self) -> str:
        """Name on PATH, or path, of what to run."""
        ...

    @property
    def args(self) -> Sequence[str]:
        """Its arguments."""
        ...

    @property
    def env(self) -> Mapping[str, str] | None:
        """Variables beside the SDK's default environment."""
        ...

    @property
    def cwd(self) -> str | Path | None:
        """Its working directory."""
        ...


async def start_process(params: StdioParameters, tap: Tap, variables: Mapping[str, str]) -> Process:
    """Start the process with some more variables, or log and raise why that is impossible."""
    environment = get_default_environment() | dict(params.env or {}) | dict(variables)
    process: Process | None = None
    try:
        # Shielded, so that a cancellation cannot leave a process behind that nobody owns; exec either works or fails at once.
        with anyio.CancelScope(shield=True):
            command = [params.command, *params.args]
            process = await anyio.open_process(command, cwd=params.cwd, env=environment, start_new_session=True)
    except (OSError, ValueError) as error:
        reason, sentence = _explain(error, params, environment)
        tap.note("failure", reason=sentence)
        raise LinkError(tap.link, reason, sentence) from error
    assert process is not None
    return process


def close_transport(process: Process) -> None:
    """Close asyncio's transport of a process; there is none on trio.

    It stays open, and warns when it is collected, while a child that escaped holds a pipe; and so does its input while there is
    something left to write that nobody will read. Nothing public leads to it: the way is that of `mcp.client.stdio`.
    """
    transport: object = getattr(getattr(process, "_process", None), "_transport", None)
    if transport is None:
        return
    owner = cast("asyncio.SubprocessTransport", transport)
    stdin = cast("asyncio.WriteTransport | None", owner.get_pipe_transport(0))
    if stdin is not None and stdin.get_write_buffer_size():
        stdin.abort()
    with suppress(PermissionError):  # Python 3.12 and older kill again, which a process of another user refuses.
        owner.close()


def group_runs(group: int) -> bool:
    """Tell whether a process of the group still runs; without proof that none does, one does."""
    if sys.platform == "win32":
        return False
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return not _has_only_zombies(group)


def _has_only_zombies(group: int) -> bool:
    """Tell whether all of a group have ended and wait for their parent, on Linux.

    An orphan's parent is process 1, which collects late in some containers, and never in others.
    """
    states: set[bytes] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _parent, members_group, *_ = stat.read_bytes().rpartition(b")")[2].split()
            if int(members_group) == group:
                states.add(state)
    return states == {b"Z"}


async def end_tree(process: Process, leftovers: bool, grace: float) -> None:
    """End a process and what is left of its group: SIGTERM, then SIGKILL to whoever outlives the grace period."""
    if sys.platform == "win32":
        if process.returncode is None:
            process.kill()
        return
    # The leader's number is the group's, also when the leader has ended and `getpgid` no longer knows it.
    for number in (signal.SIGTERM, signal.SIGKILL) if leftovers else ():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with anyio.move_on_after(grace):
            while group_runs(process.pid):  # noqa: ASYNC110 - nothing tells when a group that is not ours to wait for has ended
                await anyio.sleep(POLL)
            return


def _explain(error: Exception, params: StdioParameters, environment: Mapping[str, str]) -> tuple[LinkFailure, str]:
    """Return why a process could not be started, and the sentence that says what was tried and what to do."""
    tried = f"cannot start `{shlex.join([params.command, *params.args])}`"
    if params.cwd is not None and not Path(params.cwd).is_dir():
        return "not-started", f"{tried}: the working directory {str(params.cwd)!r} is no directory. Create it or change `cwd`."
    if isinstance(error, FileNotFoundError):
        return _explain_missing(tried, params, environment)
    if isinstance(error, PermissionError):
        advice = f"Make {params.command!r} executable (chmod +x), or start it through its interpreter."
        return "not-started", f"{tried}: it is not executable. {advice}"
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return "not-started", f"{tried}: {text}. Start it by hand to see what it needs; a script needs a #! line or an interpreter."


def _explain_missing(tried: str, params: StdioParameters, environment: Mapping[str, str]) -> tuple[LinkFailure, str]:
    """Say which command does not exist, and which one nearly of that name does."""
    path = Path(params.cwd or ".", params.command)
    if os.sep in params.command:
        if path.exists():
            return "not-started", f"{tried}: the interpreter that its first line names does not exist. Correct the #! line."
        near = _nearest(path.name, _names([path.parent]))
        nearest = f" Nearest in {str(path.parent)!r}: {near!r}." if near else ""
        return "not-found", f"{tried}: {str(path)!r} does not exist.{nearest} Correct the path."
    folders = [Path(folder) for folder in environment.get("PATH", os.defpath).split(os.pathsep)]
    near = _nearest(params.command, _names(folders, executable=True))
    nearest = f" Nearest command: {near!r}." if near else ""
    advice = "Install it, correct its name, or give its full path"
    return "not-found", f"{tried}: there is no command {params.command!r} on PATH.{nearest} {advice}."


def _names(folders: Iterable[Path], *, executable: bool = False) -> Iterator[str]:
    """Yield the names of the files in some folders."""
    for folder in folders:
        with suppress(OSError), os.scandir(folder) as entries:
            yield from (entry.name for entry in entries if not executable or os.access(entry.path, os.X_OK))


def _nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that is most like another one, if one is close."""
    return next(iter(difflib.get_close_matches(name, sorted(set(names)), n=1, cutoff=0.75)), None)
