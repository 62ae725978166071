"""A small server of one's own, started as a command: `python greeting_server.py`, with `--banner` it prints a line first."""

import sys

from mcp.server import MCPServer

server = MCPServer("greeting", version="1.0.0", log_level="WARNING")


@server.tool(structured_output=False)
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}!"


if __name__ == "__main__":
    if "--banner" in sys.argv:
        print("greeting server is ready", flush=True)  # noqa: T201 - a bug that the examples show: stdout is for messages
    server.run()
