"""Small projects that tests run pytest on: files in, outcome, report and files out, all three checked together.

An `Example` never changes; running one writes its files to a new folder. Runs are bounded, and happen in a process of their own unless
a test says otherwise: syrupy and pytest-randomly keep state in globals, so runs in this process go without them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Final, cast

import pytest
import syrupy

import pytest_mcpsym

__all__ = ["SERVERS", "Example", "Run", "ini"]

# Runs in this process put sys.modules back afterwards; what is imported here they need not import again and again.
for _module in ("report.outcome", "report.summary", "report.trimmed", "snapshot", "switchboard.opener", "fakes"):
    import_module(f"pytest_mcpsym.{_module}")

LIMIT: Final = 60.0
"""Seconds that a run may take on a loaded machine before it counts as hanging."""

STATEFUL: Final = ("syrupy", "randomly", "recording", "inline_snapshot", "hypothesispytest")

INI: Final = """
[pytest]
filterwarnings =
    error
    ignore:The configuration option "asyncio_default_fixture_loop_scope" is unset:pytest.PytestDeprecationWarning
"""
"""pytest-asyncio asks for an option that pytest would refuse where pytest-asyncio is not installed."""

SERVERS: Final = '''
import shlex
import sys

from mcp.server.mcpserver import MCPServer


def echo():
    server = MCPServer("echo", log_level="WARNING")

    @server.tool(structured_output=False)
    async def say(message: str) -> str:
        return message

    return server


BASE = """
import json, sys

def send(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)

