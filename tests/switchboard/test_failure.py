"""A link that cannot be opened, or dies: one clear error with what was expected and what to do, no hang, no orphan."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from mcp import MCPError
from mcp.server.mcpserver import MCPServer
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from pytest_mcpsym import link
from pytest_mcpsym.checks import run
from pytest_mcpsym.errors import FindingsError, LinkError
from pytest_mcpsym.switchboard import switchboard
from pytest_mcpsym.switchboard.failure import Obituary
from pytest_mcpsym.switchboard.opener import Opener
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.redact import Rules
from tests.switchboard.servers import ScriptedServer, Wire, process, until

pytestmark = pytest.mark.anyio


def hasty(opener: Opener, seconds: float = 3) -> Opener:
    """The same board, with little patience."""
    opener._settings = replace(opener._settings, open_timeout=seconds, call_timeout=seconds)  # pyright: ignore[reportPrivateUsage] - the fixture sets it
    return opener


async def refusal(opener: Opener) -> LinkError:
    """The one error that opening raises."""
    with anyio.fail_after(15), pytest.raises(LinkError) as caught:
        async with hasty(opener):
            pass
    return caught.value


async def test_a_command_that_does_not_exist_names_it_and_what_to_do() -> None:
    error = await refusal(switchboard(weather="no-such-weather-server --now"))
    assert (error.link, error.reason) == ("weather", "not-found")
    assert str(error).startswith("link 'weather': cannot start `no-such-weather-server --now`: there is no command")
    assert "Install it" in str(error)


async def test_a_server_that_exits_at_once_is_quoted(tmp_path: Path) -> None:
    command = process(tmp_path, "print('cannot find its configuration', file=sys.stderr); sys.exit(3)")
    error = await refusal(switchboard(weather=command))
    assert error.reason == "exited"
    assert re.search(r"ended with exit status 3 before it answered the first request", str(error))
    assert "its words on stderr:\n    cannot find its configuration" in str(error)


async def test_of_many_words_the_first_and_the_last_are_quoted(tmp_path: Path) -> None:
    source = "print('panic: no config', *range(2, 30), 'goodbye', sep='\\n', file=sys.stderr); sys.exit(2)"
    error = await refusal(switchboard(weather=process(tmp_path, source)))
    quoted = str(error).partition("its words on stderr:")[2].split()
    assert quoted == ["panic:", "no", "config", "2", "3", "…", "22", "lines", "more", "26", "27", "28", "29", "goodbye"]


async def test_a_server_that_starts_slowly_has_the_time_to_open_and_not_that_of_a_call(tmp_path: Path) -> None:
    opener = switchboard(weather=process(tmp_path, "time.sleep(0.5); shake(); hear(); hear()"))
    opener._settings = replace(opener._settings, open_timeout=10, call_timeout=0.2)  # pyright: ignore[reportPrivateUsage] - the fixture sets it
    async with opener as board:
        with pytest.raises(MCPError, match="timed out"):
            await board.client("weather").list_tools()


async def test_a_silent_server_that_listens_on_http_is_told_apart(tmp_path: Path) -> None:
    words = "print('INFO: Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)', file=sys.stderr, flush=True)"
    with anyio.fail_after(15), pytest.raises(LinkError) as caught:
        async with hasty(switchboard(weather=process(tmp_path, f"{words}\nwhile True: hear()")), 1):
            pass
    assert "it seems to listen on 0.0.0.0:8000: make it speak on stdio, or start it yourself and give its URL" in str(
        caught.value
    )


async def test_the_words_of_a_server_are_redacted(tmp_path: Path) -> None:
    source = "print('refused: ' + os.environ['PASS'] + ' Authorization: Bearer abcdefgh12345678', file=sys.stderr); sys.exit(3)"
    error = await refusal(switchboard(weather=link(process(tmp_path, source), env={"PASS": "a-given-secret"})))
    assert "its words on stderr" in str(error)
    assert "a-given-secret" not in str(error)
    assert "abcdefgh12345678" not in str(error)


async def test_a_server_that_ends_because_the_era_is_not_its_own_is_told_of_with_the_other_era(tmp_path: Path) -> None:
    server = process(tmp_path, "hear(); print('expect initialize request', file=sys.stderr); sys.exit(1)")
    error = await refusal(switchboard(weather=link(server, era="modern")))
    assert "if it speaks only the handshake era, use era={'weather': 'handshake'}" in str(error)
    assert "expect initialize request" in str(error)


async def test_text_on_stdout_is_shown_with_its_frame(tmp_path: Path) -> None:
    error = await refusal(switchboard(weather=process(tmp_path, "say('Listening ...'); hear(); sys.exit(1)")))
    assert re.search(r"frame \d+ of weather is no JSON-RPC: 'Listening \.\.\.'", str(error))
    assert "write other text to stderr" in str(error)


async def test_a_server_that_prints_text_first_and_then_answers_can_be_opened(tmp_path: Path) -> None:
    opener = switchboard(weather=process(tmp_path, "say('Listening ...'); shake(); hear()"))
    with pytest.raises(FindingsError, match="jsonrpc:not-json-rpc on link 'weather'"):
        async with hasty(opener) as board:
            assert board.client("weather").protocol_version == "2025-11-25"


async def test_of_many_words_the_error_in_their_midst_is_quoted(tmp_path: Path) -> None:
    source = (
        "print('node:1', 'throw', '^', '', 'Error: no module', *range(30), 'Node.js', sep='\\n', file=sys.stderr); sys.exit(1)"
    )
    error = await refusal(switchboard(weather=process(tmp_path, source)))
    assert "    ^\n    Error: no module\n    … 26 lines more\n" in str(error)


@pytest.mark.parametrize("era", ["handshake", "modern"])
async def test_a_server_that_never_answers_is_given_up(tmp_path: Path, era: str) -> None:
    command = process(tmp_path, "print('thinking', file=sys.stderr, flush=True)\nwhile True: hear()")
    opener = switchboard(weather=link(command, era=era))  # pyright: ignore[reportArgumentType] - a parameter
    with anyio.fail_after(15), pytest.raises(LinkError) as caught:
        async with hasty(opener, 0.7):
            pass
    assert caught.value.reason == "no-answer"
    assert "did not answer the first request within 0.7 s" in str(caught.value)
    assert "thinking" in str(caught.value)


async def test_no_process_is_left_when_opening_fails(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    silent = f"open({str(pid)!r}, 'w').write(str(os.getpid()))\nwhile True: hear()"
    with pytest.raises(LinkError):
        async with hasty(switchboard(silent=process(tmp_path, silent)), 1):
            pass
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


async def test_one_link_that_fails_ends_the_others_and_is_the_only_error(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    fine = f"open({str(pid)!r}, 'w').write(str(os.getpid()))\nshake(); hear()"
    error = await refusal(
        switchboard(
            fine=process(tmp_path, fine), also=MCPServer("a"), broken=process(tmp_path, "time.sleep(0.3); sys.exit(4)", "b")
        )
    )
    assert error.link == "broken"
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


async def test_a_server_that_had_no_time_to_answer_because_another_failed_is_not_blamed(tmp_path: Path) -> None:
    board = hasty(
        switchboard(slow=process(tmp_path, "hear(); hear()"), broken=process(tmp_path, "time.sleep(0.7); sys.exit(4)", "b"))
    )
    with pytest.raises(LinkError, match="exit status 4"):
        async with board:
            pass
    assert not [each for each in run(board._log) if each.link == "slow"]  # pyright: ignore[reportPrivateUsage] - a board that did not open is handed to nobody


async def test_a_server_that_closes_in_mid_call_is_an_error_of_the_call_and_not_again_of_closing(tmp_path: Path) -> None:
    opener = switchboard(weather=process(tmp_path, "shake(); hear(); print('out of memory', file=sys.stderr); sys.exit(9)"))
    async with hasty(opener) as board:
        with board.expect("jsonrpc:unanswered"), pytest.raises(LinkError, match="ended with exit status 9") as caught:
            await board.call("weather__now")
    assert caught.value.reason == "exited"
    assert "out of memory" in str(caught.value)


async def test_a_call_after_the_end_of_its_server_gets_the_cause(tmp_path: Path) -> None:
    async with hasty(switchboard(weather=process(tmp_path, "shake(); sys.exit(9)"))) as board:
        await until(lambda: any(note.channel == "close" for note in board.log.notes))
        with pytest.raises(LinkError, match="ended with exit status 9"):
            await board.call("weather__now")
        with pytest.raises(LinkError, match="ended with exit status 9"):
            board.client("weather")


async def test_a_death_that_no_call_has_met_is_raised_at_close_and_once(tmp_path: Path) -> None:
    board = await hasty(switchboard(weather=process(tmp_path, "shake(); sys.exit(9)"))).__aenter__()
    await until(lambda: any(note.channel == "close" for note in board.log.notes))
    with pytest.raises(LinkError, match="ended with exit status 9"):
        await board.aclose()
    await board.aclose()


async def test_a_memory_server_that_raises_is_quoted() -> None:
    async def play(wire: Wire) -> None:
        await wire.hear()
        raise OSError("no disk")

    async with hasty(switchboard(weather=ScriptedServer(play))) as board:
        with board.expect("jsonrpc:unanswered"), pytest.raises(LinkError, match="closed the connection: OSError: no disk"):
            await board.call("weather__now")


async def test_an_address_where_nobody_listens_says_to_start_the_server() -> None:
    error = await refusal(switchboard(weather="http://127.0.0.1:9/mcp"))
    assert error.reason == "http"
    assert "http://127.0.0.1:9/mcp: no response" in str(error)
    assert "start it first" in str(error)


@pytest.mark.parametrize(
    ("status", "told"),
    [(404, "check the path of its URL"), (401, "link(url, headers={'Authorization': ...})"), (500, "HTTP 500")],
)
@pytest.mark.parametrize("era", ["handshake", "modern"])
async def test_an_http_refusal_is_one_of_its_own_kind(status: int, told: str, era: str) -> None:
    def refuse(request: object) -> PlainTextResponse:
        return PlainTextResponse("no", status)

    app = Starlette(routes=[Route("/mcp", refuse, methods=["POST", "GET", "DELETE"])])
    error = await refusal(switchboard(weather=link(app, era=era)))  # pyright: ignore[reportArgumentType] - a parameter
    assert error.reason == "http"
    assert told in str(error)


async def test_the_endpoint_of_the_transport_before_streamable_http_is_told_apart() -> None:
    obituary = Obituary("weather", "http://127.0.0.1:8000/sse", WireLog(), Rules())
    assert "the transport of 2024-11-05, HTTP with SSE, is not spoken here" in str(obituary.refused("Not Found"))


@pytest.mark.parametrize("transport", ["http", "sockets"])
async def test_an_app_that_fails_at_startup_is_quoted(transport: str) -> None:
    @asynccontextmanager
    async def lifespan(app: object) -> AsyncGenerator[None]:
        raise OSError("no database")
        yield

    error = await refusal(switchboard(weather=link(Starlette(lifespan=lifespan), transport=transport)))  # pyright: ignore[reportArgumentType] - a parameter
    assert "no database" in str(error)


async def test_the_modern_era_on_a_handshake_server_says_which_era_to_use() -> None:
    async def play(wire: Wire) -> None: ...

    class Old(ScriptedServer):
        async def run(self, reads: object, writes: object, options: object) -> None:
            wire = Wire(reads, writes)  # pyright: ignore[reportArgumentType] - the streams that a memory link gives
            discover = await wire.hear_request("server/discover")
            await wire.say(f'{{"jsonrpc":"2.0","id":{discover.id},"error":{{"code":-32601,"message":"no"}}}}')
            await super().run(reads, writes, options)  # pyright: ignore[reportArgumentType] - the streams that a memory link gives

    error = await refusal(switchboard(weather=link(Old(play), era="modern")))
    assert "speaks only the handshake era (2025-11-25)" in str(error)
    assert "use era={'weather': 'handshake'}" in str(error)


async def test_an_error_of_the_handshake_itself_is_quoted(tmp_path: Path) -> None:
    refuse = """hear(); say('{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"licence expired"}}'); hear()"""
    error = await refusal(switchboard(weather=process(tmp_path, refuse)))
    assert "licence expired" in str(error)


async def test_a_server_that_ignores_the_end_of_its_input_is_ended(tmp_path: Path) -> None:
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nshake()\nwhile True: time.sleep(60)"
    with anyio.fail_after(14):
        async with hasty(switchboard(weather=process(tmp_path, stubborn))) as board:
            pass
    assert [note.data["status"] for note in board.log.notes if note.channel == "exit"] == [-9]


async def test_opening_that_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    silent = f"open({str(pid)!r}, 'w').write(str(os.getpid()))\nwhile True: hear()"
    opener = switchboard(silent=process(tmp_path, silent))
    with anyio.fail_after(15):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(opener.__aenter__)
            await until(lambda: pid.exists() and bool(pid.read_text()))
            tasks.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


async def test_a_call_that_finds_the_pipe_broken_waits_for_the_reason(tmp_path: Path) -> None:
    source = "shake(); os.close(0); print('closed', file=sys.stderr, flush=True); time.sleep(0.5); os._exit(9)"
    async with hasty(switchboard(weather=process(tmp_path, source))) as board:
        await until(lambda: any(note.data.get("text") == "closed" for note in board.log.notes))
        with board.expect("jsonrpc:unanswered"), pytest.raises(LinkError, match="ended with exit status 9"):
            await board.call("weather__now")
