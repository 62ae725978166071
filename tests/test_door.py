"""The public door: typed, lazy, and nothing but what `__all__` says."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import pytest_mcpsym


def test_all_names_what_the_table_holds() -> None:
    table = vars(pytest_mcpsym)["_MODULES"]
    assert sorted(pytest_mcpsym.__all__) == sorted(table)
    assert list(pytest_mcpsym.__all__) == sorted(pytest_mcpsym.__all__)


@pytest.mark.parametrize("name", pytest_mcpsym.__all__)
def test_a_name_is_the_object_of_its_home(name: str) -> None:
    home = importlib.import_module(vars(pytest_mcpsym)["_MODULES"][name])
    assert getattr(pytest_mcpsym, name) is getattr(home, name)


def test_type_checkers_see_the_same_names() -> None:
    source = Path(pytest_mcpsym.__file__).read_text(encoding="utf-8")
    seen = {line.rsplit(" ", 1)[-1] for line in source.splitlines() if line.startswith("    from pytest_mcpsym")}
    assert seen == set(pytest_mcpsym.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'pytest_mcpsym' has no attribute 'Nope'"):
        _ = vars(pytest_mcpsym)["__getattr__"]("Nope")


def test_importing_the_door_imports_no_other_module_of_ours() -> None:
    code = "import json, sys, pytest_mcpsym; print(json.dumps([name for name in sys.modules if 'mcp' in name]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert json.loads(done.stdout) == ["pytest_mcpsym"]


@pytest.mark.parametrize("package", ["pytest_mcpsym", "fake_servers"])
def test_the_packages_are_marked_as_typed(package: str) -> None:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    assert (Path(spec.origin).parent / "py.typed").is_file()


@pytest.mark.skipif(find_spec("pyright") is None, reason="pyright is not installed")
def test_a_name_that_is_not_there_is_a_type_error(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(
        "from pytest_mcpsym import Board, Nope, Switchboard\n"
        "def test_it(switchboard: Switchboard) -> None:\n"
        "    with switchboard(echo='echo') as board:\n"
        "        reveal_type(board)\n"
        "async def test_other(switchboard: Switchboard) -> None:\n"
        "    async with switchboard(echo='echo') as board:\n"
        "        reveal_type(await board.call('echo__say'))\n",
        encoding="utf-8",
    )
    home = Path(pytest_mcpsym.__file__).parent.parent
    (tmp_path / "pyrightconfig.json").write_text(
        json.dumps({"extraPaths": [str(home)], "typeCheckingMode": "strict"}), encoding="utf-8"
    )
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    told = [(each["severity"], each["message"].split("\n")[0]) for each in json.loads(done.stdout)["generalDiagnostics"]]
    assert ("error", '"Nope" is unknown import symbol') in told
    assert ("information", 'Type of "board" is "Board"') in told
    assert ("information", 'Type of "await board.call(\'echo__say\')" is "CallToolResult"') in told
