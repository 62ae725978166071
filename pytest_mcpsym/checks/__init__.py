"""Checks: pure functions from a wire log to findings, and the list of those that run by default.

`run(log)` judges a log. Pinned by `tests/checks/`.
"""

from __future__ import annotations

from typing import Final

from pytest_mcpsym.checks.budget import BUDGET, Budget, limited
from pytest_mcpsym.checks.cancellation import CANCELLATION
from pytest_mcpsym.checks.crossing import CROSSING
from pytest_mcpsym.checks.extension import EXTENSION
from pytest_mcpsym.checks.finding import Check, Finding, Registry, Severity, View, check, judge, matches, wrong_pattern
from pytest_mcpsym.checks.isolation import ISOLATION
from pytest_mcpsym.checks.jsonrpc import JSONRPC
from pytest_mcpsym.checks.lifecycle import LIFECYCLE
from pytest_mcpsym.checks.listing import LISTING
from pytest_mcpsym.checks.origin import ORIGIN
from pytest_mcpsym.checks.payload import PAYLOAD
from pytest_mcpsym.checks.progress import PROGRESS
from pytest_mcpsym.checks.routing import ROUTING
from pytest_mcpsym.checks.selection import gathered, select, wrong_selection
from pytest_mcpsym.checks.session import SESSION
from pytest_mcpsym.checks.trace import TRACE
from pytest_mcpsym.wire.log import WireLog

__all__ = [
    "DEFAULT",
    "Budget",
    "Check",
    "Finding",
    "Registry",
    "Severity",
    "View",
    "check",
    "gathered",
    "limited",
    "matches",
    "run",
    "select",
    "wrong_pattern",
    "wrong_selection",
]

DEFAULT: Final = Registry(
    each
    for family in (
        JSONRPC,
        PROGRESS,
        CANCELLATION,
        LIFECYCLE,
        SESSION,
        EXTENSION,
        ORIGIN,
        LISTING,
        PAYLOAD,
        TRACE,
        ROUTING,
        CROSSING,
        ISOLATION,
        BUDGET,
    )
    for each in family.values()
)
"""The checks that come with this package, all of which run unless a project selects."""


def run(log: WireLog, checks: Registry = DEFAULT, *, closed: bool = True) -> tuple[Finding, ...]:
    """Return what checks find in a log, in order of the findings' last frames.

    Args:
        log: The log.
        checks: What to look for.
        closed: Whether the log grows no more; if it may, checks that need its end are left out.
    """
    return judge(log, checks, closed=closed)
