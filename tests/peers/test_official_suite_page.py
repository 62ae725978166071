"""What `docs/official-suite.md` shows is what one sees: its commands are run, with ports that are free."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks
from tests.peers.listening import MCPSYM, listening
from tests.peers.provision import conformance_suite

PAGE = Path(__file__).parents[2] / "docs" / "official-suite.md"


def told(block: Block, said: str) -> None:
    """Check that a command has said what follows it in the block, in this order, where `...` stands for anything."""
    _, *lines = block.text.splitlines()
    pattern = r".*".join(re.escape(part) for part in "\n".join(lines).split("..."))
    plain = re.sub(r"\x1b\[\d+m", "", said)
    assert re.search(pattern, plain, re.DOTALL), plain


def commands() -> Iterator[tuple[list[str], Block]]:
    for block in blocks(PAGE):
        if block.language == "console":
            yield shlex.split(block.text.splitlines()[0].removeprefix("$ ")), block


def test_the_suite_says_through_the_recorder_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = (block for block in blocks(PAGE) if block.title == "weather.py")
    (tmp_path / "weather.py").write_text(source.text, "utf-8")
    monkeypatch.chdir(tmp_path)
    (serve, _), (record, _), (suite, passed), (show, shown) = commands()
    assert suite[:3] == ["npx", "-y", "@modelcontextprotocol/conformance@0.2.0-alpha.12"]

    with listening(*serve[1:-1], "0") as url, listening(*record[1:-3], url, "--port", "0") as through:
        command = [*conformance_suite(), *(through if word.startswith("http:") else word for word in suite[3:])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    told(passed, done.stdout.replace(through, "http://127.0.0.1:8001/mcp"))
    told(shown, subprocess.run([*MCPSYM, *show[1:]], capture_output=True, text=True, timeout=60, check=True).stdout)
