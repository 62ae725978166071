"""Which checks run: a registry and patterns in, a registry out.

Pinned by `tests/checks/test_selection.py`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from fnmatch import fnmatchcase

from pytest_mcpsym.checks.finding import CRASHED, Check, Registry

__all__ = ["gathered", "select", "wrong_selection"]


def gathered(default: Registry, added: Iterable[object], origin: str) -> Registry:
    """Return the default checks and those that a project adds.

    Args:
        default: The checks that come with the package.
        added: What the project calls checks.
        origin: Where they come from, for errors.

    Raises:
        TypeError: One is no check.
        ValueError: The id of one is taken.
    """
    known: dict[str, Check] = dict(default)
    for each in added:
        if not isinstance(each, Check):
            name = getattr(each, "__name__", None)
            raise TypeError(f"{origin}: {name or repr(each)} is no check; decorate it with @check(...) of pytest_mcpsym.checks")
        if each.id.partition(":")[0] == CRASHED.partition(":")[0]:
            raise ValueError(f"{origin}: check id {each.id!r}: the family 'check' is taken; use one of your own")
        if known.setdefault(each.id, each) is not each:
            raise ValueError(f"{origin}: there is a check {each.id!r} already; give yours another id")
    return Registry(known.values())


def select(checks: Registry, patterns: Iterable[str]) -> Registry:
    """Return the checks that patterns select, in the registry's order.

    Args:
        checks: All checks.
        patterns: Check ids in which `*` stands for anything; one that begins with `-` leaves checks out. They count in turn, from all
            checks if the first leaves some out, else from none. Without patterns all checks are selected.
    """
    turns = list(patterns)
    chosen = set(checks) if not turns or turns[0].startswith("-") else set[str]()
    for pattern in turns:
        hits = {ident for ident in checks if fnmatchcase(ident, pattern.removeprefix("-"))}
        chosen = chosen - hits if pattern.startswith("-") else chosen | hits
    return Registry(each for ident, each in checks.items() if ident in chosen)


def wrong_selection(checks: Registry, patterns: Iterable[object]) -> str:
    """Return what is wrong with patterns that shall select checks, nothing if each of them selects one."""
    for pattern in patterns:
        ident = pattern.removeprefix("-") if isinstance(pattern, str) else ""
        if not ident or not all(ident.split(":")) or (":" not in ident and "*" not in ident):
            return f"{pattern!r} is no pattern for checks; they look like 'jsonrpc:unanswered', 'progress:*' or '-progress:*'"
        if not any(fnmatchcase(each, ident) for each in checks):
            near = _nearest(ident, checks)
            linked = ident.count(":") > 1
            hint = (
                "; checks run over all links, so leave the link out" if linked else f"; did you mean {near!r}?" if near else ""
            )
            return f"{pattern!r} selects no check{hint}"
    return ""


def _nearest(ident: str, checks: Registry) -> str:
    """Return the id, or the family with `*`, that a pattern comes closest to; nothing if none is close."""
    families = dict.fromkeys(f"{each.partition(':')[0]}:*" for each in checks)
    near = difflib.get_close_matches(ident, [*checks, *families] if "*" in ident else list(checks), 1, cutoff=0.5)
    return near[0] if near else ""
