"""What the server remembers of each session, and what it sends of its own accord while the session lasts.

Pinned by `tests/fakes/test_everything.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import cast, get_args

import anyio
from anyio.abc import TaskGroup
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_types import LoggingLevel, Root
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from pytest_mcpsym.symmetric.sdk import channel_of, standalone_of

from .listening import Listening
from .resources import Made
from .tasks import Tasks

__all__ = ["LEVELS", "PATIENCE", "Context", "Run", "Session", "ask", "is_modern", "log", "running", "session_of"]

PATIENCE = 60.0
"""Seconds that the client has for an answer, as in the reference."""

LEVELS: tuple[LoggingLevel, ...] = get_args(LoggingLevel)
"""The levels, from the least severe up."""


@dataclass(slots=True)
class Session:
    """One session: over HTTP one for each session id, else the connection."""

    level: LoggingLevel = "debug"
    subscribed: dict[str, None] = field(default_factory=dict[str, None])
    made: Made = field(default_factory=dict[str, dict[str, object]])
    roots: list[Root] | None = None
    refused: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    logging: anyio.CancelScope | None = None
    updating: anyio.CancelScope | None = None
    ids: Iterator[int] = field(default_factory=count)
    tasks: Tasks = field(default_factory=Tasks)
    begun: anyio.Event = field(default_factory=anyio.Event)


@dataclass(slots=True)
class Run:
    """One run of the server, with what its sessions have in common."""

    tasks: TaskGroup
    random: Random
    listening: Listening = field(default_factory=Listening)
    sessions: dict[str | None, Session] = field(default_factory=dict["str | None", Session])


Context = ServerRequestContext[Run]


@asynccontextmanager
async def running(_server: Server[Run], seed: int) -> AsyncGenerator[Run]:
    """Keep what a run remembers, and end what it has begun."""
    async with anyio.create_task_group() as tasks:
        yield Run(tasks, Random(seed))  # noqa: S311 - which level a made-up message has
        tasks.cancel_scope.cancel()


def is_modern(context: Context) -> bool:
    """Whether a request is of the modern era."""
    return context.protocol_version in MODERN_PROTOCOL_VERSIONS


def session_of(context: Context) -> Session:
    """Return what is remembered of the session that a request belongs to."""
    headers = cast("Mapping[str, str]", getattr(context.request, "headers", {}))
    key = headers.get("mcp-session-id")
    return context.lifespan_context.sessions.setdefault(key, Session())


async def ask(
    context: Context,
    method: str,
    params: Mapping[str, object] | None = None,
    *,
    unasked: bool = False,
    number: int | None = None,
) -> dict[str, object]:
    """Send a request to the client and return the result as it came. The ids count from 0, as the reference's.

    Args:
        context: What the request belongs to.
        method: Its method.
        params: Its parameters.
        unasked: It belongs to no request of the client.
        number: Its id, if that was taken before.

    Raises:
        MCPError: The client answered with an error, or did not answer in time.
    """
    chosen = next(session_of(context).ids) if number is None else number
    channel = standalone_of(context.session) if unasked else channel_of(context.session)
    return await channel.send_raw_request(method, params, {"request_id": chosen, "timeout": PATIENCE})


async def log(context: Context, level: LoggingLevel, data: str, logger: str | None = None) -> None:
    """Send a log message, if the client wants one of that level."""
    modern = is_modern(context)
    if not modern and LEVELS.index(level) < LEVELS.index(session_of(context).level):
        return
    with warnings.catch_warnings():
        # The SDK warns because 2026-07-28 deprecates logging; a test that turns warnings into errors has not asked for that.
        warnings.simplefilter("ignore", MCPDeprecationWarning)
        related = context.request_id if modern else None
        sending = context.session.send_log_message(level, data, logger, related_request_id=related)  # pyright: ignore[reportDeprecated] - logging is what this server is for
    await sending
