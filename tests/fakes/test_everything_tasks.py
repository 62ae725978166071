"""Tasks of the everything server, on raw frames: in memory and over HTTP, in the one revision that has them."""

from __future__ import annotations

import pytest

from fake_servers import everything
from fake_servers.everything.tasks import PAGE, TTL, Tasks
from fake_servers.everything.tools import TASK_TOOLS
from pytest_mcpsym import link
from pytest_mcpsym.switchboard.target import Transport
from tests.fakes.frames import Frames, frames
from tests.serving.listening import listening

pytestmark = pytest.mark.anyio

RESEARCH = "simulate-research-query"


async def begun(client: Frames, *, ambiguous: bool = False) -> str:
    """Begin a task and return its id."""
    arguments = {"topic": "Python", "ambiguous": ambiguous}
    result = await client.result("tools/call", {"name": RESEARCH, "arguments": arguments, "task": {"ttl": 5}})
    assert (result["task"]["status"], result["task"]["ttl"]) == ("working", TTL)
    return result["task"]["taskId"]


@pytest.mark.parametrize("transport", ["memory", "http", "sockets"])
async def test_a_task_asks_on_the_request_for_its_result(transport: Transport) -> None:
    async with frames(link(everything(pace=0), transport=transport), "handshake", {"elicitation": {}}) as client:
        await client.shake()
        client.answers["elicitation/create"] = {"action": "accept", "content": {"interpretation": "snake"}}
        task = await begun(client, ambiguous=True)
        result = await client.result("tasks/result", {"taskId": task})
        assert "went on with: snake" in result["content"][0]["text"]
        (asked,) = [message for message in client.said if message.get("method") == "elicitation/create"]
        assert asked["params"]["_meta"] == result["_meta"] == {"io.modelcontextprotocol/related-task": {"taskId": task}}
        assert (await client.result("tasks/get", {"taskId": task}))["status"] == "completed"


async def test_a_cancelled_task_stops() -> None:
    async with frames(everything(pace=60), "handshake") as client:
        await client.shake()
        task = await begun(client)
        assert (await client.result("tasks/cancel", {"taskId": task}))["status"] == "cancelled"
        assert (await client.ask("tasks/result", {"taskId": task}))["error"]["code"] == -32603


@pytest.mark.parametrize("transport", ["memory", "http"])
async def test_a_client_that_leaves_takes_nothing_with_it(transport: Transport) -> None:
    server = everything(pace=0)
    for _ in range(2):
        async with frames(link(server, transport=transport), "handshake") as client:
            await client.shake()
            await begun(client)


async def test_the_tasks_of_another_session_are_not_seen() -> None:
    with listening("everything", "--http", "0", "--pace", "60") as url:
        async with frames(url, "handshake") as one, frames(url, "handshake") as other:
            await one.shake()
            await other.shake()
            task = await begun(one)
            assert (await one.result("tasks/get", {"taskId": task}))["status"] == "working"
            assert (await other.ask("tasks/get", {"taskId": task}))["error"]["code"] == -32602


@pytest.mark.parametrize("method", ["tasks/get", "tasks/result", "tasks/list", "tasks/cancel"])
async def test_the_modern_era_has_no_tasks(method: str) -> None:
    async with frames(everything(), "modern", {"elicitation": {}, "sampling": {}}) as client:
        assert "tasks" not in (await client.shake())["capabilities"]
        assert TASK_TOOLS.isdisjoint(tool["name"] for tool in (await client.result("tools/list"))["tools"])
        assert (await client.ask(method, {"taskId": "a"}))["error"]["code"] == -32601


async def test_a_task_is_forgotten_some_time_after_it_ended() -> None:
    now = 0.0
    tasks = Tasks(lambda: now)
    one, other = tasks.begin(1000), tasks.begin(1000)
    now = TTL / 1000 - 1
    tasks.move(one, "completed")
    now = TTL / 1000
    assert (tasks.find(one.id), tasks.find(other.id)) == (one, None)
    now += TTL / 1000
    assert tasks.find(one.id) is None


async def test_the_listing_has_pages() -> None:
    tasks = Tasks(lambda: 0.0)
    begun = [tasks.begin(1000) for _ in range(PAGE + 1)]
    page, cursor = tasks.page(None)
    assert (page, cursor) == (begun[:PAGE], begun[PAGE - 1].id)
    assert tasks.page(cursor) == (begun[PAGE:], None)
    with pytest.raises(KeyError):
        tasks.page("none")
