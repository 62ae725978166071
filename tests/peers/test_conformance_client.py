"""The official conformance suite's client scenarios, done by a client that is made of our links."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.peers.suite import SCENARIOS, reference, run_client_scenario, short_of

CLIENT = [sys.executable, str(Path(__file__).parent / "servers" / "suite_client.py")]


@pytest.mark.parametrize(
    ("revision", "scenario"), [(revision, scenario) for revision, each in SCENARIOS.items() for scenario in each]
)
def test_a_scenario_passes_with_no_fewer_checks_than_the_sdk_own_client(revision: str, scenario: str) -> None:
    outcome = run_client_scenario(scenario, revision, CLIENT)

    assert (outcome.code, outcome.failed) == (0, {}), outcome.said
    expected = reference()[f"client at {revision}"][scenario]
    assert expected
    assert short_of({scenario: expected}, outcome.checks) == []
