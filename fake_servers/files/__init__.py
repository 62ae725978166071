"""The files server: a tree in memory, as tools and as resources, read in ranges, with updates to those who subscribed.

See README.md beside this file. Pinned by `tests/fakes/test_files.py`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, TypeVar

from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.session import ServerSession
from mcp_types import (
    INVALID_PARAMS,
    EmptyResult,
    Resource,
    ResourceTemplate,
    SubscribeRequestParams,
    ToolAnnotations,
    UnsubscribeRequestParams,
)
from pydantic import AnyUrl, BaseModel, Field

from pytest_mcpsym.symmetric.sdk import low_level

from ..data import seeded  # noqa: TID252 - the package is also loaded under an alias
from ..server import FakeServer  # noqa: TID252 - the package is also loaded under an alias
from .tree import CHUNK, Content, FileError, Generated, Held, Tree, is_text, mime_type, parse_uri, uri_of

__all__ = ["MOST", "RANGE_KEY", "TEMPLATE", "Content", "FileError", "Generated", "Held", "Tree", "contents", "files"]

MOST: Final = 4 * 1024 * 1024
"""Bytes that one read answers with at most."""

TEMPLATE: Final = "file:///{+path}{?bytes,lines}"

RANGE_KEY: Final = "dev.mcpsym/range"
"""Member of a content's `_meta` that says which part of the file it is: `{"start", "end", "size"}`, in bytes, from 0."""

_READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
_WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)

_DOT = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==")

_T = TypeVar("_T")

Path = Annotated[str, Field(description="Relative, with slashes: notes/todo.md")]
Bytes = Annotated[str | None, Field(description="Part of the file: 0-99, or 100- for the rest")]
Lines = Annotated[str | None, Field(description="Part of the file by lines: 1-20, or 20- for the rest")]


class FileInfo(BaseModel):
    """A file without its content."""

    path: str
    uri: str
    size: int
    mime_type: str = Field(serialization_alias="mimeType")


class Listing(BaseModel):
    """Files, in order of their paths."""

    files: list[FileInfo]


class Part(BaseModel):
    """A file or a part of it; what is no UTF-8 text is in base64."""

    path: str
    text: str | None = None
    base64: str | None = None
    start: int
    end: int
    size: int


class Written(BaseModel):
    """What was written."""

    path: str
    uri: str
    size: int
    created: bool


class Match(BaseModel):
    """A line that holds what was looked for."""

    path: str
    line: int
    text: str


class Matches(BaseModel):
    """Where it was found; `more` where the limit cut the list."""

    matches: list[Match]
    more: bool


def files(tree: Mapping[str, str | bytes | Content] | None = None, *, seed: int = 0) -> MCPServer:
    """Return a files server.

    Args:
        tree: Texts, bytes, or contents such as `Generated(100_000_000)` by path; default a small seeded tree with one big file.
        seed: Seed of the default tree.

    Raises:
        MissingExtra: The default tree is wanted and the extra `fakes` is not installed.
        FileError: A path of `tree` is none.
    """
    server = _Files(Tree.of(_default(seed) if tree is None else tree))
    _add_tools(server)
    return server


def _default(seed: int) -> dict[str, str | bytes | Content]:
    faker = seeded("files", seed)
    cities = "".join(f"{faker.city()},{faker.country_code()},{faker.random_int(1_000, 9_000_000)}\n" for _ in range(20))
    return {
        "notes/todo.md": "# To do\n\n" + "".join(f"* {faker.sentence()}\n" for _ in range(5)),
        "notes/minutes.txt": "\n\n".join(faker.paragraphs(3)) + "\n",
        "data/cities.csv": f"city,country,people\n{cities}",
        "images/dot.png": _DOT,
        "logs/server.log": Generated(1_000_000, seed),
        "logs/archive.log": Generated(100_000_000, seed),
    }


@dataclass(slots=True)
class _Watcher:
    """A client of the handshake era that subscribed. Its handshake's parameters are what identifies its connection."""

    session: ServerSession
    uris: set[str] = field(default_factory=set[str])


class _Files(FakeServer):
    """The server: resources are made from the tree whenever they are asked for."""

    def __init__(self, tree: Tree) -> None:
        super().__init__(
            "files", version="1.0.0", log_level="WARNING", instructions="A tree of files; big ones are read in ranges."
        )
        self.tree = tree
        self._watchers: list[_Watcher] = []
        # The SDK's high-level server has no subscriptions of the handshake era.
        inner = low_level(self)
        inner.add_request_handler("resources/subscribe", SubscribeRequestParams, self._subscribe)
        inner.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe)

    async def list_resources(self) -> list[Resource]:
        """List all files."""
        return [
            Resource(uri=info.uri, name=info.path, mime_type=info.mime_type, size=info.size)
            for info in (self.info(path) for path in self.tree.below())
        ]

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """List the one template."""
        described = "A file, or part of it: ?bytes=0-99 or ?lines=1-20, both ends inclusive"
        return [ResourceTemplate(uri_template=TEMPLATE, name="file", description=described)]

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Any, Any] | None = None
    ) -> Iterable[ReadResourceContents]:
        """Read a file or a part of it; the content's `_meta` says which part of how much.

        Raises:
            MCPError: -32602: there is no such file or part, or it is too large at once; `data.reason` says which.
        """
        return contents(self.tree, str(uri))

    def info(self, path: str) -> FileInfo:
        """Return what is known of a file without reading it."""
        return FileInfo(path=path, uri=uri_of(path), size=self.tree.get(path).size, mime_type=mime_type(path))

    async def announce(self, context: Context[Any, Any], uri: str, *, created: bool) -> None:
        """Tell those who subscribed that a file changed, in both eras; those of the modern era also that there is a new one."""
        await context.notify_resource_updated(uri)
        if created:
            await context.notify_resources_changed()
        for watcher in self._watchers:
            if uri in watcher.uris:
                await watcher.session.send_resource_updated(uri)

    async def _subscribe(self, context: ServerRequestContext[Any, Any], params: SubscribeRequestParams) -> EmptyResult:
        watcher = self._watcher(context.session)
        if watcher is None:
            watcher = _Watcher(context.session)
            self._watchers.append(watcher)
        watcher.uris.add(str(params.uri))
        return EmptyResult()

    async def _unsubscribe(self, context: ServerRequestContext[Any, Any], params: UnsubscribeRequestParams) -> EmptyResult:
        watcher = self._watcher(context.session)
        if watcher is not None:
            watcher.uris.discard(str(params.uri))
        return EmptyResult()

    def _watcher(self, session: ServerSession) -> _Watcher | None:
        mine = session.client_params
        return next((watcher for watcher in self._watchers if watcher.session.client_params is mine), None)


