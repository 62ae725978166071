"""Hooks that a project's `conftest.py`, or a plugin, may implement. Pinned by `tests/plugin/test_own_checks.py`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mcpsym.checks import Check

__all__ = ["pytest_mcp_checks"]


def pytest_mcp_checks() -> Iterable[Check]:
    """Return checks that run beside those of pytest-mcpsym, each made with `@check(...)` of `pytest_mcpsym.checks`.

    In a `conftest.py` it is for the tests of that folder and those below.
    """
    raise NotImplementedError  # pluggy reads the signature and calls none of it
