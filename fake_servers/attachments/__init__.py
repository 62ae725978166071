"""The attachments server: works on files by link, which it fetches through its client, and beside it on files given as base64.

See README.md beside this file. Pinned by `tests/fakes/test_attachments.py`.
"""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import anyio.to_thread
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, Resource, ResourceLink, ResourceTemplate, TextContent, ToolAnnotations
from pydantic import AnyUrl, BaseModel, Field

from pytest_mcpsym.symmetric import Extension, peer

from ..data import MissingExtra  # noqa: TID252 - the package is also loaded under an alias
from ..files import Tree, contents  # noqa: TID252 - the package is also loaded under an alias
from ..files.tree import mime_type, uri_of  # noqa: TID252 - the package is also loaded under an alias
from ..server import FakeServer  # noqa: TID252 - the package is also loaded under an alias

if TYPE_CHECKING:
    from ..code_mode.sandbox import Limits  # noqa: TID252 - the package is also loaded under an alias
    from .fetch import Fetched

__all__ = ["MOST", "RESULTS", "SCHEME", "attachments"]

MOST: Final = 64 * 1024 * 1024
"""Bytes of the largest file."""

RESULTS: Final = 16
"""How many converted files are kept; the oldest goes first."""

SCHEME: Final = "attachments"

_READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
_MAKES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)

Uri = Annotated[str, Field(description="The file, as the client lists it: files+file:///data/cities.csv")]
Data = Annotated[str, Field(description="The file in base64")]
Name = Annotated[str, Field(description="The file's name, which says what it is: cities.csv")]
Program = Annotated[str, Field(description="Python; the file is /files/NAME, the last value is the answer")]
To = Annotated[str, Field(description="csv or json", pattern="^(csv|json)$")]


class Counted(BaseModel):
    """What a text has."""

    bytes: int
    lines: int
    words: int
    sha256: str


class Analysed(BaseModel):
    """What a program found."""

    value: Any


class Converted(BaseModel):
    """A table in another format; `data` holds it in base64 where the file came as base64."""

    uri: str | None = None
    data: str | None = None
    bytes: int
    rows: int


def attachments(*, most: int = MOST, folder: Path | None = None, max_seconds: float = 5.0) -> MCPServer:
    """Return an attachments server.

    Args:
        most: Bytes that a file may have.
        folder: Where files are kept while they are worked on; default the system's directory for temporary files.
        max_seconds: How long a program of `analyse` may run.

    Raises:
        MissingExtra: The extra `fakes` is not installed.
    """
    try:
        from ..code_mode.sandbox import Limits  # noqa: TID252 - the package is also loaded under an alias
    except ModuleNotFoundError:
        raise MissingExtra("the fake 'attachments' needs Monty: pip install 'pytest-mcpsym[fakes]'") from None
    sym = Extension()
    server = _Attachments(sym, most, folder, Limits(seconds=max_seconds, calls=0))
    _add_linked(server)
    _add_inline(server)
    return server


class _Attachments(FakeServer):
    """The server; what it converted are its resources."""

    def __init__(self, sym: Extension, most: int, folder: Path | None, limits: Limits) -> None:
        super().__init__(
            "attachments",
            version="1.0.0",
            log_level="WARNING",
            instructions="Works on files that the client can read. Name a file by its URI; what is given as base64 fills the context.",
            extensions=[sym],
            lifespan=sym.lifespan(),
        )
        self.most = most
        self.folder = folder
        self.limits = limits
        self._results = Tree()
        self._made = 0

    async def list_resources(self) -> list[Resource]:
        """List what was converted and is still kept."""
        return [
            Resource(uri=uri_of(path, SCHEME), name=path, mime_type=mime_type(path), size=self._results.get(path).size)
            for path in self._results.below()
        ]

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """List the one template."""
        described = "A converted file, or part of it: ?bytes=0-99 or ?lines=1-20, both ends inclusive"
        return [ResourceTemplate(uri_template=f"{SCHEME}:///{{+path}}{{?bytes,lines}}", name="result", description=described)]

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Any, Any] | None = None
    ) -> Iterable[ReadResourceContents]:
        """Read what was converted, or a part of it."""
        return contents(self._results, str(uri), SCHEME)

    def keep(self, name: str, data: bytes) -> str:
        """Keep a result and return its path."""
        self._made += 1
        path = f"{self._made}/{name}"
        self._results.write(path, data)
        if len(self._results.files) > RESULTS:
            del self._results.files[next(iter(self._results.files))]
        return path


