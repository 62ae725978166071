"""The code-mode server runs programs over the tools that its client offers."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import anyio
import anyio.lowlevel
import pytest
from mcp.server.mcpserver import MCPServer
from mcp_types import TextContent

from fake_servers import code_mode, everything
from fake_servers.code_mode.sandbox import Interpreter
from pytest_mcpsym import AsyncBoard, Switchboard, link
from pytest_mcpsym.switchboard.target import Era, Transport

pytestmark = pytest.mark.anyio


async def run(board: AsyncBoard, program: str) -> tuple[bool, str]:
    result = await board.call("code__run", program=program)
    (block,) = result.content
    assert isinstance(block, TextContent)
    return result.is_error, block.text


@pytest.mark.parametrize("era", ["handshake", "modern"])
@pytest.mark.parametrize("transport", ["memory", "stdio", "http"])
async def test_each_granted_tool_is_a_function(switchboard: Switchboard, era: Era, transport: Transport) -> None:
    target: object = (
        f"{sys.executable} -m fake_servers.code_mode" if transport == "stdio" else link(code_mode(), transport=transport)
    )
    async with switchboard(code=target, everything=everything(), era=era) as board:
        assert await run(board, "everything__get_sum(a=1, b=2)") == (False, "The sum of 1 and 2 is 3.")
    assert board.routes == "host > code > everything"


async def test_results_flow_from_call_to_call(switchboard: Switchboard) -> None:
    async with switchboard(code=code_mode(), everything=everything()) as board:
        program = "text = everything__echo(message='hi')\nawait everything__echo(message=text.upper())"
        assert await run(board, program) == (False, "Echo: ECHO: HI")
    assert board.routes == "host > code > everything x2"


async def test_structured_content_is_the_value_where_there_is_some(switchboard: Switchboard) -> None:
    async with switchboard(code=code_mode(), everything=everything()) as board:
        assert await run(board, WEATHER) == (False, CHICAGO)
        assert await run(board, f"{WEATHER}['humidity'] + 1") == (False, "83")


async def test_a_program_that_is_refused_calls_nothing(switchboard: Switchboard) -> None:
    async with switchboard(code=code_mode(), everything=everything()) as board:
        failed, why = await run(board, "everything__echo(message='hi')\nopen('/etc/passwd')")
    assert failed
    assert "line 2: Name `open` used when not defined (granted: everything__echo, " in why
    assert board.routes == "host > code"


WEATHER = "everything__get_structured_content(location='Chicago')"
CHICAGO = '{"temperature": 36, "conditions": "Light rain / drizzle", "humidity": 82}'
FAILS = "everything__get_sum(a=json.loads('[]'), b=1)"
"""The type checker cannot tell what is added to 1; the server can."""


async def test_a_tool_that_fails_ends_the_program(switchboard: Switchboard) -> None:
    async with switchboard(code=code_mode(), everything=everything()) as board:
        failed, why = await run(board, f"import json\n{FAILS}\neverything__echo(message='never')")
    assert failed
    assert "line 2: RuntimeError: everything__get-sum failed: " in why
    assert board.routes == "host > code > everything"


async def test_a_program_may_catch_the_failure_of_a_tool(switchboard: Switchboard) -> None:
    async with switchboard(code=code_mode(), everything=everything()) as board:
        program = f"import json\ntry:\n    {FAILS}\nexcept RuntimeError:\n    x = everything__echo(message='caught')\nx"
        assert await run(board, program) == (False, "Echo: caught")
    assert board.routes == "host > code > everything x2"


@pytest.mark.parametrize("era", ["handshake", "modern"])
async def test_calls_that_are_gathered_are_open_together(switchboard: Switchboard, era: Era) -> None:
    met = anyio.Event()
    here: list[int] = []
    meeting = MCPServer("meeting")

    @meeting.tool(structured_output=False)
    async def wait_for_two(number: int) -> str:
        """Answer when two are here."""
        here.append(number)
        if len(here) == 2:
            met.set()
        with anyio.fail_after(30):
            await met.wait()
        return str(number)

    program = "import asyncio\nawait asyncio.gather(*[meeting__wait_for_two(number=n) for n in (1, 2)])"
    async with switchboard(code=code_mode(), meeting=meeting, era=era) as board:
        assert await run(board, program) == (False, '["1", "2"]')
    assert board.routes == "host > code > meeting x2"


async def test_what_is_printed_is_in_the_structured_content(switchboard: Switchboard) -> None:
    async with switchboard(code=code_mode(), everything=everything()) as board:
        ended = await board.call("code__run", program="print('so far')\neverything__get_sum(a=1, b=2)")
        failed = await board.call("code__run", program="print('so far')\n1 / 0")
    assert ended.structured_content == {"value": "The sum of 1 and 2 is 3.", "printed": "so far\n"}
    assert (failed.is_error, failed.structured_content) == (True, {"printed": "so far\n"})


async def test_a_program_may_run_a_program(switchboard: Switchboard) -> None:
    async with switchboard(outer=code_mode(), inner=code_mode(), everything=everything()) as board:
        program = "inner__run(program=\"everything__echo(message='deep')\")['value']"
        result = await board.call("outer__run", program=program)
    assert result.structured_content == {"value": "Echo: deep", "printed": ""}
    assert board.routes == "host > outer > inner > everything"


async def test_the_functions_can_be_asked_for(switchboard: Switchboard) -> None:
    async with switchboard(
        code=link(code_mode(), grants=["everything__get-structured-content"]), everything=everything()
    ) as board:
        (block,) = (await board.call("code__stubs")).content
    assert isinstance(block, TextContent)
    assert block.text.splitlines()[-3:] == [
        (
            "everything__get_structured_content_answer = "
            "TypedDict('everything__get_structured_content_answer', {'temperature': float, 'conditions': str, 'humidity': float})"
        ),
        "# Tell the weather as structured content, with a schema to check it by.",
        "async def everything__get_structured_content(*, location: Literal['New York', 'Chicago', 'Los Angeles']) -> everything__get_structured_content_answer: ...",
    ]


async def test_clock_seed_and_limits_are_the_servers(switchboard: Switchboard) -> None:
    then = datetime(2031, 2, 3, tzinfo=UTC)
    program = "import random, time\n[time.time(), random.random()]"
    one, same, other = code_mode(now=then, seed=1), code_mode(now=then, seed=1), code_mode(seed=2, max_calls=0)
    async with switchboard(a=one, b=same, c=other, everything=everything()) as board:
        a, b, c = [await board.call(f"{name}__run", program=program) for name in "abc"]
        stopped = await board.call("c__run", program="everything__echo(message='hi')")
    assert a.structured_content == b.structured_content
    assert a.structured_content is not None
    assert a.structured_content["value"][0] == then.timestamp()
    assert a.content != c.content
    assert stopped.is_error
    assert "the program makes more than 0 calls" in str(stopped.content)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The processes that programs were given."""
    pids: list[int] = []
    start = Interpreter.start

    def noting(self: Interpreter, program: str) -> object:
        assert self.pid is not None
        pids.append(self.pid)
        return start(self, program)

    monkeypatch.setattr(Interpreter, "start", noting)
    return pids


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(30):
        while not condition():
            await anyio.lowlevel.checkpoint()


