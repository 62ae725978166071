"""`--mcp-verify`: the test is replayed beside the real server, and what that answers otherwise fails it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.plugin.harness import Example, Run, ini

MakeExample = Callable[..., Example]

SERVER = """
import shlex, sys
from uuid import uuid4

from mcp.server.mcpserver import Context, MCPServer

sys.path.insert(0, {folder!r})


def notes():
    server = MCPServer("notes", log_level="ERROR")
    kept = {{}}

    @server.tool(structured_output=False)
    async def add(text: str, context: Context) -> str:
        await context.report_progress(1, 2)
        await context.report_progress(2, 2)
        ident = str(uuid4())
        kept[ident] = text
        return "kept as " + ident

    @server.tool(structured_output=False)
    async def read(ident: str) -> str:
        return kept[ident]

    return server


if __name__ == "__main__":
    notes().run()
"""

TEST = """
import shlex, sys, pathlib
import pytest
from pytest_mcpsym import link
import notes

TARGETS = {{
    "memory": lambda: notes.notes(),
    "http": lambda: link(notes.notes(), transport="http"),
    "sockets": lambda: link(notes.notes(), transport="sockets"),
    "stdio": lambda: shlex.join([sys.executable, notes.__file__]),
}}


@pytest.mark.anyio
async def test_it(switchboard, recorded):
    told = []
    async with switchboard(notes=recorded(TARGETS["{transport}"]())) as board:
        added = await board.options(progress=lambda *p: told.append(p)).call("notes__add", text="milk")
        ident = added.content[0].text.removeprefix("kept as ")
        assert (await board.call("notes__read", ident=ident)).content[0].text == "milk"
        assert [each[0] for each in told] == [1, 2]
    pathlib.Path("log.txt").write_text(board.transcript(), "utf-8")
"""
BACKENDS = """
import pytest

@pytest.fixture
def anyio_backend():
    return "{backend}"
"""
FILE = "recordings/test_it/test_it.notes.jsonl"
QUIET = ("-p", "no:cacheprovider", "--mcp-trace=off")


def recorded(
    example: MakeExample, pytester: pytest.Pytester, transport: str = "memory", era: str = "handshake", backend: str = "asyncio"
) -> Run:
    """Record the test."""
    files = {"notes.py": SERVER.format(folder=""), "conftest.py": BACKENDS.format(backend=backend)}
    made = example(TEST.format(transport=transport), **files)
    run = made.run_here(pytester, *QUIET, "--mcp-record", f"--mcp-era={era}")
    assert (run.outcomes, set(run.changed)) == ({"passed": 1}, {FILE, "log.txt"})
    return run


def verified(
    run: Run, pytester: pytest.Pytester, change: tuple[str, str] = ("", ""), era: str = "handshake", *args: str
) -> Run:
    """Verify it against a server that was changed."""
    source = run.example.files["notes.py"]
    assert change[0] in source
    changed = run.example.with_files({"notes.py": source.replace(*change), "log.txt": None})
    return changed.run_here(pytester, *QUIET, "--mcp-verify", f"--mcp-era={era}", *args)


@pytest.fixture(autouse=True)
def _no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)


@pytest.mark.parametrize(
    ("transport", "backend"), [("memory", "asyncio"), ("memory", "trio"), ("http", "asyncio"), ("stdio", "trio")]
)
@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_a_server_that_answers_as_recorded_is_verified(
    example: MakeExample, pytester: pytest.Pytester, transport: str, era: str, backend: str
) -> None:
    first = recorded(example, pytester, transport, era, backend)
    run = verified(first, pytester, ("", ""), era)
    assert run.outcomes == {"passed": 1}, run.text
    run.says("recordings: 1 verified")
    assert (set(run.changed), run.changed["log.txt"]) == ({"log.txt"}, first.changed["log.txt"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("return kept[ident]", "return kept[ident] + '!'"),
            ["answer to tools/call read", f"{FILE}:11", 'recorded "milk"', 'live "milk!"'],
        ),
        (("return kept[ident]", "raise KeyError(ident)"), ["answer to tools/call read", "result.isError"]),
        (
            ("        await context.report_progress(1, 2)\n", ""),
            ["notifications/progress of tools/call add", "recorded, and the server does not say it", '"progress": 1,'],
        ),
        (
            ("        await context.report_progress(2, 2)\n", "        await context.report_progress(2, 2)\n" * 2),
            ["notifications/progress of tools/call add", "not recorded"],
        ),
        (('MCPServer("notes"', 'MCPServer("memos"'), ["result.serverInfo.name", 'recorded "notes"', 'live "memos"']),
    ],
    ids=["text", "error", "less", "more", "name"],
)
def test_what_a_server_answers_otherwise_fails_the_test(
    example: MakeExample, pytester: pytest.Pytester, change: tuple[str, str], said: list[str]
) -> None:
    run = verified(recorded(example, pytester), pytester, change)
    assert (run.outcomes, set(run.changed)) == ({"failed": 1}, {"log.txt"})
    run.says("mcp verify: notes does not answer as recorded in test_it", "--mcp-rerecord -k test_it", *said)
    run.says(f"  not as the server answers: {FILE}")


CONCURRENT = """
import anyio
import pytest
from mcp.server.mcpserver import MCPServer


