"""A server over HTTP that wants a bearer token: the header goes with every request, and into no transcript."""

# pyright: basic

import pytest
from mcp.server import MCPServer

from pytest_mcpsym import LinkError, link

TOKEN = "a-token-made-up-for-this-test"  # noqa: S105 - it opens nothing


def guarded_app():
    """An ASGI app that serves MCP on `/mcp` and refuses requests without the token."""
    server = MCPServer("vault", version="1.0.0", log_level="WARNING")

    @server.tool(structured_output=False)
    def secret_of_life() -> str:
        return "42"

    inner = server.streamable_http_app()

    async def guard(scope, receive, send):
        if scope["type"] == "http" and dict(scope["headers"]).get(b"authorization") != f"Bearer {TOKEN}".encode():
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await inner(scope, receive, send)

    return guard


def test_the_header_opens_the_server(switchboard):
    with switchboard(vault=link(guarded_app(), headers={"Authorization": f"Bearer {TOKEN}"})) as board:
        assert board.call("vault__secret_of_life").content[0].text == "42"

    first = board.log.on("vault")[0]
    assert first.envelope.header("authorization") == f"Bearer {TOKEN}"
    assert TOKEN not in board.transcript()


def test_without_it_the_link_says_what_to_do(switchboard):
    with pytest.raises(LinkError, match="give it credentials"), switchboard(vault=guarded_app()):
        pass
