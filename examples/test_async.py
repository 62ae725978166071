"""The same board in an async test. This runs under anyio's plugin, which comes with the package."""

# pyright: basic

import anyio
import pytest

from fake_servers import everything

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    """Run on asyncio alone; leave this out to run on trio too, where it is installed."""
    return "asyncio"


async def test_two_calls_at_once(switchboard):
    async with switchboard(everything=everything()) as board, anyio.create_task_group() as tasks:
        for word in ("one", "two"):
            tasks.start_soon(board.call, "everything__echo", {"message": word})

    assert board.routes == "host > everything x2"


@pytest.fixture
async def board(switchboard):
    async with switchboard(everything=everything()) as board:
        yield board


async def test_a_fixture_may_open_the_board(board):
    result = await board.call("everything__echo", message="hi")
    assert result.content[0].text == "Echo: hi"
