"""A queue for one reader: writers get their turns in order, one at a time, and none is lost."""

from __future__ import annotations

import anyio
import pytest

from pytest_mcpsym.transport.pipe import Pipe

pytestmark = pytest.mark.anyio


async def write(pipe: Pipe[int], item: int) -> None:
    """Wait for room and put one item."""
    await pipe.room()
    pipe.put(item)


async def test_writers_get_their_turns_in_the_order_they_came() -> None:
    pipe = Pipe[int](2)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(write, pipe, number)
                await anyio.wait_all_tasks_blocked()
            assert [await pipe.get() for _ in range(10)] == list(range(10))


async def test_who_comes_when_there_is_room_does_not_overtake_who_waits() -> None:
    pipe = Pipe[int](1)
    pipe.put(0)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write, pipe, 1)
            await anyio.wait_all_tasks_blocked()
            assert await pipe.get() == 0
            tasks.start_soon(write, pipe, 2)  # the place is promised to the first one, which has not run yet
            assert [await pipe.get(), await pipe.get()] == [1, 2]


async def test_one_writer_is_woken_for_one_place_however_many_wait() -> None:
    pipe = Pipe[int](1)
    pipe.put(0)
    woken: list[int] = []

    async def wait(number: int) -> None:
        await pipe.room()
        woken.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(wait, number)
            await anyio.wait_all_tasks_blocked()
        assert await pipe.get() == 0
        await anyio.wait_all_tasks_blocked()
        assert woken == [0]
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("promised", [False, True])
async def test_a_writer_that_is_cancelled_leaves_its_turn_to_the_next(*, promised: bool) -> None:
    pipe = Pipe[int](1)
    pipe.put(0)
    scope = anyio.CancelScope()

    async def give_up() -> None:
        with scope:
            await write(pipe, 1)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(give_up)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(write, pipe, 2)
            await anyio.wait_all_tasks_blocked()
            if promised:
                assert await pipe.get() == 0
                scope.cancel()
            else:
                scope.cancel()
                await anyio.wait_all_tasks_blocked()
                assert await pipe.get() == 0
            while await pipe.get() != 2:
                pass  # once its turn had come, it may write all the same


async def test_whoever_waits_for_room_hears_that_nobody_reads_any_more() -> None:
    pipe = Pipe[int](1)
    pipe.put(0)
    refused: list[int] = []

    async def attempt(number: int) -> None:
        try:
            await write(pipe, number)
        except anyio.BrokenResourceError:
            refused.append(number)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for number in (1, 2):
                tasks.start_soon(attempt, number)
                await anyio.wait_all_tasks_blocked()
            pipe.end_reading()
    assert sorted(refused) == [1, 2]


async def test_what_was_written_before_the_end_can_be_read() -> None:
    pipe = Pipe[int]()
    for number in range(3):
        pipe.put(number)
    pipe.end_writing()
    assert [await pipe.get() for _ in range(3)] == [0, 1, 2]
    with pytest.raises(anyio.EndOfStream):
        await pipe.get()
    with pytest.raises(anyio.ClosedResourceError):
        pipe.put(3)
