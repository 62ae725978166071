"""A tree of files in memory: held as bytes, or generated where they are read so that a big one costs nothing.

Paths are relative and POSIX; a byte range counts from 0 and a line range from 1, both ends inclusive, as in `bytes=0-99` of HTTP
(RFC 9110, section 14.1.2). Pinned by `tests/fakes/test_tree.py`.
"""

from __future__ import annotations

import difflib
import mimetypes
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Protocol
from urllib.parse import quote, unquote, urlsplit

__all__ = [
    "CHUNK",
    "Content",
    "FileError",
    "Generated",
    "Held",
    "Piece",
    "Tree",
    "clean_path",
    "mime_type",
    "parse_uri",
    "uri_of",
]

CHUNK: Final = 64 * 1024
"""Bytes that are looked at at once where a whole file is read through."""

LINE: Final = 64
"""Bytes of a line of generated text, its newline included."""

_RANGE: Final = re.compile(r"([0-9]{1,18})-([0-9]{1,18})?")
_TEXTUAL: Final = ("json", "xml", "yaml", "toml", "javascript")


class FileError(ValueError):
    """A file or a range that cannot be had.

    Attributes:
        reason: `missing`, `path`, `uri`, `range` or `too-large`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Content(Protocol):
    """What a file holds."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        ...

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` up to and without `end`, both inside the file."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.data)

    def read(self, start: int, end: int) -> bytes:
        """Return a part of the bytes."""
        return self.data[start:end]


@dataclass(frozen=True)
class Generated:
    """A file made where it is read: the same seed gives the same bytes at every place, whatever was read before.

    Attributes:
        size: Bytes in all.
        seed: Decides the content.
        binary: Bytes of every value; else text of numbered lines, the last one cut where the file ends.
    """

    size: int
    seed: int = 0
    binary: bool = False

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"a file of {self.size} bytes cannot be")

    @cached_property
    def _tails(self) -> list[str]:
        """What follows the number of a line; a line takes one by its number."""
        source = random.Random(self.seed)  # noqa: S311 - test data, which must be the same every time
        letters = "abcdefghijklmnopqrstuvwxyz      "
        return ["".join(source.choices(letters, k=LINE - 12)) + "\n" for _ in range(997)]

    def _block(self, number: int) -> bytes:
        if self.binary:
            return random.Random(f"{self.seed}:{number}").randbytes(LINE)  # noqa: S311 - see above
        return f"{number + 1:010d} {self._tails[number % 997]}".encode()

    def read(self, start: int, end: int) -> bytes:
        """Make a part of the file."""
        first = start // LINE
        data = b"".join(self._block(number) for number in range(first, (end + LINE - 1) // LINE))
        return data[start - first * LINE : end - first * LINE]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file.

    Attributes:
        data: Its bytes.
        start: Its first byte, from 0.
        end: The byte after its last.
        size: Bytes of the whole file.
    """

    data: bytes
    start: int
    end: int
    size: int


@dataclass(slots=True)
class Tree:
    """Files by path, in order of their paths."""

    files: dict[str, Content] = field(default_factory=dict[str, Content])

    @classmethod
    def of(cls, files: Mapping[str, str | bytes | Content]) -> Tree:
        """Make a tree from texts, bytes and contents by path.

        Raises:
            FileError: A path is none.
        """
        tree = cls()
        for path, content in files.items():
            tree.write(path, content)
        return tree

    def write(self, path: str, content: str | bytes | Content) -> bool:
        """Write a file; return whether it is new."""
        path = clean_path(path)
        if isinstance(content, str):
            content = content.encode()
        new = path not in self.files
        above = next((part for part in _parents(path) if part in self.files), None)
        if above is not None:
            raise FileError("path", f"{above!r} is a file, so nothing can be below it")
        if new and any(other.startswith(f"{path}/") for other in self.files):
            raise FileError("path", f"{path!r} is a folder")
        self.files[path] = Held(content) if isinstance(content, bytes) else content
        return new

    def below(self, prefix: str = "") -> list[str]:
        """Return the paths of all files in a folder and in those below it, in order; of the whole tree by default."""
        folder = clean_path(prefix) if prefix.strip("/") else ""
        found = sorted(path for path in self.files if not folder or path == folder or path.startswith(f"{folder}/"))
        if not found and folder:
            raise self._missing(folder)
        return found

    def get(self, path: str) -> Content:
        """Return a file's content.

        Raises:
            FileError: There is none; the message names the nearest one.
        """
        path = clean_path(path)
        if path not in self.files:
            raise self._missing(path)
        return self.files[path]

    def piece(self, path: str, *, of_bytes: str | None = None, of_lines: str | None = None, most: int) -> Piece:
        """Return a file, or the part of it that a range names.

        Args:
            path: Its path.
            of_bytes: `0-99`, or `100-` for all that follows; an end beyond the file's is the file's.
            of_lines: `1-20`, or `20-`.
            most: Bytes to read at most.

        Raises:
            FileError: There is no such file or part, or it is larger than `most`.
        """
        content = self.get(path)
        if of_bytes is not None and of_lines is not None:
            raise FileError("range", "give a range of bytes or of lines, not both")
        start, end = 0, content.size
        if of_bytes is not None:
            start, end = _range(of_bytes, content.size, "bytes", 0)
        elif of_lines is not None:
            start, end = _lines(content, of_lines)
        if end - start > most:
            raise FileError(
                "too-large", f"{end - start} bytes of {path!r} are too many at once (the most is {most}); read a range of them"
            )
        return Piece(content.read(start, end), start, end, content.size)

    def _missing(self, path: str) -> FileError:
        near = difflib.get_close_matches(path, self.files, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return FileError("missing", f"there is no file {path!r}{hint}")


def clean_path(path: str) -> str:
    """Return a path without needless parts.

    Raises:
        FileError: It leads out of the tree, or nowhere.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or "\\" in path or "\0" in path:
        raise FileError("path", f"{path!r} is no path in this tree: it has '..', a backslash or a null character")
    if not parts:
        raise FileError("path", "an empty path names no file")
    return "/".join(parts)


def _parents(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))


def _range(text: str, size: int, unit: str, first: int) -> tuple[int, int]:
    """Return a range, both ends inclusive and counted from `first`, as a start and the end after it, counted from 0."""
    found = _RANGE.fullmatch(text)
    if found is None:
        raise FileError("range", f"{text!r} is no range of {unit}; they look like '{first}-99' and '100-'")
    start = int(found[1]) - first
    end = int(found[2]) - first + 1 if found[2] else size
    if start < 0 or end <= start or (start >= size and not start == size == 0):
        raise FileError("range", f"the {unit} {text} are not there: the file has {size}, counted from {first}")
    return start, min(end, size)


def _lines(content: Content, text: str) -> tuple[int, int]:
    """Return where a range of lines begins and ends, reading no further than needed."""
    first, last = _range(text, 10**18, "lines", 1)
    starts, count = (0 if first == 0 else None), 0
    for offset in range(0, content.size, CHUNK):
        chunk = content.read(offset, min(offset + CHUNK, content.size))
        newlines = chunk.count(b"\n")
        if count + newlines >= (first if starts is None else last):
            for found in re.finditer(b"\n", chunk):
                count += 1
                if count == first:
                    starts = offset + found.end()
                if count == last:
                    return starts or 0, offset + found.end()
        else:
            count += newlines
    if starts is None or (starts >= content.size > 0):
        raise FileError("range", f"the lines {text} are not there: the file ends before them")
    return starts, content.size


def mime_type(path: str) -> str:
    """Return the media type that a file's name says, `application/octet-stream` where it says none."""
    known = {"md": "text/markdown", "log": "text/plain", "csv": "text/csv", "jsonl": "application/json"}
    return known.get(path.rpartition(".")[2].lower()) or mimetypes.types_map.get(
        f".{path.rpartition('.')[2].lower()}", "application/octet-stream"
    )


def is_text(mime: str) -> bool:
    """Say whether a media type is one of text."""
    return mime.startswith("text/") or any(mime.endswith(sign) for sign in _TEXTUAL)


def uri_of(path: str, scheme: str = "file") -> str:
    """Return the URI of a path: `file:///notes/to%20do.md`."""
    return f"{scheme}:///{quote(path)}"


def parse_uri(uri: str, scheme: str = "file") -> tuple[str, dict[str, str]]:
    """Return path and range of a URI such as `file:///big.log?bytes=0-99` or `…?lines=1-20`.

    Raises:
        FileError: It is no URI of this tree.
    """
    parts = urlsplit(uri)
    if parts.scheme != scheme or parts.netloc not in ("", "localhost") or parts.fragment:
        raise FileError("uri", f"{uri!r} is no file of this server; they look like {uri_of('notes/todo.md', scheme)}")
    ranges: dict[str, str] = {}
    for pair in parts.query.split("&") if parts.query else []:
        name, _, value = pair.partition("=")
        if name not in ("bytes", "lines") or name in ranges:
            raise FileError("uri", f"{uri!r} has the query {pair!r}; ?bytes=0-99 and ?lines=1-20 are known, once each")
        ranges[name] = unquote(value)
    return clean_path(unquote(parts.path)), ranges
