"""The pure core imports the standard library alone."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_mcpsym

SCRIPT = """
import importlib, sys
for name in ("anyio", "mcp", "mcp_types", "pytest", "pydantic", "trio", "httpx2"):
    sys.modules[name] = None
importlib.import_module(sys.argv[1])
"""


def _modules() -> list[str]:
    root = Path(pytest_mcpsym.__file__).parent
    found: list[str] = []
    for package in ("wire", "checks"):
        name = f"pytest_mcpsym.{package}"
        found += [name, *(module.name for module in pkgutil.walk_packages([str(root / package)], f"{name}."))]
    return found


@pytest.mark.parametrize("module", _modules())
def test_a_module_of_the_pure_core_imports_without_any_dependency(module: str) -> None:
    root = Path(pytest_mcpsym.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, module], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
