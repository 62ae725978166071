"""Run a command of ours that listens over HTTP, for as long as a test needs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["MCPSYM", "listening"]

MCPSYM = [sys.executable, "-m", "pytest_mcpsym"]


@contextmanager
def listening(*arguments: str) -> Generator[str]:
    """Run `mcpsym` with these arguments; yields the URL that it prints."""
    with subprocess.Popen([*MCPSYM, *arguments], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            yield process.stderr.readline().split()[-1]
        finally:
            process.terminate()
