"""What a whole run knows of its recordings: gathered from reports and workers, judged once at its end.

Only the process that people see judges: under xdist that is the controller, which has no items and is told by the workers. Pinned by
`tests/replay/test_orphans.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, cast

import pytest

from pytest_mcpsym import options
from pytest_mcpsym.items import NAMES
from pytest_mcpsym.report.orphans import Usage, find_orphans, stems_of

__all__ = ["begin", "finish", "hear", "hear_worker", "recording_lines", "tell"]

_USAGE: Final = pytest.StashKey[Usage]()

_TOLD: Final = ("recorded", "re-recorded", "new", "verified", "differs", "unplayed", "obsolete")
"""What the summary tells, in this order; that a file was played goes without saying."""

_FILTERS: Final = ("keyword", "markexpr", "lf", "failedfirst", "deselect", "stepwise")


def begin(config: pytest.Config) -> None:
    """Get ready for a run."""
    config.stash[_USAGE] = Usage()


def hear(config: pytest.Config, report: pytest.TestReport) -> None:
    """Take note of one report."""
    told = cast("Mapping[str, object] | None", getattr(report, "mcpsym", None))
    if told is None:
        return
    usage = config.stash[_USAGE]
    usage.used.update(cast("list[str]", told["files"]))
    if told["passed"]:
        usage.passed.setdefault(str(told["module"]), set()).add(str(told["stem"]))


def tell(config: pytest.Config) -> dict[str, object]:
    """Return what a worker tells its controller at its end."""
    return {"stems": stems_of(config.stash[NAMES])}


def hear_worker(config: pytest.Config, told: Mapping[str, object] | None) -> None:
    """Take note of the end of a worker; without its last words it crashed."""
    usage = config.stash[_USAGE]
    if told is None:
        usage.crashed = True
    else:
        usage.stems.update(cast("dict[str, list[str]]", told["stems"]))


def finish(session: pytest.Session) -> None:
    """Look for orphans where this run was to use recordings; they fail it, and `--mcp-rerecord` deletes them."""
    config = session.config
    usage = config.stash[_USAGE]
    mode = options.mode(config)
    usage.stems.update(stems_of(config.stash[NAMES]))
    interrupted = session.exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    if mode not in ("replay", "rerecord") or usage.crashed or interrupted or config.option.collectonly or session.shouldstop:
        return
    usage.whole = not any("::" in arg for arg in config.args) and not any(
        getattr(config.option, name, None) for name in _FILTERS
    )
    usage.obsolete = find_orphans(usage)
    if not usage.obsolete:
        return
    if mode == "rerecord":
        for file in usage.obsolete:
            file.unlink(missing_ok=True)
    elif session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def recording_lines(config: pytest.Config, told: Iterable[Mapping[str, object]], *, verbose: bool) -> list[str]:
    """Return what the summary says of recordings: one line of numbers, and each file where asked for or needed."""
    kept: dict[str, str] = {}
    for each in told:
        kept.update(cast("dict[str, str]", each["recordings"]))
    usage = config.stash[_USAGE]
    root = config.rootpath
    for file in usage.obsolete:
        kept[file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)] = "obsolete"
    # What a test recorded that failed is gone where it passed in the end.
    kept = {path: state for path, state in kept.items() if state != "new" or (root / path).exists()}
    counts = Counter(kept.values())
    if not any(counts[what] for what in _TOLD):
        return []
    deleted = options.mode(config) == "rerecord"
    names = {
        "new": "left as .new",
        "differs": "not as the server answers",
        "obsolete": "obsolete and deleted" if deleted else "obsolete",
    }
    lines = ["recordings: " + ", ".join(f"{counts[what]} {names.get(what, what)}" for what in _TOLD if counts[what])]
    for what in _TOLD:
        shown = sorted(path for path, state in kept.items() if state == what)
        if shown and (verbose or what in ("new", "differs", "obsolete")):
            lines += [f"  {names.get(what, what)}: {path}" for path in shown]
    if counts["obsolete"] and not deleted:
        lines.append("no test of this run uses the obsolete ones: delete them, or repeat this run with --mcp-rerecord")
    if counts["new"]:
        lines.append("a .new file is what a test recorded that did not pass, or is an xfail; the recording itself is unchanged")
    return lines
