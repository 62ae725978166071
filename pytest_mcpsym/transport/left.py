"""What a server leaves running when its link has closed: tasks of a server in this process, processes that a command started.

A server in this process runs in a context of its own, and so does whatever it starts: that is how its tasks are told from others.
Asyncio tells the context of a task since Python 3.12, and trio leaves no task behind by construction; elsewhere nothing is reported.
Pinned by `tests/transport/test_left.py`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar
from pathlib import Path

from pytest_mcpsym.transport.tap import Tap

__all__ = ["context_of", "noting_tasks", "processes_of"]

_OF_THE_LOOP = frozenset({"_shutdown_watcher"})
"""Tasks of libraries that belong to the loop and not to who was served first: that of sse-starlette."""

_OWNER: ContextVar[object] = ContextVar("mcpsym_owner")


def context_of(owner: object) -> Context:
    """Return a context that holds nothing of the test, only whose it is and the name of the async library where sniffio keeps it.

    Without that name sniffio searches for it at every step of the server, a tenth of a call.
    """
    bare = Context()
    bare.run(_OWNER.set, owner)
    sniffio = sys.modules.get("sniffio")
    if sniffio is not None:
        bare.run(sniffio.current_async_library_cvar.set, sniffio.current_async_library())
    return bare


@contextmanager
def noting_tasks(tap: Tap, owner: object) -> Generator[None]:
    """Log, at the end of the block, which tasks still run in contexts of an owner."""
    try:
        yield
    finally:
        left = _tasks_of(owner)
        if left:
            tap.note("left", tasks=left)


def _tasks_of(owner: object) -> list[str]:
    if sys.version_info < (3, 12):
        return []
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:  # Another loop than asyncio's runs.
        return []
    running = (task for task in tasks if not task.done() and task.get_context().get(_OWNER) is owner)
    names = (getattr(task.get_coro(), "__qualname__", task.get_name()) for task in running)
    return sorted(name for name in names if name not in _OF_THE_LOOP)


def processes_of(group: int) -> list[str]:
    """Return the names of the processes that still run in a process group, sorted; on other systems than Linux none."""
    names: list[str] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            name, _, rest = stat.read_text("utf-8", "replace").partition(" (")[2].rpartition(") ")
            state, _parent, member_of, *_ = rest.split()
            if int(member_of) == group and state != "Z":
                names.append(name)
    return sorted(names)
