"""Tasks of `everything` are those of `@modelcontextprotocol/server-everything` on the wire: one raw client asks both the same.

In both directions: a task that the server carries out, and one that the client does.
"""

from __future__ import annotations

import sys
from typing import cast

from tests.peers.parity import Talk, talked
from tests.peers.raw import Said, Step, Until, handshake, request

MINE = [sys.executable, "-m", "fake_servers.everything"]
QUIRKS = [*MINE, "--quirks"]
PACKAGE = "server-everything"
RESEARCH = "simulate-research-query"
STATUS = "notifications/tasks/status"


def newest(said: Said) -> str:
    """The id of the task that began last."""
    results = [cast("dict[str, dict[str, str]]", message.get("result", {})) for message in said]
    return [result["task"]["taskId"] for result in results if "task" in result][-1]


def about(number: int, method: str) -> Step:
    """A request about the newest task."""
    return lambda said: request(number, method, {"taskId": newest(said)})


def research(number: int, *, ambiguous: bool = False, topic: object = "bees", **task: object) -> Step:
    arguments = {"topic": topic, "ambiguous": ambiguous}
    return request(number, "tools/call", {"name": RESEARCH, "arguments": arguments, "task": task})


ANSWERS: dict[str, list[dict[str, object]]] = {
    "accept": [{"result": {"action": "accept", "content": {"interpretation": "snake"}}}],
    "decline": [{"result": {"action": "decline"}}],
    "error": [{"error": {"code": -1, "message": "no"}}],
}


def test_a_task_asks_what_was_meant_on_the_request_for_its_result() -> None:
    steps = [
        *handshake({"elicitation": {}}),
        research(1, ambiguous=True, topic="Python", ttl=5),
        *(
            about(number, method)
            for number, method in enumerate(("tasks/get", "tasks/result", "tasks/result", "tasks/cancel"), 2)
        ),
        about(6, "tasks/get"),
        request(7, "tasks/list"),
    ]
    talks = {name: Talk(steps, {"elicitation/create": answers}) for name, answers in ANSWERS.items()}
    assert talked(PACKAGE, MINE, talks) == {name: [] for name in talks}


def test_a_task_goes_on_by_itself_until_it_is_over_or_cancelled() -> None:
    ten = [research(number) for number in range(20, 32)]
    steps: list[Step] = [
        *handshake({}),
        request(1, "tasks/list"),
        research(2, ambiguous=True),
        Until(STATUS, {"status": "completed"}),
        about(3, "tasks/result"),
        research(4),
        about(5, "tasks/cancel"),
        about(6, "tasks/cancel"),
        about(7, "tasks/get"),
        about(8, "tasks/result"),
        *ten,
        request(9, "tasks/list"),
        lambda said: request(10, "tasks/list", {"cursor": cast("dict[str, str]", said[-1]["result"])["nextCursor"]}),
    ]
    assert talked(PACKAGE, MINE, {"all": Talk(steps)}) == {"all": []}


WRONG: list[Step] = [
    research(1, topic=3),
    request(2, "tools/call", {"name": RESEARCH, "arguments": {}, "task": {}}),
    request(3, "tools/call", {"name": "no-such", "arguments": {}, "task": {}}),
    *(request(f"{method}-none", method, {"taskId": "none"}) for method in ("tasks/get", "tasks/result", "tasks/cancel")),
    request(4, "tasks/list", {"cursor": "none"}),
]
BROKEN: list[Step] = [
    request("not-as-a-task", "tools/call", {"name": RESEARCH, "arguments": {"topic": "bees"}}),
    request("no-ttl", "tools/call", {"name": RESEARCH, "arguments": {"topic": "bees"}, "task": {"ttl": "long"}}),
    request("no-task", "tools/call", {"name": RESEARCH, "arguments": {"topic": "bees"}, "task": 5}),
    *(request(f"{method}-of-nothing", method, {}) for method in ("tasks/get", "tasks/result", "tasks/cancel")),
]
"""What the reference meets with another code than the specification: the call with a result, the rest with -32603."""


def test_what_is_wrong_has_the_same_error() -> None:
    assert talked(PACKAGE, MINE, {"all": Talk([*handshake({}), *WRONG])}) == {"all": []}


def test_what_the_reference_breaks_is_as_the_specification_says_and_as_the_reference_does_with_quirks() -> None:
    talk = Talk([*handshake({}), *BROKEN])
    assert len(talked(PACKAGE, MINE, {"all": talk})["all"]) >= len(BROKEN)
    assert talked(PACKAGE, QUIRKS, {"all": talk}) == {"all": []}


CLIENT: dict[str, object] = {
    "sampling": {},
    "elicitation": {},
    "tasks": {"requests": {"sampling": {"createMessage": {}}, "elicitation": {"create": {}}}},
}
TOOLS: dict[str, dict[str, object]] = {
    "trigger-sampling-request-async": {"prompt": "hi"},
    "trigger-elicitation-request-async": {},
}
ASKED = ("sampling/createMessage", "elicitation/create")
BEGUN: dict[str, object] = {"result": {"task": {"taskId": "t", "status": "working"}}}
LOOKS: dict[str, list[dict[str, object]]] = {
    "done": [{"result": {"status": "completed", "statusMessage": "fine"}}],
    "failed": [{"result": {"status": "failed"}}],
    "none": [{"result": {"status": 3}}],
    "error": [{"error": {"code": -32602, "message": "no such task"}}],
}
RESULTS: list[dict[str, object]] = [
    {"result": {"action": "accept", "content": {"name": "a"}}},
    {"result": {"action": "decline"}},
    {"result": {}},
]


def calls(times: int) -> list[Step]:
    return [
        request(f"{name}{time}", "tools/call", {"name": name, "arguments": arguments})
        for time in range(times)
        for name, arguments in TOOLS.items()
    ]


def test_the_client_does_what_it_is_asked_as_a_task() -> None:
    steps = [*handshake(CLIENT), request(9, "tools/list"), *calls(1)]
    begun = {method: [BEGUN] for method in ASKED}
    talks = {name: Talk(steps, {**begun, "tasks/get": looks, "tasks/result": RESULTS}) for name, looks in LOOKS.items()}
    assert talked(PACKAGE, MINE, talks) == {name: [] for name in talks}


def test_the_client_may_do_it_at_once_or_answer_nonsense() -> None:
    model = {"role": "assistant", "content": {"type": "text", "text": "a"}, "model": "m"}
    answers: dict[str, list[dict[str, object]]] = {
        "sampling/createMessage": [{"result": model}, {"result": {"role": "assistant"}}, {"result": {"task": {"taskId": 3}}}],
        "elicitation/create": [{"result": {"action": "cancel"}}, {"result": {}}, {"error": {"code": -1, "message": "no"}}],
    }
    assert talked(PACKAGE, MINE, {"all": Talk([*handshake(CLIENT), *calls(3)], answers)}) == {"all": []}
