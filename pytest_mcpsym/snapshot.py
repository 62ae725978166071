"""The syrupy extension behind `wire_snapshot`: one readable transcript per test, in `__snapshots__/<module>/<test>.wire`.

A transcript is redacted and normalised, so it is the same on every run, process, worker and event loop. Pinned by
`tests/plugin/test_wire_snapshot.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from pytest_mcpsym.errors import UsageError
from pytest_mcpsym.items import stem_of
from pytest_mcpsym.naming import file_stem
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
            raise UsageError(
                "wire_snapshot takes no include= or exclude=: a transcript is whole; normalisation keeps it stable"
            )
        data.refuse_open()
        return data.transcript()

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: SnapshotIndex = 0) -> str:
        """Return the file's name without its extension: the test's, with `.1`, `.2` … or `@` and a given name after it."""
        stem = stem_of(test_location.item)
        if isinstance(index, int):
            return f"{stem}.{index}" if index else stem
        # What other names a test will give is not known, so one that a file system could fold with another is never used as it is.
        return f"{stem}@{file_stem(index, others=(index.swapcase(),) if index != index.lower() else ())}"

    @classmethod
    def matches_test_location(cls, *, test_location: PyTestLocation, snapshot_location: str) -> bool:
        """Tell whether a file belongs to a test, so that a run of other tests does not take it for unused."""
        path = Path(snapshot_location)
        if path.parent.resolve() != Path(cls.dirname(test_location=test_location)).resolve():
            return False
        name = path.name.removesuffix(".wire")
        return any(name == stem or name.startswith((f"{stem}.", f"{stem}@")) for stem in _stems(test_location.item))


def _stems(item: object) -> set[str]:
    """The names that a test's files may have.

    On the xdist controller syrupy has no items but stand-ins with an id, so what else the name depends on is not known there, and every
    name that the test could have counts as its own.
    """
    if isinstance(item, pytest.Item):
        return {stem_of(item)}
    nodeid, name = cast("str", getattr(item, "nodeid", "")), cast("str", getattr(item, "name", ""))
    classes = nodeid.removesuffix(name).split("::")[1:-1]
    base, bracket, parameters = name.removesuffix("]").partition("[")
    names = {name}
    parts = parameters.split("-") if bracket else []
    for position, part in enumerate(parts):
        if part.startswith(("asyncio", "trio")):
            rest = "-".join(parts[:position] + parts[position + 1 :])
            names.add(f"{base}[{rest}]" if rest else base)
    dotted = {".".join([*classes, each]) for each in names}
    return {file_stem(each, others=others) for each in dotted for others in ((), (each.swapcase(),))}
