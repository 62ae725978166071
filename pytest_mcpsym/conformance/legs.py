"""Claimed results, which are the modern era's: the shape of legs, answers to a part of them, progress, cancellation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from pytest_mcpsym.conformance.desk import Desk
from pytest_mcpsym.conformance.judgement import judgement, require, same, text_of
from pytest_mcpsym.conformance.mirrored import progress
from pytest_mcpsym.conformance.talk import Call, ModernTalk, told
from pytest_mcpsym.symmetric.names import CALLS, HOSTS_OWN, IDENTIFIER, MIRRORED

__all__: list[str] = []


@judgement(
    "modern",
    sentence='A server advertises `"dev.mcpsym/symmetric": {}` in its own `extensions` if it serves the modern binding',
)
async def the_extension_is_advertised(desk: Desk) -> None:
    capabilities = await desk.capabilities()
    extensions = capabilities.get("extensions")
    require(
        isinstance(extensions, dict) and IDENTIFIER in extensions,
        f"`extensions` of the server's capabilities is {json.dumps(extensions)}",
    )


@judgement("modern", sentence="A leg that is not the last ends with calls for the client to make")
async def a_leg_has_calls_and_a_continuation(desk: Desk) -> None:
    talk = await desk.modern()
    call = await talk.call("in_turn", {"names": ["a__1", "a__2"]})
    for number in (1, 2):
        leg = await talk.leg(call)
        same("`resultType` of a leg", leg.get("resultType"), CALLS)
        well_formed(leg)
        require(
            isinstance(call.continuation, str) and call.continuation,
            f"`continuation` is {json.dumps(call.continuation)}, and no text",
        )
        await talk.answer(call, {asked: told(f"said {number}") for asked in list(call.open.values())})
    await talk.result(call)


def well_formed(leg: Mapping[str, object]) -> None:
    """Judge the calls of a leg by themselves."""
    for key, value in cast("Mapping[str, object]", leg["calls"]).items():
        require(key, "a call has an empty key")
        require(isinstance(value, dict), f"the call {key!r} is {json.dumps(value)}, and no object")
        made = cast("Mapping[str, object]", value)
        require(
            made.get("method") in MIRRORED | HOSTS_OWN,
            f"the call {key!r} asks for {json.dumps(made.get('method'))}, which no client offers",
        )
        require(isinstance(made.get("params", {}), dict), f"the params of the call {key!r} are no object")


@judgement("modern", sentence="never the envelope or the progress token of the request that is being handled")
async def a_call_does_not_carry_what_belongs_to_its_cause(desk: Desk) -> None:
    talk = await desk.modern()
    call = await talk.call("call", {"name": "a__b", "arguments": {}}, meta={"progressToken": "of the first hop"})
    asked = await talk.one(call, "tools/call")
    carried = [key for key in asked.meta if key == "progressToken" or key.startswith("io.modelcontextprotocol/")]
    same("what the `_meta` of the call has of its cause", carried, [])
    await talk.answer(call, {asked: told("yes")})
    await talk.result(call)


@judgement("modern", sentence="Calls that are posted side by side SHOULD join one leg.", level="SHOULD")
async def calls_side_by_side_join_one_leg(desk: Desk) -> None:
    talk = await desk.modern()
    call = await talk.call("together", {"names": ["a__1", "a__2"]})
    asked = await talk.asked(call, 1)
    require(len(asked) == 2, f"the first leg has {len(asked)} of the 2 calls that are made side by side")
    await talk.answer(call, {each: told(f"from {each.params.get('name')}") for each in reversed(asked)})
    same("the text that the handler was told", text_of(await talk.result(call)), "from a__1\nfrom a__2")


@judgement(
    "modern", sentence="A subset of the open calls may be answered; the rest stays open, and the next leg does not repeat it."
)
async def a_part_of_the_calls_may_be_answered(desk: Desk) -> None:
    talk = await desk.modern()
    call = await talk.call("together", {"names": ["a__1", "a__2"]})
    while len(call.open) < 2:
        await talk.leg(call)
        if len(call.open) < 2:
            await talk.resume(call, {})
    first, second = call.open.values()
    await talk.answer(call, {second: told(f"from {second.params.get('name')}")})
    leg = await talk.leg(call)
    same("the calls of the next leg", sorted(cast("Mapping[str, object]", leg["calls"])), [])
    await talk.answer(call, {first: told(f"from {first.params.get('name')}")})
    same("the text that the handler was told", text_of(await talk.result(call)), "from a__1\nfrom a__2")


@judgement(
    "modern",
    sentence="A handler may give up a call before it is answered. The client, which cannot know that, answers it; the response is taken "
    "and dropped.",
)
async def the_answer_to_a_call_that_was_given_up_is_taken(desk: Desk) -> None:
    talk = await desk.modern()
    call = await talk.call("hurry", {"name": "a__slow"})
    asked = await talk.one(call, "tools/call")
    await talk.sleep(0.4)
    await talk.answer(call, {asked: told("too late")})
    same("the text of `hurry`", text_of(await talk.result(call)), "given up")


@judgement("modern", sentence="Each leg brings a new one.")
async def each_leg_brings_a_new_continuation(desk: Desk) -> None:
    talk = await desk.modern()
    call = await talk.call("in_turn", {"names": ["a__1", "a__2", "a__3"]})
    seen: list[object] = []
    for _ in range(3):
        asked = await talk.one(call, "tools/call")
        require(call.continuation not in seen, "a leg has the continuation of an earlier one")
        seen.append(call.continuation)
        await talk.answer(call, {asked: told("yes")})
    await talk.result(call)


@judgement("modern", sentence="The tool's own result ends it")
async def the_last_leg_is_complete(desk: Desk) -> None:
    talk = await desk.modern()
    call = await talk.call("call", {"name": "a__b", "arguments": {}})
    asked = await talk.one(call, "tools/call")
    await talk.answer(call, {asked: told("yes")})
    result = await talk.result(call)
    same("`resultType` of the last leg", result.get("resultType"), "complete")
    same("what else of a leg it has", sorted(result.keys() & {"calls", "continuation"}), [])


@judgement("modern", sentence="Each leg has its own progress token and its own log level.")
async def progress_has_the_token_of_the_leg_that_is_open(desk: Desk) -> None:
    talk = await desk.modern()
    call = await talk.call("report", {"name": "a__b"}, meta={"progressToken": "of leg 1"})
    asked = await talk.one(call, "tools/call")
    same("token and progress in the first leg", progress(talk.notifications), [["of leg 1", 1]])
    talk.notifications.clear()
    call.open.clear()
    await talk.resume(call, {asked.key: told("yes")}, meta={"progressToken": "of leg 2"})
    await talk.result(call)
    same("token and progress in the second leg", progress(talk.notifications), [["of leg 2", 2]])


@judgement("modern", sentence="To cancel a leg that is open, the client cancels its request")
async def cancelling_the_first_leg_cancels_the_handler(desk: Desk) -> None:
    talk = await desk.modern()
    await cancel_open_leg(talk, await talk.call("stuck"))


@judgement("modern", sentence="To cancel a leg that is open, the client cancels its request")
async def cancelling_a_later_leg_cancels_the_handler(desk: Desk) -> None:
    talk = await desk.modern()
    call = await talk.call("stuck", {"name": "a__b"})
    asked = await talk.one(call, "tools/call")
    await talk.answer(call, {asked: told("yes")})
    await cancel_open_leg(talk, call)


async def cancel_open_leg(talk: ModernTalk, call: Call) -> None:
    """Judge that a leg which is open can be cancelled."""
    require(await talk.running() == 1, "the tool `running` should count the handler of `stuck`")
    await talk.notify("notifications/cancelled", {"requestId": json.loads(call.id), "reason": "judged"})
    await talk.until_idle("after its leg was cancelled")
    require("result" not in talk.members(call.id), "the leg that was cancelled was answered with a result")


@judgement("modern", sentence="The revision 2026-07-28 has no requests from server to client")
async def nothing_is_asked_beside_the_legs(desk: Desk) -> None:
    talk = await desk.modern()
    call = await talk.call("call", {"name": "a__b", "arguments": {}})
    asked = await talk.one(call, "tools/call")
    await talk.answer(call, {asked: told("yes")})
    await talk.result(call)
    same("requests from the server", [each.method for each in talk.requests], [])
