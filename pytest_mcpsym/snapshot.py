"""The syrupy extension behind `wire_snapshot`: one readable transcript per test, in `__snapshots__/<module>/<test>.wire`.

A transcript is redacted and normalised, so it is the same on every run, process, worker and event loop. Pinned by
`tests/plugin/test_wire_snapshot.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from pytest_mcpsym.errors import UsageError
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
        """Return the file's name without its extension: the test's, with `.1`, `.2` … or a given name after it."""
        stem = stem_of(test_location.item)
        return stem if index == 0 else f"{stem}.{index}"

    @classmethod
    def matches_test_location(cls, *, test_location: PyTestLocation, snapshot_location: str) -> bool:
        """Tell whether a file belongs to a test, so that a run of other tests does not take it for unused."""
        path = Path(snapshot_location)
        stem = stem_of(test_location.item)
        name = path.name.removesuffix(".wire")
        return path.parent.name == test_location.basename and (name == stem or name.startswith(f"{stem}."))
