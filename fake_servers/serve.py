"""Run one fake by itself: `python -m fake_servers.everything` is `mcpsym serve everything`, with the same options.

Each fake's `__main__.py` calls it. Pinned by `tests/fakes/test_serve.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from pytest_mcpsym.cli import main

__all__ = ["serve"]


def serve(make: Callable[..., object]) -> None:
    """Serve a fake as the command line says, and end the process.

    Args:
        make: Makes the server; its name is the fake's.

    Raises:
        SystemExit: It has ended, or the command line is wrong.
    """
    sys.exit(main(["serve", make.__name__, *sys.argv[1:]]))
