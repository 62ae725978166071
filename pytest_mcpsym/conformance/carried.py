"""What a request carries beside its calls: a budget and a trace; and subscriptions, which last as long as the request does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from pytest_mcpsym.conformance.desk import Desk
from pytest_mcpsym.conformance.judgement import judgement, require, same, text_of
from pytest_mcpsym.conformance.shared import refused
from pytest_mcpsym.conformance.talk import told
from pytest_mcpsym.symmetric.names import BUDGET_KEY, IDENTIFIER

__all__: list[str] = []

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@judgement("handshake", "modern", sentence="Both are advice and are stamped anew on each hop")
async def a_call_is_given_no_more_than_its_cause_may_spend(desk: Desk) -> None:
    talk = await desk.talk()
    given = {"deadlineMs": 60_000, "hops": 3, "calls": 7, "tokens": 40, "costUsd": 0.5}
    call = await talk.call("call", {"name": "a__b", "arguments": {}}, meta={BUDGET_KEY: given})
    asked = await talk.one(call, "tools/call")
    for name, value in cast("Mapping[str, object]", asked.meta.get(BUDGET_KEY) or {}).items():
        allowed = given.get(name)
        if allowed is not None:
            fits = isinstance(value, (int, float)) and value <= allowed
            require(fits, f"the call carries a budget with {name} {value}, and its cause may spend {allowed}")
    await talk.answer(call, {asked: told("yes")})
    await talk.result(call)


@judgement("handshake", "modern", sentence="are carried in `_meta` without a prefix")
async def a_call_belongs_to_the_trace_of_its_cause(desk: Desk) -> None:
    talk = await desk.talk()
    call = await talk.call("call", {"name": "a__b", "arguments": {}}, meta={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    asked = await talk.one(call, "tools/call")
    carried = asked.meta.get("traceparent")
    require(
        carried is None or str(carried).split("-")[1:2] == [TRACE],
        f"the call carries the trace {carried}, and its cause is of {TRACE}",
    )
    await talk.answer(call, {asked: told("yes")})
    await talk.result(call)


@judgement("handshake", "modern", sentence="Its result names what was updated since the last one")
async def a_server_subscribes_and_hears_of_updates(desk: Desk) -> None:
    uri = "board+notes://todo"
    talk = await desk.talk()
    call = await talk.call("follow", {"uri": uri})
    asked = await talk.one(call, "resources/subscribe")
    same("the resource that is subscribed to", asked.params.get("uri"), uri)
    await talk.answer(call, {asked: {"result": {}}})
    waits = await talk.one(call, "dev.mcpsym/updates")
    await talk.answer(call, {waits: {"result": {"uris": [f"{uri}/1"]}}})
    ends = await talk.one(call, "resources/unsubscribe")
    same("the resource that is unsubscribed from", ends.params.get("uri"), uri)
    await talk.answer(call, {ends: {"result": {}}})
    same("what the handler was told", text_of(await talk.result(call)), f"{uri}/1")


@judgement("handshake", "modern", sentence="Each member is one thing that it offers; members that are missing are not offered.")
async def a_client_that_takes_no_subscriptions_is_sent_none(desk: Desk) -> None:
    missing: dict[str, object] = {"extensions": {IDENTIFIER: {"resources": {"subscribe": True}}}}
    await refused(desk, {"tools": {}, "resources": {}}, "follow", {"uri": "a+b://c"}, missing)
