"""What our fakes are made of: the SDK's `MCPServer`, whose transports answer what is no JSON-RPC message.

The SDK's own meet it with silence on a pipe, and with other codes over HTTP. Pinned by `tests/transport/test_exactness.py`.
"""

from __future__ import annotations

from typing import ClassVar

from mcp.server.mcpserver import MCPServer

__all__ = ["FakeServer"]


class FakeServer(MCPServer):
    """An `MCPServer` whose links are strict; see `pytest_mcpsym.wire.strict`."""

    strict_json: ClassVar = True
