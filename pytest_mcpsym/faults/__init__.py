"""Faults: deliberate deviations that a link can apply, seeded and reproducible. See docs/faults.md.

`fault` and `parse` describe one; `Faults` are those of a link. Pinned by `tests/faults/`.
"""

from __future__ import annotations

from pytest_mcpsym.faults.every import every_fault
from pytest_mcpsym.faults.fault import Fault, fault, parse, unfit
from pytest_mcpsym.faults.kinds import KINDS, Kind

__all__ = ["KINDS", "Fault", "Kind", "every_fault", "fault", "parse", "unfit"]
