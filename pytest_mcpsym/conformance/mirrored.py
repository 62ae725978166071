"""Mirrored requests, which are the handshake era's: cause, ids, progress and cancellation in both directions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from pytest_mcpsym.conformance.desk import Desk
from pytest_mcpsym.conformance.judgement import judgement, require, same, text_of
from pytest_mcpsym.conformance.talk import told
from pytest_mcpsym.symmetric.names import CAUSE_KEY

__all__: list[str] = []

CORE = "Progress and cancellation work as the core defines them, in the mirrored direction."


@judgement("handshake", sentence='`_meta["dev.mcpsym/cause"]` is that request\'s id with its JSON type.')
async def a_request_says_what_caused_it(desk: Desk) -> None:
    talk = await desk.talk()
    for ident in (7, "a/β", "7"):
        call = await talk.call("call", {"name": "a__b", "arguments": {}}, ident=ident)
        asked = await talk.one(call, "tools/call")
        same(f"`_meta[{CAUSE_KEY!r}]` of what request {json.dumps(ident)} caused", asked.meta.get(CAUSE_KEY), ident)
        await talk.answer(call, {asked: told("yes")})


@judgement("handshake", sentence='`_meta["dev.mcpsym/cause"]` is that request\'s id with its JSON type.')
async def each_of_two_open_handlers_names_its_own_cause(desk: Desk) -> None:
    talk = await desk.talk()
    calls = {name: await talk.call("call", {"name": name, "arguments": {}}) for name in ("a__1", "a__2")}
    for asked in await talk.asked(calls["a__1"], 2):
        call = calls[str(asked.params.get("name"))]
        same(f"the cause of the call of {asked.params.get('name')}", str(asked.meta.get(CAUSE_KEY)), call.id)
        await talk.answer(call, {asked: told("yes")})
    for call in calls.values():
        await talk.result(call)


@judgement("handshake", sentence="In revisions up to 2025-11-25 the server sends the request itself.")
async def calls_side_by_side_are_open_at_once_under_ids_of_their_own(desk: Desk) -> None:
    talk = await desk.talk()
    call = await talk.call("together", {"names": ["a__1", "a__2"]})
    asked = {str(each.params.get("name")): each for each in await talk.asked(call, 2)}
    same("what was asked for", sorted(asked), ["a__1", "a__2"])
    same("how many ids are open", len({each.key for each in asked.values()}), 2)
    for name in ("a__2", "a__1"):
        await talk.answer(call, {asked[name]: told(f"from {name}")})
    same("the text that the handler was told", text_of(await talk.result(call)), "from a__1\nfrom a__2")


@judgement("handshake", sentence="Progress tokens belong to one hop.")
async def a_progress_token_is_not_passed_on(desk: Desk) -> None:
    talk = await desk.talk()
    call = await talk.call("call", {"name": "a__b", "arguments": {}}, meta={"progressToken": "of the first hop"})
    asked = await talk.one(call, "tools/call")
    require(asked.meta.get("progressToken") != "of the first hop", "the call carries the progress token of its cause")
    await talk.answer(call, {asked: told("yes")})
    await talk.result(call)


@judgement("handshake", sentence=CORE)
async def progress_of_a_call_reaches_its_handler(desk: Desk) -> None:
    talk = await desk.talk()
    call = await talk.call("watch", {"name": "a__b"}, meta={"progressToken": "mine"})
    asked = await talk.one(call, "tools/call")
    own = asked.meta.get("progressToken")
    require(isinstance(own, (str, int)) and not isinstance(own, bool), "the call of `watch` asks for no progress")
    require(own != "mine", "the call carries the progress token of its cause")
    for done in (1, 2):
        await talk.notify("notifications/progress", {"progressToken": own, "progress": done, "total": 2})
    await talk.until(lambda: len(progress(talk.notifications)) >= 2, "the progress that its handler was told and reports")
    await talk.answer(call, {asked: told("yes")})
    await talk.result(call)
    same("token and progress of what the handler reported", progress(talk.notifications), [["mine", 1], ["mine", 2]])


@judgement("handshake", sentence="Progress tokens belong to one hop.")
async def calls_that_are_open_have_progress_tokens_of_their_own(desk: Desk) -> None:
    talk = await desk.talk()
    calls = {name: await talk.call("watch", {"name": name}, meta={"progressToken": name}) for name in ("a__1", "a__2")}
    asked = {str(each.params.get("name")): each for each in await talk.asked(calls["a__1"], 2)}
    same("what was asked for", sorted(asked), sorted(calls))
    for name, each in asked.items():
        await talk.notify(
            "notifications/progress", {"progressToken": each.meta.get("progressToken"), "progress": int(name[-1])}
        )
    for name, each in asked.items():
        await talk.answer(calls[name], {each: told("yes")})
    for call in calls.values():
        await talk.result(call)
    same("token and progress of what the handlers reported", sorted(progress(talk.notifications)), [["a__1", 1], ["a__2", 2]])


@judgement("handshake", sentence="be given up by the server with:")
async def a_call_that_nobody_waits_for_is_cancelled(desk: Desk) -> None:
    talk = await desk.talk()
    call = await talk.call("hurry", {"name": "a__slow"})
    asked = await talk.one(call, "tools/call")
    same("the text of `hurry`", text_of(await talk.result(call)), "given up")
    await talk.until(
        lambda: cancelled(talk.notifications) == [asked.key], f"notifications/cancelled for its request {asked.key}"
    )
    await talk.answer(call, {asked: told("too late")})
    await talk.running()
    same("answers to no request", sorted(talk.responses), [])


@judgement("handshake", sentence=CORE)
async def a_cancelled_handler_gives_up_what_it_asked_for(desk: Desk) -> None:
    talk = await desk.talk()
    call = await talk.call("call", {"name": "a__slow", "arguments": {}})
    asked = await talk.one(call, "tools/call")
    await talk.notify("notifications/cancelled", {"requestId": json.loads(call.id), "reason": "judged"})
    await talk.until(
        lambda: cancelled(talk.notifications) == [asked.key], f"notifications/cancelled for its request {asked.key}"
    )
    await talk.answer(call, {asked: told("too late")})
    await talk.until_idle("after its request was cancelled")
    require("result" not in talk.members(call.id), "the request that was cancelled was answered with a result")


@judgement("handshake", sentence=CORE)
async def a_handler_that_never_ends_is_cancelled(desk: Desk) -> None:
    talk = await desk.talk()
    call = await talk.call("stuck")
    require(await talk.running() == 1, "the tool `running` should count the handler of `stuck`")
    await talk.notify("notifications/cancelled", {"requestId": json.loads(call.id)})
    await talk.until_idle("after its request was cancelled")


@judgement("handshake", sentence="a server that does not know them ignores them.")
async def what_the_client_says_of_its_lists_harms_nothing(desk: Desk) -> None:
    talk = await desk.talk()
    for family in ("tools", "resources", "prompts"):
        await talk.notify(f"notifications/{family}/list_changed", {})
    await talk.running()
    same("answers to no request", sorted(talk.responses), [])


def progress(notifications: list[Mapping[str, object]]) -> list[list[object]]:
    """Token and progress of each notification of progress."""
    seen = [
        cast("Mapping[str, object]", each.get("params"))
        for each in notifications
        if each.get("method") == "notifications/progress"
    ]
    return [[each.get("progressToken"), each.get("progress")] for each in seen]


def cancelled(notifications: list[Mapping[str, object]]) -> list[str]:
    """JSON text of the ids that were cancelled."""
    seen = [
        cast("Mapping[str, object]", each.get("params"))
        for each in notifications
        if each.get("method") == "notifications/cancelled"
    ]
    return [json.dumps(each.get("requestId")) for each in seen]
