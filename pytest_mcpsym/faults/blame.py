"""Which faults had a part in something that went wrong, in words for an error, so that nobody takes them for a bug of a server.

Pinned by `tests/faults/test_blame.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pytest_mcpsym.faults.kinds import KINDS
from pytest_mcpsym.wire.log import Note, WireLog

__all__ = ["blamed", "done", "ended"]

_MOST: Final = 3
"""Faults that an error names; more are counted."""

_LINES: Final = 20
"""Faults that a report lists."""


def blamed(log: WireLog, since: int, link: str, ident: str | None = None, *, meanwhile: bool = True) -> tuple[str, ...]:
    """Return what was done on purpose and may be why a request failed.

    Args:
        log: What happened.
        since: Length of the log before the request was sent.
        link: Where it was sent.
        ident: Its id, as JSON text. What was done to it is told alone.
        meanwhile: Where nothing was done to it, tell all that was done on the board since.
    """
    notes = [note for note in log.entries[since:] if isinstance(note, Note) and note.channel == "fault" and _can_fail(note)]
    own = [note for note in notes if note.link == link and ident is not None and ident in _ids(note)]
    return _told(own or (notes if meanwhile else ()))


def ended(log: WireLog, link: str) -> tuple[tuple[str, ...], bool]:
    """Return what was done on purpose and may be why a link failed, and whether that ends a link for certain."""
    notes = [note for note in log.notes if note.channel == "fault" and note.link == link]
    ends = [note for note in notes if KINDS[str(note.data["kind"])].ends]
    return _told(ends or notes), bool(ends)


def done(log: WireLog) -> list[str]:
    """Return a line for each thing that was done on purpose, as far as a report has room for them."""
    notes = [note for note in log.notes if note.channel == "fault"]
    more = [f"... and {len(notes) - _LINES} more"] if len(notes) > _LINES else []
    return [*map(_sentence, notes[:_LINES]), *more]


def _can_fail(note: Note) -> bool:
    """Whether a request may fail of it; one that is cancelled has failed before."""
    return note.data.get("method") != "notifications/cancelled"


def _ids(note: Note) -> set[object]:
    return {note.data.get(name) for name in ("id", "became", "names")}


def _told(notes: Iterable[Note]) -> tuple[str, ...]:
    told = [_sentence(note) for note in notes]
    return (*told[:_MOST], *([f"and {len(told) - _MOST} more"] if len(told) > _MOST else []))


def _sentence(note: Note) -> str:
    data = note.data
    ident = f" (id {data['id']})" if data.get("id") is not None else ""
    what = f"the answer to {data['method']}" if data.get("what") == "answer" else data.get("method") or "a message"
    return f"`{data['fault']}` on link {note.link!r}, to {what}{ident}: {data.get('did')}"
