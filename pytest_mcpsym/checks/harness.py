"""What the harness did itself, by faults of links, and so nobody is to be blamed for. Pinned by `tests/checks/test_harness.py`.

A fault on the way to the client changes nothing on the log: it shows what the server sent. One on the way to the server does: what
came of the message is judged no more, but for what a server owes anybody, whatever it is sent.
"""

from __future__ import annotations

from typing import Final

from pytest_mcpsym.wire.exchange import token_text
from pytest_mcpsym.wire.frame import Direction, Frame
from pytest_mcpsym.wire.log import Note, WireLog

__all__ = ["Blameless"]

_INTACT: Final = frozenset({"delay", "slow", "split", "coalesce", "stderr-flood"})
"""Faults after which the server got what it was sent. Pinned to the table of faults by `tests/faults/test_fault.py`."""
_ENDS: Final = frozenset({"half-close", "exit"})
"""Faults after which no answer can come, whichever way their message went."""
_OWED: Final = frozenset({"jsonrpc:silence", "jsonrpc:not-json-rpc"})
"""Checks of what a server owes anybody."""


class Blameless:
    """The frames of a log that are as they are because of a fault.

    Args:
        log: The log.
    """

    def __init__(self, log: WireLog) -> None:
        notes = [note for note in log.notes if note.channel == "fault"]
        self._ended = {note.link for note in notes if note.data.get("kind") in _ENDS}
        marks = {mark for note in notes for mark in _marks(note)}
        self._frames = (
            {frame.seq for frame in log.frames if marks and not marks.isdisjoint(_named(frame))} if marks else set[int]()
        )

    def excuses(self, check: str, frames: tuple[int, ...], link: str) -> bool:
        """Say whether a finding of a check is the harness's own doing."""
        if check == "jsonrpc:unanswered" and link in self._ended:
            return True
        return check not in _OWED and not self._frames.isdisjoint(frames)


_Mark = tuple[str, Direction, str]


def _marks(note: Note) -> list[_Mark]:
    """What a fault on the way to the server was done to: the id that the message had, and has now, or its method."""
    if note.data.get("direction") != "to-server" or note.data.get("kind") in _INTACT:
        return []
    idents = [str(note.data[name]) for name in ("id", "became") if note.data.get(name) is not None]
    return [(note.link, "to-server", name) for name in idents or [str(note.data.get("method"))]]


def _named(frame: Frame) -> list[_Mark]:
    """The requests to the server that a frame is, answers or cancels; of another notification, its method."""
    message = frame.message
    if message.method is not None and message.id is None:
        named = token_text(message.params.get("requestId"))
        return [(frame.link, "to-server", name) for name in (named, message.method) if name is not None]
    asks = message.method is not None
    if message.id is None or asks != (frame.direction == "to-server"):
        return []
    return [(frame.link, "to-server", message.id)]
