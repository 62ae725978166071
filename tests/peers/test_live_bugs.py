"""The bugs of the page on current SDKs are there: each test fails, and says what to do, when the installed release has mended its bug."""

from __future__ import annotations

import asyncio
import json
import queue
import selectors
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import Any, Literal, cast

import anyio
import fastmcp
import fastmcp.exceptions
import pytest
from mcp import Client, MCPError
from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension
from mcp_types import CallToolRequestParams, InputRequiredResult, TextContent

from pytest_mcpsym import link
from pytest_mcpsym.checks import run
from pytest_mcpsym.errors import FindingsError, LinkError
from pytest_mcpsym.explore import Ask
from pytest_mcpsym.switchboard.opener import switchboard
from pytest_mcpsym.wire.log import WireLog
from tests.peers.live_bugs import BUGS, PAGE, page
from tests.peers.provision import NPM_ROOT, TIME_ROOT, sdk_v1_peer, typescript_peer
from tests.peers.raw import LIMIT, handshake, request

SERVER = """
from typing import Literal

import anyio
from mcp.server import MCPServer
from mcp.server.extension import Extension
from mcp_types import Result

class Later(Result):
    result_type: Literal["com.example/later"] = "com.example/later"

class Lateness(Extension):
    identifier = "com.example/lateness"

    async def intercept_tool_call(self, params, context, call_next):
        return Later() if params.name == "later" else await call_next(context)

server = MCPServer("sdk", extensions=[Lateness()], log_level="CRITICAL")
freed = anyio.Event()

@server.tool(structured_output=False)
async def hold() -> str:
    await freed.wait()
    return "held"

@server.tool(structured_output=False)
async def free() -> str:
    freed.set()
    return "freed"

@server.tool()
def infinite() -> dict[str, float]:
    return {"value": float("inf")}

@server.tool(structured_output=False)
def lone() -> str:
    return chr(0xD800)

@server.tool(structured_output=False)
def later() -> str:
    return "now"

server.run()
"""

MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
"""What a modern request says of a client that declares nothing."""

SDK_1 = "the SDK's version 1"
"""It is installed beside the servers that need it."""

PATIENCE = 1.0
"""Seconds in which an answer that is not owed any more by then would have come: silence has no other sign."""


class Talk:
    """A raw conversation with the SDK's own stdio server, on a log."""

    def __init__(self, process: subprocess.Popen[bytes], era: Literal["handshake", "modern"] = "handshake") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.log = WireLog()
        self.log.note("sdk", "open", transport="stdio", era=era, target="sdk")
        self._input, self._lines = process.stdin, queue.SimpleQueue[bytes]()
        threading.Thread(target=self._pump, args=(process.stdout,), daemon=True).start()
        if era == "handshake":
            for message in handshake({}):
                self.say(json.dumps(message).encode())
            self.hear(0)

    def _pump(self, lines: Iterator[bytes]) -> None:
        for line in lines:
            self._lines.put(line)
        self._lines.put(b"")

    def say(self, *lines: bytes) -> None:
        """Send lines, all at once."""
        for line in lines:
            self.log.frame("sdk", "to-server", line)
        self._input.write(b"".join(line + b"\n" for line in lines))
        self._input.flush()

    def call(self, number: object, tool: str) -> None:
        """Send a tool call."""
        self.say(json.dumps(request(number, "tools/call", {"name": tool})).encode())

    def hear(self, number: object, limit: float = LIMIT) -> dict[str, object] | None:
        """Return the answer with that id and type of id; `None` if it does not come in time or the server ended."""
        while True:
            try:
                line = self._lines.get(timeout=limit)
            except queue.Empty:
                return None
            if not line:
                self.log.note("sdk", "close", by="peer")
                return None
            self.log.frame("sdk", "to-client", line.rstrip(b"\n"))
            found = json.loads(line)
            if found.get("id") == number and type(found.get("id")) is type(number):
                return found

    def found(self) -> set[str]:
        """Return the ids of the checks that found something by now."""
        return {finding.check for finding in run(self.log)}


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that starts a server of the installed SDK."""
    path = tmp_path_factory.mktemp("sdk") / "server.py"
    path.write_text(SERVER)
    return [sys.executable, str(path)]


@contextmanager
def talking(command: list[str], era: Literal["handshake", "modern"] = "handshake") -> Generator[Talk]:
    """Start a server and talk to it."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield Talk(process, era)
        finally:
            process.kill()


def released(software: str) -> str:
    """Return the version that is installed."""
    if software == SDK_1:
        return next(TIME_ROOT.glob("venv/**/site-packages/mcp-*.dist-info")).name.split("-")[1].removesuffix(".dist")
    if not software.startswith("@"):
        return version(software)
    package = NPM_ROOT / "node_modules" / software / "package.json"
    return str(cast("dict[str, object]", json.loads(package.read_text()))["version"])


def is_there(name: str, *, there: bool, software: str = "mcp") -> None:
    """Fail if a bug is not there any more."""
    assert there, (
        f"{software} {released(software)} has mended {BUGS[name].row}, seen in {BUGS[name].software}: {BUGS[name].sentence} "
        f"Take {name!r} out of tests/peers/live_bugs.py with its test, and run python -m tests.peers.live_bugs"
    )


BROKEN = (
    b"{bad",
    b"[]",
    b'{"id":5,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":true,"method":"ping"}',
)


def test_silence(script: list[str]) -> None:
    with talking(script) as talk:
        for broken in BROKEN:
            talk.say(broken)
        talk.say(json.dumps(request("alive", "ping")).encode())
        assert talk.hear("alive") is not None
        answers = [frame for frame in talk.log.on("sdk") if frame.direction == "to-client"]
        is_there("silence", there=len(answers) == 2)
        assert [finding.check for finding in run(talk.log)] == [BUGS["silence"].check] * len(BROKEN)


