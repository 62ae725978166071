"""A second-order server and what it reaches replay, whichever of them are recorded and whichever are there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.plugin.harness import Example

MakeExample = Callable[..., Example]

TEST = """
import pathlib
from fake_servers import agent, code_mode, everything

def test_it(switchboard, recorded):
    links = {{"agent": agent(), "code": code_mode(), "everything": everything()}}
    links |= {{name: recorded(links[name]) for name in {names}}}
    with switchboard(**links) as board:
        {script}
        board.call("agent__run", task="say hello with the echo tool")
    assert board.routes == "host > agent > code > everything"
    pathlib.Path("log.txt").write_text(board.transcript(), "utf-8")
"""
SCRIPT = """
        board.model.when("say hello").calls("code__run", {"program": "everything__echo(message='hello')"})
        board.model.when("Echo: hello").reply("It said hello.")
"""
QUIET = ("-p", "no:cacheprovider", "--mcp-trace=off")


@pytest.mark.parametrize("names", [["agent"], ["code"], ["agent", "everything"], ["agent", "code", "everything"]], ids=",".join)
@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_a_route_through_recorded_and_live_links_is_the_same(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, era: str, names: list[str]
) -> None:
    monkeypatch.delenv("CI", raising=False)
    made = example(TEST.format(names=names, script=SCRIPT))
    first = made.run_here(pytester, *QUIET, "--mcp-record", f"--mcp-era={era}")
    assert first.outcomes == {"passed": 1}, first.text
    # The model was asked by the agent: where that is recorded, so is what it was told.
    script = "pass" if "agent" in names else SCRIPT
    second = first.example.with_files({"test_it.py": TEST.format(names=names, script=script), "log.txt": None})
    again = second.run_here(pytester, *QUIET, f"--mcp-era={era}")
    assert (again.outcomes, again.changed["log.txt"]) == ({"passed": 1}, first.changed["log.txt"]), again.text
    verified = second.run_here(pytester, *QUIET, "--mcp-verify", f"--mcp-era={era}")
    assert (verified.outcomes, verified.changed["log.txt"]) == ({"passed": 1}, first.changed["log.txt"]), verified.text


@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_a_recorded_agent_whose_tool_answers_otherwise_is_a_miss(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, era: str
) -> None:
    monkeypatch.delenv("CI", raising=False)
    test = TEST.format(names=["agent"], script=SCRIPT)
    first = example(test).run_here(pytester, *QUIET, "--mcp-record", f"--mcp-era={era}")
    louder = test.replace('"everything": everything()', '"everything": LOUDER')
    louder = louder.replace(
        "def test_it",
        "from servers import echo\nLOUDER = echo()\nLOUDER.tool(name='echo')(lambda message: 'no')\n\ndef test_it",
    )
    run = first.example.with_files({"test_it.py": louder}).run_here(pytester, *QUIET, f"--mcp-era={era}")
    assert run.outcomes == {"failed": 1}
    run.says("mcp replay miss in test_it", "host → agent" if era == "modern" else "→ agent")
