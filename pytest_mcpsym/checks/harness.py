"""What the harness did itself, by faults of links, and so nobody is to be blamed for. Pinned by `tests/checks/test_harness.py`.

A fault on the way to the client changes nothing of what the log shows of the server; but what the host made of a request that came to it
so is judged no more. Of a message to the server, nothing that came of it is, but for what a server owes anybody, whatever it is sent.
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
        self._frames = _touched(log, marks) if marks else set[int]()

    def excuses(self, check: str, frames: tuple[int, ...], link: str) -> bool:
        """Say whether a finding of a check is the harness's own doing."""
        if check == "jsonrpc:unanswered" and link in self._ended:
            return True
        return check not in _OWED and not self._frames.isdisjoint(frames)


_Mark = tuple[str, Direction, str]


def _touched(log: WireLog, marks: set[_Mark]) -> set[int]:
    """The frames that have a mark, and the progress of the requests among them."""
    touched: set[int] = set()
    tokens: set[_Mark] = set()
    for frame in log.frames:
        if not marks.isdisjoint(_named(frame)):
            touched.add(frame.seq)
            if (token := token_text(frame.message.meta.get("progressToken"))) is not None:
                tokens.add((frame.link, _other(frame.direction), token))
        elif tokens and frame.message.method == "notifications/progress":
            token = token_text(frame.message.params.get("progressToken"))
            if (frame.link, frame.direction, token) in tokens:
                touched.add(frame.seq)
    return touched


def _marks(note: Note) -> list[_Mark]:
    """The requests that a fault was done to, by whose direction and id, and the notifications, by their method.

    An answer on its way to the client is none: what the server owed it has sent, and the log shows it.
    """
    data = note.data
    way: Direction = "to-server" if data.get("direction") == "to-server" else "to-client"
    what = data.get("what", "request" if way == "to-server" else "answer")
    if data.get("kind") in _INTACT or (way == "to-client" and what == "answer"):
        return []
    asker = _other(way) if what == "answer" else way
    idents = [str(data[name]) for name in ("id", "became", "names") if data.get(name) is not None]
    named: list[_Mark] = [(note.link, asker, ident) for ident in idents]
    return named if data.get("id") is not None else [*named, (note.link, way, str(data.get("method")))]


def _named(frame: Frame) -> list[_Mark]:
    """The request that a frame is, answers or cancels; of another notification, its method."""
    message = frame.message
    if message.method is not None and message.id is None:
        named = token_text(message.params.get("requestId"))
        return [(frame.link, frame.direction, name) for name in (named, message.method) if name is not None]
    if message.id is None:
        return []
    return [(frame.link, frame.direction if message.method is not None else _other(frame.direction), message.id)]


def _other(direction: Direction) -> Direction:
    return "to-client" if direction == "to-server" else "to-server"