def test_folded_cancellation_and_infinity(script: list[str]) -> None:
    with talking(script) as talk:
        talk.call(1, "infinite")
        answer = talk.hear(1)
        assert answer is not None
        result = cast("dict[str, object]", answer["result"])
        is_there("infinity", there=result["structuredContent"] == {"value": None})
        talk.call(7, "hold")
        talk.say(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"07"}}')
        talk.call("f", "free")
        assert talk.hear("f") is not None
        is_there("folded-cancellation", there=talk.hear(7, PATIENCE) is None)
        assert BUGS["folded-cancellation"].check in talk.found()


def test_deadly_cancellation() -> None:
    """Whether the cancellation overtakes the answer is chance, so it has five chances."""
    cancellation = b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}'
    found = None
    for _ in range(5):
        with talking(sdk_v1_peer()) as talk:
            with suppress(BrokenPipeError):
                talk.say(
                    *(json.dumps(request(number, method)).encode() for number, method in ((1, "ping"), (2, "tools/list"))),
                    cancellation,
                )
                talk.say(json.dumps(request("alive", "ping")).encode())
            if talk.hear("alive", PATIENCE) is None:
                found = talk.found()
                break
    is_there("deadly-cancellation", there=found is not None, software=SDK_1)
    assert BUGS["deadly-cancellation"].check in (found or ())


# The SDK leaves the stream that it lost to the garbage collector, which warns of it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_folded_ids() -> None:
    server = MCPServer("sdk", log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def echo() -> str:
        await anyio.lowlevel.checkpoint()
        return "echo"

    echoing: dict[str, object] = {"name": "echo", "arguments": {}}
    lost = ""
    opened = switchboard(server=link(server, transport="http"), era="handshake")
    with suppress(FindingsError), opened as board:
        try:
            board.play(Ask("tools/call", echoing, id=5000), Ask("tools/call", echoing, id="5000"))
        except LinkError as error:
            lost = str(error)
    is_there("folded-ids", there="the event stream ended without an answer" in lost)
    assert BUGS["folded-ids"].check in {finding.check for finding in board.findings}


def test_lone_surrogate(script: list[str]) -> None:
    with talking(script) as talk:
        talk.call(1, "lone")
        is_there("lone-surrogate", there=talk.hear(1, PATIENCE) is None)
        assert BUGS["lone-surrogate"].check in talk.found()


@pytest.mark.parametrize("software", ["mcp", "@modelcontextprotocol/server"])
def test_undeclared_result(script: list[str], software: str) -> None:
    with talking(script if software == "mcp" else typescript_peer("undeclared.mjs"), "modern") as talk:
        params = {"name": "later", "arguments": {}, "_meta": MODERN}
        talk.say(json.dumps(request(1, "tools/call", params)).encode())
        answer = talk.hear(1)
        assert answer is not None
        kind = cast("dict[str, object]", answer.get("result", {})).get("resultType")
        is_there("undeclared-result", there=kind == "com.example/later", software=software)
        assert BUGS["undeclared-result"].check in talk.found()


class Legs(Extension):
    """Makes each call one of five legs, each of which takes forty seconds."""

    identifier = "com.example/legs"

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        leg = int(params.request_state or 1)
        await anyio.sleep(40)
        return await call_next(ctx) if leg == 5 else InputRequiredResult(request_state=str(leg + 1))


def skipping() -> asyncio.AbstractEventLoop:
    """An event loop that does not wait: where nothing else is to do, its time is that of the next timer. There must be no other threads."""
    selector = selectors.DefaultSelector()
    loop = asyncio.SelectorEventLoop(selector)
    waited, select, time = [0.0], selector.select, loop.time

    def skip(timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = select(0 if timeout else timeout)
        waited[0] += 0 if ready else timeout or 0
        return ready

    selector.select = skip
    loop.time = lambda: time() + waited[0]
    return loop


@pytest.mark.parametrize("software", ["mcp", "fastmcp"])
def test_limit_per_leg(software: str) -> None:
    server = MCPServer("sdk", extensions=[Legs()], log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def slow() -> str:
        return "done"

    async def took() -> float:
        begun = anyio.current_time()
        if software == "mcp":
            async with Client(server, mode="2026-07-28") as client:
                await client.call_tool("slow", read_timeout_seconds=60)
        else:
            async with fastmcp.Client(server) as client:
                await client.call_tool("slow", timeout=60)
        return anyio.current_time() - begun

    with asyncio.Runner(loop_factory=skipping) as runner:
        try:
            seconds = runner.run(took())
        except (MCPError, TimeoutError, fastmcp.exceptions.ToolError):
            seconds = 60.0
    is_there("limit-per-leg", there=seconds > 200, software=software)


HOPS = 40


def test_call_cycle() -> None:
    server = MCPServer("sdk", log_level="CRITICAL")

    @server.tool(structured_output=False)
    async def again(left: int) -> str:
        if not left:
            return "bottom"
        async with Client(server, mode="2026-07-28") as client:
            result = await client.call_tool("again", {"left": left - 1})
        return cast("TextContent", result.content[0]).text

    async def call() -> str:
        async with Client(server, mode="2026-07-28") as client:
            result = await client.call_tool("again", {"left": HOPS})
        return cast("TextContent", result.content[0]).text

    is_there("call-cycle", there=anyio.run(call) == "bottom")


def test_the_page_is_made_from_the_list() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.peers.live_bugs"
