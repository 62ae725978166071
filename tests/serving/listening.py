"""A server that `mcpsym serve` serves on a port, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["SERVE", "listening"]

SERVE = [sys.executable, "-m", "pytest_mcpsym", "serve"]


@contextmanager
def listening(*words: str) -> Generator[str]:
    """Serve what the words say, and hand over the address that is printed."""
    with subprocess.Popen([*SERVE, *words], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert line.startswith("serving on http://"), line
            yield line.split()[-1]
        finally:
            process.kill()
