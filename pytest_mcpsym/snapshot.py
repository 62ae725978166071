"""The syrupy extension behind `wire_snapshot`: one readable transcript per test, in `__snapshots__/<module>/<test>.wire`.

A transcript is redacted and normalised, so it is the same on every run, process, worker and event loop. Pinned by
`tests/plugin/test_wire_snapshot.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from pytest_mcpsym.errors import UsageError
from pytest_mcpsym.naming import file_stem
from pytest_mcpsym.plugin import stem_of
from pytest_mcpsym.switchboard.views import Views

if TYPE_CHECKING:
    from syrupy.location import PyTestLocation
    from syrupy.types import PropertyFilter, PropertyMatcher, SerializableData, SerializedData, SnapshotIndex

__all__ = ["WireSnapshotExtension"]


class WireSnapshotExtension(SingleFileSnapshotExtension):
    """Writes the transcript of a closed board."""

    _write_mode = WriteMode.TEXT
    file_extension = "wire"

    def serialize(
        self,
        data: SerializableData,
        *,
        exclude: PropertyFilter | None = None,
        include: PropertyFilter | None = None,
        matcher: PropertyMatcher | None = None,
    ) -> SerializedData:
        """Return the transcript of a board.

        Raises:
            UsageError: `data` is no board, or one that is still open, or the snapshot was given a filter.
        """
        if not isinstance(data, Views):
            raise UsageError(f"wire_snapshot compares boards, not {type(data).__name__}: assert board == wire_snapshot")
        if exclude is not None or include is not None:
            raise UsageError("wire_snapshot takes no include= or exclude=: a transcript is whole; normalisation keeps it stable")
        data.refuse_open()
        return data.transcript()

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: SnapshotIndex = 0) -> str:
        """Return the file's name without its extension: the test's, with `.1`, `.2` … or `@` and a given name after it."""
        stem = stem_of(test_location.item)
        if isinstance(index, int):
            return f"{stem}.{index}" if index else stem
        return file_stem(f"{stem}@{index}", f"{test_location.item.nodeid}@{index}")

    @classmethod
    def matches_test_location(cls, *, test_location: PyTestLocation, snapshot_location: str) -> bool:
        """Tell whether a file belongs to a test, so that a run of other tests does not take it for unused."""
        path = Path(snapshot_location)
        if path.parent.name != test_location.basename:
            return False
        name = path.name.removesuffix(".wire")
        return any(name == stem or name.startswith((f"{stem}.", f"{stem}@")) for stem in _stems(test_location.item))


def _stems(item: pytest.Item) -> set[str]:
    """The names that a test's files may have.

    On the xdist controller syrupy has no items but stand-ins with an id, so what else the name depends on is not known there.
    """
    if isinstance(item, pytest.Item):
        return {stem_of(item)}
    file, *inner = item.nodeid.split("::")
    name = ".".join(inner)
    base, bracket, parameters = name.removesuffix("]").partition("[")
    names = {name}
    for loop in _LOOPS.intersection(parameters.split("-")) if bracket else ():
        parts = parameters.split("-")
        parts.remove(loop)
        names.add(f"{base}[{'-'.join(parts)}]" if parts else base)
    return {file_stem(each, f"{file}::{each}", others=others) for each in names for others in ((), (each.swapcase(),))}


_LOOPS = frozenset({"asyncio", "trio"})
