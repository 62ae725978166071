"""What the plugin keeps of one test, and the names of a test's files.

Both event loops share a test's snapshot and recording, so their names leave out the parameters that only choose a loop; traces do not
share. Pinned by `tests/plugin/test_names.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import pytest

if TYPE_CHECKING:
    from pytest_mcpsym.checks import Finding
    from pytest_mcpsym.replay.tapes import Tapes
    from pytest_mcpsym.switchboard.views import Views

__all__ = [
    "LOOP_PARAMETERS",
    "NAMES",
    "STATE",
    "ItemState",
    "name_of",
    "own_stem_of",
    "recorder_stem",
    "recording_stem",
    "stem_of",
    "test_id",
]

LOOP_PARAMETERS: Final = ("anyio_backend", "event_loop_policy", "_asyncio_loop_factory")
"""Fixtures of anyio and pytest-asyncio whose parameters choose an event loop."""


@dataclass
class ItemState:
    """What the plugin knows of one run of one test.

    Attributes:
        boards: Every board that was opened, in order.
        judged: Every finding that was judged before, each with its board.
        warned: Lines for the summary of the run.
        met_ini: Lines of ini `mcp_expect` that met a finding.
        failed: Whether a phase failed or was skipped, so that findings mask nothing.
        shown: Whether a report shows the routes already.
        trace: Where the transcript was written.
        tapes: The recordings of the test, once it asked for a board.
        unclean: Whether a phase failed or was expected to, so that what was recorded is put aside.
        skipped: Whether a phase was skipped, interrupted or left out, so that what was recorded is dropped.
        called: Whether the body was run, which `--setup-only` and `--setup-plan` leave out.
        kept: What became of each recording, by the path that is shown: `recorded`, `re-recorded`, `new`, `played`,
            `unplayed`, `verified`, `differs`.
    """

    boards: list[Views] = field(default_factory=list["Views"])
    judged: list[tuple[Finding, Views]] = field(default_factory=list[tuple["Finding", "Views"]])
    warned: list[str] = field(default_factory=list[str])
    met_ini: set[str] = field(default_factory=set[str])
    failed: bool = False
    shown: bool = False
    trace: Path | None = None
    tapes: Tapes | None = None
    unclean: bool = False
    skipped: bool = False
    called: bool = False
    kept: dict[str, str] = field(default_factory=dict[str, str])


STATE: Final = pytest.StashKey[ItemState]()

NAMES: Final = pytest.StashKey["dict[Path, set[str]]"]()
"""Names of all tests of each module, selected or not, so that a file's name does not depend on the selection."""


def name_of(item: pytest.Item) -> str:
    """Return `Class.test[params]`, without parameters that only choose an event loop."""
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return _dotted(item, item.name)
    ids = [str(each) for each in cast("list[object]", callspec._idlist)]  # noqa: SLF001  # nothing public tells the ids one by one
    params = cast("dict[str, object]", callspec.params)
    if len(ids) == len(params):
        ids = [each for each, parameter in zip(ids, params, strict=True) if parameter not in LOOP_PARAMETERS]
    else:  # A parametrize of several names has one id, so ids are found by what a loop's parameter usually gets.
        for parameter in set(params).intersection(LOOP_PARAMETERS):
            value = params[parameter]
            usual = str(cast("tuple[object, ...]", value)[0] if isinstance(value, tuple) else value)
            if usual in ids:
                ids.remove(usual)
    base = cast("pytest.Function", item).originalname
    return _dotted(item, f"{base}[{'-'.join(ids)}]" if ids else base)


def stem_of(item: pytest.Item) -> str:
    """Return the name, without extension, of the files that a test has on any event loop."""
    from pytest_mcpsym.naming import file_stem

    return file_stem(name_of(item), others=item.config.stash[NAMES].get(item.path, ()))


def recording_stem(item: pytest.Item, link: str) -> str:
    """Return the name, without `.jsonl`, of a link's recording: short enough for test and link together."""
    from pytest_mcpsym.naming import recording_name

    return f"{recorder_stem(item)}.{recording_name(link)}"


def recorder_stem(item: pytest.Item) -> str:
    """Return what the names of all recordings of a test begin with."""
    from pytest_mcpsym.naming import recording_name

    return recording_name(name_of(item), others=item.config.stash[NAMES].get(item.path, ()))


def test_id(item: pytest.Item) -> str:
    """Return the id of a test without parameters that only choose an event loop: `tests/test_trip.py::TestTrip.test_plan[oslo]`."""
    return f"{item.nodeid.partition('::')[0]}::{name_of(item)}"


def own_stem_of(item: pytest.Item) -> str:
    """Return the name, without extension, of the files that a test has on this event loop."""
    from pytest_mcpsym.naming import file_stem

    name = _dotted(item, item.name)
    return file_stem(name, others=[] if name != name_of(item) else item.config.stash[NAMES].get(item.path, ()))


def _dotted(item: pytest.Item, name: str) -> str:
    return ".".join([*(node.name for node in item.listchain() if isinstance(node, pytest.Class)), name])
