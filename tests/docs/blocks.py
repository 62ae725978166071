"""Read the fenced code blocks of a Markdown page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Block", "blocks"]

_FENCE = re.compile(r"^ *```(?P<language>[\w-]*) *(?P<info>.*)$")
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        page: File name of the page.
        line: Number of its first line, from 1.
        language: The word after the fence, empty if there is none.
        title: File name that the block gives itself, `None` if it gives none.
        text: Its lines.
    """

    page: str
    line: int
    language: str
    title: str | None
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in order.

    Raises:
        ValueError: A fence is not closed.
    """
    lines = iter(enumerate(page.read_text(encoding="utf-8").splitlines(), 1))
    for number, line in lines:
        fence = _FENCE.match(line)
        if fence is None:
            continue
        indent = len(line) - len(line.lstrip())
        text: list[str] = []
        for _, inner in lines:
            if inner.strip() == "```":
                break
            text.append(inner[indent:])
        else:
            raise ValueError(f"{page.name}, line {number}: the fence is not closed")
        title = _TITLE.search(fence["info"])
        yield Block(page.name, number + 1, fence["language"], title[1] if title else None, "\n".join(text) + "\n")
