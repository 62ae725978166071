"""What the plugin costs a pytest run that does not use it: one trivial test, in a process of its own.

What is compared is the processor time of the child process, user and system, which is steadier than the time on the wall.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points, version
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.paired import paired
from benchmarks.row import Effort, Row, Skipped

__all__ = ["startup"]

PLUGIN = "pytest_mcpsym.plugin"
ROOT = Path(__file__).resolve().parent.parent
INSTALL_LIMIT = 300.0
"""Seconds that making the bare environment may take."""

RUN_LIMIT = 120.0
"""Seconds that one pytest run may take."""


@dataclass(frozen=True, slots=True)
class _Run:
    """One way to run pytest in a folder."""

    python: str
    folder: Path
    arguments: Sequence[str] = ()
    variables: Mapping[str, str] | None = None

    def __call__(self) -> float:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        command = (self.python, "-W", "ignore", "-m", "pytest", "-q", "-p", "no:cacheprovider", *self.arguments)
        before = _children()
        subprocess.run(
            command, cwd=self.folder, env={**kept, **(self.variables or {})}, check=True, capture_output=True, timeout=RUN_LIMIT
        )
        return _children() - before


def _children() -> float:
    """Return the processor time of all child processes that have ended, in seconds."""
    import resource  # POSIX only; `os.times` counts in hundredths of a second, which is too coarse.

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def startup(effort: Effort) -> Iterator[Row | Skipped]:
    """A pytest run with the plugin against one without it, in this environment and in a bare one."""
    if os.name != "posix":
        yield Skipped("startup", "this system does not tell the processor time of child processes")
        return
    with TemporaryDirectory() as name:
        folder = Path(name, "project")
        folder.mkdir()
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "test_one.py").write_text("def test_nothing():\n    pass\n")
        yield from _here(folder, effort)
        if effort.installs:
            yield _bare(folder, Path(name, "environment"), effort)


def _here(folder: Path, effort: Effort) -> Iterator[Row | Skipped]:
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    pairs = paired(_Run(sys.executable, folder, ("-p", PLUGIN), alone), _Run(sys.executable, folder, (), alone), effort.starts)
    yield pairs.row("startup", "pytest with mcpsym and no other plugin", "pytest with no plugin", "none", 1.03)
    plugins = entry_points(group="pytest11")
    if "mcpsym" not in plugins.names:
        yield Skipped("startup", "pytest-mcpsym is not installed here, so pytest does not find it by itself")
        return
    others = f"{len(plugins) - 1} other plugins"
    pairs = paired(_Run(sys.executable, folder), _Run(sys.executable, folder, ("-p", "no:mcpsym")), effort.starts)
    yield pairs.row("startup", f"pytest with mcpsym and {others}", f"pytest with {others}", "none", 1.03)


def _bare(folder: Path, environment: Path, effort: Effort) -> Row | Skipped:
    """Compare with an environment that holds pytest alone, which has to be made first."""
    python = str(environment / "bin" / "python")
    commands = (
        (sys.executable, "-m", "venv", str(environment)),
        (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"pytest=={version('pytest')}"),
    )
    try:
        for command in commands:
            subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_LIMIT)
    except (subprocess.SubprocessError, OSError) as error:
        return Skipped("startup", f"no environment with pytest alone could be made: {error}")
    pairs = paired(_Run(sys.executable, folder), _Run(python, folder, (), {"PYTHONPATH": ""}), effort.starts)
    count = len(entry_points(group="pytest11"))
    return pairs.row("startup", f"pytest in this environment, {count} plugins", "an environment with pytest alone", "none")
