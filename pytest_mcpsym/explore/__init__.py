"""Random conversations with a server, shrunk to the shortest one that breaks a check.

`explore` searches; `board.play(...)` holds one conversation again, as the test does that `explore` prints. Resolved lazily; searching
needs the extra `explore`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["Ask", "Cancel", "Step", "Wait", "explore"]

if TYPE_CHECKING:
    from pytest_mcpsym.explore.search import explore as explore
    from pytest_mcpsym.explore.steps import Ask as Ask
    from pytest_mcpsym.explore.steps import Cancel as Cancel
    from pytest_mcpsym.explore.steps import Step as Step
    from pytest_mcpsym.explore.steps import Wait as Wait
else:

    def __getattr__(name):
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        home = "search" if name == "explore" else "steps"
        return getattr(importlib.import_module(f"{__name__}.{home}"), name)
