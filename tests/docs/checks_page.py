"""Write `docs/checks.md` from the registry: `python -m tests.docs.checks_page`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from pytest_mcpsym.checks import DEFAULT, Check

__all__ = ["PAGE", "checks_page"]

PAGE: Final = Path(__file__).parents[2] / "docs" / "checks.md"

HEAD: Final = """# Checks

Every board of every test is judged by these checks, with nothing to write. A finding of severity `error` fails its test, unless
the test expects it; a `warning` is listed at the end of the run. [Options](options.md) says how to expect findings, how to
select checks and how to add your own.
"""


def checks_page() -> str:
    """Return the page."""
    return "".join(_sections())


def _sections() -> Iterator[str]:
    yield HEAD
    for family, checks in groupby(DEFAULT.values(), key=lambda each: each.id.partition(":")[0]):
        yield f"\n## {family}\n\n| check | severity | rule |\n|---|---|---|\n"
        for each in checks:
            yield f"| `{each.id}` | {each.severity} | {each.sentence} {_sources(each)} |\n"


def _sources(check: Check) -> str:
    parts = [part.strip() for part in check.source.split(";")]
    return "(" + ", ".join(f"[source]({part})" if part.startswith("https://") else part for part in parts) + ")"


if __name__ == "__main__":
    PAGE.write_text(checks_page(), encoding="utf-8")
