"""Run one fake by itself: `python -m fake_servers.everything` on stdio, with `--http PORT` over Streamable HTTP.

The one place that knows how; each fake's `__main__.py` calls it. Pinned by `tests/fakes/test_serve.py`.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable
from inspect import signature
from typing import TYPE_CHECKING, Any

from .data import MissingExtra

if TYPE_CHECKING:
    from mcp.server.lowlevel.server import Server
    from mcp.server.mcpserver import MCPServer

__all__ = ["serve"]


def serve(make: Callable[..., MCPServer | Server[Any]]) -> None:
    """Serve until standard input ends (stdio) or the process is interrupted (HTTP).

    Args:
        make: Makes the server; its name is the command's. One that takes `quirks` gives the command the option `--quirks`.

    Raises:
        SystemExit: The command line is wrong, or the server needs an extra that is not installed.
    """
    parser = ArgumentParser(prog=f"python -m fake_servers.{make.__name__}", description="Serve a fake MCP server on stdio.")
    parser.add_argument("--http", metavar="PORT", type=int, help="serve on http://127.0.0.1:PORT/mcp; 0 takes a free port")
    can_have_quirks = "quirks" in signature(make).parameters
    if can_have_quirks:
        parser.add_argument("--quirks", action="store_true", help="do as the reference does where it breaks the specification")
    options = parser.parse_args()
    port: int | None = options.http
    try:
        server = make(quirks=options.quirks) if can_have_quirks else make()
    except MissingExtra as error:
        sys.exit(str(error))
    try:
        if port is None:
            _run_on_stdio(server)
        else:
            import uvicorn

            # The SDK's own way over HTTP says nothing at the level of these servers; people and tests want to read the address.
            uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=port, access_log=False)
    except KeyboardInterrupt:
        sys.exit(130)


def _run_on_stdio(server: MCPServer | Server[Any]) -> None:
    import anyio
    from mcp.server.lowlevel.server import Server
    from mcp.server.stdio import stdio_server

    if not isinstance(server, Server):
        server.run()
        return

    async def run() -> None:
        async with stdio_server() as (reads, writes):
            await server.run(reads, writes, server.create_initialization_options())

    anyio.run(run)