def slow():
    server = MCPServer("slow", log_level="ERROR")

    @server.tool(structured_output=False)
    async def nap(seconds: float) -> str:
        await anyio.sleep(seconds)
        return f"slept {seconds}"

    return server


@pytest.mark.anyio
async def test_it(switchboard, recorded):
    async with switchboard(notes=recorded(slow())) as board:
        async with anyio.create_task_group() as tasks:
            for seconds in (0.02, 0.01, 0.03):
                tasks.start_soon(lambda seconds=seconds: board.call("notes__nap", seconds=seconds))
        with pytest.raises(TimeoutError):
            await board.options(timeout=0.05).call("notes__nap", seconds=60)
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_calls_that_are_concurrent_or_given_up_are_verified(
    example: MakeExample, pytester: pytest.Pytester, era: str, backend: str
) -> None:
    made = example(CONCURRENT, **{"conftest.py": BACKENDS.format(backend=backend)})
    first = made.run_here(pytester, *QUIET, "--mcp-record", f"--mcp-era={era}")
    assert first.outcomes == {"passed": 1}, first.text
    run = first.example.run_here(pytester, *QUIET, "--mcp-verify", f"--mcp-era={era}")
    assert run.outcomes == {"passed": 1}, run.text
    run.says("recordings: 1 verified")


LATE = """
import shlex, sys, time
from servers import BASE

CODE = BASE + '''
import time

def handle(id, tool):
    send(id=id, result={"content": []})
    time.sleep(0.2)
    send(method="notifications/message", params={"level": "info", "data": "late"})

main(handle)
'''

def test_it(switchboard, recorded):
    with switchboard(notes=recorded(shlex.join([sys.executable, "-c", CODE]))) as board:
        board.call("notes__any")
        for _ in range(1000):
            if any(frame.message.method == "notifications/message" for frame in board.log.frames):
                break
            time.sleep(0.01)
"""


def test_what_a_server_says_in_its_own_time_is_waited_for_when_the_board_closes(
    example: MakeExample, pytester: pytest.Pytester
) -> None:
    first = example(LATE).run_here(pytester, *QUIET, "--mcp-record")
    assert '"data": "late"' in str(first.changed[FILE])
    run = first.example.run_here(pytester, *QUIET, "--mcp-verify")
    assert run.outcomes == {"passed": 1}, run.text


def test_the_trace_shows_what_the_real_server_said(example: MakeExample, pytester: pytest.Pytester) -> None:
    first = recorded(example, pytester)
    source = first.example.files["notes.py"].replace(
        "return kept[ident]", "return kept[ident] + ' token=sk-live-abcdefghijklm1234'"
    )
    run = first.example.with_files({"notes.py": source}).run_here(pytester, "-p", "no:cacheprovider", "--mcp-verify")
    trace = str(run.changed["mcp-traces/test_it/test_it.txt"])
    played, _, real = trace.partition("What the real server behind notes was told and said:")
    assert ('"milk"' in played, "milk token=<token:1>" in real, "sk-live" in trace + run.text) == (True, True, False)


def test_a_recording_over_one_transport_is_verified_over_another(example: MakeExample, pytester: pytest.Pytester) -> None:
    for era in ("handshake", "modern"):
        first = recorded(example, pytester, "memory", era)
        other = first.example.files["test_it.py"].replace('["memory"]()', '["sockets"]()')
        run = first.example.with_files({"test_it.py": other}).run_here(pytester, *QUIET, "--mcp-verify", f"--mcp-era={era}")
        assert run.outcomes == {"passed": 1}, run.text


