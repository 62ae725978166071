"""The everything server: one of each thing that MCP has, after `@modelcontextprotocol/server-everything`.

See README.md beside this file. Pinned by `tests/fakes/test_everything.py`.
"""

from __future__ import annotations

import warnings
from typing import Annotated

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_types import LoggingLevel
from pydantic import Field

from ..data import seeded  # noqa: TID252 - the package is also loaded under an alias

__all__ = ["RESOURCES", "everything"]

RESOURCES = 10
"""How many `demo://resource/N` there are, from 1."""


def everything(*, seed: int = 0) -> MCPServer:
    """Return an everything server.

    Args:
        seed: Seed of the resources' text.

    Raises:
        MissingExtra: The extra `fakes` is not installed.
    """
    faker = seeded("everything", seed)
    texts = [faker.paragraph() for _ in range(RESOURCES)]
    server = MCPServer(
        "everything", version="1.0.0", log_level="WARNING", instructions="One of each thing that MCP has, for tests."
    )
    _add_tools(server)
    _add_resources(server, texts)
    _add_prompts(server)
    return server


def _add_tools(server: MCPServer) -> None:
    @server.tool(structured_output=False)
    async def echo(message: Annotated[str, Field(description="What to say back")]) -> str:
        """Say the message back."""
        return f"Echo: {message}"

    @server.tool(name="get-sum", structured_output=False)
    async def get_sum(
        a: Annotated[float, Field(description="First number")], b: Annotated[float, Field(description="Second number")]
    ) -> str:
        """Add two numbers and say the sum in a sentence."""
        return f"The sum of {_number(a)} and {_number(b)} is {_number(a + b)}."

    @server.tool()
    async def add(a: int, b: int) -> int:
        """Add two whole numbers; the sum is structured content."""
        return a + b

    @server.tool(name="trigger-long-running-operation", structured_output=False)
    async def long_running(
        context: Context,
        duration: Annotated[float, Field(description="Seconds that it takes", ge=0)] = 10,
        steps: Annotated[int, Field(description="Steps, each reported as progress", ge=1)] = 5,
    ) -> str:
        """Take some time, and report progress after each step."""
        for step in range(1, steps + 1):
            await anyio.sleep(duration / steps)
            await context.report_progress(step, steps)
        return f"Long running operation completed. Duration: {_number(duration)} seconds, Steps: {steps}."

    @server.tool(name="send-log", structured_output=False)
    async def send_log(context: Context, message: str, level: LoggingLevel = "info") -> str:
        """Send one log message to the client."""
        session = context.request_context.session
        with warnings.catch_warnings():
            # The SDK warns because 2026-07-28 deprecates logging; a test that turns warnings into errors has not asked for that.
            warnings.simplefilter("ignore", MCPDeprecationWarning)
            sending = session.send_log_message(level, message, related_request_id=context.request_context.request_id)  # pyright: ignore[reportDeprecated] - logging is what this tool is for
        await sending
        return f"Logged at {level}."


def _add_resources(server: MCPServer, texts: list[str]) -> None:
    def add(number: int, text: str) -> None:
        @server.resource(f"demo://resource/{number}", name=f"Resource {number}", mime_type="text/plain")
        def read() -> str:
            return f"Resource {number}: {text}"

    for number, text in enumerate(texts, 1):
        add(number, text)


def _add_prompts(server: MCPServer) -> None:
    @server.prompt(name="simple-prompt")
    def simple() -> str:
        """A prompt without arguments."""
        return "This is a simple prompt without arguments."

    @server.prompt(name="args-prompt")
    def weather(city: str, state: str = "") -> str:
        """A prompt with two arguments, of which one is optional."""
        return f"What's the weather in {city}{', ' + state if state else ''}?"


def _number(value: float) -> str:
    """A number without a fraction where there is none, as JavaScript would write it."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e21 else str(value)
