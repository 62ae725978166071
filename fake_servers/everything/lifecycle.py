"""What the server says of its own accord once a handshake is done, and when the client's roots change.

Pinned, against the reference itself, by `tests/peers/test_parity_everything.py`.
"""

from __future__ import annotations

import anyio
from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult
from mcp_types import NotificationParams

from .asking import fetch_roots_unasked
from .plain import Failed
from .session import Context, is_modern, session_of
from .tools import depending

__all__ = ["after_the_handshake", "begin", "roots_changed"]

GRACE = 1.0
"""Seconds that a client may take from its first request to the end of the handshake."""


async def begin(context: Context, _params: NotificationParams, *, delay: float) -> None:
    """Say for each tool that depends on the client that it has come, and ask for the roots after the delay."""
    try:
        for _ in depending(context.session.client_capabilities):
            await context.session.send_tool_list_changed()
    finally:
        session_of(context).begun.set()

    async def ask() -> None:
        await anyio.sleep(delay)
        await roots_changed(context, None)

    context.lifespan_context.tasks.start_soon(ask)


async def after_the_handshake(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Answer requests after what is said once the handshake is done, as the reference does: the SDK would serve them side by side."""
    if ctx.request_id is not None and ctx.method not in ("initialize", "ping") and not is_modern(ctx):
        with anyio.move_on_after(GRACE):
            await session_of(ctx).begun.wait()
    return await call_next(ctx)


async def roots_changed(context: Context, _params: NotificationParams | None) -> None:
    """Ask for the roots of a client that has some; one that does not answer well keeps those that are known."""
    can = context.session.client_capabilities
    if can is None or can.roots is None:
        return
    try:
        await fetch_roots_unasked(context)
    except (MCPError, Failed):
        return
