"""Continuations whose state travels: what opens them, what does not, and tools written over them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.server.request_state import AESGCMRequestStateCodec
from mcp_types import CallToolResult, TextContent

from pytest_mcpsym.symmetric import Ask, Call, Extension, RefusedContinuation, SealedTools, Sealer, UsedNonces, answer_of
from pytest_mcpsym.symmetric.names import CALLS, CANCEL, CONTINUE, REFUSED_CONTINUATION
from pytest_mcpsym.symmetric.sealed import request_digest
from tests.symmetric.legs import told, wire

pytestmark = pytest.mark.anyio

KEY = b"k" * 32
DIGEST = request_digest("tools/call", "sum", {"a": 1})


async def reason(sealer: Sealer, token: str, principal: str | None = "me", digest: str | None = DIGEST) -> str:
    """Why a token is refused."""
    with pytest.raises(RefusedContinuation) as refused:
        await sealer.open(token, principal=principal, request_digest=digest)
    assert (refused.value.code, refused.value.message) == (-32602, REFUSED_CONTINUATION)
    assert refused.value.data == {"reason": refused.value.reason}
    return refused.value.reason


async def test_another_process_with_the_same_key_opens_the_state() -> None:
    token = Sealer(KEY).seal(b"state\n\x00", principal="me", request_digest=DIGEST)
    assert await Sealer(KEY).open(token, principal="me", request_digest=DIGEST) == b"state\n\x00"


async def test_a_token_does_not_show_its_state() -> None:
    assert "c3RhdGU" not in Sealer(KEY).seal(b"state" * 9, principal=None, request_digest=DIGEST)


async def test_every_changed_character_makes_a_token_unknown() -> None:
    sealer = Sealer(KEY)
    token = sealer.seal(b"s", principal="me", request_digest=DIGEST)
    for at, old in enumerate(token):
        assert await reason(sealer, token[:at] + ("A" if old != "A" else "B") + token[at + 1 :]) == "unknown"


@pytest.mark.parametrize("token", ["", "sealed.", "sealed.v1.", "sealed.v1.AAAA", "made up", "sealed.v1.\ud800"])
async def test_a_made_up_token_is_unknown(token: str) -> None:
    assert await reason(Sealer(KEY), token) == "unknown"


async def test_a_token_of_another_key_is_unknown() -> None:
    assert await reason(Sealer(b"x" * 32), Sealer(KEY).seal(b"s", principal="me", request_digest=DIGEST)) == "unknown"


async def test_a_token_that_the_protocols_request_state_sealed_with_the_same_secret_is_unknown() -> None:
    assert await reason(Sealer(KEY), "sealed." + AESGCMRequestStateCodec([KEY]).seal(b"{}\n")) == "unknown"


async def test_keys_can_be_rotated() -> None:
    token = Sealer(KEY).seal(b"s", principal="me", request_digest=DIGEST)
    assert await Sealer([b"n" * 32, KEY]).open(token, principal="me") == b"s"


@pytest.mark.parametrize("keys", [b"short", [], [KEY, b"short"]])
def test_keys_that_are_missing_or_short_are_refused(keys: Any) -> None:
    with pytest.raises(ValueError, match="32 random bytes"):
        Sealer(keys)


@pytest.mark.parametrize("principal", ["you", None])
async def test_a_token_of_another_principal_is_foreign(principal: str | None) -> None:
    sealer = Sealer(KEY)
    assert await reason(sealer, sealer.seal(b"s", principal="me", request_digest=DIGEST), principal) == "foreign"


async def test_a_token_of_another_request_is_foreign() -> None:
    sealer = Sealer(KEY)
    token = sealer.seal(b"s", principal="me", request_digest=DIGEST)
    assert await reason(sealer, token, digest=request_digest("tools/call", "sum", {"a": 2})) == "foreign"


def test_equal_arguments_have_one_digest_whatever_their_order() -> None:
    assert request_digest("m", "n", {"a": 1, "b": 2}) == request_digest("m", "n", {"b": 2, "a": 1})


async def test_a_token_expires() -> None:
    now = [100.0]
    sealer = Sealer(KEY, time_to_live=10, clock=lambda: now[0])
    token = sealer.seal(b"s", principal="me", request_digest=DIGEST)
    now[0] = 109.9
    assert await sealer.open(token, principal="me") == b"s"
    now[0] = 110.0
    assert await reason(sealer, token) == "expired"


async def test_without_a_store_a_token_opens_again() -> None:
    sealer = Sealer(KEY)
    token = sealer.seal(b"s", principal=None, request_digest=DIGEST)
    assert [await sealer.open(token, principal=None) for _ in range(2)] == [b"s", b"s"]


async def test_with_a_store_of_used_nonces_a_token_opens_once() -> None:
    sealer = Sealer(KEY, store=UsedNonces(300))
    token = sealer.seal(b"s", principal="me", request_digest=DIGEST)
    await sealer.open(token, principal="me")
    assert await reason(sealer, token) == "replayed"


async def test_a_token_that_is_refused_is_not_used_up() -> None:
    sealer = Sealer(KEY, store=UsedNonces(300))
    token = sealer.seal(b"s", principal="me", request_digest=DIGEST)
    assert await reason(sealer, token, "you") == "foreign"
    assert await sealer.open(token, principal="me") == b"s"


async def add_up(
    context: ServerRequestContext[Any, Any], state: bytes | None, responses: Mapping[str, Mapping[str, object]]
) -> Ask | CallToolResult:
    """Ask for two numbers, one after the other, and add them to the argument."""
    if state is None:
        first: int = (context.params or {})["arguments"]["start"]
        return Ask({"one": Call("tools/call", {"name": "a__number", "arguments": {}})}, json.dumps([first]).encode())
    numbers = [*json.loads(state), *(int(answer_of(each)["content"][0]["text"]) for each in responses.values())]
    if len(numbers) < 3:
        return Ask({"two": Call("tools/call", {"name": "a__number", "arguments": {}})}, json.dumps(numbers).encode())
    return CallToolResult(content=[TextContent(type="text", text=str(sum(numbers)))])


def process(store: UsedNonces | None = None, step: Any = add_up) -> MCPServer[Any]:
    """One process of a server with a sealed tool `sum`, beside an ordinary one of the same name."""
    sealed = SealedTools(Sealer(KEY, store=store))
    sealed.tool("sum")(step)
    sym = Extension(sealed=sealed)
    server = MCPServer("sealed", extensions=[sym], lifespan=sym.lifespan(), log_level="CRITICAL")

    @server.tool(name="sum", structured_output=False)
    def ordinary(start: int) -> str:
        return f"ordinary {start}"

    assert ordinary
    return server


async def test_each_leg_of_a_sealed_tool_may_be_served_by_another_process() -> None:
    async with wire(process()) as one, wire(process()) as two, wire(process()) as three:
        leg = await one.begin("sum", start=1)
        assert leg["resultType"] == CALLS
        assert leg["calls"] == {"one": {"method": "tools/call", "params": {"name": "a__number", "arguments": {}}}}
        leg = await two.go_on(leg, one=told("10"))
        last = await three.go_on(leg, two=told("100"))
    assert last == {"resultType": "complete", "content": [{"type": "text", "text": "111"}], "isError": False}


async def test_a_client_without_the_extension_gets_the_ordinary_tool() -> None:
    async with wire(process()) as client:
        client.declared = {}
        assert (await client.begin("sum", start=1))["content"][0]["text"] == "ordinary 1"


async def test_a_sealed_tool_asks_only_for_what_the_client_declared() -> None:
    async with wire(process()) as client:
        client.declared = {"extensions": {"dev.mcpsym/symmetric": {"prompts": {}}}}
        error = await client.refused("tools/call", {"name": "sum", "arguments": {"start": 1}})
        assert error["code"] == -32021


async def test_an_error_in_a_response_is_raised_in_the_tool() -> None:
    async with wire(process()) as client:
        leg = await client.begin("sum", start=1)
        error = {"code": -31999, "message": "no", "data": 1}
        given = {"continuation": leg["continuation"], "responses": {"one": {"error": error}}}
        assert await client.refused(CONTINUE, given) == error


async def test_a_response_to_no_call_is_refused_and_uses_nothing_up() -> None:
    async with wire(process(UsedNonces(300))) as client:
        leg = await client.begin("sum", start=1)
        given: dict[str, Any] = {"continuation": leg["continuation"], "responses": {"two": {"result": {}}}}
        assert (await client.refused(CONTINUE, given))["data"] == {"keys": ["two"]}
        assert (await client.go_on(leg, one=told("10")))["calls"]


async def test_an_answered_call_is_owed_no_longer() -> None:
    async with wire(process()) as client:
        leg = await client.go_on(await client.begin("sum", start=1), one=told("10"))
        given: dict[str, Any] = {"continuation": leg["continuation"], "responses": {"one": {"result": {}}}}
        assert (await client.refused(CONTINUE, given))["data"] == {"keys": ["one"]}


async def test_a_forged_sealed_continuation_is_refused_on_the_wire() -> None:
    async with wire(process()) as client:
        error = await client.refused(CONTINUE, {"continuation": "sealed.v1.AAAA", "responses": {}})
        assert error == {"code": -32602, "message": REFUSED_CONTINUATION, "data": {"reason": "unknown"}}


async def test_cancelling_uses_a_sealed_continuation_up_where_there_is_a_store() -> None:
    async with wire(process(UsedNonces(300))) as client:
        leg = await client.begin("sum", start=1)
        assert await client.ask(CANCEL, {"continuation": leg["continuation"]}) == {"resultType": "complete"}
        error = await client.refused(CONTINUE, {"continuation": leg["continuation"], "responses": {}})
        assert error["data"] == {"reason": "replayed"}


@pytest.mark.parametrize("calls", [{}, {"": Call("roots/list")}])
async def test_a_step_that_asks_for_nothing_or_under_an_empty_key_is_an_error_of_the_server(calls: dict[str, Call]) -> None:
    async def wrong(context: object, state: bytes | None, responses: object) -> Ask:
        return Ask(calls, b"")

    async with wire(process(step=wrong)) as client:
        assert (await client.refused("tools/call", {"name": "sum", "arguments": {"start": 1}}))["code"] == -32603


async def test_a_sealed_tool_may_elicit_by_url_and_may_not_ask_for_other_methods() -> None:
    async def wrong(context: ServerRequestContext[Any, Any], state: bytes | None, responses: object) -> Ask:
        return Ask({"k": Call((context.params or {})["arguments"]["start"], {"mode": "url", "message": "m", "url": "x"})}, b"")

    async with wire(process(step=wrong)) as client:
        client.declared = {"extensions": {"dev.mcpsym/symmetric": {}}, "elicitation": {"url": {}}}
        assert (await client.begin("sum", start="elicitation/create"))["calls"]
        assert (await client.refused("tools/call", {"name": "sum", "arguments": {"start": "ping"}}))["code"] == -32603


async def test_a_continuation_of_a_tool_that_is_gone_is_unknown() -> None:
    other = SealedTools(Sealer(KEY))
    sym = Extension(sealed=other)
    async with wire(process()) as client, wire(MCPServer("s", extensions=[sym], log_level="CRITICAL")) as later:
        leg = await client.begin("sum", start=1)
        error = await later.refused(CONTINUE, {"continuation": leg["continuation"], "responses": {}})
        assert error["data"] == {"reason": "unknown"}


def test_a_second_sealed_tool_of_one_name_is_refused() -> None:
    sealed = SealedTools(Sealer(KEY))
    sealed.tool("sum")(add_up)
    with pytest.raises(ValueError, match="already"):
        sealed.tool("sum")(add_up)
