"""The search: what it finds in clients with a bug, how short it is, that its test shows the bug again, and that a healthy client passes."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import Literal

import pytest

from pytest_mcpsym.errors import FindingsError, UsageError
from pytest_mcpsym.explore import KINDS, explore_client
from tests.explore.raw_client import BUGS, RawClient, clients

pytest_plugins = ["pytester"]

Era = Literal["handshake", "modern"]
RAW = Path(__file__).with_name("raw_client.py")


class Modern(RawClient):
    """A healthy client of the modern era."""

    modern = True


@pytest.mark.parametrize(("kind", "era"), [(RawClient, "handshake"), (Modern, "modern")])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_healthy_client_stands_it(kind: type[RawClient], era: Era, backend: Literal["asyncio", "trio"]) -> None:
    explore_client(clients(kind), era=era, examples=15, backend=backend)


def found(name: str, **options: object) -> str:
    with pytest.raises(FindingsError) as caught:
        explore_client(
            clients(BUGS[name]),
            era="modern" if BUGS[name].modern else "handshake",
            patience=0.3,
            examples=500,
            **options,  # pyright: ignore[reportArgumentType]  # each option is given by its name
        )
    return str(caught.value)


MOVES = {
    "DiesOfLateProgress": r"Report\(\d, .*after=True\)",
    "TakesRequestsForAnswers": r"Question\((\d), '[a-z/]+'(, id=\1)?.*\)",
    "DiesOfFiveChanges": r"Tell\(\d, 'notifications/\w+/list_changed', times=5.*\)",
    "AnswersNoPing": r"Question\(\d, 'ping'.*\)",
    "AnswersInOrder": r"Hold\(\d.*\)|Question\(\d.*\)",
    "AnswersWithText": r"Question\(\d, '[a-z/]+'.*\)",
    "ReadsText": r"Answer\(\d, 'tools/call'.*\)",
    "ForgetsState": r"Need\(\d.*\)",
}


@pytest.mark.parametrize("name", MOVES)
def test_a_bug_of_a_client_is_found_and_takes_one_move(name: str) -> None:
    text = found(name, seeded=3)
    _, _, code = text.partition("a test that shows it:\n")
    moves = re.findall(r"^            ([A-Z]\w*\(.*),$", code, re.MULTILINE)
    assert len(moves) == 1
    assert re.fullmatch(MOVES[name], moves[0])


def test_the_test_that_is_printed_shows_the_bug_again(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_mcpsym.explore.hunt.SHRINKING", 2.0)
    others = [kind for kind in KINDS if kind not in ("late-progress", "delays")]
    with pytest.raises(FindingsError) as caught:
        explore_client([sys.executable, str(RAW), "DiesOfLateProgress"], seeded=3, without=others)
    text = str(caught.value)
    assert text.startswith("client:failed on link 'server': the client ended with exit status 1: KeyError: ")
    _, _, code = text.partition("a test that shows it:\n")
    pytester.makepyfile(textwrap.dedent(code))
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*client:failed on link 'server'*KeyError*"])


def test_the_same_seed_tries_the_same_servers() -> None:
    assert found("DiesOfFiveChanges", seeded=5) == found("DiesOfFiveChanges", seeded=5)


def test_what_servers_are_not_to_do_is_not_tried() -> None:
    explore_client(clients(BUGS["DiesOfLateProgress"]), without=["late-progress"], examples=20, seeded=3)


def test_a_search_ends_when_its_time_is_over() -> None:
    tried: list[None] = []
    healthy = clients(RawClient)

    async def client(server: object) -> None:
        tried.append(None)
        await healthy(server)

    explore_client(client, examples=100_000, seconds=0.3)
    assert len(tried) < 100_000


def test_a_client_that_fails_with_an_ordinary_server_is_told_so() -> None:
    def client(server: object) -> None:
        raise LookupError(server)

    with pytest.raises(FindingsError, match=r"(?s)the client raised LookupError.*the server did nothing of its own will"):
        explore_client(client)


def test_a_client_that_asks_for_nothing_is_an_error() -> None:
    with pytest.raises(UsageError, match="the client asked for nothing"):
        explore_client(print)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"without": ["progres"]}, "without= has 'progres', .* did you mean 'progress'?"),
        ({"examples": 0}, "examples=0 is no limit; give a whole number above 0"),
        ({"seconds": -1}, "seconds=-1 is no limit"),
        ({"seeded": "x"}, "seeded='x' is no limit; give a whole number, such as"),
        ({"era": "both"}, "era='both' is none; use 'handshake' or 'modern'"),
        ({"transport": "pipe"}, "transport='pipe' is none; use 'memory' or 'stdio' or 'http'"),
        ({"backend": "curio"}, "backend='curio' is none"),
        ({"patience": 0}, "patience=0 is no time"),
        ({"like": {"tool": []}}, "like= has 'tool'"),
        ({"like": {"tools": [{"nam": "x"}]}}, "each is a mapping with 'name', as in tools/list"),
        ({"like": 42}, "42"),
    ],
)
def test_a_wrong_option_says_so(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        explore_client(clients(RawClient), **options)  # pyright: ignore[reportArgumentType]  # each is wrong on purpose


@pytest.mark.parametrize(
    ("client", "options", "message"),
    [
        ("no-such-program x", {}, "cannot run 'no-such-program': there is no such program"),
        (42, {}, "42 is no client: give a function of one argument, or a command"),
        ([], {}, "is no client"),
        (lambda: None, {}, "is called with the server alone: let it take one argument"),
        ([sys.executable], {"transport": "memory"}, "a command is another process"),
    ],
)
def test_what_is_no_client_says_so(client: object, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        explore_client(client, **options)  # pyright: ignore[reportArgumentType]  # each is wrong on purpose
