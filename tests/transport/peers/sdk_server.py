"""An SDK server for both eras, as `server` for those who import it and over stdio for those who run it."""

from mcp.server import MCPServer

server = MCPServer("adder")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Grüße, {name} \u2028 \U0001f600"


if __name__ == "__main__":
    server.run("stdio")
