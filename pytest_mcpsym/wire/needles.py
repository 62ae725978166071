"""Which of many byte strings are in a text, at a cost that depends on the text alone.

A text is read in steps of eight bytes. Every needle has an eight-byte piece at each position that such a step may fall on, so that it is in
a text only if one of the steps is one of these pieces; what is suspected so is then looked for. Pinned by `tests/wire/test_needles.py`.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

__all__ = ["Needles"]

_PIECE: Final = 8
"""Bytes of a piece, which is one unsigned integer of an array."""
_BATCH: Final = 1 << 17
"""Bytes that are read at once: many small texts together, or a part of a large one."""


class Needles:
    """Byte strings to look for.

    Args:
        needles: What to look for; none may be empty.
    """

    def __init__(self, needles: Iterable[bytes]) -> None:
        wanted = dict.fromkeys(needles)
        self._short = [each for each in wanted if len(each) < _PIECE]
        long = [each for each in wanted if len(each) >= _PIECE]
        self._longest = max(map(len, long), default=0)
        room = min(map(len, long), default=0) - _PIECE + 1
        self._step = next((step for step in (8, 4, 2, 1) if step <= room), 1)
        self._suspects = _suspects(long, self._step)

    def in_each(self, texts: Sequence[bytes]) -> Iterator[tuple[int, set[bytes]]]:
        """Yield the index of each text that holds any of them, with those that it holds."""
        start = size = 0
        for index, text in enumerate(texts):
            size += len(text)
            if size >= _BATCH or index == len(texts) - 1:
                if index == start or self._short or self._pieces_in(b"\n".join(texts[start : index + 1])):
                    for place in range(start, index + 1):
                        found = self.inside(texts[place])
                        if found:
                            yield place, found
                start, size = index + 1, 0

    def inside(self, text: bytes) -> set[bytes]:
        """Return those that are in a text."""
        suspects = {needle for piece in self._pieces_in(text) for needle in self._suspects[piece]}
        suspects.update(self._short)
        return {needle for needle in suspects if needle in text}

    def _pieces_in(self, text: bytes) -> set[int]:
        """Return the pieces that are in a text where a step falls."""
        found: set[int] = set()
        for start in range(0, len(text), _BATCH):
            part = text[start : start + _BATCH + self._longest]
            for offset in range(0, _PIECE, self._step):
                whole = max(len(part) - offset, 0) // _PIECE * _PIECE
                found |= self._suspects.keys() & array("Q", part[offset : offset + whole])
        return found


def _suspects(needles: Iterable[bytes], step: int) -> dict[int, list[bytes]]:
    """Return the needles by the pieces that give them away: for each position of the first step in a needle, the rarest that follows."""
    pieces = {needle: _pieces(needle) for needle in needles}
    common = Counter(piece for each in pieces.values() for piece in set(each))
    suspects: dict[int, list[bytes]] = defaultdict(list)
    for needle, each in pieces.items():
        for piece in {min(each[first::step], key=common.__getitem__) for first in range(step)}:
            suspects[piece].append(needle)
    return dict(suspects)


def _pieces(needle: bytes) -> list[int]:
    """Return the pieces of a needle, one for each byte that they begin at."""
    return [array("Q", needle[start : start + _PIECE])[0] for start in range(len(needle) - _PIECE + 1)]
