"""What a fault does on a link: to requests and to answers, in both directions, on each transport."""

from __future__ import annotations

from functools import partial

import anyio
import anyio.lowlevel
import pytest

from pytest_mcpsym import AnswerTimeout, AsyncBoard, Board, LinkError, UsageError
from pytest_mcpsym.plugin import Switchboard
from pytest_mcpsym.wire.frame import Frame
from tests.faults.conftest import Reached

WAYS = ("memory", "modern-memory", "stdio", "modern-http")
PIPES = ("memory", "modern-memory", "stdio")
BOTH = ("to-server", "to-client")
SHORT = 0.3
"""Seconds for an answer that cannot come."""

pytestmark = pytest.mark.parametrize("way", WAYS)


def notes(board: Board | AsyncBoard) -> list[tuple[object, ...]]:
    """What was done, by kind, direction and method."""
    found = [note.data for note in board.log.notes if note.channel == "fault"]
    return [(data["kind"], data["direction"], data["method"]) for data in found]


def calls(board: Board | AsyncBoard) -> list[Frame]:
    """The calls that the server got."""
    return [frame for frame in board.log.frames if frame.direction == "to-server" and b'"tools/call"' in frame.data]


def answers(board: Board | AsyncBoard) -> list[Frame]:
    """The answers to calls that the server sent."""
    return [frame for frame in board.log.frames if frame.direction == "to-client" and b'"content"' in frame.data]


def times_out(board: Board) -> None:
    with pytest.raises(AnswerTimeout):
        board.options(timeout=SHORT).call("peer__echo", text="lost")


def goes_on(board: Board) -> None:
    """The link serves the next call as if nothing had been."""
    assert not board.call("peer__echo", text="and on").is_error


def heard(board: Board, to: int = 3) -> list[float]:
    """The progress that reaches the caller."""
    steps: list[float] = []

    def hear(step: float, _total: float | None, _message: str | None) -> None:
        steps.append(step)

    board.options(progress=hear).call("peer__count", to=to)
    return steps


@pytest.mark.parametrize("direction", BOTH)
def test_a_message_that_is_dropped_is_lost(switchboard: Switchboard, reached: Reached, way: str, direction: str) -> None:
    with switchboard(peer=reached(way)) as board:
        with board.link("peer").fault("drop", direction, "tools/call", nth=1) as dropped:
            times_out(board)
            assert dropped.count == 1
        goes_on(board)
    assert (len(calls(board)), len(answers(board))) == ((1, 1) if direction == "to-server" else (2, 2))
    assert notes(board) == [("drop", direction, "tools/call")]
    assert board.findings == ()


@pytest.mark.parametrize("kind", ["delay seconds=30", "slow rate=1"])
@pytest.mark.parametrize("direction", BOTH)
def test_a_message_that_is_held_back_comes_too_late(
    switchboard: Switchboard, reached: Reached, way: str, direction: str, kind: str
) -> None:
    name, option = kind.split()
    with switchboard(peer=reached(way)) as board:
        board.link("peer").fault(f"{name} {direction} tools/call {option}")
        times_out(board)
    assert len(answers(board)) == (direction == "to-client")


@pytest.mark.parametrize("kind", ["delay seconds=0.01", "slow rate=1000000"])
@pytest.mark.parametrize("direction", BOTH)
def test_a_message_that_is_held_back_for_a_moment_comes_whole(
    switchboard: Switchboard, reached: Reached, way: str, direction: str, kind: str
) -> None:
    name, option = kind.split()
    with switchboard(peer=reached(way)) as board:
        board.link("peer").fault(f"{name} {direction} * {option}")
        goes_on(board)
    assert (name, direction, "tools/call") in notes(board)
    assert board.findings == ()


