"""Recording and replay on every event loop, under workers, reruns and interruption."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest

from tests.plugin.harness import Example, ini

MakeExample = Callable[..., Example]

LOOPS = """
import pytest
from servers import echo

@pytest.mark.anyio
async def test_it(switchboard, recorded):
    async with switchboard(echo=recorded(echo())) as board:
        result = await board.call("echo__say", message="hello")
    assert result.content[0].text == "hello"
"""
FILE = "recordings/test_it/test_it.echo.jsonl"
AIO = ("-p", "no:cacheprovider", "--mcp-record-in-ci")


def test_both_event_loops_share_one_recording(example: MakeExample) -> None:
    backends = "import pytest\n\n\n@pytest.fixture(params=['asyncio', 'trio'])\ndef anyio_backend(request):\n    return request.param\n"
    made = example(LOOPS, **{"conftest.py": backends})
    first = made.run(*AIO, "--mcp-record", plugins="anyio")
    assert (first.outcomes, set(first.changed)) == ({"passed": 2}, {FILE})
    again = first.example.run(*AIO, plugins="anyio")
    assert (again.outcomes, dict(again.changed)) == ({"passed": 2}, {})


FLAKY = """
import pathlib
from servers import echo

def test_it(switchboard, recorded):
    with switchboard(echo=recorded(echo())) as board:
        board.call("echo__say", message="hello")
    seen = pathlib.Path("seen")
    was = seen.exists()
    seen.touch()
    assert was
"""


def test_a_rerun_that_passes_keeps_what_it_recorded_and_leaves_nothing_aside(example: MakeExample) -> None:
    run = example(FLAKY).run(*AIO, "--mcp-record", "--mcp-trace=off", "--reruns=1", plugins="rerunfailures")
    assert set(run.changed) == {FILE, "seen"}
    run.says("1 recorded\n")
    again = run.example.with_files({"seen": None}).run(*AIO, "--mcp-trace=off", "--reruns=1", plugins="rerunfailures")
    assert (again.outcomes, set(again.changed)) == ({"passed": 1, "rerun": 1}, {"seen"})


ASYNCIO = LOOPS.replace("anyio", "asyncio")
TRIO = LOOPS.replace("anyio", "trio")
AUTO = LOOPS.replace("@pytest.mark.anyio\n", "")


@pytest.mark.parametrize(
    ("test", "mode"), [(ASYNCIO, "strict"), (AUTO, "auto"), (TRIO, "strict")], ids=["asyncio-strict", "asyncio-auto", "trio"]
)
def test_the_plugins_of_the_event_loops_record_replay_and_verify(
    example: MakeExample, pytester: pytest.Pytester, test: str, mode: str
) -> None:
    lines = ini(f"asyncio_mode = {mode}", "asyncio_default_fixture_loop_scope = function")
    run = example(test, **{"pytest.ini": lines}).run_here(pytester, *AIO, "--mcp-record")
    assert (run.outcomes, set(run.changed)) == ({"passed": 1}, {FILE}), run.text
    for flag in ("--mcp-replay", "--mcp-verify"):
        again = run.example.run_here(pytester, *AIO, flag)
        assert (again.outcomes, dict(again.changed)) == ({"passed": 1}, {}), again.text


SEVERAL = """
import os
import pytest
from servers import echo

@pytest.mark.parametrize("number", ["1", "2", "3"])
def test_it(switchboard, recorded, number):
    with switchboard(echo=recorded(echo())) as board:
        board.call("echo__say", message=number)
    assert number != os.environ.get("BAD")
"""


def test_what_x_and_lf_leave_out_keeps_its_recordings(
    example: MakeExample, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = example(SEVERAL).run_here(pytester, "--mcp-record", "--mcp-record-in-ci")
    monkeypatch.setenv("BAD", "2")
    first = made.example.run_here(pytester, "-x", "--mcp-trace=off")
    assert (first.outcomes, dict(first.changed)) == ({"failed": 1, "passed": 1}, {})
    assert "obsolete" not in first.text
    monkeypatch.delenv("BAD")
    last = made.example.run_here(pytester, "--lf", folder=first.folder)
    assert (last.outcomes, dict(last.changed)) == ({"passed": 1}, {})
    anew = made.example.run_here(pytester, "--lf", "--mcp-rerecord", "--mcp-record-in-ci", folder=first.folder)
    assert "obsolete" not in anew.text


STUCK = """
import os, shlex, signal, sys, threading, time

SLOW = shlex.join([sys.executable, "-c", '''
import pathlib, os
from mcp.server.mcpserver import MCPServer
pathlib.Path("pid").write_text(str(os.getpid()))
server = MCPServer("slow", log_level="ERROR")
server.tool(name="nap", structured_output=False)(lambda: "x")
server.run()
'''])

def test_it(switchboard, recorded):
    with switchboard(echo=recorded(SLOW)) as board:
        board.call("echo__nap")
        if "STOP" in os.environ:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(30)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise")
@pytest.mark.parametrize("flag", ["--mcp-rerecord", "--mcp-verify"])
def test_a_signal_ends_the_run_and_the_server_and_leaves_the_recording(example: MakeExample, flag: str) -> None:
    first = example(STUCK).run(*AIO, "--mcp-record")
    assert set(first.changed) == {FILE, "pid"}
    run = first.example.with_files({"pid": None}).run(*AIO, flag, "--mcp-trace=off", env={"STOP": "1"})
    assert (run.status, set(run.changed)) == (pytest.ExitCode.INTERRUPTED, {"pid"})
    with pytest.raises(ProcessLookupError):
        os.kill(int(str(run.changed["pid"])), 0)


def test_workers_record_each_their_own_tests(example: MakeExample) -> None:
    tests = "from servers import echo\n" + "".join(
        f"def test_{n}(switchboard, recorded):\n    with switchboard(echo=recorded(echo())) as board:\n"
        f"        board.call('echo__say', message='{n}')\n"
        for n in range(4)
    )
    run = example(tests).run(*AIO, "--mcp-record", "-n2", plugins="xdist.plugin")
    assert set(run.changed) == {f"recordings/test_it/test_{n}.echo.jsonl" for n in range(4)}
    run.says("recordings: 4 recorded")


def test_an_interrupted_test_leaves_nothing(example: MakeExample) -> None:
    run = example(FLAKY.replace("assert was", "raise KeyboardInterrupt")).run(*AIO, "--mcp-record", "--mcp-trace=off")
    assert run.status == pytest.ExitCode.INTERRUPTED
    assert set(run.changed) == {"seen"}
