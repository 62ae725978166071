"""Subscriptions replay and are verified: `subscriptions/listen` of the modern era, `resources/subscribe` of the handshake era."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.plugin.harness import Example

MODERN = """
import anyio
import pytest
from fake_servers import everything
from pytest_mcpsym import link

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_it(switchboard, recorded):
    server = link(everything(interval=60), transport="{transport}")
    async with switchboard(one=recorded(server)) as board:
        async with board.client("one").listen(resource_subscriptions=["{uri}"]) as events:
            await board.call("one__toggle-subscriber-updates")
            with anyio.fail_after(20):
                assert (await anext(aiter(events))).uri == "{uri}"
        await board.call("one__echo", message="hello")
"""
HANDSHAKE = """
import pytest
from fake_servers import everything
from pytest_mcpsym import link

@pytest.mark.filterwarnings("ignore:resources/subscribe is removed")
def test_it(switchboard, recorded):
    server = link(everything(interval=60), transport="{transport}")
    with switchboard(one=recorded(server)) as board:
        board.client("one").subscribe_resource("{uri}")
        board.call("one__toggle-subscriber-updates")
        assert "notifications/resources/updated" in [frame.message.method for frame in board.log.frames]
"""
QUIET = ("-p", "no:cacheprovider", "--mcp-trace=off", "--mcp-record-in-ci")
URI, OTHER = "demo://resource/1", "demo://resource/2"


@pytest.mark.parametrize("transport", ["memory", "http"])
@pytest.mark.parametrize(("era", "test"), [("modern", MODERN), ("handshake", HANDSHAKE)])
def test_a_subscription_replays_and_is_verified(
    example: Callable[..., Example], pytester: pytest.Pytester, era: str, test: str, transport: str
) -> None:
    args = (*QUIET, f"--mcp-era={era}")
    first = example(test.format(transport=transport, uri=URI)).run_here(pytester, *args, "--mcp-record")
    assert first.outcomes == {"passed": 1}, first.text
    for mode in ("--mcp-replay", "--mcp-verify"):
        run = first.example.run_here(pytester, *args, mode)
        assert (run.outcomes, run.changed) == ({"passed": 1}, {}), run.text
    other = first.example.with_files({"test_it.py": test.format(transport=transport, uri=OTHER)}).run_here(pytester, *args)
    assert other.outcomes == {"failed": 1}
    other.says("mcp replay miss in test_it", f'recorded "{URI}"', f'sent "{OTHER}"')
