"""What `everything` asks of its client is what `@modelcontextprotocol/server-everything` asks, and what it makes of the answer is the same.

Each tool is answered well, badly, with an error and with nonsense, for each set of capabilities that it needs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tests.peers.parity import Talk, talked
from tests.peers.raw import Step, Until, handshake, request

PACKAGE = "server-everything"
MINE = [sys.executable, "-m", "fake_servers.everything"]

Answer = dict[str, object]
ERROR: Answer = {"error": {"code": -1, "message": "no", "data": {"why": "no"}}}


def model(**members: object) -> Answer:
    """An answer of a model, with other members in place of the usual."""
    usual: Answer = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "hello"}}
    return {"result": {**usual, **members}}


SAMPLED: list[Answer] = [
    model(),
    model(stopReason="endTurn", more=1, _meta={"a": 1}),
    model(stopReason="whatever"),
    model(stopReason=3),
    model(role="user"),
    model(role="system"),
    model(model=None),
    model(content={"type": "image", "data": "YQ==", "mimeType": "image/png"}),
    model(content={"type": "audio", "data": "YQ==", "mimeType": "audio/wav"}),
    model(content={"type": "image", "data": "YQ=="}),
    model(content={"type": "resource_link", "uri": "file:///a", "name": "a"}),
    model(content=[{"type": "text", "text": "hello"}]),
    model(content="hello"),
    {"result": {}},
    ERROR,
]


def elicited(action: object, **content: object) -> Answer:
    """An answer of a user."""
    return {"result": {"action": action, **content}}


ELICITED: list[Answer] = [
    elicited("accept", content={"name": "Ada", "check": True, "integer": 3, "number": 0.5, "list": ["a", "b"]}),
    elicited("accept", content={}),
    elicited("accept", content=None),
    elicited("accept"),
    elicited("accept", content={"name": {"first": "Ada"}}),
    elicited("accept", content={"name": None}),
    elicited("accept", content={"list": [1]}),
    elicited("accept", content=[]),
    elicited("decline"),
    elicited("decline", content={"name": "Ada"}),
    elicited("cancel"),
    elicited("maybe"),
    elicited(None),
    {"result": {}},
    ERROR,
]

ROOTS: list[Answer] = [
    {"result": {"roots": [{"uri": "file:///a", "name": "A"}, {"uri": "file:///b"}]}},
    {"result": {"roots": []}},
    {"result": {"roots": [{"uri": "http://a/"}]}},
    {"result": {"roots": [{"name": "A"}]}},
    {"result": {"roots": 3}},
    {"result": {}},
    ERROR,
]


def asking(can: Mapping[str, object], tool: str, method: str, answers: list[Answer], *arguments: Mapping[str, object]) -> Talk:
    """Call a tool once for each answer, with each of the arguments in turn."""
    calls: list[Step] = [
        request(number, "tools/call", {"name": tool, "arguments": arguments[number % len(arguments)]})
        for number in range(1, len(answers) + 1)
    ]
    return Talk([*handshake(can), request("list", "tools/list"), *calls], {method: answers})


PROMPTS: list[dict[str, object]] = [{"prompt": "hi"}, {"prompt": "", "maxTokens": 1.5}, {"prompt": "hi", "maxTokens": -1}]
URLS: list[dict[str, object]] = [
    {"url": "https://example.com", "elicitationId": "x"},
    {"url": "https://example.com/a b", "message": "Look"},
    {"url": "nope"},
    {"url": "https://example.com", "errorPath": True},
    {"url": "https://example.com", "errorPath": True, "elicitationId": "y"},
    {"url": "https://example.com", "errorPath": True},
]


def test_what_a_model_and_a_user_are_asked_and_what_comes_of_it_is_the_same() -> None:
    talks = {
        "sampling": asking({"sampling": {}}, "trigger-sampling-request", "sampling/createMessage", SAMPLED, *PROMPTS),
        "form": asking({"elicitation": {}}, "trigger-elicitation-request", "elicitation/create", ELICITED, {}),
        "url": asking({"elicitation": {"url": {}}}, "trigger-url-elicitation", "elicitation/create", ELICITED, *URLS),
    }
    assert talked(PACKAGE, MINE, talks) == {name: [] for name in talks}


def test_the_roots_are_asked_for_after_the_handshake_and_whenever_they_change() -> None:
    changed: dict[str, object] = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}
    call = request("roots", "tools/call", {"name": "get-roots-list", "arguments": {}})
    asked = Until("roots/list", {})
    talks: dict[str, Talk] = {}
    for number, answer in enumerate(ROOTS):
        steps: list[Step] = [*handshake({"roots": {"listChanged": True}}), asked, request(1, "ping"), call]
        steps += [changed, asked, request(2, "ping"), {**call, "id": "again"}]
        talks[f"roots-{number}"] = Talk(steps, {"roots/list": [answer, ROOTS[0]]})
    assert talked(PACKAGE, MINE, talks) == {name: [] for name in talks}


def test_a_client_that_cannot_is_not_asked() -> None:
    names = ("get-roots-list", "trigger-sampling-request", "trigger-elicitation-request", "trigger-url-elicitation")
    steps: list[Step] = [*handshake({}), request(0, "tools/list")]
    steps += [{"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}, request(1, "ping")]
    steps += [request(name, "tools/call", {"name": name, "arguments": {"prompt": "a", "url": "https://a/"}}) for name in names]
    assert talked(PACKAGE, [*MINE, "--quirks"], {"all": Talk(steps)}) == {"all": []}
