"""Faults on links that are recorded, replayed and verified: the test gets the same each time."""

from __future__ import annotations

import pytest

BODY = """
import pytest
from pytest_mcpsym import LinkError, link
from pytest_mcpsym.fakes import clock

FAULTS = {faults!r}


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_faulty(switchboard, recorded, number, record_property):
    with switchboard(clock=recorded(link(clock(), transport={way!r}))) as board:
        board.link("clock").fault(FAULTS[number])
        told = []
        for _ in range(2):
            try:
                told.append(board.options(timeout=0.3).call("clock__now").is_error)
            except LinkError as error:
                told.append([type(error).__name__, error.faults])
    record_property("told", told)
"""
COMMON = (
    "drop to-client tools/call nth=1",
    "drop to-server tools/call nth=1",
    "duplicate to-client tools/call",
    "id-type to-client tools/call nth=1",
    "unsolicited-request to-server tools/call",
)
FAULTS = {
    "memory": (*COMMON, "exit to-server tools/call", "exit to-client tools/call", "half-close to-server tools/call"),
    "http": (
        *COMMON,
        "status to-server tools/call nth=1",
        "cut to-server tools/call nth=1",
        "reset to-server tools/call nth=1",
        "redirect to-server tools/call nth=1",
        "stall to-server tools/call seconds=0.01",
        "split to-server tools/call",
    ),
}


@pytest.mark.parametrize("way", FAULTS)
def test_a_test_with_a_fault_gets_the_same_recorded_replayed_and_verified(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.delenv("CI", raising=False)
    pytester.makepyfile(BODY.format(faults=FAULTS[way], way=way))
    told: list[list[object]] = []
    for option in ("--mcp-record", "--mcp-replay", "--mcp-verify"):
        run = pytester.inline_run("-p", "no:randomly", "-q", option)  # pyright: ignore[reportUnknownMemberType]  # pytest leaves `plugins` untyped
        run.assertoutcome(passed=len(FAULTS[way]))
        reports = [report for report in run.getreports("pytest_runtest_logreport") if getattr(report, "when", "") == "call"]
        told.append([value for report in reports for _, value in getattr(report, "user_properties", ()) if _ == "told"])
    assert told[0] == told[1] == told[2]
