"""Recording and replay on every event loop, under workers, reruns and interruption."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.plugin.harness import Example

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
    run.says("1 recorded")


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
