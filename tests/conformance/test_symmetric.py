"""The tests that judge a server by docs/symmetric.md: they pass servers that keep to it, and tell what is wrong with those that do not."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import anyio
import pytest

from pytest_mcpsym.conformance.desk import desk
from pytest_mcpsym.conformance.symmetric import JUDGEMENTS, explained, words
from tests.conformance.variants import PLAIN, VARIANTS, Variant

PAGE: Final = Path(__file__).parents[2] / "docs" / "symmetric.md"
PYTHON: Final = (sys.executable, "-S", "-E")
"""As a program that needs nothing but the standard library starts fastest."""


@pytest.fixture
def anyio_backend() -> str:
    """The event loop that the judgements run on."""
    return "asyncio"


async def failed(
    command: Sequence[str], eras: Collection[str] = ("handshake", "modern"), patience: float = 10.0
) -> dict[str, str]:
    """Why a server fails, by judgement."""
    async with desk(command, patience=patience, opening=20.0) as judged:
        told = {each.id: await explained(each, judged) for each in JUDGEMENTS if each.era in eras}
    return {name: text for name, text in told.items() if text}


def named(name: str) -> Variant:
    """The broken server of that name."""
    return next(each for each in VARIANTS if each.name == name)


@pytest.mark.anyio
async def test_a_server_written_from_the_page_alone_is_passed() -> None:
    assert await failed((*PYTHON, str(PLAIN))) == {}


@pytest.mark.anyio
@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
async def test_a_server_in_another_language_is_passed() -> None:
    assert await failed(("node", str(PLAIN.with_suffix(".mjs")))) == {}


@pytest.mark.anyio
async def test_each_broken_server_fails_what_it_breaks_and_nothing_else(tmp_path: Path) -> None:
    found: dict[str, set[str]] = {}
    turns = anyio.Semaphore(4)

    async def judge(variant: Variant) -> None:
        program = tmp_path / f"{variant.name.replace(' ', '_')}.py"
        program.write_text(variant.source, encoding="utf-8")
        async with turns:
            told = await failed((*PYTHON, str(program)), variant.eras, patience=4.0)
        found[variant.name] = {name.partition("-")[2] for name in told}

    async with anyio.create_task_group() as tasks:
        for variant in VARIANTS:
            tasks.start_soon(judge, variant)
    assert found == {variant.name: variant.found_by for variant in VARIANTS}


def test_each_judgement_is_about_a_sentence_of_the_page() -> None:
    page = re.sub(r"\s+", " ", PAGE.read_text(encoding="utf-8"))
    assert [each.id for each in JUDGEMENTS if each.sentence not in page] == []


def test_each_judgement_has_a_name_of_its_own() -> None:
    assert len({each.id for each in JUDGEMENTS}) == len(JUDGEMENTS)


@pytest.mark.anyio
async def test_a_failure_shows_the_sentence_the_frames_and_what_the_server_said(tmp_path: Path) -> None:
    source = named("reads one page").source.replace("\nimport sys\n", '\nimport sys\nprint("here I am", file=sys.stderr)\n')
    (tmp_path / "broken.py").write_text(source, encoding="utf-8")
    told = (await failed((*PYTHON, str(tmp_path / "broken.py")), {"handshake"}))["handshake-a-list-is-read-to-its-last-page"]
    first, *lines = told.splitlines()
    assert first.startswith("the server should ask its client for something, and answered: {")
    assert lines[:5] == ["", "docs/symmetric.md MUST:", "  A server uses names as lists gave them.", "", "frames (handshake):"]
    assert any(line.startswith("  server → client") and '"method": "tools/list"' in line for line in lines)
    assert lines[-2:] == ["standard error, its end:", "  here I am"]


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (None, 'add --mcp-server "COMMAND"'),
        (" ", 'add --mcp-server "COMMAND"'),
        ("a 'b", "cannot be split into words: No closing"),
    ],
)
def test_a_run_without_a_server_to_start_ends_with_one_line(command: str | None, line: str) -> None:
    with pytest.raises(pytest.exit.Exception, match=line):
        words(command)


def outcome(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and output of a run of pytest with our plugin alone."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "mcpsym", "-q", "--color=no", "--pyargs", *arguments],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ran.returncode, ran.stdout


def test_a_server_that_cannot_be_started_ends_the_run_with_one_line(tmp_path: Path) -> None:
    status, printed = outcome(tmp_path, "pytest_mcpsym.conformance.symmetric", "--mcp-server", "no-such-server --x")
    assert status == pytest.ExitCode.USAGE_ERROR
    assert "there is no command 'no-such-server' on PATH" in printed.splitlines()[-1]


def test_a_should_that_is_not_kept_fails_no_run(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(named("asks for one thing a leg").source, encoding="utf-8")
    server = shlex.join([*PYTHON, "broken.py"])
    status, printed = outcome(
        tmp_path, "pytest_mcpsym.conformance.symmetric", "--mcp-server", server, "-rx", "-k", "join-one-leg"
    )
    assert (status, "the first leg has 1 of the 2 calls" in printed) == (0, True)


def test_no_other_run_collects_the_judging_module(tmp_path: Path) -> None:
    assert outcome(tmp_path, "pytest_mcpsym", "--collect-only")[0] == pytest.ExitCode.NO_TESTS_COLLECTED
