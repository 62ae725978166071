"""What can be served, and what each wrong object is told."""

from __future__ import annotations

import pytest
from fastmcp import FastMCP
from mcp.client.stdio import StdioServerParameters
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer

from pytest_mcpsym.errors import TargetError
from pytest_mcpsym.serving.served import HttpOptions, ServedApp, ServedObject, served


@pytest.mark.parametrize("target", [MCPServer("a"), Server("a"), FastMCP("a")], ids=["MCPServer", "Server", "FastMCP"])
def test_a_server_object_has_a_low_level_server_and_an_app(target: object) -> None:
    found = served(target)
    assert isinstance(found, ServedObject)
    assert callable(found.app(HttpOptions(json_response=True, stateless=True)))
    assert found.inner.name == "a"


def test_an_asgi_app_is_itself() -> None:
    app = MCPServer("a").streamable_http_app()
    found = served(app)
    assert isinstance(found, ServedApp)
    assert found.app(HttpOptions()) is app


@pytest.mark.parametrize(
    "target", ["https://example.test/mcp", "npx server", StdioServerParameters(command="npx", args=["server"])]
)
def test_what_serves_itself_is_refused(target: object) -> None:
    with pytest.raises(TargetError, match="it serves itself, and nothing here can serve it"):
        served(target)
