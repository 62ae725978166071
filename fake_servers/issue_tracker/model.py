"""What an issue tracker knows, and what can be asked of it, wherever it is kept.

Pinned by `tests/fakes/test_issue_tracker.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

__all__ = ["Comment", "Issue", "Page", "State", "Tracker", "TrackerError"]

State = Literal["open", "closed"]


class TrackerError(Exception):
    """What a tracker refused or could not do, in a sentence that a model may read. It holds no credentials."""


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Comment(_Model):
    """What somebody said of an issue."""

    author: str
    body: str


class Issue(_Model):
    """One issue with its comments."""

    number: int
    title: str
    body: str = ""
    author: str
    state: State = "open"
    labels: list[str] = Field(default_factory=list[str])
    comments: list[Comment] = Field(default_factory=list[Comment])


class Page(_Model):
    """Some issues, newest first, and where the next ones begin."""

    issues: list[Issue]
    total: int
    next_cursor: str | None = None


class Tracker(Protocol):
    """The one thing that the server's tools talk to. Every method may raise `TrackerError`."""

    async def find(self, state: State | None, label: str | None, cursor: str | None, limit: int) -> Page:
        """Return a page of issues."""
        ...

    async def get(self, number: int) -> Issue:
        """Return one issue."""
        ...

    async def create(self, title: str, body: str, labels: Sequence[str]) -> Issue:
        """File an issue."""
        ...

    async def comment(self, number: int, body: str) -> Issue:
        """Say something of an issue."""
        ...

    async def update(self, number: int, state: State | None, labels: Sequence[str] | None) -> Issue:
        """Change an issue's state or its labels."""
        ...
