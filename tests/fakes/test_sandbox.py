"""Programs run in Monty within their limits, reach nothing but the functions they were granted, and leave nothing behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta, timezone

import anyio
import anyio.lowlevel
import pytest
from mcp_types import Tool

from fake_servers import code_mode
from fake_servers.code_mode.program import ProgramError
from fake_servers.code_mode.sandbox import NOW, Answer, Call, Finished, Interpreter, Limits, Paused, Sandbox, Waiting
from fake_servers.code_mode.stubs import stubs


def tool(**properties: str) -> Tool:
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": list(properties),
    }
    return Tool.model_validate({"name": "t", "inputSchema": schema})


GRANTED = {"add": tool(a="integer", b="integer"), "echo": tool(message="string")}


LIMITS = Limits()


@contextmanager
def interpreter(limits: Limits = LIMITS, *, seed: int = 0, now: datetime = NOW) -> Generator[Interpreter]:
    made = Interpreter(GRANTED, stubs(GRANTED, waiting=True), limits, seed=seed, now=now)
    made.open()
    with closing(made):
        yield made


def answer(call: Call) -> Answer:
    """What the two tools answer; `echo` fails for the message "bad"."""
    if call.function == "add":
        return Answer(sum(value for value in call.arguments.values() if isinstance(value, int)))
    return Answer(failure="echo failed: bad") if call.arguments == {"message": "bad"} else Answer(call.arguments["message"])


def run(program: str, limits: Limits = LIMITS, *, seed: int = 0, now: datetime = NOW) -> tuple[object, list[list[Call]]]:
    """The program's value, and its calls: those made together in one list."""
    made: list[list[Call]] = []
    with interpreter(limits, seed=seed, now=now) as running:
        step = running.start(program)
        while isinstance(step, Waiting):
            made.append(list(step.calls.values()))
            step = running.answer({number: answer(call) for number, call in step.calls.items()})
    return step.value, made


def refusal(program: str, limits: Limits = LIMITS) -> str:
    with pytest.raises(ProgramError) as refused:
        run(program, limits)
    return str(refused.value)


@pytest.mark.parametrize(
    ("program", "value"),
    [
        ("add(a=1, b=2)", 3),
        ("await add(a=1, b=2)", 3),
        ("x = add(a=1, b=2)\nadd(a=x, b=x)", 6),
        ("def twice(x):\n    return add(a=x, b=x)\ntwice(4)", 8),
        ("async def twice(x):\n    return await add(a=x, b=x)\nawait twice(4)", 8),
        ("import asyncio\nasync def main():\n    return add(a=1, b=1)\nasyncio.run(main())", 2),
        ("[echo(message=c).upper() for c in 'ab']", ["A", "B"]),
        ("add(a=add(a=1, b=2), b=await add(a=3, b=4))", 10),
        ("f = echo\nawait f(message='named')", "named"),
        ("x = 1", None),
        ("{'a': (1, 2.5, None, True)}", {"a": [1, 2.5, None, True]}),
    ],
)
def test_the_value_of_a_program_is_that_of_its_last_expression(program: str, value: object) -> None:
    assert run(program)[0] == value


def test_a_failure_can_be_caught() -> None:
    assert run("try:\n    echo(message='bad')\nexcept RuntimeError as error:\n    x = str(error)\nx")[0] == "echo failed: bad"


def test_a_failure_that_is_not_caught_ends_the_program() -> None:
    assert refusal("x = 1\nawait echo(message='bad')") == "line 2: RuntimeError: echo failed: bad"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("1 +", "line 2: invalid syntax"),
        ("add(a='x', b=1)", 'line 2: Argument to function `add` is incorrect: Expected `int`, found `Literal["x"]`'),
        ("add(1, 2)", "line 2: "),
        ("echo()", "line 2: No argument provided for required parameter `message` of function `echo`"),
        ("ecko(message='x')", "line 2: Name `ecko` used when not defined (granted: add, echo)"),
        ("async def f(): ...\nf()", "line 3: Object of type `CoroutineType[Any, Any, Unknown]` is not awaited"),
        ("import socket", "line 2: Cannot resolve imported module `socket`"),
        ("import subprocess", "line 2: Cannot resolve imported module `subprocess`"),
        ("open('/etc/passwd')", "line 2: Name `open` used when not defined"),
        ("__import__('os')", "line 2: Name `__import__` used when not defined"),
    ],
)
def test_what_can_be_seen_beforehand_is_refused_before_anything_runs(line: str, why: str) -> None:
    with interpreter() as running, pytest.raises(ProgramError) as refused:
        running.start(f"echo(message='first')\n{line}")
    assert str(refused.value).startswith(why)


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (
            "from pathlib import Path\nPath('/etc/passwd').read_text()",
            "line 2: PermissionError: Permission denied: '/etc/passwd'",
        ),
        ("import os\nos.environ", "line 2: RuntimeError: 'os.environ' is not supported in this environment"),
        ("import os\nos.urandom(8)", "line 2: RuntimeError: 'os.urandom' is not supported in this environment"),
        ("def deeper(n):\n    return deeper(n + 1)\ndeeper(0)", "line 2: RecursionError: maximum recursion depth exceeded"),
        ("'a' * 10**9", "line 1: MemoryError: memory limit exceeded: "),
        ("try:\n    'a' * 10**9\nexcept BaseException:\n    0", "line 2: MemoryError: memory limit exceeded: "),
        ("1 / 0", "line 1: ZeroDivisionError: division by zero"),
        ("{1, 2}", "the program's value is no JSON: Object of type set is not JSON serializable"),
        ("float('nan')", "the program's value is no JSON: "),
        ("from typing import Any\nf: Any = echo\nawait f('x')", "line 3: TypeError: echo takes keyword arguments only"),
        (
            "from typing import Any\nx: Any = {1}\nawait echo(message=x)",
            "line 3: TypeError: the arguments of echo are no JSON: ",
        ),
    ],
)
def test_what_a_program_may_not_do_ends_it(program: str, why: str) -> None:
    assert refusal(program).startswith(why)


