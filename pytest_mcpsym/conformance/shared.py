"""What both bindings have in common: names, results, errors, declarations, several calls, sampling.

Each judgement quotes the sentence of docs/symmetric.md that it is about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, cast

from pytest_mcpsym.conformance.desk import Desk
from pytest_mcpsym.conformance.judgement import judgement, require, same, text_of
from pytest_mcpsym.conformance.talk import Call, Era, ModernTalk, Talk, told
from pytest_mcpsym.symmetric.names import IDENTIFIER

__all__: list[str] = []

METHODS: Final[Mapping[Era, str]] = {
    "handshake": "Method names, params and results are the core's, mirrored",
    "modern": "The methods are those of the handshake era.",
}
MISSING: Final = "A server MUST NOT use what was not declared."
CODES: Final[Mapping[Era, int]] = {"handshake": -32602, "modern": -32021}


@judgement("handshake", "modern", sentence=METHODS)
async def a_tool_is_called_with_its_arguments(desk: Desk) -> None:
    arguments: dict[str, object] = {"text": "grüße", "list": [1, 2.5, None, True], "inner": {"": "empty key"}}
    talk = await desk.talk()
    call = await talk.call("call", {"name": "everything__echo", "arguments": arguments})
    asked = await talk.one(call, "tools/call")
    same("the tool's name", asked.params.get("name"), "everything__echo")
    same("what the tool is called with", asked.params.get("arguments"), arguments)
    await talk.answer(call, {asked: told("hi")})
    same("the text that the handler was told", text_of(await talk.result(call)), "hi")


@judgement("handshake", "modern", sentence="A server uses names as lists gave them.")
async def a_list_is_read_to_its_last_page(desk: Desk) -> None:
    talk = await desk.talk()
    call = await talk.call("names")
    first = await talk.one(call, "tools/list")
    require("cursor" not in first.params, "the first page was asked for with a cursor")
    await talk.answer(call, {first: {"result": {"tools": [tool("a__b")], "nextCursor": "page 2"}}})
    second = await talk.one(call, "tools/list")
    same("the cursor of the second page", second.params.get("cursor"), "page 2")
    await talk.answer(call, {second: {"result": {"tools": [tool("c__d__e")]}}})
    same("the names", text_of(await talk.result(call)), "a__b\nc__d__e")


@judgement("handshake", "modern", sentence=METHODS)
async def a_resource_is_read(desk: Desk) -> None:
    talk = await desk.talk()
    call = await talk.call("read", {"uri": "files+file:///a%20b"})
    asked = await talk.one(call, "resources/read")
    same("the resource that is read", asked.params.get("uri"), "files+file:///a%20b")
    await talk.answer(call, {asked: {"result": {"contents": [{"uri": "file:///a%20b", "text": "what it says"}]}}})
    same("the text that the handler was told", text_of(await talk.result(call)), "what it says")


@judgement("handshake", "modern", sentence=METHODS)
async def a_result_that_is_an_error_of_the_tool_is_no_error_of_the_call(desk: Desk) -> None:
    talk = await desk.talk()
    call = await talk.call("call", {"name": "a__b", "arguments": {}})
    asked = await talk.one(call, "tools/call")
    await talk.answer(call, {asked: {"result": {"content": [{"type": "text", "text": "no such file"}], "isError": True}}})
    same("the text that the handler was told", text_of(await talk.result(call)), "no such file")


@judgement(
    "handshake",
    "modern",
    sentence={
        "handshake": "Errors are JSON-RPC errors; a client that routes the request passes code, message and data on unchanged.",
        "modern": '`responses` maps keys to `{"result": {…}}` or `{"error": {"code", "message", "data"?}}`, never both.',
    },
)
async def an_error_reaches_the_handler_with_code_message_and_data(desk: Desk) -> None:
    talk = await desk.talk()
    for error in (
        {"code": -31999, "message": "Nicht möglich", "data": {"reason": "x", "deep": [1, 2.5, None, {"y": True}]}},
        {"code": 7, "message": ""},
    ):
        call = await talk.call("call", {"name": "a__b", "arguments": {}})
        asked = await talk.one(call, "tools/call")
        await talk.answer(call, {asked: {"error": error}})
        result = await talk.result(call)
        require(result.get("isError") is True, "the tool `call` should return `isError` where its call failed")
        try:
            seen: object = json.loads(text_of(result))
        except ValueError:
            seen = text_of(result)
        members = cast("dict[str, object]", seen) if isinstance(seen, dict) else {"message": seen}
        same("the error in the handler", {key: value for key, value in members.items() if value is not None}, error)


@judgement(
    "handshake",
    "modern",
    sentence={
        "handshake": "The server MUST send it while it handles a request of the client, and on that request's stream.",
        "modern": "The answer is the next leg, or the result of the tool, exactly as `tools/call` would have had it, or its error.",
    },
)
async def calls_in_turn_are_made_one_after_the_other(desk: Desk) -> None:
    talk = await desk.talk()
    call = await talk.call("in_turn", {"names": ["a__1", "a__2", "a__3"]})
    for number in (1, 2, 3):
        asked = await talk.one(call, "tools/call")
        same("the tool's name", asked.params.get("name"), f"a__{number}")
        await talk.answer(call, {asked: told(f"said {number}")})
    same("the text that the handler was told", text_of(await talk.result(call)), "said 1\nsaid 2\nsaid 3")


@judgement(
    "handshake",
    "modern",
    sentence={
        "handshake": '`_meta["dev.mcpsym/cause"]` is that request\'s id with its JSON type.',
        "modern": "Keys are the server's, not empty, and not used for two calls that are open at once.",
    },
)
async def answers_reach_the_handler_that_asked(desk: Desk) -> None:
    talk = await desk.talk()
    calls = {name: await talk.call("call", {"name": name, "arguments": {}}) for name in ("a__1", "a__2")}
    if isinstance(talk, ModernTalk):
        asked = {name: await talk.one(call, "tools/call") for name, call in calls.items()}
    else:
        both = await talk.asked(calls["a__1"], 2)
        asked = {str(each.params.get("name")): each for each in both}
        same("what was asked for", sorted(asked), sorted(calls))
    for name in reversed(calls):
        await talk.answer(calls[name], {asked[name]: told(f"from {name}")})
    for name, call in calls.items():
        same(f"the text of the handler that called {name}", text_of(await talk.result(call)), f"from {name}")


@judgement("handshake", "modern", sentence="`sampling.tools` says that it takes `tools` and `toolChoice`.")
async def the_model_is_offered_the_tools_of_the_client(desk: Desk) -> None:
    talk = await desk.talk()
    offered = [tool("a__b", description="what it does"), tool("c__d")]
    call = await talk.call("sample", {"text": "which one?"})
    listed = await talk.one(call, "tools/list")
    await talk.answer(call, {listed: {"result": {"tools": offered}}})
    asked = await talk.one(call, "sampling/createMessage")
    tools = asked.params.get("tools")
    given = [cast("Mapping[str, object]", each) for each in cast("list[object]", tools if isinstance(tools, list) else [])]
    keys = ("name", "description", "inputSchema")
    same(
        "what the model may ask for",
        [{key: each[key] for key in keys if each.get(key) is not None} for each in given],
        [{key: each[key] for key in keys if key in each} for each in offered],
    )
    require("which one?" in json.dumps(asked.params.get("messages"), ensure_ascii=False), "the messages lack the given text")
    answer: dict[str, object] = {
        "role": "assistant",
        "content": {"type": "text", "text": "the first"},
        "model": "judge",
        "stopReason": "endTurn",
    }
    await talk.answer(call, {asked: {"result": answer}})
    same("what the model said", text_of(await talk.result(call)), "the first")


async def refused(
    desk: Desk, declared: Mapping[str, object] | None, tool: str, arguments: Mapping[str, object], missing: object
) -> None:
    """Judge that a tool which needs what was not declared is answered with the error for it."""
    talk = await desk.talk(declared=declared)
    call = await talk.call(tool, arguments, declared=declared)
    if tool == "sample":
        await _list_if_asked(talk, call)
    error = await talk.refusal(call)
    same("the error's code", error.get("code"), CODES[desk.era])
    same("`data` of the error", error.get("data"), {"requiredCapabilities": missing})
    same("what the server asked its client for", [each.method for each in talk.requests], [])


async def _list_if_asked(talk: Talk, call: Call) -> None:
    """Answer `tools/list`, which is declared, if the server asks for it before it misses what is not."""
    await talk.until(lambda: bool(talk.requests) or call.id in talk.responses, "a request for the tools or a refusal")
    if talk.requests or talk.responses[call.id].message.result:
        asked = await talk.one(call, "tools/list")
        await talk.answer(call, {asked: {"result": {"tools": []}}})


@judgement("handshake", "modern", sentence=MISSING)
async def a_client_without_the_extension_is_asked_for_nothing(desk: Desk) -> None:
    missing: dict[str, object] = {"extensions": {IDENTIFIER: {"tools": {}}}}
    await refused(desk, None, "call", {"name": "a__b", "arguments": {}}, missing)


@judgement("handshake", "modern", sentence="Each member is one thing that it offers; members that are missing are not offered.")
async def a_member_that_was_not_declared_is_not_used(desk: Desk) -> None:
    missing: dict[str, object] = {"extensions": {IDENTIFIER: {"resources": {}}}}
    await refused(desk, {"tools": {}, "sampling": {}}, "read", {"uri": "a+b://c"}, missing)


@judgement("handshake", "modern", sentence="`sampling.tools` says that it takes `tools` and `toolChoice`.")
async def a_model_that_takes_no_tools_is_given_none(desk: Desk) -> None:
    missing: dict[str, object] = {"extensions": {IDENTIFIER: {"sampling": {"tools": {}}}}}
    await refused(desk, {"tools": {}, "sampling": {}}, "sample", {"text": "hi"}, missing)


@judgement("handshake", "modern", sentence=MISSING)
async def a_client_without_the_extension_is_served_as_ever(desk: Desk) -> None:
    talk = await desk.talk(declared=None)
    listed = await talk.response(await talk.request("tools/list", talk.enveloped({}, None)))
    require("result" in listed, f"tools/list was answered with {json.dumps(listed)}")
    call = await talk.call("running", declared=None)
    require(text_of(await talk.result(call)).isdigit(), "the tool `running` should say a number")
    same("what the server asked its client for", [each.method for each in talk.requests], [])


@judgement(
    "handshake",
    "modern",
    sentence={
        "handshake": "The server MUST send it while it handles a request of the client, and on that request's stream.",
        "modern": "The answer is the next leg, or the result of the tool, exactly as `tools/call` would have had it, or its error.",
    },
)
async def a_request_is_answered_under_its_id(desk: Desk) -> None:
    talk = await desk.talk()
    for ident in ("7", 7, "a/β"):
        call = await talk.call("call", {"name": "a__b", "arguments": {}}, ident=ident)
        asked = await talk.one(call, "tools/call")
        await talk.answer(call, {asked: told("yes")})
        same("the text", text_of(await talk.result(call)), "yes")
    same("answers to no request", sorted(talk.responses), [])


def tool(name: str, **more: object) -> dict[str, object]:
    """A tool as lists have it."""
    return {"name": name, "inputSchema": {"type": "object"}, **more}
