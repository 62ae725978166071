"""Run one fake by itself: `python -m fake_servers.everything` on stdio, with `--http PORT` over Streamable HTTP.

The one place that knows how; each fake's `__main__.py` calls it. Pinned by `tests/fakes/test_serve.py`.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable
from typing import TYPE_CHECKING

from .data import MissingExtra

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

__all__ = ["serve"]


def serve(make: Callable[[], MCPServer]) -> None:
    """Serve until standard input ends (stdio) or the process is interrupted (HTTP).

    Args:
        make: Makes the server; its name is the command's.

    Raises:
        SystemExit: The command line is wrong, or the server needs an extra that is not installed.
    """
    parser = ArgumentParser(prog=f"python -m fake_servers.{make.__name__}", description="Serve a fake MCP server on stdio.")
    parser.add_argument("--http", metavar="PORT", type=int, help="serve on http://127.0.0.1:PORT/mcp; 0 takes a free port")
    port: int | None = parser.parse_args().http
    try:
        server = make()
    except MissingExtra as error:
        sys.exit(str(error))
    try:
        if port is None:
            server.run()
        else:
            import uvicorn

            # The SDK's own way over HTTP says nothing at the level of these servers; people and tests want to read the address.
            uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=port, access_log=False)
    except KeyboardInterrupt:
        sys.exit(130)
