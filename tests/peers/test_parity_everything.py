"""`everything` is `@modelcontextprotocol/server-everything` on the wire: one raw client asks both the same.

Prose is compared by kind: descriptions, instructions, texts, blobs of made-up texts, pictures, messages of errors, log messages.
Everything else has to be equal, and where it is not, `ACCEPTED` says why.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import cast

import pytest

from pytest_mcpsym.wire.match import meaning
from tests.peers.parity import parted
from tests.peers.provision import npm_peer
from tests.peers.raw import conversation, handshake, request

MINE = [sys.executable, "-m", "fake_servers.everything"]
QUIRKS = [*MINE, "--quirks"]

CAPABILITIES: dict[str, dict[str, object]] = {
    "none": {},
    "sampling": {"sampling": {}},
    "form": {"elicitation": {}},
    "url": {"elicitation": {"url": {}}},
    "both-elicitations": {"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}},
    "task-capable": {"tasks": {"requests": {"sampling": {"createMessage": {}}, "elicitation": {"create": {}}}}},
}

ACCEPTED = {
    "a tool that is not there": "an unknown tool is a protocol error in the specification; the reference gives a result",
    "no name of a tool": "parameters of the wrong shape are -32602 in JSON-RPC; the reference says -32603",
    "arguments that are a list": "as above",
    "a cursor that is a number": "as above",
    "a prompt's argument that is no text": "as above",
    "a level that is none": "as above",
    "a subscription to nothing": "as above",
    "a completion of something else": "as above",
    "a task": "a tool that cannot be a task is -32601 in the specification; the reference makes the call and says -32602",
}
"""What the reference does against the specification: ours differs without quirks, and does the same with them."""

BROKEN: dict[str, tuple[str, dict[str, object]]] = {
    "a tool that is not there": ("tools/call", {"name": "nope", "arguments": {}}),
    "no name of a tool": ("tools/call", {"arguments": {}}),
    "arguments that are a list": ("tools/call", {"name": "echo", "arguments": []}),
    "a cursor that is a number": ("tools/list", {"cursor": 3}),
    "a prompt's argument that is no text": ("prompts/get", {"name": "args-prompt", "arguments": {"city": 3}}),
    "a level that is none": ("logging/setLevel", {"level": "loud"}),
    "a subscription to nothing": ("resources/subscribe", {}),
    "a completion of something else": (
        "completion/complete",
        {"ref": {"type": "ref/other", "uri": "demo://x"}, "argument": {"name": "x", "value": "1"}},
    ),
    "a task": ("tools/call", {"name": "echo", "arguments": {"message": "x"}, "task": {"ttl": 5}}),
}

LISTS = ("tools/list", "resources/list", "resources/templates/list", "prompts/list")

CALLS: list[tuple[str, Mapping[str, object]]] = [
    ("echo", {"message": "hi"}),
    *(("echo", arguments) for arguments in ({}, {"message": 3}, {"message": None}, {"message": "", "more": 1})),
    *(("get-annotated-message", {"messageType": kind}) for kind in ("error", "success", "debug", "other")),
    ("get-annotated-message", {"messageType": "debug", "includeImage": True}),
    ("get-annotated-message", {"messageType": "debug", "includeImage": None}),
    *(("get-resource-links", {"count": count}) for count in (1, 10, 2.5, 0, 11, "3", True)),
    ("get-resource-links", {}),
    *(("get-resource-reference", {"resourceId": number}) for number in (1, 1.5, 0, -1, 10**6, 1e21, "1")),
    ("get-resource-reference", {"resourceType": "Blob"}),
    ("get-resource-reference", {"resourceType": "Other"}),
    *(("get-structured-content", {"location": city}) for city in ("New York", "Chicago", "Los Angeles", "Oslo", "")),
    *(("get-sum", {"a": a, "b": 0.1}) for a in (1, 2**60, 1e21, 1e-7, -0.0, True, "1", None)),
    ("get-tiny-image", {}),
    ("gzip-file-as-resource", {"name": "a.gz", "data": "data:,hello", "outputType": "resource"}),
    ("gzip-file-as-resource", {"name": "b c.gz", "data": "data:text/plain;base64,aGVsbG8="}),
    ("gzip-file-as-resource", {"name": "a.gz", "data": "data:,again%20and%20again"}),
    *(("gzip-file-as-resource", {"data": data}) for data in ("ftp://x/y", "nope", "data:nothing", 3)),
    *(("trigger-long-running-operation", {"duration": 0, "steps": steps}) for steps in (2, 0, -1, 2.5, "2")),
    *(("toggle-subscriber-updates", {}) for _ in range(2)),
    ("get-roots-list", {}),
]

URIS = [
    *(
        f"demo://resource/dynamic/{tail}"
        for tail in ("text/1", "blob/2", "text/0", "text/1e2", "text/0x10", "text/a/b", "text/")
    ),
    "DEMO://resource/dynamic/text/%31",
    "demo://resource/static/document/none.md",
    "demo://resource/session/a.gz",
    "demo://resource/session/b c.gz",
    "no uri",
]

GETS: list[dict[str, object]] = [
    {"name": "simple-prompt"},
    {"name": "simple-prompt", "arguments": {"a": "b"}},
    {"name": "nope"},
    *({"name": "args-prompt", "arguments": arguments} for arguments in ({}, {"city": "a"}, {"city": "", "state": ""})),
    {"name": "completable-prompt", "arguments": {"department": "x", "name": "y"}},
    {"name": "completable-prompt", "arguments": {"department": "x"}},
    *(
        {"name": "resource-prompt", "arguments": {"resourceType": kind, "resourceId": number}}
        for kind, number in (("Text", "1"), ("Blob", "0x10"), ("Other", "1"), ("Text", "0"), ("Text", "a"))
    ),
]

TEMPLATE = {"type": "ref/resource", "uri": "demo://resource/dynamic/text/{resourceId}"}


def _prompt(name: str) -> dict[str, object]:
    return {"type": "ref/prompt", "name": name}


COMPLETIONS: list[tuple[dict[str, object], str, str, dict[str, str] | None]] = [
    *((_prompt("completable-prompt"), "department", value, None) for value in ("", "S", "x")),
    (_prompt("completable-prompt"), "name", "", None),
    *((_prompt("completable-prompt"), "name", "", {"department": name}) for name in ("Sales", "Support", "x")),
    *((_prompt("resource-prompt"), "resourceType", value, None) for value in ("", "B")),
    *((_prompt("resource-prompt"), "resourceId", value, None) for value in ("", "7", "-1")),
    (_prompt("simple-prompt"), "x", "", None),
    (_prompt("nope"), "x", "", None),
    *(({**TEMPLATE}, "resourceId", value, None) for value in ("12", "1.5", "")),
    ({**TEMPLATE}, "other", "12", None),
    ({"type": "ref/resource", "uri": "demo://resource/static/document/features.md"}, "x", "", None),
    ({"type": "ref/resource", "uri": "demo://x"}, "x", "", None),
]


def sound(capabilities: Mapping[str, object]) -> list[dict[str, object]]:
    """Everything that the reference answers as the specification has it."""
    asked: list[tuple[str, object]] = [*((method, None) for method in LISTS), ("ping", None), ("no/such", {})]
    asked += [("resources/subscribe", {"uri": uri}) for uri in ("demo://a", "demo://b", "demo://a")]
    asked += [("resources/unsubscribe", {"uri": uri}) for uri in ("demo://b", "demo://c")]
    calls = CALLS if "elicitation" not in capabilities else CALLS[:1]
    asked += [
        ("tools/call", {"name": name, "arguments": arguments, "_meta": {"progressToken": f"p{number}"}})
        for number, (name, arguments) in enumerate(calls)
        if name != "get-roots-list" or "roots" in capabilities
    ]
    asked += [("tools/call", {"name": "get-tiny-image"}), ("logging/setLevel", {"level": "error"})]
    asked += [("resources/subscribe", {"uri": "demo://silent"}), ("resources/list", {"cursor": "any"})]
    asked += [("resources/read", {"uri": uri}) for uri in URIS]
    asked += [("prompts/get", params) for params in GETS]
    for ref, name, value, context in COMPLETIONS:
        settled = {} if context is None else {"context": {"arguments": context}}
        asked.append(("completion/complete", {"ref": ref, "argument": {"name": name, "value": value}, **settled}))
    return [*handshake(capabilities), *(request(number, *each) for number, each in enumerate(asked, 1))]


@pytest.mark.parametrize("command", [MINE, QUIRKS], ids=["ours", "quirks"])
@pytest.mark.parametrize("capabilities", CAPABILITIES.values(), ids=CAPABILITIES)
def test_every_sound_message_is_answered_as_by_the_reference(command: list[str], capabilities: dict[str, object]) -> None:
    messages = sound(capabilities)
    assert parted(conversation(npm_peer("server-everything", "stdio"), messages), conversation(command, messages)) == []


def test_every_accepted_difference_is_one_and_is_none_with_quirks() -> None:
    assert ACCEPTED.keys() == BROKEN.keys()
    messages = [*handshake({}), *(request(name, method, params) for name, (method, params) in BROKEN.items())]
    theirs, mine = conversation(npm_peer("server-everything", "stdio"), messages), conversation(MINE, messages)
    assert parted(theirs, conversation(QUIRKS, messages)) == []
    said, answers = (
        {found["id"]: line for line in log if "id" in (found := cast("dict[str, object]", meaning(line)))}
        for log in (theirs, mine)
    )
    assert [name for name in ACCEPTED if not parted([said[name]], [answers[name]])] == []
