"""What the everything server does by the modern era's means, on raw frames over every transport, and for the SDK's client."""

from __future__ import annotations

import shlex
import sys
from typing import Any

import anyio
import pytest
from mcp.server.subscriptions import ResourceUpdated

from fake_servers import everything
from pytest_mcpsym import Switchboard, link
from tests.fakes.frames import frames

pytestmark = pytest.mark.anyio

STDIO = shlex.join([sys.executable, "-m", "fake_servers.everything", "--interval", "60"])
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
LEVEL = "io.modelcontextprotocol/logLevel"


@pytest.fixture(params=["memory", "stdio", "http", "sockets"])
def target(request: pytest.FixtureRequest) -> object:
    """What a link is made from, for each transport."""
    return STDIO if request.param == "stdio" else link(everything(interval=60), transport=request.param)


def members(message: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: message[name] for name in names if name in message}


async def test_it_says_what_it_speaks_and_for_how_long_that_holds(target: object) -> None:
    async with frames(target, "modern") as client:
        found = await client.shake()
    assert members(found, "supportedVersions", "resultType", "ttlMs", "cacheScope") == {
        "supportedVersions": ["2026-07-28"],
        "resultType": "complete",
        "ttlMs": 60_000,
        "cacheScope": "public",
    }
    assert found["capabilities"] == {
        "completions": {},
        "logging": {},
        "prompts": {"listChanged": True},
        "resources": {"listChanged": True, "subscribe": True},
        "tools": {"listChanged": True},
    }


async def test_a_stream_carries_what_its_client_asked_for_and_nothing_else(target: object) -> None:
    async with frames(target, "modern") as client:
        wanted = {"resourcesListChanged": True, "resourceSubscriptions": ["demo://a"]}
        stream = await client.begin("subscriptions/listen", {"notifications": wanted})
        acknowledged = await client.notified(ACKNOWLEDGED)
        assert acknowledged == {"notifications": wanted, "_meta": {SUBSCRIPTION: stream}}
        await client.result("tools/call", {"name": "toggle-subscriber-updates", "arguments": {}})
        await client.notified("notifications/resources/updated")
        await client.result("tools/call", {"name": "gzip-file-as-resource", "arguments": {"name": "a.gz", "data": "data:,a"}})
        await client.notified("notifications/resources/list_changed")
    sent = [said for said in client.said if str(said.get("method")).startswith("notifications/resources/")]
    assert sent == [
        {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "demo://a", "_meta": {SUBSCRIPTION: stream}}},
        {"jsonrpc": "2.0", "method": "notifications/resources/list_changed", "params": {"_meta": {SUBSCRIPTION: stream}}},
    ]  # fmt: skip


async def test_a_client_that_does_not_listen_is_told_nothing(target: object) -> None:
    async with frames(target, "modern") as client:
        for name, arguments in (
            ("toggle-subscriber-updates", {}),
            ("gzip-file-as-resource", {"name": "a.gz", "data": "data:,a"}),
            ("toggle-simulated-logging", {}),
        ):
            await client.result("tools/call", {"name": name, "arguments": arguments})
        assert [said["method"] for said in client.said if "method" in said] == []


async def test_a_log_message_comes_with_the_request_that_asked_for_its_level(target: object) -> None:
    async with frames(target, "modern") as client:
        call: dict[str, object] = {"name": "toggle-simulated-logging", "arguments": {}}
        for _ in range(8):
            await client.result("tools/call", call, **{LEVEL: "debug"})
        logged = [said["params"]["level"] for said in client.said if said.get("method") == "notifications/message"]
        assert len(logged) == 8
        await client.result("tools/call", call, **{LEVEL: "emergency"})
        assert {said["params"]["level"] for said in client.said[-2:] if "method" in said} <= {"emergency"}


