"""Tasks of the revision 2025-11-25: what a session's client has begun and may ask about later.

A task is `working` or `input_required` until it is `completed` or `cancelled`, which is for good. It is forgotten `TTL` milliseconds
after it began, or after it ended. What it asks of the client waits until the client asks for the result, and is asked on that request.
Pinned by `tests/fakes/test_everything_tasks.py`; that it is the reference on the wire, by `tests/peers/test_parity_tasks.py`.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

import anyio

__all__ = ["PAGE", "TTL", "Asked", "Status", "Task", "Tasks"]

TTL: Final = 300_000
"""Milliseconds for which a task is kept, whatever the client wishes, as in the reference."""

PAGE: Final = 10
"""Tasks in one page of the listing."""

Status = Literal["working", "input_required", "completed", "cancelled"]


@dataclass(slots=True)
class Asked:
    """Something that a task asks of the client; `answer` stays None if there is no good one."""

    id: int
    method: str
    params: dict[str, object]
    answer: Mapping[str, object] | None = None
    done: anyio.Event = field(default_factory=anyio.Event)

    async def put(self, send: Callable[[Asked], Awaitable[Mapping[str, object]]]) -> None:
        """Ask, and keep the answer."""
        try:
            self.answer = await send(self)
        finally:
            self.done.set()


def _moment() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class Task:
    """One task.

    Attributes:
        poll: Milliseconds from one look at it to the next that the client is advised to take.
        gone_at: When it is forgotten, on the clock of its session.
        status: Where it stands.
        said: What it says of this.
        result: What it has come to.
        asked: What waits to be asked.
        changed: Set, and replaced, whenever something of this changes.
        scope: Ends what works on it.
    """

    poll: int
    gone_at: float
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    created: str = field(default_factory=_moment)
    updated: str = ""
    status: Status = "working"
    said: str | None = None
    result: dict[str, object] | None = None
    asked: deque[Asked] = field(default_factory=deque[Asked])
    changed: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def is_over(self) -> bool:
        """Whether it will not change any more."""
        return self.status in ("completed", "cancelled")

    def wire(self) -> dict[str, object]:
        """Return the task as the protocol has it."""
        members: dict[str, object] = {
            "taskId": self.id,
            "status": self.status,
            "ttl": TTL,
            "createdAt": self.created,
            "lastUpdatedAt": self.updated or self.created,
            "pollInterval": self.poll,
        }
        return members if self.said is None else {**members, "statusMessage": self.said}

    def ask(self, asked: Asked) -> None:
        """Let the client be asked something with its next request for the result."""
        self.asked.append(asked)
        self.wake()

    def wake(self) -> None:
        """Tell those who wait that something has changed."""
        self.changed.set()
        self.changed = anyio.Event()


class Tasks:
    """The tasks of one session, in the order in which they began."""

    def __init__(self, clock: Callable[[], float] = anyio.current_time) -> None:
        self._clock = clock
        self._tasks: dict[str, Task] = {}

    def begin(self, poll: int) -> Task:
        """Return a new task."""
        task = Task(poll, self._clock() + TTL / 1000)
        self._tasks[task.id] = task
        return task

    def find(self, name: str) -> Task | None:
        """Return the task of an id, unless it is forgotten."""
        return self._kept().get(name)

    def left(self, task: Task) -> float:
        """Return the seconds until a task is forgotten."""
        return max(0.0, task.gone_at - self._clock())

    def move(self, task: Task, status: Status, said: str | None = None) -> None:
        """Move a task to a status; without a sentence it keeps the one that it has."""
        task.status, task.updated = status, _moment()
        if said is not None:
            task.said = said
        if task.is_over:
            task.gone_at = self._clock() + TTL / 1000
        task.wake()

    def page(self, cursor: str | None) -> tuple[list[Task], str | None]:
        """Return one page of the listing, and the cursor of the next if there is one.

        Raises:
            KeyError: The cursor is none.
        """
        kept = list(self._kept().values())
        start = 0
        if cursor:
            places = {task.id: place for place, task in enumerate(kept, 1)}
            start = places[cursor]
        page = kept[start : start + PAGE]
        return page, page[-1].id if start + PAGE < len(kept) else None

    def _kept(self) -> dict[str, Task]:
        now = self._clock()
        self._tasks = {name: task for name, task in self._tasks.items() if task.gone_at > now}
        return self._tasks
