"""What the boards of a whole run say at its end, told by the reports alone, so that it is the same under xdist.

Pinned by `tests/report/test_summary.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import cast

__all__ = ["summary"]


def summary(told: Iterable[Mapping[str, object]], ini: Sequence[str]) -> list[str]:
    """Return the lines: findings that failed no test, and lines of ini `mcp_expect` that nothing met.

    A line of ini that names a link counts as unmet only if the run had that link.

    Args:
        told: What each test's last report carries: `links`, `warned`, `met_ini`.
        ini: The patterns of ini `mcp_expect`.
    """
    links: set[str] = set()
    met: set[str] = set()
    warned: dict[str, None] = {}
    for each in told:
        links.update(cast("list[str]", each["links"]))
        met.update(cast("list[str]", each["met_ini"]))
        warned.update(dict.fromkeys(cast("list[str]", each["warned"])))
    unmet = [pattern for pattern in ini if pattern not in met and any(fnmatchcase(link, _link(pattern)) for link in links)]
    return [
        *(f"warning: {line}" for line in warned),
        *(f"warning: ini mcp_expect names {pattern!r}, and no board of this run met it" for pattern in unmet),
    ]


def _link(pattern: str) -> str:
    return pattern.partition(":")[0] if pattern.count(":") == 2 else "*"
