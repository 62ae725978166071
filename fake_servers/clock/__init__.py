"""The clock server: a time that moves only when it is told to.

See README.md beside this file. Pinned by `tests/fakes/test_clock.py`.
"""

from __future__ import annotations

import difflib
import math
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from ..server import FakeServer  # noqa: TID252 - the package is also loaded under an alias

__all__ = ["START", "Reading", "Span", "clock"]

START = "2026-01-01T00:00:00+00:00"
"""When a clock begins that is told nothing."""

_READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
_MOVES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)

Zone = Annotated[str, Field(description="Name of a time zone, such as UTC or Europe/Oslo")]
Time = Annotated[str, Field(description="A time in ISO 8601; without an offset it is UTC")]


class Reading(BaseModel):
    """One moment, as a time zone spells it."""

    time: str = Field(description="ISO 8601 with the offset")
    timezone: str
    epoch: float = Field(description="Seconds since 1970-01-01T00:00:00Z")


class Span(BaseModel):
    """What lies between two moments."""

    seconds: float


def clock(*, start: str | datetime = START) -> MCPServer:
    """Return a clock server.

    Args:
        start: The time at which it stands until a call of `advance`: ISO 8601 text or a datetime; without an offset it is UTC.

    Raises:
        ValueError: `start` is no time.
    """
    now = _parsed(start) if isinstance(start, str) else _aware(start)
    server = FakeServer(
        "clock", version="1.0.0", log_level="WARNING", instructions="Tells the time, which moves only by the tool `advance`."
    )

    @server.tool(name="now", annotations=_READS)
    async def read(timezone: Zone = "UTC") -> Reading:
        """Tell the time. Two calls in a row tell the same."""
        return _reading(now, timezone)

    @server.tool(annotations=_MOVES)
    async def advance(
        seconds: Annotated[float, Field(description="How far; time does not run backwards", ge=0)], timezone: Zone = "UTC"
    ) -> Reading:
        """Move the time on, and tell it."""
        nonlocal now
        if not math.isfinite(seconds):
            raise ToolError(f"{seconds} is no number of seconds")
        _zone(timezone)
        try:
            now += timedelta(seconds=seconds)
        except OverflowError:
            raise ToolError(f"{seconds:g} seconds lead beyond the year 9999") from None
        return _reading(now, timezone)

    @server.tool(annotations=_READS)
    async def convert(time: Time, timezone: Zone) -> Reading:
        """Tell a given time in another time zone."""
        return _reading(_given(time), timezone)

    @server.tool(annotations=_READS)
    async def between(start: Time, end: Time) -> Span:
        """Tell how many seconds pass between two times; negative where the end comes first."""
        return Span(seconds=(_given(end) - _given(start)).total_seconds())

    @server.resource("clock://now", name="now", mime_type="text/plain", description="The time in UTC")
    def current() -> str:
        return now.isoformat()

    return server


def _aware(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _parsed(text: str) -> datetime:
    try:
        return _aware(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time; write it in ISO 8601, as in {START}") from None


def _given(text: str) -> datetime:
    try:
        return _parsed(text)
    except ValueError as error:
        raise ToolError(str(error)) from None


def _reading(time: datetime, timezone: str) -> Reading:
    try:
        there = time.astimezone(_zone(timezone))
    except OverflowError:
        raise ToolError(f"{time.isoformat()} has no place in the calendar of {timezone}") from None
    return Reading(time=there.isoformat(), timezone=timezone, epoch=time.timestamp())


@lru_cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    if name not in _names():
        near = difflib.get_close_matches(name, sorted(_names()), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ToolError(f"there is no time zone {name!r}{hint}")
    return ZoneInfo(name)
