"""Every fault in each direction, on a request, an answer and a notification, on each transport, in both eras, on the first and the second hop.

What the caller of a tool gets, what the log says of it, and that the healthy peers are blamed for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from mcp_types import CallToolResult

from pytest_mcpsym import Board, LinkError, link
from pytest_mcpsym.faults import KINDS, Fault, fault, unfit
from pytest_mcpsym.plugin import Switchboard
from tests.faults.conftest import Reached

WAYS = ("memory", "modern-memory", "http", "modern-http")
ROOMY = 20.0
"""Seconds for an answer that comes."""
SHORT = 0.05
"""Seconds for an answer that cannot come."""

FAILS = ("drop", "truncate", "corrupt", "id-type", "id-reused", "exit", "status", "cut", "reset")
"""Kinds after which a request has no answer."""
BRIEF = {"delay": {"seconds": 0.01}, "reorder": {"seconds": 0.01}, "coalesce": {"seconds": 0.01}, "stall": {"seconds": 0.01}}
NEEDS_TOKEN = ("wrong-token", "late-progress")

NOT_IN_JSON = (("coalesce", "to-client"), ("duplicate", "to-server"))
"""A response in JSON is one message; and two requests with one id leave streams open in the SDK's server (python-sdk#3060)."""

Call = Callable[[Board, float], CallToolResult]


def _say(board: Board, seconds: float, **arguments: object) -> CallToolResult:
    """A call that wants progress."""
    calls = board.options(timeout=seconds, progress=lambda _step, _total, _text: None)
    return calls.call("peer__count", {"to": 2, **arguments})


def _ask(board: Board, seconds: float) -> CallToolResult:
    """A call in which the server asks for a model."""
    return board.options(timeout=seconds).call("peer__ask", prompt="and?")


CELLS: dict[tuple[str, str], tuple[str, Call]] = {
    ("to-server", "request"): ("tools/call", _say),
    ("to-client", "answer"): ("tools/call", _say),
    ("to-client", "notification"): ("notifications/progress", _say),
    ("to-client", "request"): ("sampling/createMessage", _ask),
    ("to-server", "answer"): ("sampling/createMessage", _ask),
}
"""What a fault is done to, with its method, and a call on the way of which that crosses."""


def made(kind: str, direction: str, method: str, what: str) -> Fault:
    return fault(kind, direction, method, what=what, nth=1, **BRIEF.get(kind, {}))


def cells(kind: str, way: str, hop: int) -> list[tuple[Fault, Call]]:
    """The cells of a kind that can exist: a modern server asks nothing by itself, and of a second hop the host sees the call and its answer."""
    found: list[tuple[Fault, Call]] = []
    for (direction, what), (method, call) in CELLS.items():
        asked = method == "sampling/createMessage"
        never = (asked and (way.startswith("modern") or hop == 2)) or (hop == 2 and what == "notification")
        if direction in KINDS[kind].directions and not never:
            found.append((made(kind, direction, method, what), call))
    return found


def is_done(given: Fault) -> bool:
    """Whether there is in the message what the fault is done to."""
    what = given.text("what")
    if given.kind == "wrong-token":
        return given.method != "sampling/createMessage" and what != "answer"
    if given.kind == "late-progress":
        return given.method == "tools/call"
    return what != "notification" or not given.kind.startswith("id-")


def fails(given: Fault) -> bool:
    what = given.text("what")
    return given.kind in FAILS and (what != "notification" or given.kind == "exit") and (given.kind, what) != ("cut", "answer")


def is_told(board: Board, given: Fault) -> bool:
    """Whether the log says once what was done, and to what."""
    notes = [note.data for note in board.log.notes if note.channel == "fault"]
    return [(note["fault"], note["what"], bool(note["did"])) for note in notes] == [(str(given), given.text("what"), True)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_on_the_first_hop_is_told_to_the_caller_and_blamed_on_nobody(
    switchboard: Switchboard, reached: Reached, kind: str, way: str
) -> None:
    for given, call in cells(kind, way, 1):
        if unfit(given, "http" if way.endswith("http") else "memory"):
            continue
        with switchboard(peer=reached(way)) as board:
            board.client("peer").list_tools()
            board.model.script("said", "said", "said")
            with board.link("peer").fault(given) as applied:
                meets(board, given, call)
            assert applied.count == is_done(given), given
            if not KINDS[kind].ends:
                assert not call(board, ROOMY).is_error, given
        assert is_told(board, given) == is_done(given), given
        assert board.findings == (), given


def meets(board: Board, given: Fault, call: Call) -> None:
    """The call ends as it has to, and an error names the fault. A server may answer after the end of its input, or not."""
    if given.kind == "half-close":
        said = told_to_the_caller(partial(call, board, ROOMY))
        assert "closed the connection" not in said or f"`{given}` on link 'peer', to " in said
        return
    if not fails(given) or not is_done(given):
        assert not call(board, ROOMY).is_error, given
        return
    with pytest.raises(LinkError) as failed:
        call(board, ROOMY if KINDS[given.kind].ends else SHORT)
    [told] = failed.value.faults
    assert f"`{given}` on link 'peer', to " in told
    assert f"; done on purpose: {told}" in str(failed.value)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_on_the_second_hop_is_told_to_the_caller_and_blamed_on_nobody(
    switchboard: Switchboard, reached: Reached, kind: str, way: str
) -> None:
    for given, _ in cells(kind, way, 2):
        if unfit(given, "http" if way.endswith("http") else "memory"):
            continue
        with switchboard(first=reached(way), peer=reached(way)) as board:
            board.tools()
            relayed = partial(
                board.options(timeout=SHORT * 4 if fails(given) else ROOMY).call, "first__relay", name="peer__echo"
            )
            with board.link("peer").fault(given) as applied:
                said = told_to_the_caller(relayed)
            assert (f"`{given}` on link 'peer', to " in said) == fails(given) or kind == "half-close", said
            assert applied.count == (is_done(given) and kind not in NEEDS_TOKEN), given
        assert board.findings == (), given


def told_to_the_caller(call: Callable[[], CallToolResult]) -> str:
    """What the host is told: by the tool that relays, or because that came too late."""
    try:
        result = call()
    except LinkError as error:
        return str(error)
    return str(next(block.model_dump().get("text") for block in result.content))


@pytest.mark.parametrize("kind", [kind for kind, about in KINDS.items() if "http" in about.transports])
def test_a_fault_over_http_is_done_to_an_answer_in_json_too(switchboard: Switchboard, kind: str) -> None:
    from pytest_mcpsym.fakes import clock

    for direction in KINDS[kind].directions:
        given = made(kind, direction, "tools/call", "request" if direction == "to-server" else "answer")
        if unfit(given, "http") or kind in NEEDS_TOKEN or (kind, direction) in NOT_IN_JSON:
            continue
        with switchboard(clock=link(clock(), transport="http", json_response=True)) as board:
            board.client("clock").list_tools()
            with board.link("clock").fault(given) as applied:
                said = told_to_the_caller(
                    partial(board.options(timeout=SHORT * 4 if fails(given) else ROOMY).call, "clock__now")
                )
            assert applied.count == 1, given
            assert (f"`{given}`" in said) == fails(given), given
        assert board.findings == (), given