def contents(tree: Tree, uri: str, scheme: str = "file") -> list[ReadResourceContents]:
    """Return what a URI with or without a range names in a tree.

    Raises:
        MCPError: -32602: there is no such file or part, or it is too large at once; `data.reason` says which.
    """
    try:
        path, ranges = parse_uri(uri, scheme)
        piece = tree.piece(path, of_bytes=ranges.get("bytes"), of_lines=ranges.get("lines"), most=MOST)
    except FileError as error:
        raise MCPError(INVALID_PARAMS, str(error), {"uri": uri, "reason": error.reason}) from None
    mime = mime_type(path)
    text = _decoded(piece.data) if is_text(mime) else None
    where = {"start": piece.start, "end": piece.end, "size": piece.size}
    return [ReadResourceContents(piece.data if text is None else text, mime, meta={RANGE_KEY: where})]


def _decoded(data: bytes) -> str | None:
    """The text of some bytes; `None` where they are none, as when a range cuts a character in two."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _add_tools(server: _Files) -> None:
    @server.tool(name="list", annotations=_READS)
    async def list_files(folder: Annotated[str, Field(description="All files below it; default everywhere")] = "") -> Listing:
        """List files with their sizes."""
        return Listing(files=[server.info(path) for path in _or_refused(lambda: server.tree.below(folder))])

    @server.tool(annotations=_READS)
    async def read(path: Path, bytes: Bytes = None, lines: Lines = None) -> Part:  # noqa: A002 - the name of the argument on the wire
        """Read a file, or a part of it."""
        piece = _or_refused(lambda: server.tree.piece(path, of_bytes=bytes, of_lines=lines, most=MOST))
        text = _decoded(piece.data)
        encoded = base64.b64encode(piece.data).decode() if text is None else None
        return Part(path=path, text=text, base64=encoded, start=piece.start, end=piece.end, size=piece.size)

    @server.tool(annotations=_WRITES)
    async def write(
        context: Context,
        path: Path,
        text: str | None = None,
        base64: Annotated[str | None, Field(description="Instead of text: bytes in base64")] = None,
    ) -> Written:
        """Write a whole file, new or not."""
        if (text is None) == (base64 is None):
            raise ToolError("give the content as text or as base64, one of the two")
        data = text.encode() if text is not None else _unpacked(base64 or "")
        created = _or_refused(lambda: server.tree.write(path, data))
        info = server.info(parse_uri(uri_of(path))[0])
        await server.announce(context, info.uri, created=created)
        return Written(path=info.path, uri=info.uri, size=info.size, created=created)

    @server.tool(annotations=_READS)
    async def search(
        text: Annotated[str, Field(description="What to look for, as it is", min_length=1)],
        folder: Annotated[str, Field(description="Where; default everywhere")] = "",
        limit: Annotated[int, Field(ge=1, le=1000)] = 20,
    ) -> Matches:
        """Find the lines of text files that hold a text."""
        paths = [path for path in _or_refused(lambda: server.tree.below(folder)) if is_text(mime_type(path))]
        found: list[Match] = []
        for path in paths:
            for match in _search(server.tree.get(path), path, text):
                if len(found) == limit:
                    return Matches(matches=found, more=True)
                found.append(match)
        return Matches(matches=found, more=False)


def _search(content: Content, path: str, text: str) -> Iterator[Match]:
    """Find lines without holding more of a file than a chunk and a line."""
    needle, number, rest = text.encode(), 0, b""
    for offset in range(0, content.size, CHUNK):
        whole = rest + content.read(offset, min(offset + CHUNK, content.size))
        complete, newline, rest = whole.rpartition(b"\n")
        lines = complete.split(b"\n") if newline else []
        if offset + CHUNK >= content.size and rest:
            lines.append(rest)
        if needle in whole:
            for index, line in enumerate(lines, number + 1):
                if needle in line:
                    yield Match(path=path, line=index, text=line.decode(errors="replace"))
        number += len(lines)


def _or_refused(read: Callable[[], _T]) -> _T:
    """Do something with the tree; what it refuses is an error result."""
    try:
        return read()
    except FileError as error:
        raise ToolError(str(error)) from None


def _unpacked(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ToolError("the base64 cannot be read") from None
