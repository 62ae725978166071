"""The official conformance suite over `mcpsym serve conformance`, directly and through `mcpsym record`."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.peers.listening import MCPSYM, listening
from tests.peers.suite import RUNS, Checks, Run, reference, run_server_suite, short_of


@pytest.fixture(scope="module")
def served() -> Generator[str]:
    """The URL of the fake."""
    with listening("serve", "conformance", "--http", "0") as url:
        yield url


runs = pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)


def all_pass(run: Run, url: str) -> None:
    outcome = run_server_suite(run, url)

    assert (outcome.code, outcome.failed) == (0, {}), outcome.said
    assert len(outcome.checks) == run.scenarios
    assert short_of(reference()[run.name], outcome.checks) == []


@runs
def test_every_scenario_passes_with_no_fewer_checks_than_the_sdk_own_server(run: Run, served: str) -> None:
    all_pass(run, served)


@pytest.mark.parametrize("run", RUNS[:2], ids=lambda run: run.name)
def test_every_scenario_passes_through_the_recorder_too(run: Run, served: str, tmp_path: Path) -> None:
    with listening("record", str(tmp_path / "talk.jsonl"), "--http", served) as url:
        all_pass(run, url)

    shown = subprocess.run([*MCPSYM, "show", str(tmp_path / "talk.jsonl")], capture_output=True, text=True, check=True).stdout
    assert shown.startswith("# mcpsym transcript")
    assert '"name": "test_simple_text"' in shown


@runs
def test_the_reference_has_checks_of_every_scenario(run: Run) -> None:
    found = reference()[run.name]
    assert len(found) == run.scenarios
    # The SDK primes streams from 2025-11-25 on, and release 0.1 speaks the revision before.
    assert [name for name, ids in found.items() if not ids] == (["server-sse-polling"] if run.name == "0.1" else [])


def test_a_scenario_that_checked_less_than_the_reference_is_told() -> None:
    assert short_of({"ping": ["ping", "wire"]}, Checks(ping=["ping"])) == ["ping: wire"]


def test_a_scenario_that_did_not_run_is_told() -> None:
    assert short_of({"ping": ["ping"]}, {}) == ["ping: ping"]
