"""Routes as people see them in reports and failed assertions: drawn as trees, secrets in URIs replaced.

Pinned by `tests/report/test_routes.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from pytest_mcpsym.wire.redact import Redactor
from pytest_mcpsym.wire.route import Hop, Routes, RouteSyntaxError, explain
from pytest_mcpsym.wire.shape import draw

if TYPE_CHECKING:
    from pytest_mcpsym.switchboard.views import Views

__all__ = ["explained", "trees"]


def explained(left: object, right: object) -> list[str] | None:
    """Return the lines that explain a failed comparison of routes with text, whichever side they are on; `None` for any other.

    The first line is the nearest difference, because pytest's summary shows no other.
    """
    for got, expected in ((left, right), (right, left)):
        if isinstance(got, Routes) and isinstance(expected, (str, list, tuple)):
            texts = [expected] if isinstance(expected, str) else list(cast("Sequence[object]", expected))
            try:
                lines = explain("\n".join(str(text) for text in texts), got)
            except RouteSyntaxError:
                return None
            redactor = Redactor()
            return [f"routes: {lines[-1]}", *(redactor.text(line) for line in lines[:-1])]
    return None


def trees(boards: Sequence[Views]) -> Iterator[str]:
    """Yield the lines of the routes of each board."""
    for number, board in enumerate(boards, 1):
        if len(boards) > 1:
            yield f"board {number} ({', '.join(board.log.links)})"
        redactor = Redactor(board.rules)
        yield from draw((level, redactor.text(label)) for level, label in _rows(board.routes)) or ["(no routed call)"]


def _rows(routes: Routes) -> Iterator[tuple[int, str]]:
    for caller in dict.fromkeys(root.caller for root in routes):
        yield 0, caller
        stack: list[tuple[int, Hop]] = [(1, root) for root in reversed(routes) if root.caller == caller]
        while stack:
            level, hop = stack.pop()
            yield level, f"{hop.callee or 'refused'}  {hop.method} {hop.target}".rstrip()
            stack.extend((level + 1, child) for child in reversed(hop.children))
