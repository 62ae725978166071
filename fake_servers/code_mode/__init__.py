"""The code-mode server: runs Python programs that call the tools which the client offers.

See README.md beside this file. Pinned by `tests/fakes/test_code_mode.py` and `tests/fakes/test_code_mode_sealed.py`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolResult
from pydantic import Field

from pytest_mcpsym.symmetric import Extension, SealedTools, Sealer, UsedNonces, peer

from ..data import MissingExtra  # noqa: TID252 - the package is also loaded under an alias
from ..server import FakeServer  # noqa: TID252 - the package is also loaded under an alias
from .program import ProgramError, functions
from .stubs import stubs

__all__ = ["ProgramError", "code_mode", "from_environment", "functions"]

_KEY_BYTES = 32


def code_mode(
    *,
    seed: int = 0,
    now: datetime | None = None,
    max_seconds: float = 5.0,
    max_memory: int = 64_000_000,
    max_calls: int = 100,
    key: bytes | None = None,
    time_to_live: float = 300.0,
) -> MCPServer:
    """Return a code-mode server with two tools: `run` a program, and `stubs`, which says what functions it may call.

    Args:
        seed: Seed of the programs' `random`; each program starts with it anew.
        now: The programs' clock, which stands still; the first moment of 2026 in UTC unless given.
        max_seconds: How long a program may run; waiting for a tool is not counted.
        max_memory: Bytes that a program may use.
        max_calls: Calls that a program may make.
        key: Secret of at least 32 random bytes under which paused programs travel in the modern era. Processes with the same key
            can go on with each other's programs; by default only this server can.
        time_to_live: Seconds for which a paused program can be continued.

    Raises:
        MissingExtra: The extra `fakes` is not installed.
        ValueError: The key is too short, or a limit is none.
    """
    try:
        from .runs import Runs, granted
        from .sandbox import NOW, Limits
    except ModuleNotFoundError as error:
        if error.name != "pydantic_monty":
            raise
        raise MissingExtra("the fake 'code_mode' needs Monty: pip install 'pytest-mcpsym[fakes]'") from None
    runs = Runs(Limits(max_seconds, max_memory, max_calls), seed, now or NOW)
    sealed = SealedTools(
        Sealer(secrets.token_bytes(32) if key is None else key, time_to_live=time_to_live, store=UsedNonces(time_to_live))
    )
    sealed.tool("run")(runs.step)
    sym = Extension(sealed=sealed)
    server = FakeServer(
        "code-mode",
        version="1.0.0",
        log_level="WARNING",
        instructions="Runs Python programs over the client's tools.",
        extensions=[sym],
        lifespan=sym.lifespan(),
    )

    @server.tool(structured_output=False)
    async def run(
        context: Context, program: Annotated[str, Field(description="Python, for example `everything__echo(message='hi')`")]
    ) -> CallToolResult:
        """Run a program in which each granted tool is a function with keyword arguments; answers with its last value."""
        return await runs.run(peer(context), program)

    @server.tool(name="stubs", structured_output=False)
    async def declared(context: Context) -> str:
        """Return the declarations of the functions that a program may call, as Python."""
        return stubs(granted(await peer(context).list_tools()))

    return server


def from_environment(environment: Mapping[str, str], _told: Mapping[str, str]) -> dict[str, object]:
    """Return the arguments with which the server is a process: its key, if several processes share one.

    Raises:
        ValueError: CODE_MODE_KEY is no key.
    """
    given = environment.get("CODE_MODE_KEY")
    if not given:
        return {}
    try:
        key = bytes.fromhex(given)
    except ValueError:
        key = b""
    if len(key) < _KEY_BYTES:
        make = "python -c 'import secrets; print(secrets.token_hex(32))'"
        raise ValueError(f"CODE_MODE_KEY must be at least {2 * _KEY_BYTES} hexadecimal digits: {make}")
    return {"key": key}
