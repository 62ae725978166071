"""The life of a board: opening, closing, what closing raises, the loop it belongs to, and how it ends when it is cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

import anyio
import anyio.to_thread
import pytest
import trio
from mcp import MCPError

from fake_servers.mutants import Peer
from fake_servers.mutants.carriers import Carried
from fake_servers.mutants.gateways import KeepsCancellations
from pytest_mcpsym.errors import FindingsError, LoopError, UsageError
from pytest_mcpsym.switchboard import switchboard
from pytest_mcpsym.switchboard.board import AsyncBoard, Board
from pytest_mcpsym.switchboard.opener import Opener
from pytest_mcpsym.switchboard.settings import Settings
from tests.switchboard.servers import ScriptedServer, Wire, demo, garble, text, until

# --- opening and closing


def test_closing_twice_does_nothing() -> None:
    with switchboard(demo=demo()) as board:
        board.close()
        board.close()
    assert board.closed


@pytest.mark.parametrize("use", ["call", "tools", "client"])
def test_a_closed_board_refuses_calls(use: str) -> None:
    with switchboard(demo=demo()) as board:
        pass
    uses: dict[str, Callable[[], object]] = {
        "call": lambda: board.call("demo__echo"),
        "tools": board.tools,
        "client": lambda: board.client("demo"),
    }
    with pytest.raises(UsageError, match="this board is closed; make calls before its block ends"):
        uses[use]()


@pytest.mark.anyio
async def test_a_closed_async_board_refuses_calls() -> None:
    async with switchboard(demo=demo()) as board:
        await board.aclose()
        await board.aclose()
        with pytest.raises(UsageError, match="this board is closed"):
            await board.call("demo__echo")
        with pytest.raises(UsageError, match="this board is closed"):
            board.client("demo")


def test_an_opener_opens_once() -> None:
    opener = switchboard(demo=demo())
    with opener:
        pass
    with pytest.raises(UsageError, match=r"opened before; call switchboard\(...\) again"), opener:
        pass


def test_an_exception_of_the_body_is_not_masked_by_findings_or_dead_links() -> None:
    async def play(wire: Wire) -> None:
        await wire.say("garbage")
        await wire.hear_request("tools/call")
        raise OSError("no disk")

    def body(board: Board) -> None:
        with pytest.raises(MCPError):
            board.client("raw").call_tool("x")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as caught, switchboard(raw=ScriptedServer(play)) as board:
        body(board)
    assert any("no disk" in note for note in caught.value.__notes__)


def test_outside_pytest_closing_raises_what_the_checks_found() -> None:
    with (
        pytest.raises(FindingsError, match="jsonrpc:not-json-rpc on link 'raw'"),
        switchboard(raw=ScriptedServer(garble)) as board,
    ):
        board.call("raw__tool")


def test_closing_inside_an_except_block_still_raises_what_the_checks_found() -> None:
    try:
        raise OSError
    except OSError:
        with pytest.raises(FindingsError), switchboard(raw=ScriptedServer(garble)) as board:
            board.call("raw__tool")


def test_an_explicit_close_while_an_exception_is_handled_masks_nothing() -> None:
    board = switchboard(raw=ScriptedServer(garble)).__enter__()
    try:
        board.call("raw__tool")
        raise KeyError("mine")
    except KeyError:
        board.close()
    assert board.findings


def test_a_board_opened_and_closed_while_an_exception_is_handled_raises_what_the_checks_found() -> None:
    try:
        raise OSError
    except OSError:
        board = switchboard(raw=ScriptedServer(garble)).__enter__()
        board.call("raw__tool")
        with pytest.raises(FindingsError):
            board.close()


def test_a_board_compared_while_open_says_to_close_it() -> None:
    class SnapshotAssertion: ...

    told = r"still open .* close it first: board\.close\(\)"
    with switchboard(demo=demo()) as board, pytest.raises(UsageError, match=told):
        assert board == SnapshotAssertion()


@pytest.mark.anyio
async def test_an_async_board_compared_while_open_says_aclose() -> None:
    class SnapshotAssertion: ...

    async with switchboard(demo=demo()) as board:
        with pytest.raises(UsageError, match=r"await board\.aclose\(\)"):
            assert board == SnapshotAssertion()


def test_boards_are_equal_to_themselves_only_and_leave_the_rest_to_the_other_side() -> None:
    class Agreeable:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # pyright: ignore[reportAssignmentType] - it is equal to everything

    with switchboard(demo=demo()) as board, switchboard(demo=demo()) as other:
        assert board == board  # noqa: PLR0124 - the claim
        assert board != other
        assert board != 5
        assert board == Agreeable()
        assert Board.__eq__(board, 5) is NotImplemented


# --- loops and threads


@pytest.mark.anyio
async def test_a_blocking_board_opened_in_a_loop_says_async_with(anyio_backend: str) -> None:
    with pytest.raises(LoopError, match=rf"cannot open here: the {anyio_backend} event loop .* `async with switchboard"):
        switchboard(demo=demo()).__enter__()


@pytest.mark.anyio
async def test_a_blocking_board_called_in_a_loop_says_async_with(anyio_backend: str) -> None:
    board = await anyio.to_thread.run_sync(switchboard(demo=demo()).__enter__)
    try:
        with pytest.raises(LoopError, match=rf"cannot call here: the {anyio_backend} event loop .*`await` its calls"):
            board.call("demo__echo", text="")
    finally:
        await anyio.to_thread.run_sync(board.close)


def elsewhere(use: Callable[[], object], backend: str) -> BaseException | None:
    """What `use` raises on another loop (`none`: on no loop), in another thread."""
    raised: list[BaseException] = []

    async def main() -> None:
        outcome = use()
        if hasattr(outcome, "__await__"):
            await outcome  # pyright: ignore[reportGeneralTypeIssues] - it was found to be awaitable

    def run() -> None:
        try:
            if backend == "none":
                use()
            elif backend == "trio":
                trio.run(main)
            else:
                asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test looks at it
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(5)
    assert not thread.is_alive(), "it hangs"
    return raised[0] if raised else None


@pytest.mark.anyio
@pytest.mark.parametrize("other", ["asyncio", "trio"])
@pytest.mark.parametrize("use", ["call", "tools", "client", "aclose", "kept client"])
async def test_an_async_board_used_on_another_loop_names_both(anyio_backend: str, other: str, use: str) -> None:
    async with switchboard(demo=demo()) as board:
        kept = board.client("demo")
        uses: dict[str, Callable[[], object]] = {
            "call": lambda: board.call("demo__echo", text=""),
            "tools": board.tools,
            "client": lambda: board.client("demo"),
            "aclose": board.aclose,
            "kept client": kept.list_tools,
        }
        error = await anyio.to_thread.run_sync(elsewhere, uses[use], other)
        assert isinstance(error, LoopError)
        assert f"opened on the {anyio_backend} event loop" in str(error)
        assert f"used on the {other} event loop" in str(error)
        assert not board.closed
        assert text(await board.call("demo__echo", text="hi")) == "hi"


@pytest.mark.anyio
async def test_a_board_opens_beside_a_trio_before_0_28(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(trio.lowlevel, "in_trio_run", raising=False)
    async with switchboard(demo=demo()) as board:
        assert text(await board.call("demo__echo", text="hi")) == "hi"


@pytest.mark.anyio
async def test_an_async_board_used_outside_any_loop_says_so() -> None:
    async with switchboard(demo=demo()) as board:
        error = await anyio.to_thread.run_sync(elsewhere, lambda: board.client("demo"), "none")
        assert "is used outside any event loop" in str(error)


@pytest.mark.anyio
async def test_eight_calls_at_once_each_get_their_own_answer() -> None:
    got: dict[int, str] = {}

    async def one(board: AsyncBoard, number: int) -> None:
        got[number] = text(await board.call("demo__echo", text=str(number)))

    async with switchboard(demo=demo()) as board, anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(one, board, number)
    assert got == {number: str(number) for number in range(8)}


def test_two_boards_at_once_do_not_meet() -> None:
    server = demo()
    with switchboard(demo=server) as one, switchboard(demo=server) as two:
        one.call("demo__echo", text="one")
        two.call("demo__echo", text="two")
    assert not any(b'"two"' in frame.data for frame in one.log.frames)
    assert not any(b'"one"' in frame.data for frame in two.log.frames)


# --- cancellation


@pytest.mark.anyio
async def test_a_cancelled_body_closes_its_board() -> None:
    opened: list[AsyncBoard] = []
    with anyio.fail_after(10), anyio.move_on_after(0.2) as scope:
        async with switchboard(demo=demo()) as board:
            opened.append(board)
            await board.call("demo__sleep")
    assert scope.cancelled_caught
    assert opened[0].closed
    assert [note.channel for note in opened[0].log.notes][-1] == "close"


@pytest.mark.anyio
@pytest.mark.parametrize(("peer", "found"), [(KeepsCancellations, ["cancellation:not-propagated"]), (Peer, [])])
async def test_a_board_that_closes_at_once_still_sees_what_outlives_its_cancelled_cause(
    peer: type[Peer], found: list[str]
) -> None:
    opener = Opener({"gateway": Carried(peer()), "store": Carried(Peer())}, None, Settings(fail_on_findings=False))
    async with opener as board, anyio.create_task_group() as tasks:
        tasks.start_soon(board.call, "gateway__relay", {"name": "store__gate"})
        await until(lambda: any(frame.link == "store" and b"gate" in frame.data for frame in board.log.frames))
        tasks.cancel_scope.cancel()
    assert [each.check for each in board.findings if each.severity == "error"] == found


@pytest.mark.anyio
async def test_a_call_that_is_cancelled_leaves_the_board_usable_and_tells_the_server() -> None:
    async with switchboard(demo=demo()) as board:
        with anyio.move_on_after(0.1):
            await board.call("demo__sleep")
        assert text(await board.call("demo__echo", text="hi")) == "hi"
    request = next(frame for frame in board.log.frames if frame.message.method == "tools/call")
    cancelled = next(frame for frame in board.log.frames if frame.message.method == "notifications/cancelled")
    assert cancelled.message.params["requestId"] == cast("Mapping[str, object]", request.message.value)["id"]


def test_wait_for_around_a_board_ends_it() -> None:
    async def main() -> AsyncBoard:
        kept: list[AsyncBoard] = []

        async def body() -> None:
            async with switchboard(demo=demo()) as board:
                kept.append(board)
                await board.call("demo__sleep")

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(body(), 0.2)
        return kept[0]

    assert asyncio.run(main()).closed


def test_a_trio_deadline_around_a_board_ends_it() -> None:
    async def main() -> AsyncBoard:
        kept: list[AsyncBoard] = []
        with trio.move_on_after(0.2):
            async with switchboard(demo=demo()) as board:
                kept.append(board)
                await board.call("demo__sleep")
        return kept[0]

    assert trio.run(main).closed


def test_a_loop_that_ends_with_an_open_board_does_not_hang() -> None:
    async def main() -> None:
        await switchboard(demo=demo()).__aenter__()

    asyncio.run(asyncio.wait_for(main(), 5))
    trio.run(main)


def settings_with(opener: Opener, **changes: float) -> Opener:
    """The same board with other settings."""
    opener._settings = replace(opener._settings, **changes)  # pyright: ignore[reportPrivateUsage] - the fixture sets them
    return opener


@pytest.mark.anyio
async def test_a_typed_call_is_bounded_too() -> None:
    async with settings_with(switchboard(demo=demo()), call_timeout=0.1) as board:
        with anyio.fail_after(5), pytest.raises(MCPError):
            await board.client("demo").call_tool("sleep")
        await until(lambda: any(frame.message.method == "notifications/cancelled" for frame in board.log.frames))
