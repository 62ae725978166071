"""Base64 in what enters a context: how large the largest is, and where it stands.

Members `data` and `blob` of content blocks are base64 whole; in any other text a run of base64's characters counts, also broken into lines,
if it has capitals, small letters and digits, which words, hex and filler have not. Pinned by `tests/wire/test_usage.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

from pytest_mcpsym.wire.frame import Frame

__all__ = ["Payload", "largest_payload"]

_RUN: Final = re.compile(r"(?:(?:[A-Za-z0-9+/]{64}|[A-Za-z0-9+/]{76})\r?\n)*(?:[A-Za-z0-9+/]+|[A-Za-z0-9_-]+)={0,2}")
_MIXED: Final = tuple(map(re.compile, ("[A-Z]", "[a-z]", "[0-9]")))
_HOLDERS: Final = ("arguments", "content", "contents", "messages", "structuredContent")
"""Members of params and results that enter a context."""


@dataclass(frozen=True, slots=True)
class Payload:
    """Base64 in a message.

    Attributes:
        bytes: How long it is.
        where: Path of the member that holds it, such as `content[0].data`.
    """

    bytes: int
    where: str


def largest_payload(frame: Frame, least: int) -> Payload | None:
    """Return the largest base64 in the arguments of a request or in its result, if it has at least some bytes."""
    if len(frame.data) < least:
        return None
    holder = frame.message.params if frame.message.kind == "request" else frame.message.result
    found = [payload for name in _HOLDERS if name in holder for payload in _payloads(holder[name], name, least)]
    return max(found, key=lambda payload: payload.bytes, default=None)


def _payloads(value: object, where: str, least: int) -> Iterator[Payload]:
    stack: list[tuple[object, str, bool]] = [(value, where, False)]
    while stack:
        value, where, block = stack.pop()
        if isinstance(value, dict):
            members = cast("dict[str, object]", value)
            stack += [(each, f"{where}.{name}", name in ("data", "blob")) for name, each in members.items() if name != "_meta"]
        elif isinstance(value, list):
            stack += [(each, f"{where}[{index}]", False) for index, each in enumerate(cast("list[object]", value))]
        elif isinstance(value, str) and len(value) >= least:
            size = len(value) if block and where.startswith(("content", "messages")) else _longest(value, least)
            if size >= least:
                yield Payload(size, where)


def _longest(text: str, least: int) -> int:
    runs = (run.group() for run in _RUN.finditer(text) if run.end() - run.start() >= least)
    return max((len(run) for run in runs if all(each.search(run) for each in _MIXED)), default=0)
