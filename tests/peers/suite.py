"""Run the official conformance suite, and tell which checks succeeded: what a summary calls passed may have checked nothing.

`suites/reference.json` has the checks that succeed for the SDK's own server and client, which are in the source distribution of `mcp`
2.3.0: `examples/servers/everything-server` and `.github/actions/conformance/client.py`. To make it anew, run that server and then
`python -m tests.peers.suite URL CLIENT`. Pinned by `tests/peers/test_conformance_server.py` and `test_conformance_client.py`.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypedDict, cast

from tests.peers.provision import SUITES_ROOT, conformance_suite

__all__ = ["RUNS", "SCENARIOS", "Checks", "Outcome", "Run", "reference", "run_client_scenario", "run_server_suite", "short_of"]

Checks = dict[str, list[str]]
"""Of each scenario the ids of the checks that succeeded, sorted; one id may be there more than once."""

LIMIT = 120.0
"""Seconds that a run of the suite may take; alone it takes 3."""

REFERENCE = SUITES_ROOT / "reference.json"


class _Check(TypedDict):
    id: str
    status: str


@dataclass(frozen=True)
class Run:
    """One run of a suite over a server: a release, at one revision."""

    name: str
    package: str
    options: tuple[str, ...]
    scenarios: int


RUNS = (
    Run("0.2 at 2025-11-25", "conformance", ("--spec-version", "2025-11-25"), 33),
    Run("0.2 at 2026-07-28", "conformance", ("--spec-version", "2026-07-28"), 40),
    Run("0.1", "conformance-0.1", (), 32),
)


SCENARIOS = {
    "2025-11-25": (
        "initialize",
        "tools_call",
        "elicitation-sep1034-client-defaults",
        "sse-retry",
        "json-schema-2020-12-preservation",
    ),
    "2026-07-28": (
        "tools_call",
        "request-metadata",
        "sep-2322-client-request-state",
        "http-standard-headers",
        "http-custom-headers",
        "http-invalid-tool-headers",
        "json-schema-ref-no-deref",
        "json-schema-2020-12-preservation",
    ),
}
"""The client scenarios of release 0.2 at each revision, but those about authorisation and about extensions."""


@dataclass(frozen=True)
class Outcome:
    """What a run ended with."""

    code: int
    said: str
    checks: Checks
    failed: Checks


def run_server_suite(run: Run, url: str) -> Outcome:
    """Run every scenario that applies, the pending ones of the suite included, against a server that runs."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*conformance_suite(run.package), "server", "--url", url, "--suite", "all", *run.options, "-o", folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd=folder, check=False)
        return Outcome(done.returncode, done.stdout + done.stderr, *checks_in(Path(folder)))


def run_client_scenario(scenario: str, revision: str, client: list[str]) -> Outcome:
    """Run one client scenario, which starts the client in a process of its own; the exit status of the client counts."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--command", shlex.join(client), "--scenario", scenario, "--spec-version", revision, "-o", folder]
        command = [*conformance_suite(), "client", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd=folder, check=False)
        return Outcome(done.returncode, done.stdout + done.stderr, *checks_in(Path(folder)))


def checks_in(folder: Path) -> tuple[Checks, Checks]:
    """Return the checks that succeeded and those that failed, from the files that the suite has written."""
    succeeded, failed = Checks(), Checks()
    for path in sorted(folder.glob("**/checks.json")):
        # A folder is named like server-ping-2026-07-28T10-00-00-000Z, where a client scenario has no such first word.
        name = re.sub(r"-\d{4}-\d\d-\d\dT.*", "", path.parent.relative_to(folder).as_posix()).removeprefix("server-")
        checks = cast("list[_Check]", json.loads(path.read_text("utf-8")))
        succeeded[name] = sorted(check["id"] for check in checks if check["status"] == "SUCCESS")
        failed[name] = sorted(check["id"] for check in checks if check["status"] == "FAILURE")
    return succeeded, {name: ids for name, ids in failed.items() if ids}


@cache
def reference() -> dict[str, Checks]:
    """Return the checks that the reference passes, by the name of the run."""
    return cast("dict[str, Checks]", json.loads(REFERENCE.read_text("utf-8")))


def short_of(reference: Checks, checks: Checks) -> list[str]:
    """Say of which scenarios there are fewer successful checks than in the reference."""
    missing = {name: list(ids) for name, ids in reference.items()}
    for name, ids in checks.items():
        for each in ids:
            if each in missing.get(name, ()):
                missing[name].remove(each)
    return [f"{name}: {', '.join(ids)}" for name, ids in missing.items() if ids]


def main(url: str, client: str) -> None:
    """Write the reference anew from the server at an address, and from a client written in Python."""
    found = {run.name: run_server_suite(run, url).checks for run in RUNS}
    for revision, scenarios in SCENARIOS.items():
        found[f"client at {revision}"] = clients = Checks()
        for scenario in scenarios:
            clients.update(run_client_scenario(scenario, revision, [sys.executable, client]).checks)
    REFERENCE.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
