"""In the modern era a paused program travels in the continuation: any process that has the key goes on with it, nobody else does."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import StdioServerParameters

from fake_servers import code_mode
from pytest_mcpsym.symmetric import Sealer
from pytest_mcpsym.symmetric.names import CALLS, CONTINUE, REFUSED_CONTINUATION
from pytest_mcpsym.transport.stdio import open_stdio
from pytest_mcpsym.transport.tap import Tap
from pytest_mcpsym.wire.log import WireLog
from tests.symmetric.legs import Wire, told, wire

pytestmark = pytest.mark.anyio

KEY = b"k" * 32
TOOLS = [
    {
        "name": f"a__{name}",
        "inputSchema": {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]},
    }
    for name in ("one", "two")
]
PROGRAM = """
import asyncio, random
print('before')
drawn = [random.random()]
kept = {'first': a__one(message='first')}
drawn.append(random.random())
print('between')
both = await asyncio.gather(a__one(message='second'), a__two(message=kept['first']))
[kept, both, drawn, random.random()]
"""


def calls(leg: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The tools that a leg asks for, with their message."""
    return [(call["params"]["name"], call["params"]["arguments"]["message"]) for call in leg["calls"].values()]


async def told_all(server: Wire, leg: Mapping[str, Any]) -> dict[str, Any]:
    """Answer each call of a leg with its message, doubled."""
    answers = {key: told(2 * call["params"]["arguments"]["message"]) for key, call in leg["calls"].items()}
    return await server.go_on(leg, **answers)


async def start(server: Wire, program: str) -> dict[str, Any]:
    """Begin a program and tell it the tools that there are; returns the end of the second leg."""
    leg = await server.begin("run", program=program)
    assert leg["calls"] == {"tools": {"method": "tools/list", "params": {}}}
    return await server.go_on(leg, tools={"tools": TOOLS})


async def whole(server: Wire, program: str = PROGRAM) -> dict[str, Any]:
    """Run a program in one process."""
    leg = await start(server, program)
    while leg["resultType"] == CALLS:
        leg = await told_all(server, leg)
    return leg["structuredContent"]


async def test_each_leg_of_a_program_may_be_served_by_another_server() -> None:
    async with wire(code_mode(key=KEY)) as one, wire(code_mode(key=KEY)) as two, wire(code_mode(key=KEY)) as three:
        leg = await one.begin("run", program=PROGRAM)
        leg = await two.go_on(leg, tools={"tools": TOOLS})
        assert calls(leg) == [("a__one", "first")]
        leg = await three.go_on(leg, **{next(iter(leg["calls"])): told("1st")})
        assert calls(leg) == [("a__one", "second"), ("a__two", "1st")]
        last = await told_all(one, leg)
        value = last["structuredContent"]["value"]
        assert value[:2] == [{"first": "1st"}, ["secondsecond", "1st1st"]]
        assert last["structuredContent"]["printed"] == "before\nbetween\n"
        assert value[2:] == (await whole(two))["value"][2:]


@asynccontextmanager
async def process(key: str) -> AsyncGenerator[Wire]:
    """Another process of the server."""
    params = StdioServerParameters(command=sys.executable, args=["-m", "fake_servers.code_mode"], env={"CODE_MODE_KEY": key})
    async with open_stdio(params, Tap(WireLog(), "code")) as channel:
        yield Wire(channel)


async def test_another_process_goes_on_with_a_program() -> None:
    async with process(KEY.hex()) as one:
        leg = await start(one, PROGRAM)
    async with process(KEY.hex()) as two:
        leg = await told_all(two, await told_all(two, leg))
    assert leg["structuredContent"]["value"][:2] == [{"first": "firstfirst"}, ["secondsecond", "firstfirstfirstfirst"]]


async def refusal(server: Wire, continuation: str, responses: Mapping[str, object]) -> object:
    """Why a continuation is refused."""
    error = await server.refused(CONTINUE, {"continuation": continuation, "responses": responses})
    assert error["message"] == REFUSED_CONTINUATION
    return error["data"]["reason"]


def answers(leg: Mapping[str, Any]) -> dict[str, object]:
    return {key: {"result": told("x")} for key in leg["calls"]}


@pytest.mark.parametrize("key", [None, b"x" * 32])
async def test_a_server_without_the_key_does_not_go_on(key: bytes | None) -> None:
    async with wire(code_mode(key=KEY)) as one, wire(code_mode(key=key)) as two:
        leg = await start(one, PROGRAM)
        assert await refusal(two, leg["continuation"], answers(leg)) == "unknown"


async def test_a_forged_program_is_refused() -> None:
    async with wire(code_mode(key=KEY)) as server:
        leg = await start(server, PROGRAM)
        forged = leg["continuation"][:-1] + ("A" if leg["continuation"][-1] != "A" else "B")
        assert await refusal(server, forged, answers(leg)) == "unknown"


