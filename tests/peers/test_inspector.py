"""The Inspector without a window, as a client of `mcpsym serve` on both transports."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.peers.listening import MCPSYM, listening
from tests.peers.provision import inspector_cli

NAMES = {"everything": ["echo", "get-annotated-message", "get-env"], "sequential_thinking": ["sequentialthinking"]}
"""The first tools of each server."""

THOUGHT = {"thought": "Begin", "thoughtNumber": 1, "totalThoughts": 2, "nextThoughtNeeded": True}

LIMIT = 60.0
"""Seconds that one command may take; alone it takes 2."""

transports = pytest.mark.parametrize("transport", ["stdio", "http"])


@pytest.fixture(scope="module")
def urls() -> Generator[dict[str, str]]:
    """Where each server listens."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(listening("serve", name, "--http", "0")) for name in NAMES}


@pytest.fixture
def targets(urls: dict[str, str], transport: str) -> dict[str, list[str]]:
    """How each server is named on the Inspector's command line."""
    return {name: [urls[name]] if transport == "http" else [*MCPSYM, "serve", name] for name in NAMES}


def said(home: Path, target: list[str], *options: str) -> dict[str, Any]:
    """Run the Inspector with a home of its own, and return the result that it prints."""
    environment = {**os.environ, "HOME": str(home), "MCP_CATALOG_PATH": str(home / "catalog.json")}
    command = [*inspector_cli(), *target, "--quiet", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@transports
@pytest.mark.parametrize("server", NAMES)
def test_it_lists_the_tools(tmp_path: Path, targets: dict[str, list[str]], server: str) -> None:
    tools = said(tmp_path, targets[server], "--method", "tools/list")["tools"]
    assert [tool["name"] for tool in tools[: len(NAMES[server])]] == NAMES[server]


@transports
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_it_calls_a_tool_of_everything_in_either_era(tmp_path: Path, targets: dict[str, list[str]], era: str) -> None:
    arguments = json.dumps({"a": 2, "b": 40})
    call = ["--method", "tools/call", "--tool-name", "get-sum", "--tool-args-json", arguments, "--protocol-era", era]
    (content,) = said(tmp_path, targets["everything"], *call)["content"]
    assert content["text"] == "The sum of 2 and 40 is 42."


@transports
def test_it_calls_the_tool_of_sequential_thinking(tmp_path: Path, targets: dict[str, list[str]]) -> None:
    call = ["--method", "tools/call", "--tool-name", "sequentialthinking", "--tool-args-json", json.dumps(THOUGHT)]
    assert said(tmp_path, targets["sequential_thinking"], *call)["structuredContent"]["totalThoughts"] == 2


@transports
def test_it_finds_nothing_wrong_with_the_schemas(tmp_path: Path, targets: dict[str, list[str]]) -> None:
    assert said(tmp_path, targets["everything"], "--method", "tools/list", "--strict")["tools"]