def test_a_miss_is_still_the_headline(example: MakeExample, pytester: pytest.Pytester) -> None:
    first = recorded(example, pytester)
    other = first.example.files["test_it.py"].replace('text="milk"', 'text="eggs"')
    run = first.example.with_files({"test_it.py": other}).run_here(pytester, *QUIET, "--mcp-verify")
    assert run.outcomes == {"failed": 1}
    run.says("mcp replay miss in test_it", 'sent "eggs"')
    assert "1 verified" not in run.text


def test_a_server_that_cannot_be_started_is_named(example: MakeExample, pytester: pytest.Pytester) -> None:
    first = recorded(example, pytester, "stdio")
    run = verified(first, pytester, ("    notes().run()", "    sys.exit('no database here')"))
    assert run.outcomes == {"failed": 1}
    run.says("ended with exit status 1 before it answered the first request", "no database here", "was not compared")


def test_a_server_that_does_not_answer_in_time_is_not_waited_for(example: MakeExample, pytester: pytest.Pytester) -> None:
    first = recorded(example, pytester)
    source = first.example.files["notes.py"].replace("return kept[ident]", "import anyio; await anyio.sleep_forever()")
    slow = first.example.with_files({"notes.py": source, "pytest.ini": ini("mcp_call_timeout = 1")})
    run = slow.run_here(pytester, *QUIET, "--mcp-verify")
    assert run.outcomes["failed"] == 1
    run.says("the server did not answer tools/call read within 0.8 s")


STATE = """
import pathlib, pytest

@pytest.fixture
def mcp_verify_state():
    pathlib.Path("used.txt").write_text("up", "utf-8")
    yield
    pathlib.Path("used.txt").write_text("down", "utf-8")
"""


def test_a_fixture_brings_the_server_into_the_recorded_state_and_only_when_verifying(
    example: MakeExample, pytester: pytest.Pytester
) -> None:
    first = recorded(example, pytester)
    hooked = first.example.with_files({"conftest.py": STATE + BACKENDS.format(backend="asyncio").replace("import pytest", "")})
    assert "used.txt" not in hooked.run_here(pytester, *QUIET).changed
    assert hooked.run_here(pytester, *QUIET, "--mcp-verify").changed["used.txt"] == "down"


def test_a_verified_run_needs_recordings(example: MakeExample, pytester: pytest.Pytester) -> None:
    first = recorded(example, pytester)
    run = first.example.with_files({FILE: None}).run_here(pytester, *QUIET, "--mcp-verify")
    run.says(f"there is no recording {FILE}; record it with: pytest --mcp-record -k test_it")


def test_verifying_excludes_the_other_modes(example: MakeExample, pytester: pytest.Pytester) -> None:
    run = example("").run_here(pytester, "--mcp-verify", "--mcp-rerecord")
    assert run.status == pytest.ExitCode.USAGE_ERROR
    run.says("exclude each other; give one of them")


def test_what_ini_ignores_is_no_difference(example: MakeExample, pytester: pytest.Pytester) -> None:
    first = recorded(example, pytester)
    source = first.example.files["notes.py"].replace("return kept[ident]", "return kept[ident] + '!'")
    files = {"notes.py": source, "pytest.ini": ini("mcp_verify_ignore = notes: tools/call read result.content[*].text")}
    run = first.example.with_files(files).run_here(pytester, *QUIET, "--mcp-verify")
    assert run.outcomes == {"passed": 1}, run.text
    wrong = first.example.with_files({"pytest.ini": ini("mcp_verify_ignore = content[0].text")}).run_here(pytester)
    assert wrong.status == pytest.ExitCode.USAGE_ERROR
    wrong.says("ini mcp_verify_ignore: 'content[0].text' ends in no JSON path: write [LINK:] [WHAT] PATH")


def test_workers_verify(example: MakeExample, pytester: pytest.Pytester) -> None:
    first = recorded(example, pytester)
    run = first.example.run(*QUIET, "--mcp-verify", "-n2", "-v", plugins="xdist.plugin anyio")
    assert run.outcomes == {"passed": 1}, run.text
    run.says("recordings: 1 verified", f"  verified: {FILE}")
