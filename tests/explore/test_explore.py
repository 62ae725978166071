"""The search: what it finds in servers with a bug, how short the conversation is, that its test shows the bug again, and that healthy servers pass."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import Literal

import pytest

from fake_servers import everything, sequential_thinking
from fake_servers.mutants.carriers import Carried
from fake_servers.mutants.peer import Peer
from pytest_mcpsym import link
from pytest_mcpsym.errors import FindingsError, UsageError
from pytest_mcpsym.explore import explore
from tests.explore.buggy import BUGS
from tests.switchboard.servers import demo, process

pytest_plugins = ["pytester"]

Era = Literal["handshake", "modern"]
eras = pytest.mark.parametrize("era", ["handshake", "modern"])

DIES = """
shake()
asked = {}
while True:
    request = hear()
    method = request.get("method")
    if method == "notifications/cancelled": sys.exit(3)
    if method == "tools/list": answer(request, '{"tools":[{"name":"hold","inputSchema":{"type":"object"}}]}')
    elif method == "ping": answer(request, "{}")
    elif method == "tools/call": time.sleep(0.02); answer(request, '{"content":[]}')
    else: answer(request, '{"tools":[]}')
"""


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is a process starts anew in each conversation; what is left to shrink is short."""
    monkeypatch.setattr("pytest_mcpsym.explore.hunt.SHRINKING", 1.5)


@eras
@pytest.mark.parametrize("make", [everything, sequential_thinking, demo])
def test_healthy_servers_stand_it(make: object, era: Era) -> None:
    explore(make, era=era, examples=8, patience=0.3, tools=["*"])


def found(target: object, patience: float = 5, **more: object) -> str:
    with pytest.raises(FindingsError) as caught:
        explore(target, patience=patience, **{"examples": 60, **more})  # pyright: ignore[reportArgumentType]  # each option is given by its name
    return str(caught.value)


def test_a_server_that_dies_of_a_cancellation_is_found_by_one_request_that_is_cancelled_or_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_mcpsym.explore.hunt.SHRINKING", 8)
    text = found(process(tmp_path, DIES), patience=0.5, seeded=1)
    assert "ended with exit status 3" in text
    steps = re.findall(r"^ {16}(\w+)\(", text, re.MULTILINE)
    assert steps in (["Ask"], ["Ask", "Cancel"])


def test_the_test_that_is_printed_shows_the_bug_again(pytester: pytest.Pytester) -> None:
    check = "progress:unknown-token"
    text = found(f"{sys.executable} -m fake_servers.mutants InventsTokens", patience=0.5, seeded=1, tools=["echo"], steps=3)
    assert check in text.partition("\n")[0]
    _, _, code = text.partition("a test that shows it:\n")
    pytester.makepyfile(textwrap.dedent(code))
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"{check} on link 'server'*"])


TRANSCRIPTS = {
    "AnswersCancelledTwice": r"Ask\('tools/call', .*\)",
    "TellsTooLate": r"Ask\(.*, progress=True\)",
    "FoldsIds": r"Ask\(.*, id='?\w*1?0*'?\)",
    "RemembersClients": r"Ask\('tools/call', .*\) Reconnect\(\)( Ask\(.*\))?",
    "DiesOfTheThird": r"Reconnect\(\) Reconnect\(\)",
}


@eras
@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_bug_in_ids_cancellation_progress_or_connections_is_found_and_its_conversation_is_short(name: str, era: Era) -> None:
    def server() -> object:
        return Carried(BUGS[name]())

    text = found(server, patience=0.05, era=era, seeded=2, examples=300)
    steps = re.findall(r"^ {16}((?:Ask|Cancel|Wait|Reconnect)\(.*),$", text, re.MULTILINE)
    assert re.fullmatch(TRANSCRIPTS[name], " ".join(steps))


@eras
def test_a_healthy_server_over_http_stands_it_that_its_clients_come_again(era: Era) -> None:
    explore(link(Carried(Peer()).app, transport="http"), era=era, examples=5, patience=0.2)


def test_the_same_seed_holds_the_same_conversations(tmp_path: Path) -> None:
    target = process(tmp_path, DIES)
    assert re.sub(r"\d+ s", "", found(target, seeded=7)) == re.sub(r"\d+ s", "", found(target, seeded=7))


def test_tools_that_are_not_named_are_not_called(tmp_path: Path) -> None:
    explore(
        process(
            tmp_path,
            DIES.replace("time.sleep(0.02)", 'request["params"]["name"] == "hold" and sys.exit(4)').replace(
                "sys.exit(3)", "continue"
            ),
        ),
        examples=10,
        tools=["other"],
        patience=0.3,
    )


@pytest.mark.parametrize(
    ("option", "value"), [("examples", 0), ("steps", -1), ("patience", "x"), ("seconds", 0), ("seeded", 1.5)]
)
def test_a_wrong_limit_says_so(option: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"{option}={value!r} is no limit"):
        explore(demo, **{option: value})  # pyright: ignore[reportArgumentType]  # each is wrong on purpose


def test_a_search_ends_when_its_time_is_over() -> None:
    explore(demo, examples=100_000, patience=0.1, seconds=0.3)


def test_a_server_that_cannot_be_opened_says_so() -> None:
    with pytest.raises(UsageError):
        explore(42)
