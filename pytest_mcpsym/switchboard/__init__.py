"""The switchboard: the symmetric client that holds the links and the credentials, and routes what one peer asks of another.

`switchboard` opens a board outside pytest; in a test the fixture of the same name does. Resolved lazily.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["switchboard"]

if TYPE_CHECKING:
    from pytest_mcpsym.switchboard.opener import switchboard as switchboard
else:

    def __getattr__(name):
        if name in __all__:
            from pytest_mcpsym.switchboard import opener

            return getattr(opener, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
