"""Mutants: servers, gateways and clients that are healthy but for one bug of the fault catalogue each, the yardstick of the checks.

`MUTANTS` lists them by row; `detect` holds one ordinary session with each, and with the healthy peer, and says what the checks
found. `mcpsym mutants` prints it. See README.md beside this file. Pinned by `tests/fakes/test_mutants.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .catalogue import MUTANTS, REASONS, Mutant, made
from .clients import Caller
from .peer import Peer

if TYPE_CHECKING:
    from .detection import Absence, Cell, Outcome, absences, cells, detect, wander

__all__ = [
    "MUTANTS",
    "REASONS",
    "Absence",
    "Caller",
    "Cell",
    "Mutant",
    "Outcome",
    "Peer",
    "absences",
    "cells",
    "detect",
    "made",
    "wander",
]

if not TYPE_CHECKING:

    def __getattr__(name):
        """The rest needs the SDK, which a mutant that runs as a process does without."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import detection

        return getattr(detection, name)
