"""The one error of the command line, apart from the package so that subcommands can import it."""

from __future__ import annotations

__all__ = ["CommandError"]


class CommandError(Exception):
    """A mistake of the user, told in one line; the command ends with status 2."""
