"""Continuations that come back in every way but the right one: they are refused with the right reason, and nothing is used up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, cast

from pytest_mcpsym.conformance.desk import Desk
from pytest_mcpsym.conformance.judgement import judgement, require, same, text_of
from pytest_mcpsym.conformance.talk import Asked, Call, ModernTalk, told
from pytest_mcpsym.symmetric.names import CANCEL, CONTINUE, IDENTIFIER, REFUSED_CONTINUATION

__all__: list[str] = []

TEXT: Final = "All refusals of a continuation have one text, `this continuation cannot be continued`."
SHORT: Final = 0.2
"""Seconds that a continuation is good for, where its end is judged."""


async def parked(talk: ModernTalk) -> tuple[Call, Asked]:
    """Call a tool and return it with what it asks for."""
    call = await talk.call("call", {"name": "a__b", "arguments": {}})
    return call, await talk.one(call, "tools/call")


async def refused(talk: ModernTalk, continuation: object, *reasons: str, method: str = CONTINUE, key: str = "c1") -> None:
    """Judge that a continuation is refused for one of some reasons."""
    responses = {"responses": {key: told("again")}} if method == CONTINUE else {}
    response = await talk.ask(method, {"continuation": continuation, **responses})
    error = response.get("error")
    require(isinstance(error, dict), f"{method} should be refused, and was answered with {json.dumps(response.get('result'))}")
    members = cast("Mapping[str, object]", error)
    same("the error's code", members.get("code"), -32602)
    same("the error's text", members.get("message"), REFUSED_CONTINUATION)
    data = members.get("data")
    reason = cast("Mapping[str, object]", data).get("reason") if isinstance(data, dict) else None
    # "A server that would not even tell that a continuation exists may answer `unknown` to all."
    allowed = (*reasons, "unknown")
    require(reason in allowed, f"`data.reason` is {json.dumps(reason)}, and must be {' or '.join(dict.fromkeys(allowed))}")


async def goes_on(talk: ModernTalk, call: Call, asked: Asked) -> None:
    """Judge that a continuation is still good."""
    await talk.answer(call, {asked: told("yes")})
    same("the text of the handler that was continued", text_of(await talk.result(call)), "yes")


@judgement("modern", sentence="a continuation that nobody gave out, or that was forgotten")
async def a_forged_continuation_is_refused(desk: Desk) -> None:
    talk = await desk.modern()
    call, asked = await parked(talk)
    token = str(call.continuation)
    middle = len(token) // 2
    for forged in (
        "",
        "x",
        token + "A",
        token[:-4],
        token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :],
    ):
        await refused(talk, forged, "unknown", key=asked.key)
    await goes_on(talk, call, asked)


@judgement("modern", sentence="`continuation` is opaque to the client, which sends it back character by character, once.")
async def a_continuation_is_good_for_one_use(desk: Desk) -> None:
    talk = await desk.modern()
    call = await talk.call("in_turn", {"names": ["a__1", "a__2"]})
    asked = await talk.one(call, "tools/call")
    used = call.continuation
    await talk.answer(call, {asked: told("1")})
    second = await talk.one(call, "tools/call")
    await refused(talk, used, "replayed", key=asked.key)
    await talk.answer(call, {second: told("2")})
    same("the text of the handler", text_of(await talk.result(call)), "1\n2")
    await refused(talk, used, "replayed", key=asked.key)


@judgement("modern", sentence="… of another principal, connection or request")
async def a_continuation_of_another_connection_is_refused(desk: Desk) -> None:
    talk = await desk.modern()
    other = await desk.modern(place="another")
    call, asked = await parked(other)
    await refused(talk, call.continuation, "foreign", key=asked.key)
    await goes_on(other, call, asked)


@judgement("modern", sentence="A server SHOULD give up after some minutes.", level="SHOULD")
async def a_continuation_is_good_for_a_time(desk: Desk) -> None:
    talk = await desk.modern(time_to_live=SHORT)
    call, asked = await parked(talk)
    await talk.sleep(2 * SHORT)
    await refused(talk, call.continuation, "expired", key=asked.key)
    await talk.until_idle("after the time of its continuation was over")


@judgement("modern", sentence="`dev.mcpsym/cancel` says that nobody will continue, and its result is empty:")
async def a_continuation_can_be_cancelled(desk: Desk) -> None:
    talk = await desk.modern()
    call, asked = await parked(talk)
    response = await talk.ask(CANCEL, {"continuation": call.continuation})
    result = response.get("result")
    require(isinstance(result, dict), f"{CANCEL} was answered with {json.dumps(response)}")
    same("`resultType` of the result", cast("Mapping[str, object]", result).get("resultType", "complete"), "complete")
    rest = {key: value for key, value in cast("Mapping[str, object]", result).items() if key not in ("resultType", "_meta")}
    same("the result", rest, {})
    await talk.until_idle("after its continuation was cancelled")
    await refused(talk, call.continuation, "replayed", key=asked.key)


@judgement("modern", sentence=TEXT)
async def what_cannot_be_continued_cannot_be_cancelled(desk: Desk) -> None:
    talk = await desk.modern()
    call, asked = await parked(talk)
    await refused(talk, "x", "unknown", method=CANCEL)
    used = call.continuation
    await goes_on(talk, call, asked)
    await refused(talk, used, "replayed", method=CANCEL)


@judgement("modern", sentence="a response to no open call, or one that is neither result nor error")
async def an_answer_to_no_call_is_refused(desk: Desk) -> None:
    talk = await desk.modern()
    call, asked = await parked(talk)
    await wrong_responses(talk, call, {f"{asked.key}0": told("?")}, [f"{asked.key}0"])
    await goes_on(talk, call, asked)


@judgement(
    "modern", sentence='`responses` maps keys to `{"result": {…}}` or `{"error": {"code", "message", "data"?}}`, never both.'
)
async def an_answer_is_a_result_or_an_error(desk: Desk) -> None:
    talk = await desk.modern()
    call, asked = await parked(talk)
    both: Mapping[str, object] = {**told("?"), "error": {"code": 1, "message": "?"}}
    members: tuple[Mapping[str, object], ...] = ({"error": "?"}, {"result": "?"}, {"error": {}}, {"error": {"code": 1}})
    for answer in ({}, both, *members):
        await wrong_responses(talk, call, {asked.key: answer}, [asked.key])
    await goes_on(talk, call, asked)


async def wrong_responses(talk: ModernTalk, call: Call, responses: Mapping[str, object], keys: list[str]) -> None:
    """Judge that responses are refused, and their keys named."""
    response = await talk.ask(CONTINUE, {"continuation": call.continuation, "responses": responses})
    error = response.get("error")
    require(
        isinstance(error, dict), f"the responses should be refused, and were answered with {json.dumps(response.get('result'))}"
    )
    members = cast("Mapping[str, object]", error)
    same("the error's code", members.get("code"), -32602)
    data = members.get("data")
    same("`data.keys` of the error", cast("Mapping[str, object]", data).get("keys") if isinstance(data, dict) else data, keys)


@judgement(
    "modern",
    sentence="The client MUST have declared the extension on that request and on each `dev.mcpsym/continue`; without it the server answers "
    "-32021 and keeps the continuation.",
)
async def continuing_needs_the_declaration(desk: Desk) -> None:
    talk = await desk.modern()
    call, asked = await parked(talk)
    params = talk.enveloped({"continuation": call.continuation, "responses": {asked.key: told("yes")}}, None)
    response = await talk.response(await talk.request(CONTINUE, params))
    error = cast("Mapping[str, object]", response.get("error") or {})
    same("the error's code", error.get("code"), -32021)
    same("`data` of the error", error.get("data"), {"requiredCapabilities": {"extensions": {IDENTIFIER: {"tools": {}}}}})
    await goes_on(talk, call, asked)


@judgement("modern", sentence="All refusals of a continuation have one text")
async def a_continuation_may_be_used_by_one_of_two_at_once(desk: Desk) -> None:
    talk = await desk.modern()
    call, asked = await parked(talk)
    params = talk.enveloped({"continuation": call.continuation, "responses": {asked.key: told("yes")}})
    sent = [await talk.request(CONTINUE, params) for _ in range(3)]
    responses = [await talk.response(each) for each in sent]
    same("how many of three requests with one continuation were served", sum("result" in each for each in responses), 1)
