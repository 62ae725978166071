"""A server on version 1 of the SDK, over stdio: run by the interpreter of the environment of `mcp-server-time`."""

import asyncio

from mcp.server.fastmcp import Context, FastMCP  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType] - not of version 2

server = FastMCP("one", log_level="WARNING")  # pyright: ignore[reportUnknownVariableType]  # version 1 is not installed where types are checked


@server.tool()  # pyright: ignore[reportUnknownMemberType, reportUntypedFunctionDecorator]
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()  # pyright: ignore[reportUnknownMemberType, reportUntypedFunctionDecorator]
async def slow(context: Context, steps: int) -> str:  # pyright: ignore[reportUnknownParameterType]  # version 1 is not installed where types are checked
    """Report progress, and without steps never end."""
    for step in range(1, steps + 1):
        await context.report_progress(step, steps)  # pyright: ignore[reportUnknownMemberType]  # version 1 is not installed where types are checked
    if not steps:
        await asyncio.Event().wait()
    return "done"


@server.tool()  # pyright: ignore[reportUnknownMemberType, reportUntypedFunctionDecorator]
async def fail() -> str:
    """Fail."""
    raise ValueError("as it was asked to")


@server.resource("note://1")  # pyright: ignore[reportUnknownMemberType, reportUntypedFunctionDecorator]
def note() -> str:
    """Return a note."""
    return "a note"


if __name__ == "__main__":
    server.run()  # pyright: ignore[reportUnknownMemberType]  # version 1 is not installed where types are checked
