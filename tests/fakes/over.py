"""A fake on each transport on which it can be reached."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final, Literal

from mcp.client.stdio import StdioServerParameters

from pytest_mcpsym import link

__all__ = ["TRANSPORTS", "over", "process"]

TRANSPORTS: Final[tuple[Literal["memory", "http", "stdio"], ...]] = ("memory", "http", "stdio")


def over(transport: Literal["memory", "http", "stdio"], fake: Callable[[], object]) -> object:
    """Return what a link to a fake is made from: the fake as it is, or its module as a command."""
    return process(fake.__name__) if transport == "stdio" else link(fake(), transport=transport)


def process(name: str) -> StdioServerParameters:
    """Return the command that runs a fake."""
    return StdioServerParameters(command=sys.executable, args=["-m", f"fake_servers.{name}"])
