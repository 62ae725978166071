"""`sequential_thinking` is `@modelcontextprotocol/server-sequential-thinking` on the wire: one raw client asks both the same.

Prose is compared by kind: descriptions, the texts of errors and of error results. Everything else has to be equal, and where it is
not, `ACCEPTED` says why.
"""

from __future__ import annotations

import sys
from typing import cast

import pytest

from pytest_mcpsym.wire.match import differences, meaning, path_text
from tests.peers.provision import npm_peer
from tests.peers.raw import conversation, handshake, request

MINE = [sys.executable, "-m", "fake_servers.sequential_thinking"]
QUIRKS = [*MINE, "--quirks"]

GOOD: dict[str, object] = {"thought": "t", "thoughtNumber": 1, "totalThoughts": 3, "nextThoughtNeeded": True}
DROP = object()
BRANCH: dict[str, object] = {"branchFromThought": 2}

NO_NUMBERS: list[object] = [0, -1, 1.5, "abc", "", "Infinity", None, [], [1, 2], {}, False, 2**53, DROP]

CHANGES: list[dict[str, object]] = [
    {},
    *({"thoughtNumber": value} for value in ("2", " 3 ", "0x10", "1e2", 5, True, [4], 2**53 - 1)),
    *({"thoughtNumber": value} for value in NO_NUMBERS),
    *({"nextThoughtNeeded": value} for value in ("FALSE", "True", "maybe", 1, None, DROP)),
    {"thought": DROP},
    {"thought": 5, "branchId": 3, "isRevision": 1},
    {"thought": "", "totalThoughts": "7"},
    {**BRANCH, "branchId": "b"},
    {**BRANCH, "branchId": "10"},
    {**BRANCH, "branchId": "2"},
    {**BRANCH, "branchId": "02"},
    {**BRANCH, "branchId": "b"},
    {**BRANCH, "branchId": ""},
    BRANCH,
    {"branchId": "alone"},
    {"isRevision": True, "revisesThought": 1},
    {"isRevision": "no"},
    {"revisesThought": None, "branchFromThought": 0},
    {"needsMoreThoughts": "true", "unknown": 1},
]

ACCEPTED = {
    "a tool that is not there": "an unknown tool is a protocol error in the specification; the reference gives a result",
    "no name of a tool": "parameters of the wrong shape are -32602 in JSON-RPC; the reference says -32603",
    "a cursor that is a number": "as above",
    "arguments that are a list": "as above",
    "a task": "who announces no tasks ignores `task`, says the specification; the reference refuses the call",
    "a branch that objects have": "the reference takes any property of a JavaScript object for a branch and fails",
}
"""What the reference does against the specification: ours differs without quirks, and does the same with them."""

BROKEN: dict[str, tuple[str, dict[str, object]]] = {
    "a tool that is not there": ("tools/call", {"name": "nope", "arguments": {}}),
    "no name of a tool": ("tools/call", {"arguments": {}}),
    "a cursor that is a number": ("tools/list", {"cursor": 3}),
    "arguments that are a list": ("tools/call", {"name": "sequentialthinking", "arguments": []}),
    "a task": ("tools/call", {"name": "sequentialthinking", "arguments": GOOD, "task": {"ttl": 1}}),
    "a branch that objects have": (
        "tools/call",
        {"name": "sequentialthinking", "arguments": {**GOOD, **BRANCH, "branchId": "constructor"}},
    ),
}


def calls() -> list[dict[str, object]]:
    """Every change to a good thought, as a call."""
    made: list[dict[str, object]] = []
    for number, change in enumerate(CHANGES, 100):
        arguments = {name: value for name, value in {**GOOD, **change}.items() if value is not DROP}
        made.append(request(number, "tools/call", {"name": "sequentialthinking", "arguments": arguments}))
    return made


SOUND = [
    *handshake({}),
    request(1, "ping"),
    request("two", "tools/list"),
    request(3, "tools/list", {"cursor": "nothing"}),
    request(4, "tools/call", {"name": "sequentialthinking"}),
    *(request(method, method, {}) for method in ("resources/list", "prompts/list", "tasks/list", "no/such")),
    *calls(),
]


def without_prose(message: object) -> object:
    """Replace what is said to people by a mark of its own."""
    if isinstance(message, list):
        return [without_prose(item) for item in cast("list[object]", message)]
    if not isinstance(message, dict):
        return message
    members = cast("dict[str, object]", message)
    if members.get("isError") is True:
        (block,) = cast("list[dict[str, object]]", members["content"])
        return {**members, "content": [{**block, "text": "<prose>"}]}
    if "code" in members and "message" in members:
        return {"code": members["code"], "message": "<prose>"}
    return {
        name: "<prose>" if name == "description" and isinstance(value, str) else without_prose(value)
        for name, value in members.items()
    }


def parted(theirs: list[bytes], mine: list[bytes]) -> list[str]:
    """Where two logs part, as JSON paths from the number of the message down."""
    one, other = ([without_prose(meaning(line)) for line in log] for log in (theirs, mine))
    return [f"{path_text(found.path)}: {found.recorded} / {found.sent}" for found in differences(one, other)]


@pytest.mark.parametrize("command", [MINE, QUIRKS], ids=["ours", "quirks"])
def test_every_sound_message_is_answered_as_by_the_reference(command: list[str]) -> None:
    assert parted(conversation(npm_peer("server-sequential-thinking"), SOUND), conversation(command, SOUND)) == []


def test_every_accepted_difference_is_one_and_is_none_with_quirks() -> None:
    assert ACCEPTED.keys() == BROKEN.keys()
    messages = [*handshake({}), *(request(name, method, params) for name, (method, params) in BROKEN.items())]
    theirs = conversation(npm_peer("server-sequential-thinking"), messages)
    assert parted(theirs, conversation(QUIRKS, messages)) == []
    mine = conversation(MINE, messages)
    alike = [name for name, one, other in zip(ACCEPTED, theirs[1:], mine[1:], strict=True) if not parted([one], [other])]
    assert alike == []
