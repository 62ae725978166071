"""Tell event loops apart, so that a board used from the wrong one is an error and never a hang.

Pinned by `tests/switchboard/test_lifetime.py`.
"""

from __future__ import annotations

import asyncio
import sys

import anyio.lowlevel

from pytest_mcpsym.errors import LoopError

__all__ = ["LoopToken", "agree", "current", "require", "running"]

LoopToken = tuple[str, object]
"""Name of the async library, and its loop or run: the object, since the identity of one that is gone may be given to another."""


def running() -> LoopToken | None:
    """Return the event loop that runs in this thread, `None` if there is none."""
    trio = sys.modules.get("trio")
    if trio is not None:
        try:
            return ("trio", trio.lowlevel.current_trio_token())
        except RuntimeError:
            pass
    try:
        return ("asyncio", asyncio.get_running_loop())
    except RuntimeError:
        return None


def current() -> LoopToken:
    """Return the event loop that runs in this thread, to be given to `require` later."""
    return running() or ("no", None)


def agree() -> None:
    """Refuse to open a board where two plugins disagree about the event loop: anyio's would take it for the other one.

    Raises:
        LoopError: It says which plugins do that.
    """
    try:
        anyio.lowlevel.current_token()
    except RuntimeError as error:
        here = running()
        raise LoopError(
            f"{'no event loop' if here is None else _name(here)} runs here, and anyio expects another ({error}): two plugins run this test "
            "or fixture; with pytest-asyncio's asyncio_mode = auto, anyio's trio tests cannot use async fixtures, so use strict mode"
        ) from None


def require(owner: LoopToken) -> None:
    """Refuse to go on anywhere but on the loop that opened the board.

    Raises:
        LoopError: It names both loops.
    """
    here = running()
    if here == owner:
        return
    place = "outside any event loop" if here is None else f"on {_name(here)}"
    raise LoopError(
        f"this board was opened on {_name(owner)} and is used {place}: open it in the test itself, or in a fixture of the same "
        "runner and loop scope"
    )


def _name(token: LoopToken) -> str:
    return f"the {token[0]} event loop {id(token[1]):#x}"
