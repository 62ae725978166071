"""Every page's blocks do what the page says.

* A `python`, `ini`, `toml` or `javascript` block with a `title` is a file of that name; without one, a `python` block is a test file of its own, or a
  script where it defines no test.
* A `console` block that begins with `$ pytest …` or `$ mcpsym show …` is run, and must print the lines that follow, in order; `...` stands
  for any lines. The same command once more, with no file between, is not run again.
* What no `console` block runs must pass.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

import pytest_mcpsym
from tests.docs.blocks import Block, blocks
from tests.docs.checks_page import checks_page

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
RUN_ELSEWHERE = ("official-suite.md",)
"""Pages whose commands need what `tests/peers/install.py` installs: `tests/peers/test_official_suite_page.py` runs them."""
FILES = ("python", "ini", "toml", "javascript")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest as a reader would, without the plugins that only the environment of our own tests has."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "COV_", "MCPSYM_"))}
    environment |= {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "-p mcpsym -p anyio -p syrupy -p no:cacheprovider --color=no",
        "COLUMNS": "80",
        "CI": "",
    }
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def normal(line: str) -> str:
    """A line of pytest's output without what differs between terminals and runs."""
    line = re.sub(r"\b\d+\.\d\ds\b", "0.00s", line.rstrip())
    line = re.sub(r"/\S+/(?=mcp-traces/)", "/project/", line)
    line = re.sub(r"0x[0-9a-f]+", "0x0", line)
    return re.sub(r"^([=_-])\1+ (.*?) \1+$", r"\1 \2 \1", line)


def missing(told: Sequence[str], printed: Sequence[str]) -> str | None:
    """The first line that is told and was not printed where it should have been; `None` if all were."""
    rest = iter(printed)
    anywhere = True
    for line in told:
        if line == "...":
            anywhere = True
            continue
        found = next(rest, None)
        while anywhere and found is not None and found != line:
            found = next(rest, None)
        if found != line:
            return line
        anywhere = False
    return None


def write(folder: Path, block: Block) -> str:
    """Write a block as a file and return its name."""
    is_test = re.search(r"^(async )?def test_", block.text, re.MULTILINE)
    name = block.title or f"{'test_' if is_test else ''}line_{block.line}.py"
    (folder / name).write_text(block.text, encoding="utf-8")
    return name


def ran_as_told(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run what a `console` block begins with."""
    program, *arguments = shlex.split(command.removeprefix("$ "))
    if program == "pytest":
        return run(folder, *arguments)
    tool = [sys.executable, "-m", "pytest_mcpsym", *arguments]
    return subprocess.run(tool, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def check_console(block: Block, ran: subprocess.CompletedProcess[str]) -> None:
    told = block.text.splitlines()[1:]
    printed = [normal(line) for line in ran.stdout.splitlines()]
    line = missing([normal(line) for line in told], printed)
    assert line is None, f"{block.page}, line {block.line}: {line!r} was not printed:\n{ran.stdout}{ran.stderr}"


def check_rest(folder: Path, names: Sequence[str], page: str) -> None:
    """Run what no console block ran."""
    tests = [name for name in names if name.startswith("test_")]
    if tests:
        ran = run(folder, "-q", *tests)
        assert ran.returncode == 0, f"{page}: its tests do not pass:\n{ran.stdout}{ran.stderr}"
    for name in names:
        if name.startswith("line_"):
            ran = subprocess.run([sys.executable, name], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
            assert ran.returncode == 0, f"{page}, {name}:\n{ran.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_blocks_of_a_page_do_what_it_says(page: Path, tmp_path: Path) -> None:
    rest: dict[str, None] = {}
    ran: dict[str, subprocess.CompletedProcess[str]] = {}
    for block in blocks(page):
        if block.language in FILES and (block.language == "python" or block.title):
            rest[write(tmp_path, block)] = None
            ran.clear()
        elif (
            block.language == "console"
            and block.text.startswith(("$ pytest", "$ mcpsym show"))
            and page.name not in RUN_ELSEWHERE
        ):
            command = block.text.splitlines()[0]
            ran[command] = ran.get(command) or ran_as_told(tmp_path, command)
            check_console(block, ran[command])
            for name in command.split():
                rest.pop(name, None)
    check_rest(tmp_path, list(rest), page.name)


def test_each_page_is_in_the_navigation() -> None:
    named = re.findall(r"^  - .*: ([\w-]+\.md)$", (ROOT / "properdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(path.name for path in PAGES) == sorted(["README.md", *named])


def test_every_page_shows_something_that_runs() -> None:
    silent = [page.name for page in PAGES if not any(block.language == "python" for block in blocks(page))]
    assert silent == ["checks.md", "dependencies.md", "live-bugs.md", "wire-methods.md", "wire.md"]


@pytest.mark.parametrize(
    ("told", "printed", "expected"),
    [
        (["a", "b"], ["x", "a", "b", "y"], None),
        (["a", "...", "c"], ["a", "b", "c"], None),
        (["a", "c"], ["a", "b", "c"], "c"),
        (["b", "...", "a"], ["a", "b"], "a"),
        (["a", "b"], ["a"], "b"),
    ],
)
def test_output_is_compared_line_by_line_in_order(told: list[str], printed: list[str], expected: str | None) -> None:
    assert missing(told, printed) == expected


def test_a_fence_that_is_not_closed_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("text\n```python\nx = 1\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"page\.md, line 2"):
        list(blocks(page))


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_the_public_names_are_all_in_the_documentation() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [name for name in pytest_mcpsym.__all__ if not re.search(rf"\b{name}\b", text)] == []


def test_the_options_page_has_every_option_and_ini_setting() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    names = set(
        re.findall(
            r"--mcp-[\w-]+|\bmcp_(?:era|checks|fail_on|expect|trace|mode|redact_headers|redact_fields|verify_ignore|\w+_timeout)\b",
            shown,
        )
    )
    assert len(names) == 21
    assert [name for name in sorted(names) if f"`{name}`" not in page("options.md")] == []


def test_the_page_of_checks_has_those_that_run() -> None:
    assert page("checks.md") == checks_page(), "write it anew: python -m tests.docs.checks_page"


def test_the_table_of_dependencies_has_those_that_are_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {re.split(r"[<>=\[]", each)[0] for each in project["dependencies"]}
    runtime = page("dependencies.md").partition("## Extras")[0]
    assert set(re.findall(r"^\| `([\w-]+)` \|", runtime, re.MULTILINE)) == named