def test_a_request_that_is_duplicated_comes_twice(switchboard: Switchboard, reached: Reached, way: str) -> None:
    with switchboard(peer=reached(way)) as board:
        board.link("peer").fault("duplicate", "to-server", "tools/call", nth=1)
        goes_on(board)
        goes_on(board)
    one, two, three = calls(board)
    assert one.data == two.data != three.data
    assert board.findings == ()


def test_a_notification_that_is_duplicated_is_heard_twice(switchboard: Switchboard, reached: Reached, way: str) -> None:
    with switchboard(peer=reached(way)) as board:
        board.link("peer").fault("duplicate", "to-client", "notifications/progress", count=3, nth=2)
        assert heard(board) == [1, 2, 2, 2, 3]
    assert board.findings == ()


def test_a_notification_that_is_reordered_is_heard_after_the_next(switchboard: Switchboard, reached: Reached, way: str) -> None:
    with switchboard(peer=reached(way)) as board:
        board.link("peer").fault("reorder", "to-client", "notifications/progress", nth=1)
        assert heard(board) == [2, 1, 3]
    assert board.findings == ()


def test_an_answer_that_is_reordered_comes_even_if_no_other_does(switchboard: Switchboard, reached: Reached, way: str) -> None:
    with switchboard(peer=reached(way)) as board:
        board.link("peer").fault("reorder", "to-client", "tools/call")
        goes_on(board)


@pytest.mark.anyio
@pytest.mark.parametrize("others", [1, 0])
async def test_a_request_that_is_reordered_goes_after_the_next(
    switchboard: Switchboard, reached: Reached, way: str, others: int
) -> None:
    async with switchboard(peer=reached(way)) as board:
        held = board.link("peer").fault("reorder", "to-server", "tools/call", nth=1)
        async with anyio.create_task_group() as tasks:
            for number in range(1 + others):
                tasks.start_soon(partial(board.call, "peer__echo", text=f"number {number}"))
                while not held.count:
                    await anyio.lowlevel.checkpoint()
    assert [b"number 0" in frame.data for frame in calls(board)] == ([False, True] if others else [True])
    assert board.findings == ()


@pytest.mark.parametrize("kind", ["truncate", "corrupt"])
def test_a_broken_request_is_no_message_to_the_server(switchboard: Switchboard, reached: Reached, way: str, kind: str) -> None:
    with switchboard(peer=reached(way)) as board:
        with board.link("peer").fault(kind, "to-server", "tools/call"), pytest.raises((AnswerTimeout, LinkError)):
            board.options(timeout=SHORT).call("peer__echo", text="broken")
        goes_on(board)
    assert [frame.message.kind for frame in board.log.frames if frame.message.kind == "not-json"] == ["not-json"]
    assert board.findings == ()


@pytest.mark.parametrize("kind", ["truncate", "corrupt", "id-type", "id-reused"])
def test_a_changed_answer_reaches_nobody_and_is_whole_on_the_log(
    switchboard: Switchboard, reached: Reached, way: str, kind: str
) -> None:
    with switchboard(peer=reached(way)) as board:
        goes_on(board)
        with board.link("peer").fault(kind, "to-client", "tools/call"):
            times_out(board)
        goes_on(board)
    assert [frame.message.kind for frame in answers(board)] == ["result", "result", "result"]
    assert board.findings == ()


@pytest.mark.parametrize("kind", ["id-type", "id-reused"])
def test_a_request_with_a_changed_id_is_answered_to_nobody(
    switchboard: Switchboard, reached: Reached, way: str, kind: str
) -> None:
    with switchboard(peer=reached(way)) as board:
        goes_on(board)
        with board.link("peer").fault(kind, "to-server", "tools/call"):
            times_out(board)
        goes_on(board)
    first, changed, _ = (str(frame.message.id) for frame in calls(board))
    assert (changed == first) == (kind == "id-reused")
    assert changed.isdecimal() == (kind == "id-type")
    assert board.findings == ()