def _add_linked(server: _Attachments) -> None:
    from .fetch import fetched
    from .jobs import JobError, convert, count, run

    def fetching(context: Context, uri: str) -> Any:
        progress = context.report_progress
        return fetched(peer(context), uri, most=server.most, progress=progress, folder=server.folder)

    @server.tool(annotations=_READS)
    async def word_count(context: Context, uri: Uri) -> Annotated[CallToolResult, Counted]:
        """Count the lines and words of a text."""
        try:
            async with fetching(context, uri) as file:
                found = await anyio.to_thread.run_sync(count, file.path, file.mime)
        except JobError as error:
            raise ToolError(str(error)) from None
        return _linked(file, uri, found)

    @server.tool(annotations=_READS)
    async def analyse(context: Context, uri: Uri, program: Program) -> Annotated[CallToolResult, Analysed]:
        """Run a Python program over a file."""
        try:
            async with fetching(context, uri) as file:
                value = await run(file.path, program, server.limits)
        except JobError as error:
            raise ToolError(str(error)) from None
        return _linked(file, uri, {"value": value})

    @server.tool(name="convert", annotations=_MAKES)
    async def convert_linked(context: Context, uri: Uri, to: To) -> Annotated[CallToolResult, Converted]:
        """Turn a table from CSV into JSON or back; the result is a resource of this server."""
        wanted = "csv" if to == "csv" else "json"
        try:
            async with fetching(context, uri) as file:
                data, rows = await anyio.to_thread.run_sync(convert, file.path, file.mime, wanted)
        except JobError as error:
            raise ToolError(str(error)) from None
        path = server.keep(f"{file.path.stem}.{to}", data)
        made = uri_of(path, SCHEME)
        link = ResourceLink(uri=made, name=path, mime_type=mime_type(path), size=len(data))
        found: dict[str, object] = {"uri": made, "data": None, "bytes": len(data), "rows": rows}
        return _result(found, link)


def _add_inline(server: _Attachments) -> None:
    from .fetch import held
    from .jobs import JobError, convert, count, run

    def holding(data: str, name: str) -> Any:
        return held(data, name, most=server.most, folder=server.folder)

    @server.tool(annotations=_READS)
    async def word_count_inline(data: Data, name: Name = "data.txt") -> Counted:
        """Count the lines and words of a text that is given as base64."""
        try:
            async with holding(data, name) as file:
                return Counted.model_validate(await anyio.to_thread.run_sync(count, file.path, file.mime))
        except JobError as error:
            raise ToolError(str(error)) from None

    @server.tool(annotations=_READS)
    async def analyse_inline(data: Data, program: Program, name: Name = "data.txt") -> Analysed:
        """Run a Python program over a file that is given as base64."""
        try:
            async with holding(data, name) as file:
                return Analysed(value=await run(file.path, program, server.limits))
        except JobError as error:
            raise ToolError(str(error)) from None

    @server.tool(annotations=_READS)
    async def convert_inline(data: Data, to: To, name: Name) -> Converted:
        """Turn a table that is given as base64 from CSV into JSON or back, as base64."""
        wanted = "csv" if to == "csv" else "json"
        try:
            async with holding(data, name) as file:
                made, rows = await anyio.to_thread.run_sync(functools.partial(convert, file.path, file.mime, wanted))
        except JobError as error:
            raise ToolError(str(error)) from None
        return Converted(data=base64.b64encode(made).decode(), bytes=len(made), rows=rows)


def _linked(file: Fetched, uri: str, found: dict[str, object]) -> CallToolResult:
    """Return a summary with a link to the file; never its content."""
    link = ResourceLink(uri=uri, name=file.path.name, mime_type=file.mime, size=file.size)
    return _result(found, link)


def _result(found: dict[str, object], link: ResourceLink) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=json.dumps(found, ensure_ascii=False)), link], structured_content=found)
