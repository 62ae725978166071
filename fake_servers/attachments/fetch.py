"""A resource of the client, fetched in ranges into a directory of its own that is gone afterwards, whatever happens.

A server that understands `?bytes=0-99` is read piece by piece and says in each content's `_meta` which part of how much it is (as the
fake `files` does); any other is read at once. Nothing of a file is held but one piece. Pinned by `tests/fakes/test_attachments.py`.
"""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast
from urllib.parse import unquote, urlsplit

import anyio
import anyio.to_thread
from mcp import MCPError
from mcp_types import BlobResourceContents, TextResourceContents

from pytest_mcpsym.symmetric import NotSymmetric, Peer

from ..files import RANGE_KEY, mime_type  # noqa: TID252 - the package is also loaded under an alias
from .jobs import JobError

__all__ = ["PIECE", "Fetched", "Progress", "fetched", "held", "name_of"]

PIECE: Final = 256 * 1024
"""Bytes of one range."""

_ROUTED: Final = re.compile(r"[a-z][a-z0-9_]*\+[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_FINAL: Final = frozenset(
    {"not-granted", "unknown-peer", "ambiguous", "limit", "over", "missing", "path", "too-large", "range"}
)
"""Reasons for which a server or switchboard refuses a range and would refuse the whole as well."""


class Progress(Protocol):
    """Is told how far a file has come."""

    async def __call__(self, done: float, total: float | None = None, /) -> None:
        """Take note of the bytes that have come, and of how many there are."""
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file in a directory of its own.

    Attributes:
        path: Where it is, under its own name.
        mime: Its media type, as its server says.
        size: Its bytes.
        pieces: How many reads it took.
    """

    path: Path
    mime: str
    size: int
    pieces: int


@asynccontextmanager
async def fetched(client: Peer, uri: str, *, most: int, progress: Progress, folder: Path | None) -> AsyncGenerator[Fetched]:
    """Fetch a resource for as long as the block lasts.

    Args:
        client: Whose resource it is.
        uri: As the client lists it, or its server's own URI.
        most: Bytes that it may have.
        progress: Told after each piece.
        folder: Where the directory is made; default the system's for temporary files.

    Raises:
        JobError: It cannot be had, is too large, or its URI names no file.
        NotSymmetric: The client offers no resources.
    """
    name = name_of(uri)
    routed = await _routed(client, uri)
    async with _directory(folder) as directory:
        yield await _fetch(client, routed, directory / name, most, progress)


@asynccontextmanager
async def held(data: str, name: str, *, most: int, folder: Path | None) -> AsyncGenerator[Fetched]:
    """Put base64 into a directory for as long as the block lasts.

    Raises:
        JobError: It is no base64, or too large.
    """
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError:
        raise JobError("`data` is no base64") from None
    if len(content) > most:
        raise JobError(f"{name} has {len(content)} bytes; the most is {most}")
    path = name_of(name)
    async with _directory(folder) as directory:
        await anyio.Path(directory / path).write_bytes(content)
        yield Fetched(directory / path, mime_type(path), len(content), 0)


def name_of(uri: str) -> str:
    """Return the name under which a resource is kept.

    Raises:
        JobError: It has none, or leads out of its directory.
    """
    path = unquote(urlsplit(uri).path)
    parts = path.split("/")
    if ".." in parts or "\\" in path or "\0" in path:
        raise JobError(f"{uri!r} leads out of its directory")
    name = parts[-1] or urlsplit(uri).netloc
    if not name or name == "." or len(name.encode()) > 200:
        raise JobError(f"{uri!r} names no file")
    return name


@asynccontextmanager
async def _directory(folder: Path | None) -> AsyncGenerator[Path]:
    made = tempfile.TemporaryDirectory(prefix="mcpsym-attachment-", dir=folder)
    try:
        yield Path(made.name)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(made.cleanup)


async def _routed(client: Peer, uri: str) -> str:
    """Return the name by which the client knows a resource; a server's own URI is looked up, as it cannot be read in ranges."""
    if _ROUTED.match(uri):
        return uri
    known = [each.uri for each in await client.list_resources() if each.uri == uri or each.uri.endswith(f"+{uri}")]
    if len(known) > 1:
        raise JobError(f"{uri!r} may be any of {', '.join(known)}")
    return known[0] if known else uri


async def _fetch(client: Peer, uri: str, path: Path, most: int, progress: Progress) -> Fetched:
    done = pieces = 0
    size: int | None = None
    mime = "application/octet-stream"
    async with await anyio.open_file(path, "wb") as file:
        while size is None or done < size:
            content = await _read(client, uri, done, first=size is None)
            data = _data(content)
            mime = content.mime_type or mime
            where = cast("Mapping[str, object]", (content.meta or {}).get(RANGE_KEY) or {})
            start, total = where.get("start", 0), where.get("size", len(data))
            if start != done or not isinstance(total, int) or (not data and done < total):
                raise JobError(f"{uri} was answered with another part than was asked for")
            if total > most:
                raise JobError(f"{path.name} has {total} bytes; the most is {most}")
            await file.write(data)
            size, done, pieces = total, done + len(data), pieces + 1
            await progress(done, size)
    return Fetched(path, mime, done, pieces)


async def _read(client: Peer, uri: str, start: int, *, first: bool) -> TextResourceContents | BlobResourceContents:
    """Read a piece; whoever refuses the first one, and does not say that there is no such file, is read at once."""
    separator = "&" if urlsplit(uri).query else "?"
    try:
        found = await client.read_resource(f"{uri}{separator}bytes={start}-{start + PIECE - 1}")
    except NotSymmetric:
        raise
    except MCPError as error:
        if not first or _reason(error) in _FINAL:
            raise JobError(f"{uri} cannot be read: {error.message}") from None
        try:
            found = await client.read_resource(uri)
        except MCPError as whole:
            raise JobError(f"{uri} cannot be read: {whole.message}") from None
    if len(found.contents) != 1:
        raise JobError(f"{uri} has {len(found.contents)} contents, and a file has one")
    return found.contents[0]


def _reason(error: MCPError) -> object:
    data: object = error.error.data
    return cast("Mapping[str, object]", data).get("reason") if isinstance(data, dict) else None


def _data(content: TextResourceContents | BlobResourceContents) -> bytes:
    if isinstance(content, TextResourceContents):
        return content.text.encode()
    try:
        return base64.b64decode(content.blob, validate=True)
    except ValueError:
        raise JobError(f"{content.uri} was answered with something that is no base64") from None
