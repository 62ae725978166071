"""Recordings that no test uses any more, by the rule that syrupy has for snapshots: should this run have used the file?

A file is an orphan if its test passed in this run and did not open it, or if its module was collected and has no test of that name.
What was deselected, skipped, failed or not collected says nothing of its files. Pinned by `tests/replay/test_orphans.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_mcpsym.naming import recording_name

__all__ = ["FOLDER", "Usage", "find_orphans", "stems_of"]

FOLDER = "recordings"
"""Folder beside a test file that holds its recordings, one folder a module."""


@dataclass
class Usage:
    """What a run tells of its recordings.

    Attributes:
        stems: Names that files of a module's tests begin with, selected or not, by the path of the module.
        used: Files that tests opened.
        passed: For each module the stems of the tests that passed.
        whole: Whether nothing but folders and files was asked for, so that a module that is gone was left out by nobody.
        crashed: Whether a worker was lost, so that nothing can be said.
        obsolete: What was found at the end.
    """

    stems: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    used: set[str] = field(default_factory=set[str])
    passed: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    whole: bool = True
    crashed: bool = False
    obsolete: list[Path] = field(default_factory=list[Path])


def stems_of(names: Mapping[Path, Iterable[str]]) -> dict[str, list[str]]:
    """Return for each module the names that the files of its tests begin with."""
    found: dict[str, list[str]] = {}
    for path, some in names.items():
        known = set(some)
        found[str(path)] = sorted({recording_name(name, others=known) for name in known})
    return found


def find_orphans(usage: Usage) -> list[Path]:
    """Return the recordings that this run should have used and did not, in order of their paths."""
    found: set[Path] = set()
    modules = [(Path(module), module, stems) for module, stems in usage.stems.items()]
    # Most projects have none, and to look for files in a folder costs much more than to look for the folder.
    folders = {folder for folder in {path.parent for path, _, _ in modules} if (folder / FOLDER).is_dir()}
    for path, module, stems in modules:
        if path.parent not in folders:
            continue
        for file in (path.parent / FOLDER / path.stem).glob("*.jsonl"):
            owner = max((stem for stem in stems if file.name.startswith(f"{stem}.")), key=len, default=None)
            gone = owner is None and usage.whole
            unopened = owner in usage.passed.get(module, ()) and str(file) not in usage.used
            if gone or unopened:
                found.add(file)
    if usage.whole:
        for folder in folders:
            # A module need not be a Python file: doctests stand in texts too.
            there = {path.stem for path in folder.iterdir() if path.is_file()}
            for recorded in (folder / FOLDER).glob("*"):
                if recorded.is_dir() and recorded.name not in there:
                    found.update(recorded.glob("*.jsonl"))
    return sorted(found)