@pytest.mark.parametrize(("kind", "made"), [("unknown-notification", 1), ("unsolicited-request", 2)])
def test_a_message_that_is_made_up_reaches_the_server(
    switchboard: Switchboard, reached: Reached, way: str, kind: str, made: int
) -> None:
    with switchboard(peer=reached(way)) as board:
        board.link("peer").fault(kind, "to-server", "tools/call", times=1)
        goes_on(board)
        board.client("peer").list_tools()
    assert sum(b"fault-of-a-link" in frame.data for frame in board.log.frames) == made
    assert board.findings == ()


@pytest.mark.parametrize("kind", ["unknown-notification", "unsolicited-request", "late-progress"])
def test_a_message_that_is_made_up_for_the_client_crosses_no_wire(
    switchboard: Switchboard, reached: Reached, way: str, kind: str
) -> None:
    with switchboard(peer=reached(way)) as board:
        board.link("peer").fault(kind, "to-client", "tools/call")
        assert heard(board) == [1, 2, 3]
        goes_on(board)
    assert notes(board)[0] == (kind, "to-client", "tools/call")
    assert not any(b"fault-of-a-link" in frame.data for frame in board.log.frames)
    assert board.findings == ()


@pytest.mark.parametrize(("direction", "method"), [("to-client", "notifications/progress"), ("to-server", "tools/call")])
def test_progress_with_a_wrong_token_is_not_heard(
    switchboard: Switchboard, reached: Reached, way: str, direction: str, method: str
) -> None:
    with switchboard(peer=reached(way)) as board:
        with board.link("peer").fault("wrong-token", direction, method):
            assert heard(board) == []
        assert heard(board) == [1, 2, 3]
    assert board.findings == ()


@pytest.mark.parametrize(("kind", "direction"), [("exit", "to-server"), ("exit", "to-client"), ("half-close", "to-server")])
def test_a_link_that_a_fault_ends_says_so_and_blames_nobody(
    switchboard: Switchboard, reached: Reached, way: str, kind: str, direction: str
) -> None:
    if way not in PIPES:
        with switchboard(peer=reached(way)) as board, pytest.raises(UsageError, match=f"'{kind}' is for memory and stdio"):
            board.link("peer").fault(kind)
        return
    with switchboard(peer=reached(way)) as board:
        board.link("peer").fault(kind, direction, "tools/call")
        with pytest.raises(LinkError):
            board.options(timeout=5).call("peer__gate" if direction == "to-server" else "peer__echo", name="never")
    assert board.findings == ()


@pytest.mark.parametrize("direction", BOTH)
def test_the_same_seed_gives_the_same_run(switchboard: Switchboard, reached: Reached, way: str, direction: str) -> None:
    def run(seed: int) -> list[int]:
        """Which of twelve messages meet the fault."""
        with switchboard(peer=reached(way, f"unknown-notification {direction} tools/call chance=0.5 seed={seed}")) as board:
            for number in range(12):
                board.call("peer__echo", text=f"number {number}")
        met = [note.data["id"] for note in board.log.notes if note.channel == "fault"]
        return [place for place, frame in enumerate(calls(board)) if frame.message.id in met]

    once = run(1)
    assert once == run(1)
    assert once != run(2)
    assert 0 < len(once) < 12


