"""End the traceback of an error of ours at the user's own line: where in the harness it was raised is no news to them.

Pinned by `tests/plugin/test_tracebacks.py`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, cast

__all__ = ["trim"]

_OURS: Final = str(Path(__file__).parent.parent) + os.sep
_PLUGIN: Final = str(Path(__file__).parent.parent / "plugin.py")


def trim(error: BaseException) -> bool:
    """Cut an error's traceback before the first frame of this package.

    Only errors of this package and the SDK's `MCPError` are cut: all that they can tell is in their message. Errors that the user was
    handling stay attached; those that the harness was handling do not.

    In a group, as pytest-trio raises them, each error is cut.

    Returns:
        Whether the error's own traceback was cut.
    """
    if isinstance(error, BaseExceptionGroup):
        for each in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            trim(each)
        return False
    if not _speaks_for_itself(error):
        return False
    kept = _kept(error.__traceback__)
    if len(kept) == len(list(_entries(error.__traceback__))):
        return False
    shorter: TracebackType | None = None
    for entry in reversed(kept):
        shorter = TracebackType(shorter, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    error.__traceback__ = shorter
    frames = {entry.tb_frame for entry in kept}
    for chained in (error.__cause__, error.__context__):
        if chained is None:
            continue
        if chained.__traceback__ is not None and chained.__traceback__.tb_frame in frames:
            trim(chained)
        elif chained is error.__cause__:
            error.__cause__ = None
            error.__suppress_context__ = True
        else:
            error.__suppress_context__ = True
    return True


def _speaks_for_itself(error: BaseException) -> bool:
    home = type(error).__module__
    if home == "pytest_mcpsym" or home.startswith("pytest_mcpsym."):
        return True
    mcp = sys.modules.get("mcp")
    return mcp is not None and isinstance(error, mcp.MCPError)


def _entries(traceback: TracebackType | None) -> list[TracebackType]:
    found: list[TracebackType] = []
    while traceback is not None:
        found.append(traceback)
        traceback = traceback.tb_next
    return found


def _kept(traceback: TracebackType | None) -> list[TracebackType]:
    """Return the entries before the first frame of ours; the plugin's hooks, which call tests, do not count."""
    kept: list[TracebackType] = []
    for entry in _entries(traceback):
        code = entry.tb_frame.f_code
        hook = code.co_filename == _PLUGIN and code.co_name.startswith("pytest_")
        if code.co_filename.startswith(_OURS) and not hook:
            break
        kept.append(entry)
    return kept
