"""`pytest_mcpsym.fakes` reaches our fakes also where a package of the user's own is called `fake_servers`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pytest_mcpsym.fakes


def run(folder: Path, code: str) -> str:
    """Run Python in a folder whose modules come first."""
    ran = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@pytest.fixture
def shadowed(tmp_path: Path) -> Path:
    package = tmp_path / "fake_servers"
    package.mkdir()
    (package / "__init__.py").write_text("everything = 'mine'\n", encoding="utf-8")
    return tmp_path


def test_without_a_package_of_that_name_they_are_the_same_objects(tmp_path: Path) -> None:
    code = "import fake_servers, pytest_mcpsym.fakes as ours; print(ours.everything is fake_servers.everything)"
    assert run(tmp_path, code) == "True"


def test_both_packages_can_be_used_side_by_side(shadowed: Path) -> None:
    code = "from fake_servers import everything as mine; from pytest_mcpsym.fakes import everything; print(mine, everything().name)"
    assert run(shadowed, code) == "mine mcp-servers/everything"


@pytest.mark.parametrize("name", pytest_mcpsym.fakes.__all__)
def test_every_fake_is_reached(shadowed: Path, name: str) -> None:
    assert run(shadowed, f"import pytest_mcpsym.fakes as ours; print(callable(ours.{name}))") == "True"


def test_a_module_of_that_name_shadows_too(tmp_path: Path) -> None:
    (tmp_path / "fake_servers.py").write_text("everything = 'mine'\n", encoding="utf-8")
    assert run(tmp_path, "from pytest_mcpsym.fakes import everything; print(everything().name)") == "mcp-servers/everything"


def test_ours_is_loaded_once(shadowed: Path) -> None:
    code = "import pytest_mcpsym.fakes as ours; print(ours.agent is ours.agent, ours.everything is ours.everything)"
    assert run(shadowed, code) == "True True"


def test_a_fake_of_ours_runs_beside_a_package_of_that_name(shadowed: Path) -> None:
    code = """
from pytest_mcpsym.fakes import agent, code_mode, everything
from pytest_mcpsym.switchboard.opener import switchboard
with switchboard(agent=agent(), code=code_mode(), everything=everything()) as board:
    print(board.call("agent__run", task="say hi with the echo tool").content[0].text)
print(board.routes)
"""
    assert run(shadowed, code) == "Echo: hi\nhost > agent > code > everything"


def test_a_name_that_is_no_fake_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nobody'"):
        getattr(pytest_mcpsym.fakes, "nobody")  # noqa: B009 - the name is not there, which a type checker would refuse


def test_the_names_are_those_of_the_package() -> None:
    import fake_servers

    assert pytest_mcpsym.fakes.__all__ == fake_servers.__all__
