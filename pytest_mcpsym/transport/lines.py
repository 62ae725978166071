"""Lines of a stream of bytes: what comes between two newlines, however the stream was cut into chunks.

Pinned by `tests/transport/test_stdio.py` and `tests/recorder/`.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["Lines"]


class Lines:
    """Cuts chunks into lines, in time linear in their length.

    Args:
        limit: Cut lines that are longer than this many bytes, between two characters.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._limit = limit

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the lines that end in this chunk, without their ends of one or two bytes."""
        first, *others = chunk.split(b"\n")
        self._add(first)
        for other in others:
            yield from self._cut(self._take().removesuffix(b"\r"))
            self._add(other)
        if self._limit is not None and self._size > self._limit:
            *whole, last = self._cut(self._take())
            yield from whole
            self._add(last)

    def rest(self) -> bytes:
        """Return what came after the last line end."""
        return self._take()

    def _add(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)

    def _take(self) -> bytes:
        line = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return line

    def _cut(self, line: bytes) -> Iterator[bytes]:
        start = 0
        while self._limit is not None and len(line) - start > self._limit:
            end = start + self._limit
            while end > start + self._limit - 3 and line[end] & 0xC0 == 0x80:  # a continuation byte of UTF-8
                end -= 1
            yield line[start:end]
            start = end
        yield line[start:] if start else line