def test_a_fault_of_the_marker_is_there_from_the_first_message(pytester: pytest.Pytester, way: str) -> None:
    if way != "memory":
        pytest.skip("the marker is the same on every transport")
    pytester.makepyfile(
        """
        import pytest
        from pytest_mcpsym.fakes import clock

        @pytest.mark.mcp(faults={"clock": ["unknown-notification to-server initialize", "drop to-client tools/call nth=2"]})
        def test_marked(switchboard):
            with switchboard(clock=clock()) as board:
                board.call("clock__now")
                with pytest.raises(Exception, match="within 0.2 s"):
                    board.options(timeout=0.2).call("clock__now")
            assert [note.data["kind"] for note in board.log.notes if note.channel == "fault"] == ["unknown-notification", "drop"]

        @pytest.mark.mcp(faults={"clocks": "drop"})
        def test_of_no_link(switchboard):
            with pytest.raises(Exception, match="faults= names 'clocks', which is no link of this board"):
                switchboard(clock=clock())
        """
    )
    pytester.runpytest("-p", "no:randomly").assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        ('["drop"]', "use a dict of link names to faults"),
        ('{"clock": 5}', "5 is no fault; write it as in 'drop to-client tools/call nth=2'"),
        ('{"clock": [5]}', "5 is no fault; write it as in"),
        ('{"clock": "dorp"}', "there is no fault 'dorp'; did you mean 'drop'?"),
    ],
)
def test_a_marker_that_is_wrong_is_told_what_is_right(pytester: pytest.Pytester, way: str, faults: str, says: str) -> None:
    if way != "memory":
        pytest.skip("the marker is the same on every transport")
    pytester.makepyfile(f"""
        import pytest

        @pytest.mark.mcp(faults={faults})
        def test_wrong(switchboard):
            pass
        """)
    run = pytester.runpytest("-p", "no:randomly")
    run.assert_outcomes(errors=1)
    assert says in run.stdout.str()
    assert "Traceback" not in run.stdout.str()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((5,), "kind and method of a fault are text"),
        (("drop", None, 5), "kind and method of a fault are text"),
        (("drop to-client", "to-server"), "'drop to-client' is more than a kind"),
        (("drop to-host",), "'to-host' is no direction"),
    ],
)
def test_a_fault_that_is_none_is_refused(
    switchboard: Switchboard, reached: Reached, way: str, given: tuple[str, ...], says: str
) -> None:
    with switchboard(peer=reached(way)) as board, pytest.raises(UsageError, match=says):
        board.link("peer").fault(*given)


def test_faults_are_done_one_after_the_other_and_end_with_their_blocks(
    switchboard: Switchboard, reached: Reached, way: str
) -> None:
    with switchboard(peer=reached(way)) as board:
        link = board.link("peer")
        with link.fault("duplicate", "to-client", "notifications/progress", id="") as twice:
            with link.fault("drop", "to-client", "notifications/progress", every=2) as lost:
                assert heard(board, 4) == [1, 1, 3, 3]
            assert heard(board, 2) == [1, 1, 2, 2]
        assert heard(board, 2) == [1, 2]
    assert (twice.count, lost.count) == (6, 2)


@pytest.mark.parametrize("what", ["request", "answer"])
def test_a_fault_is_done_to_requests_or_to_answers_alone(
    switchboard: Switchboard, reached: Reached, way: str, what: str
) -> None:
    with switchboard(peer=reached(way)) as board:
        asked = board.link("peer").fault("delay", "to-server", seconds=0, what=what)
        board.call("peer__echo", text="delayed")
        ident = next(note.data["id"] for note in board.log.notes if note.channel == "fault") if what == "request" else "none"
        named = board.link("peer").fault("drop", "to-client", id=str(ident))
        goes_on(board)
    assert (asked.count, named.count) == ((2, 0) if what == "request" else (0, 0))


def test_a_failing_test_lists_what_was_done_on_purpose(pytester: pytest.Pytester, way: str) -> None:
    if way != "memory":
        pytest.skip("the report is the same on every transport")
    pytester.makepyfile(
        """
        from pytest_mcpsym.fakes import clock

        def test_fails(switchboard):
            with switchboard(clock=clock()) as board:
                board.link("clock").fault("duplicate", "to-client", "tools/call")
                assert board.call("clock__now").is_error
        """
    )
    run = pytester.runpytest("-p", "no:randomly")
    run.stdout.fnmatch_lines(
        ["*mcp faults, done on purpose*", "`duplicate to-client tools/call` on link 'clock', to the answer *"]
    )