@pytest.mark.parametrize(
    ("method", "params", "hint"),
    [
        ("tools/list", {}, (60_000, "private")),
        ("prompts/list", {}, (60_000, "public")),
        ("resources/list", {}, (0, "private")),
        ("resources/templates/list", {}, (60_000, "public")),
        ("resources/read", {"uri": "demo://resource/dynamic/text/1"}, (60_000, "public")),
        ("resources/read", {"uri": "demo://resource/session/a.gz"}, (0, "private")),
    ],
)
async def test_each_result_says_how_long_it_stays_fresh_and_for_whom(
    method: str, params: dict[str, object], hint: tuple[int, str]
) -> None:
    async with frames(everything(), "modern") as client:
        await client.result("tools/call", {"name": "gzip-file-as-resource", "arguments": {"name": "a.gz", "data": "data:,a"}})
        found = await client.result(method, params)
        assert (found["ttlMs"], found["cacheScope"]) == hint


ASKING: dict[str, tuple[dict[str, object], str, object]] = {
    "trigger-elicitation-request": ({}, "elicitation/create", {"action": "accept", "content": {"name": "Ada"}}),
    "trigger-url-elicitation": ({"url": "https://example.com/"}, "elicitation/create", {"action": "decline"}),
    "trigger-sampling-request": (
        {"prompt": "hi"},
        "sampling/createMessage",
        {"role": "assistant", "model": "m", "content": {"type": "text", "text": "hello"}},
    ),
    "get-roots-list": ({}, "roots/list", {"roots": [{"uri": "file:///a"}]}),
}
CAN: dict[str, object] = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}


async def test_a_tool_asks_by_a_result_and_is_answered_by_the_same_call_again(target: object) -> None:
    async with frames(target, "modern", CAN) as client:
        for name, (arguments, method, answer) in ASKING.items():
            call: dict[str, object] = {"name": name, "arguments": arguments}
            first = await client.result("tools/call", call)
            assert first["resultType"] == "input_required"
            ((key, asked),) = first["inputRequests"].items()
            assert asked["method"] == method
            assert (await client.result("tools/call", {**call, "inputResponses": {key: answer}}))["resultType"] == "complete"
            of_another_kind: dict[str, object] = {"roots": []} if method != "roots/list" else {"action": "cancel"}
            assert (await client.result("tools/call", {**call, "inputResponses": {key: of_another_kind}}))["isError"] is True


@pytest.mark.parametrize("answers", [3, {"asked": 3}, {"asked": {"roots": 3}}])
async def test_answers_of_no_shape_are_refused(answers: object) -> None:
    async with frames(everything(), "modern", CAN) as client:
        call: dict[str, object] = {"name": "get-roots-list", "arguments": {}, "inputResponses": answers}
        assert (await client.ask("tools/call", call))["error"]["code"] == -32602


@pytest.mark.parametrize("name", ASKING)
async def test_a_tool_that_asks_is_not_there_for_a_client_that_cannot_answer(name: str) -> None:
    async with frames(everything(), "modern") as client:
        assert name not in [tool["name"] for tool in (await client.result("tools/list"))["tools"]]
        assert (await client.ask("tools/call", {"name": name, "arguments": ASKING[name][0]}))["error"]["code"] == -32602


@pytest.mark.parametrize("method", ["resources/subscribe", "logging/setLevel", "ping", "initialize"])
async def test_what_the_era_does_not_have_is_not_there(method: str) -> None:
    async with frames(everything(), "modern") as client:
        await client.shake()
        assert (await client.ask(method, {"uri": "demo://a", "level": "debug"}))["error"]["code"] in (-32601, -32022)


async def test_the_clients_of_the_sdk_listen(switchboard: Switchboard) -> None:
    async with (
        switchboard(one=link(everything(interval=60), era="modern")) as board,
        board.client("one").listen(resource_subscriptions=["demo://a"]) as events,
    ):
        await board.call("one__toggle-subscriber-updates")
        with anyio.fail_after(20):
            assert await anext(aiter(events)) == ResourceUpdated(uri="demo://a")
