"""A server made with FastMCP, and FastMCP's proxy before it: a gateway that nobody here wrote."""

from __future__ import annotations

import anyio
from fastmcp import Context, FastMCP
from fastmcp.server import create_proxy
from mcp_types import SamplingMessage, TextContent


def fast() -> FastMCP[None]:
    """A server with what FastMCP's context offers."""
    server = FastMCP[None]("fast", version="1.0.0")

    @server.tool
    async def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @server.tool
    async def slow(context: Context, steps: int) -> str:
        """Report progress and finish, or, without steps, never finish."""
        for step in range(1, steps + 1):
            await context.report_progress(step, steps, f"step {step}")
        if not steps:
            await context.report_progress(1)
            await anyio.sleep_forever()
        return "done"

    @server.tool
    async def tell(context: Context) -> str:
        """Send a log message."""
        await context.info("something happened")
        return "told"

    @server.tool
    async def ask(context: Context) -> str:
        """Ask the user for a word."""
        answer = await context.elicit("Which word?", response_type=str)
        return f"{answer.action}: {getattr(answer, 'data', None)}"

    @server.tool
    async def think(context: Context) -> str:
        """Ask the model."""
        question = SamplingMessage(role="user", content=TextContent(text="2 + 2?"))
        said = await context.session.create_message([question], max_tokens=10)  # pyright: ignore[reportDeprecated] - FastMCP 4 has no sampling of its own
        return said.content.text if isinstance(said.content, TextContent) else ""

    @server.tool
    async def where(context: Context) -> str:
        """Ask for the roots."""
        return ", ".join(str(root.uri) for root in (await context.session.list_roots()).roots)  # pyright: ignore[reportDeprecated] - FastMCP 4 has no question for roots of its own

    @server.tool
    async def fail() -> str:
        """Fail."""
        raise ValueError("not today")

    @server.resource("note://1")
    def note() -> str:
        """A note."""
        return "a note"

    @server.prompt
    def greeting(name: str) -> str:
        """A greeting."""
        return f"Greet {name}"

    return server


def proxy() -> FastMCP[None]:
    """Return a gateway with that server behind it, whose eras are those of its own caller."""
    return create_proxy(fast(), name="gateway")
