"""A tracker in memory: seeded issues, and cursors that hold when issues are filed meanwhile.

Pinned by `tests/fakes/test_issue_tracker.py`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .model import Comment, Issue, Page, State, TrackerError

if TYPE_CHECKING:
    from faker import Faker

__all__ = ["LABELS", "Store", "grown"]

LABELS = ("bug", "docs", "feature", "question")

_ME = "mcp"
"""Author of what the tools write."""


def grown(faker: Faker, count: int) -> list[Issue]:
    """Return issues that a seeded Faker makes up, by number."""
    return [
        Issue(
            number=number,
            title=faker.sentence(5).rstrip("."),
            body=faker.paragraph(),
            author=faker.user_name(),
            state="closed" if faker.random_int(0, 3) == 0 else "open",
            labels=sorted(faker.random_elements(LABELS, length=faker.random_int(0, 2), unique=True)),
            comments=[Comment(author=faker.user_name(), body=faker.sentence()) for _ in range(faker.random_int(0, 3))],
        )
        for number in range(1, count + 1)
    ]


class Store:
    """Issues in memory.

    Args:
        issues: What there is at the beginning.
    """

    def __init__(self, issues: Sequence[Issue]) -> None:
        self._issues = {issue.number: issue.model_copy(deep=True) for issue in issues}

    async def find(self, state: State | None, label: str | None, cursor: str | None, limit: int) -> Page:
        """Return issues from the newest on; a cursor names the number that the last page ended with."""
        if label is not None and label not in (known := sorted({each for one in self._issues.values() for each in one.labels})):
            raise TrackerError(f"no issue has the label {label!r} (labels: {', '.join(known) or 'none'})")
        fitting = [
            issue
            for _, issue in sorted(self._issues.items(), reverse=True)
            if (state is None or issue.state == state) and (label is None or label in issue.labels)
        ]
        before = None if cursor is None else _number(cursor)
        rest = [issue for issue in fitting if before is None or issue.number < before]
        last = rest[limit - 1].number if len(rest) > limit else None
        return Page(issues=rest[:limit], total=len(fitting), next_cursor=None if last is None else _cursor(last))

    async def get(self, number: int) -> Issue:
        """Return one issue."""
        if number not in self._issues:
            raise TrackerError(f"there is no issue {number} (the last one is {max(self._issues, default=0)})")
        return self._issues[number]

    async def create(self, title: str, body: str, labels: Sequence[str]) -> Issue:
        """File an issue under the next number."""
        if not title.strip():
            raise TrackerError("an issue needs a title")
        number = max(self._issues, default=0) + 1
        issue = Issue(number=number, title=title, body=body, author=_ME, labels=sorted(set(labels)))
        self._issues[number] = issue
        return issue

    async def comment(self, number: int, body: str) -> Issue:
        """Say something of an issue."""
        issue = await self.get(number)
        if not body.strip():
            raise TrackerError("a comment needs some text")
        issue.comments.append(Comment(author=_ME, body=body))
        return issue

    async def update(self, number: int, state: State | None, labels: Sequence[str] | None) -> Issue:
        """Change an issue's state or its labels."""
        issue = await self.get(number)
        if state is not None:
            issue.state = state
        if labels is not None:
            issue.labels = sorted(set(labels))
        return issue


def _cursor(number: int) -> str:
    return base64.urlsafe_b64encode(f"before:{number}".encode()).decode()


def _number(cursor: str) -> int:
    try:
        kind, _, number = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().partition(":")
        if kind == "before":
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise TrackerError(f"{cursor!r} is no cursor of this tracker; begin without one")