@pytest.mark.parametrize(
    "program", ["while True: pass", "while True:\n  try:\n    while True: pass\n  except BaseException:\n    pass"]
)
def test_a_program_that_runs_too_long_is_stopped(program: str) -> None:
    assert "TimeoutError: feed time limit exceeded" in refusal(program, Limits(seconds=0.2))


def test_a_program_that_calls_too_often_is_stopped() -> None:
    program = "while True:\n    try:\n        echo(message='again')\n    except BaseException:\n        pass"
    assert refusal(program, Limits(calls=3)) == "the program makes more than 3 calls"


def test_a_program_may_make_as_many_calls_as_its_limit() -> None:
    assert len(run("for i in range(1500):\n    await add(a=i, b=i)", Limits(calls=1500))[1]) == 1500


def test_calls_that_are_gathered_are_made_together() -> None:
    program = "import asyncio\nawait asyncio.gather(*[add(a=i, b=i) for i in range(3)], echo(message='x'))"
    value, made = run(program)
    assert value == [0, 2, 4, "x"]
    assert [[call.function for call in together] for together in made] == [["add", "add", "add", "echo"]]


@pytest.mark.parametrize(
    ("program", "value"),
    [
        ("f = echo\na = await f(message='x')\n[a, await f(message='y'), echo(message='z')]", ["x", "y", "z"]),
        (
            (
                "import asyncio\nasync def one(n):\n    return [echo(message=n), await echo(message=n + n)]\n"
                "await asyncio.gather(one('a'), one('b'), echo(message='c'))"
            ),
            [["a", "aa"], ["b", "bb"], "c"],
        ),
    ],
)
def test_a_program_can_move_to_another_process_with_each_call(program: str, value: object) -> None:
    with interpreter() as running:
        step = running.start(program)
        paused = running.pause()
    while isinstance(step, Waiting):
        with interpreter() as running:
            running.load(paused)
            step = running.answer({number: answer(call) for number, call in step.calls.items()})
            if isinstance(step, Waiting):
                paused = running.pause()
    assert step.value == value


def test_a_paused_program_that_cannot_be_loaded_is_refused() -> None:
    with interpreter() as running, pytest.raises(ProgramError, match="the paused program cannot be loaded by Monty "):
        running.load(Paused(b"damaged", {}, 0, ""))


def test_what_is_printed_is_kept() -> None:
    with interpreter() as running:
        assert running.start("print('one')\nprint('two', 2)") == Finished(None)
        assert running.printed == "one\ntwo 2\n"


def test_a_program_that_prints_too_much_is_stopped() -> None:
    assert refusal("while True:\n    print('again')") == "the program prints more than 100000 bytes"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: code_mode(max_seconds=0), "max_seconds must be more than 0 and at most 86400, not 0"),
        (lambda: code_mode(max_seconds=float("inf")), "max_seconds must be more than 0 and at most 86400, not inf"),
        (lambda: code_mode(max_seconds=float("nan")), "max_seconds must be more than 0 and at most 86400, not nan"),
        (lambda: code_mode(max_memory=-1), "max_memory must be more than 0, not -1"),
        (lambda: code_mode(max_calls=-1), "max_calls must be 0 or more, not -1"),
    ],
)
def test_limits_that_no_program_could_keep_are_refused(make: Callable[[], object], why: str) -> None:
    with pytest.raises(ValueError, match=f"^{why}$"):
        make()


def test_the_clock_stands_still() -> None:
    program = "import time, datetime\ntime.sleep(3600)\n[time.time(), str(datetime.datetime.now()), time.monotonic() - time.monotonic()]"
    assert run(program)[0] == [NOW.timestamp(), "2026-01-01 00:00:00", 0]
    then = datetime(2030, 5, 6, 12, tzinfo=timezone(timedelta(hours=2)))
    assert run(program, now=then)[0] == [then.timestamp(), "2030-05-06 10:00:00", 0]


def test_the_same_seed_gives_the_same_numbers() -> None:
    program = "import random\n[random.random(), random.randint(1, 1000), random.Random().random()]"
    first = run(program, seed=1)[0]
    assert run(program, seed=1)[0] == first
    assert run(program, seed=2)[0] != first


def alive(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("program", ["1", "1 / 0", "1 +", "echo(message='unanswered')"])
def test_the_process_ends_with_the_interpreter(program: str) -> None:
    with interpreter() as running:
        assert alive(running.pid)
        with suppress(ProgramError):
            running.start(program)
    assert not alive(running.pid)


@pytest.mark.anyio
async def test_cancelling_ends_process_and_thread() -> None:
    running = Interpreter(GRANTED, stubs(GRANTED, waiting=True), Limits(seconds=60), seed=0, now=NOW)
    started: list[bool] = []
    finished: list[bool] = []

    def start() -> None:
        started.append(True)
        try:
            running.start("while True: pass")
        finally:
            finished.append(True)

    async def use() -> None:
        async with Sandbox(running) as sandbox:
            await sandbox.turn(start)

    async def until(condition: Callable[[], object]) -> None:
        while not condition():
            await anyio.lowlevel.checkpoint()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(use)
            await until(lambda: started)
            group.cancel_scope.cancel()
    assert finished
    assert not alive(running.pid)