ENDLESS = "while True: pass"


@pytest.mark.parametrize("era", ["handshake", "modern"])
@pytest.mark.parametrize("transport", ["memory", "http"])
async def test_a_call_that_is_cancelled_leaves_no_process(
    switchboard: Switchboard, workers: list[int], era: Era, transport: Transport
) -> None:
    code = link(code_mode(max_seconds=60), transport=transport)
    async with switchboard(code=code, everything=everything(), era=era) as board, anyio.create_task_group() as group:
        group.start_soon(run, board, ENDLESS)
        await until(lambda: workers)
        assert alive(workers[0])
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await until(lambda: not alive(workers[0]))
            assert await run(board, "1 + 1") == (False, "2")


@pytest.mark.parametrize("era", ["handshake", "modern"])
@pytest.mark.parametrize("transport", ["memory", "http"])
@pytest.mark.parametrize("program", [ENDLESS, "slow__never()"])
async def test_a_board_that_is_closed_leaves_no_process(
    switchboard: Switchboard, workers: list[int], era: Era, transport: Transport, program: str
) -> None:
    slow = MCPServer("slow")
    asked: list[str] = []

    @slow.tool()
    async def never() -> None:
        """Do not answer."""
        asked.append("never")
        await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        code = link(code_mode(max_seconds=60), transport=transport)
        async with switchboard(code=code, slow=slow, era=era) as board:
            group.start_soon(run, board, program)
            await until(lambda: workers if program == ENDLESS else asked)
            group.cancel_scope.cancel()
    assert not alive(workers[0])
