"""What a run costs that uses nothing of ours, and that the plugin gets along with all others."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.plugin.harness import Example

MakeExample = Callable[..., Example]

HEAVY = (
    "mcp",
    "anyio",
    "faker",
    "respx",
    "syrupy",
    "pydantic",
    "httpx2",
    "uvicorn",
    "pytest_mcpsym.switchboard",
    "fake_servers",
)

LISTING = f"""
import json, sys

def pytest_unconfigure():
    print("LOADED", json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""


def loaded(text: str) -> list[str]:
    return json.loads(next(line for line in text.splitlines() if line.startswith("LOADED "))[7:])


def test_loading_the_plugin_imports_nothing_heavy(example: MakeExample) -> None:
    run = example({"conftest.py": LISTING, "test_it.py": "def test_it(): pass\n"}).run()
    assert run.outcomes == {"passed": 1}
    assert loaded(run.text) == []


def test_a_failing_run_without_our_fixtures_imports_nothing_heavy(example: MakeExample) -> None:
    text = 'import pytest\n@pytest.mark.mcp(era="both")\ndef test_it(): assert "a" == "b"\n'
    run = example({"conftest.py": LISTING, "test_it.py": text}).run("--mcp-era=both")
    assert run.outcomes == {"failed": 1}
    assert loaded(run.text) == []


def test_with_all_plugins_a_run_without_our_fixtures_leaves_mcp_out(example: MakeExample) -> None:
    run = example({"conftest.py": LISTING, "test_it.py": "def test_it(): pass\n"}).run(plugins="*")
    assert run.outcomes == {"passed": 1}
    assert not {"mcp", "pytest_mcpsym.switchboard", "fake_servers"}.intersection(loaded(run.text))


def test_the_public_door_alone_imports_nothing_heavy(example: MakeExample) -> None:
    text = "import pytest_mcpsym\nfrom pytest_mcpsym import McpsymError, Frame\ndef test_it(): pass\n"
    run = example({"conftest.py": LISTING, "test_it.py": text}).run()
    assert loaded(run.text) == []


TOGETHER = """
import pytest
from fake_servers import agent, code_mode, everything

@pytest.mark.parametrize("number", range(2))
def test_chain(switchboard, wire_snapshot, number):
    with switchboard(agent=agent(), code=code_mode(), everything=everything()) as board:
        board.call("agent__run", {"task": "say hello with the echo tool"})
    assert board.routes == "host > agent > code > everything"
    assert board == wire_snapshot
"""


def test_with_all_plugins_installed_snapshots_are_found_again(example: MakeExample, pytester: pytest.Pytester) -> None:
    """All at once: pytest-randomly shuffles and seeds, pytest-recording and inline-snapshot watch, rerunfailures would run again."""
    written = example(TOGETHER).run_here(pytester, "--snapshot-update", "-p", "no:cacheprovider", plugins="syrupy")
    assert {path for path in written.changed if path.endswith(".wire")} == {
        f"__snapshots__/test_it/test_chain[{number}].wire" for number in range(2)
    }
    run = written.example.run("-p", "no:cacheprovider", "--reruns=1", plugins="*")
    assert run.outcomes == {"passed": 2}
    assert run.changed == {}