async def test_a_program_of_somebody_else_is_refused() -> None:
    theirs = Sealer(KEY).seal(b'["run", "", ["0"]]\n{}\n', principal="them", request_digest="")
    async with wire(code_mode(key=KEY)) as server:
        assert await refusal(server, theirs, {"0": {"result": told("x")}}) == "foreign"


async def test_a_program_goes_on_once() -> None:
    async with wire(code_mode(key=KEY)) as server:
        leg = await start(server, PROGRAM)
        await told_all(server, leg)
        assert await refusal(server, leg["continuation"], answers(leg)) == "replayed"


async def test_a_program_is_not_kept_for_ever() -> None:
    async with wire(code_mode(key=KEY)) as one, wire(code_mode(key=KEY, time_to_live=0)) as late:
        leg = await start(one, PROGRAM)
        gone = await late.begin("run", program=PROGRAM)
        assert await refusal(late, gone["continuation"], {"tools": {"result": {"tools": TOOLS}}}) == "expired"
        assert (await told_all(one, leg))["resultType"] == CALLS


async def test_the_tools_are_listed_page_by_page() -> None:
    async with wire(code_mode()) as server:
        leg = await server.begin("run", program="a__two(message='hi')")
        leg = await server.go_on(leg, tools={"tools": TOOLS[:1], "nextCursor": "more"})
        assert leg["calls"] == {"tools": {"method": "tools/list", "params": {"cursor": "more"}}}
        leg = await server.go_on(leg, tools={"tools": TOOLS[1:]})
        assert calls(leg) == [("a__two", "hi")]


async def test_calls_may_be_answered_one_by_one() -> None:
    async with wire(code_mode()) as server:
        leg = await start(server, "import asyncio\nawait asyncio.gather(*[a__one(message=m) for m in 'xy'])")
        first, second = leg["calls"]
        leg = await server.go_on(leg, **{second: told("2")})
        assert leg["calls"] == {}
        leg = await server.go_on(leg, **{first: told("1")})
        assert leg["structuredContent"]["value"] == ["1", "2"]


async def test_an_error_in_an_answer_can_be_caught() -> None:
    program = "try:\n    a__one(message='x')\nexcept RuntimeError as error:\n    x = str(error)\nx"
    async with wire(code_mode()) as server:
        leg = await start(server, program)
        (key,) = leg["calls"]
        given = {"continuation": leg["continuation"], "responses": {key: {"error": {"code": -32602, "message": "no"}}}}
        assert (await server.ask(CONTINUE, given))["structuredContent"]["value"] == "a__one failed: no"


async def test_the_rest_of_the_limits_travels() -> None:
    async with wire(code_mode(key=KEY, max_calls=2)) as one, wire(code_mode(key=KEY, max_calls=2)) as two:
        leg = await start(one, "for i in range(3):\n    a__one(message=str(i))")
        leg = await told_all(two, await told_all(one, leg))
    assert leg["content"][0]["text"] == "the program makes more than 2 calls"


async def test_the_rest_of_the_time_travels() -> None:
    program = "n = 0\nwhile True:\n    n += 1\n    if n % 1_000_000 == 0:\n        a__one(message='turn')"
    servers = [code_mode(key=KEY, max_seconds=0.5, max_calls=100_000) for _ in range(2)]
    async with wire(servers[0]) as one, wire(servers[1]) as two:
        turns = itertools.cycle([two, one])
        leg = await start(one, program)
        while leg["resultType"] == CALLS:
            leg = await told_all(next(turns), leg)
    assert "TimeoutError: feed time limit exceeded" in leg["content"][0]["text"]


async def test_a_program_that_holds_too_much_to_travel_is_stopped() -> None:
    async with wire(code_mode()) as server:
        leg = await start(server, "x = 'a' * 5_000_000\na__one(message='hi')")
    assert leg["isError"]
    assert "4000000 can travel" in leg["content"][0]["text"]


async def test_a_program_that_is_no_text_is_refused() -> None:
    async with wire(code_mode()) as server:
        leg = await server.begin("run", program=3)
    assert (leg["isError"], leg["content"][0]["text"]) == (True, "the argument 'program' must be a text")


@pytest.mark.parametrize("key", ["short", "ab", "xyz"])
def test_a_key_that_is_none_is_refused_in_one_line(key: str) -> None:
    command = [sys.executable, "-m", "fake_servers.code_mode"]
    ran = subprocess.run(
        command, env={"CODE_MODE_KEY": key}, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )
    assert ran.returncode == 2
    assert ran.stderr == (
        "mcpsym serve: CODE_MODE_KEY must be at least 64 hexadecimal digits: python -c 'import secrets; print(secrets.token_hex(32))'\n"
    )