def main(handle):
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("method") == "initialize":
            info = {"name": "odd", "version": "1"}
            send(id=message["id"], result={"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info})
        elif message.get("method") == "tools/list":
            send(id=message["id"], result={"tools": []})
        elif message.get("method") == "tools/call":
            handle(message["id"], message["params"]["name"])
"""


def odd():
    """Its tools misbehave as they are called: `twice` answers twice, `text` prints text first, `ask` asks and does not wait."""
    code = BASE + """
def handle(id, tool):
    if tool == "text":
        print("thinking, with token=sk-live-abcdefghijklmnop1234", flush=True)
    if tool == "ask":
        send(id=900, method="roots/list")
    for _ in range(2 if tool == "twice" else 1):
        send(id=id, result={"content": [{"type": "text", "text": tool}]})

main(handle)
"""
    return shlex.join([sys.executable, "-c", code])
'''


def ini(*lines: str) -> str:
    """Return the text of a pytest.ini with more lines."""
    return "\n".join([INI, *lines, ""])


@dataclass(frozen=True)
class Run:
    """What a run of pytest on an example did.

    Attributes:
        status: Exit status.
        outcomes: Counts of the last line, without deselected tests and warnings' plural: `{"passed": 2}`.
        text: Standard output, then standard error.
        changed: Files that were written or deleted (`None`), by path, without caches.
        example: The example with these changes.
        folder: Where it ran.
    """

    status: int
    outcomes: Mapping[str, int]
    text: str
    changed: Mapping[str, str | None]
    example: Example
    folder: Path

    def says(self, *texts: str) -> bool:
        """Whether the report holds all these texts."""
        missing = [text for text in texts if text not in self.text]
        assert not missing, f"{missing} not in:\n{self.text}"
        return True

    def section(self, title: str) -> str:
        """Return the text of the first section of that title in a test's report."""
        found = re.search(rf"^-+ {re.escape(title)} -+\n(.*?)(?=^[-=_]{{3,}} |\Z)", self.text, re.MULTILINE | re.DOTALL)
        assert found is not None, f"no section {title!r} in:\n{self.text}"
        return found[1]


@dataclass(frozen=True)
class Example:
    """A small project.

    Attributes:
        files: Text of each file, by path.
        root: Below this folder each run makes its own.
        env: More environment variables.
    """

    files: Mapping[str, str]
    root: Path
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def with_files(self, files: Mapping[str, str | None]) -> Example:
        """Return the example with files replaced, added and (where `None`) removed."""
        merged = {path: text for path, text in {**self.files, **files}.items() if text is not None}
        return replace(self, files=MappingProxyType(merged))

    def run(
        self,
        *args: str,
        plugins: str = "",
        python: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Run:
        """Run pytest in a process of its own.

        Args:
            args: Arguments of pytest.
            plugins: Names of the plugins to load beside ours, with spaces between them; `*` loads all that are installed.
            python: Options of the interpreter.
            env: More environment variables.
            folder: Where an earlier run of this example was, to run there again.
        """
        where = folder or self._write()
        wanted = {**_environment(), **self.env, **(env or {})}
        chosen: list[str] = []
        if plugins != "*":
            wanted["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
            chosen = [part for name in ["mcpsym", *plugins.split()] for part in ("-p", name)]
        command = [sys.executable, *python, "-m", "pytest", *chosen, *args]
        done = subprocess.run(
            command,
            cwd=where,
            env=wanted,
            capture_output=True,
            timeout=LIMIT,
            encoding="utf-8",
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return self._ran(where, done.returncode, done.stdout + done.stderr)

    def run_here(self, pytester: pytest.Pytester, *args: str, plugins: str = "", folder: Path | None = None) -> Run:
        """Run pytest in this process, which is much quicker.

        Args:
            pytester: The fixture.
            args: Arguments of pytest.
            plugins: Which of the plugins to load that are left out because they keep state in globals (only syrupy's is put back).
            folder: Where an earlier run of this example was, to run there again.
        """
        folder = folder or self._write()
        off = [f"no:{name}" for name in STATEFUL if name not in plugins.split()]
        wanted = ["--rootdir", str(folder), *(part for name in off for part in ("-p", name))]
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setenv("COLUMNS", "200")
            for name in [name for name in os.environ if name.startswith(("PYTEST_ADDOPTS", "PYTEST_XDIST"))]:
                patch.delenv(name)
            patch.setattr(syrupy, "_syrupy", None)
            done = pytester.runpytest_inprocess(*wanted, *args)
        return self._ran(folder, int(done.ret), done.stdout.str() + "\n" + done.stderr.str())

    def _write(self) -> Path:
        number = len(list(self.root.glob("run*")))
        folder = self.root / f"run{number}"
        folder.mkdir()
        for path, text in {"pytest.ini": INI, "servers.py": SERVERS, **self.files}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        return folder

    def _ran(self, folder: Path, status: int, text: str) -> Run:
        before = {"pytest.ini": INI, "servers.py": SERVERS, **self.files}
        after = {
            path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file() and not _is_cache(path)
        }
        changed: dict[str, str | None] = {path: None for path in before if path not in after}
        for path, file in after.items():
            content = file.read_bytes().decode("utf-8", "backslashreplace")
            if before.get(path) != content:
                changed[path] = content
        return Run(status, _outcomes(text), text, MappingProxyType(changed), self.with_files(changed), folder)


def _is_cache(path: Path) -> bool:
    return any(part in {"__pycache__", ".pytest_cache"} for part in path.parts)


def _environment() -> dict[str, str]:
    ours = str(Path(pytest_mcpsym.__file__).parent.parent)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV_", "COVERAGE"))}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(filter(None, [ours, kept.get("PYTHONPATH")])),
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }


def _outcomes(text: str) -> Mapping[str, int]:
    lines = [line for line in text.splitlines() if re.search(r" in [0-9.]+s", line)]
    counts = (
        cast("list[tuple[str, str]]", re.findall(r"(\d+) (\w+)", re.sub(r" in [0-9.]+s.*", "", lines[-1]))) if lines else []
    )
    plural = {"errors": "error", "reruns": "rerun", "snapshots": "snapshot"}
    return MappingProxyType({plural.get(word, word): int(count) for count, word in counts})
