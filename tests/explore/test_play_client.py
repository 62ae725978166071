"""One conversation with a client: the three ways to the server, what is judged, how a client that hangs is ended, and secrets."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.client import ClientRequestContext
from mcp.client.stdio import stdio_client
from mcp_types import ListRootsResult

from fake_servers import everything
from pytest_mcpsym.errors import FindingsError, UsageError
from pytest_mcpsym.explore import Hold, Http, Move, Need, Pages, Question, Tell, play_client
from tests.explore.raw_client import BUGS, RawClient, clients

Era = Literal["handshake", "modern"]
Way = Literal["memory", "stdio", "http"]
RAW = Path(__file__).with_name("raw_client.py")

BUSY: dict[Era, tuple[Move, ...]] = {
    "handshake": (
        Tell(0, "notifications/tools/list_changed", times=5),
        Question(0, "ping", id=0),
        Question(1, "roots/list", id=1),
        Hold(1),
        Pages(1, " ü"),
        Tell(2, "notifications/message", {"level": "info", "data": None}, after=True),
        Http(json=True, before=": x\n\nid: 1\ndata: \n\n"),
    ),
    "modern": (Need(3, {"a": {"method": "roots/list"}}, "s"), Hold(1), Pages(1, "{}"), Http(before=": x\n\n")),
}


def sdk(era: Era) -> Callable[[Any], Any]:
    async def roots(context: ClientRequestContext) -> ListRootsResult:
        del context
        return ListRootsResult(roots=[])

    async def client(server: Any) -> None:
        given = server
        if isinstance(server, list):
            command, *rest = cast("list[str]", server)
            given = stdio_client(StdioServerParameters(command=command, args=rest))
        async with Client(given, mode="legacy" if era == "handshake" else "auto", list_roots_callback=roots) as made:
            page = await made.list_tools()
            while page.next_cursor is not None:
                page = await made.list_tools(cursor=page.next_cursor)
            await made.call_tool("echo", {"text": "x"})
            await made.call_tool("add", {"a": 1, "b": 2})

    return client


# On trio the SDK leaves event streams to the garbage collector, which warns of each.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("way", ["memory", "stdio", "http"])
@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_the_sdks_client_stands_a_busy_server(era: Era, way: Way, backend: Literal["asyncio", "trio"]) -> None:
    play_client(sdk(era), *BUSY[era], era=era, transport=way, backend=backend)


def refused(client: Any, *moves: Move, **options: Any) -> str:
    with pytest.raises(FindingsError) as caught:
        play_client(client, *moves, **options)
    return str(caught.value)


def test_a_command_gets_the_server_after_its_last_word_or_in_its_place(tmp_path: Path) -> None:
    play_client([sys.executable, str(RAW), "none"], *BUSY["handshake"][:-1])
    told = tmp_path / "told.py"
    told.write_text("import sys\nsys.exit(' '.join(sys.argv[1:3]))\n")
    text = refused([sys.executable, str(told), "{server}", "--url={server}"], transport="http")
    url, other = text.partition("exit status 1: ")[2].split()[:2]
    assert other == f"--url={url}"
    assert url.startswith("http://127.0.0.1:")


def test_a_client_that_raises_is_found_with_what_it_raised() -> None:
    async def client(server: Any) -> None:
        async with Client(server, mode="legacy") as made:
            await made.list_tools()
            raise LookupError("no tool is called weather")

    assert "client:failed on link 'server': the client raised LookupError: no tool is called weather" in refused(client)


def test_what_a_client_raises_because_the_server_refused_is_no_failure() -> None:
    async def client(server: Any) -> None:
        async with Client(server, mode="legacy") as made:
            await made.get_prompt("no-such-prompt")

    play_client(client)


@pytest.mark.parametrize("sort", ["async", "sync", "process"])
def test_a_client_that_never_ends_is_ended_and_found(sort: str, tmp_path: Path) -> None:
    released = threading.Event()

    async def waits(server: Any) -> None:
        async with Client(server, mode="legacy"):
            await anyio.sleep_forever()

    def blocks(server: Any) -> None:
        del server
        released.wait(60)

    (tmp_path / "hangs.py").write_text("import sys, time, subprocess\ntime.sleep(60)\n")
    client = {"async": waits, "sync": blocks, "process": [sys.executable, str(tmp_path / "hangs.py")]}[sort]
    with briefly_started():
        text = refused(client, patience=0.2)
    released.set()
    assert text.startswith("client:failed on link 'server': the client said nothing for 0.2 s, and did not end")


@contextmanager
def briefly_started() -> Generator[None]:
    from pytest_mcpsym.explore.clients import run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "_STARTS", 0.3)
        yield


def test_a_secret_of_the_environment_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEATHER_API_KEY", "s3cr3t-canary-value")

    def client(server: object) -> None:
        del server
        raise RuntimeError("cannot use s3cr3t-canary-value")

    text = refused(client)
    assert "s3cr3t" not in text
    assert "cannot use <" in text


def test_a_server_is_like_another_one() -> None:
    listed: list[str] = []

    async def client(server: Any) -> None:
        async with Client(server, mode="legacy") as made:
            listed.extend(tool.name for tool in (await made.list_tools()).tools)

    play_client(client, like=everything)
    play_client(client, like={"tools": [{"name": "mine", "inputSchema": {"type": "object"}}]})
    assert {"echo", "get-sum", "mine"} <= set(listed)


def test_a_cursor_that_a_client_changed_is_found() -> None:
    assert "client:made-up-cursor" in refused(clients(BUGS["StripsCursors"]), Pages(1, " "))


def test_a_wrong_move_says_so() -> None:
    with pytest.raises(UsageError, match=r"'ping' is no move of a server: use those of pytest_mcpsym.explore"):
        play_client(clients(RawClient), "ping")  # pyright: ignore[reportArgumentType]  # the mistake that is tested


@pytest.mark.anyio
async def test_it_may_be_called_where_a_loop_runs() -> None:
    play_client(clients(RawClient))
    await anyio.lowlevel.checkpoint()
