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

CANARIES: Final = """
## Canaries

The `isolation` checks look for *canaries*: values that one link holds and no other, of 12 characters at least. These are

* the headers, environment variables, arguments and URL parts of a link that are credentials, by their names or because they look like it
* the credentials in the HTTP headers that the log shows, and session ids
* where a link was given nothing of this: a random value issued for it, to a command as the variable `MCPSYM_CANARY`, to a server over HTTP as
  the header `mcpsym-canary`

They are looked for in all frames, standard error, HTTP notes and error texts of all other links: as they are, percent-encoded, in base64 (each
alignment, both alphabets), in hex, escaped as JSON, in JSON that stands as text, and split over content blocks. What the test itself sends to
another link has not crossed, nor has what a process was started with and shows to the [HTTP API](upstream.md) that it calls.
No finding and no view for people shows a canary itself: it stands there as `<mcpsym-canary:1>`.
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
    yield CANARIES


def _sources(check: Check) -> str:
    parts = [part.strip() for part in check.source.split(";")]
    return "(" + ", ".join(f"[source]({part})" if part.startswith("https://") else part for part in parts) + ")"


if __name__ == "__main__":
    PAGE.write_text(checks_page(), encoding="utf-8")
