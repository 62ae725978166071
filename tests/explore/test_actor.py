"""The random server without streams: what it says when, and what it does not say whatever moves it is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

import pytest

from pytest_mcpsym.explore import (
    Answer,
    Declare,
    Extra,
    Hold,
    List,
    Move,
    Need,
    Pages,
    Question,
    Report,
    Stubborn,
    Tell,
    Version,
)
from pytest_mcpsym.explore.clients.actor import Actor
from pytest_mcpsym.explore.clients.plain import least
from pytest_mcpsym.explore.offer import PLAIN

Json = dict[str, object]

ENVELOPE = "io.modelcontextprotocol/"
CHANGED = "notifications/tools/list_changed"


class Talk:
    """A client of a few lines."""

    def __init__(self, *moves: Move, era: str = "handshake") -> None:
        self.modern = era == "modern"
        self.actor = Actor(moves, era, PLAIN)
        self.number = -1

    def send(self, **message: object) -> list[Json]:
        return said(self.actor.heard(json.dumps({"jsonrpc": "2.0", **message}).encode()))

    def ask(self, method: str, **params: object) -> list[Json]:
        self.number += 1
        meta: Json = {"progressToken": f"p{self.number}", ENVELOPE + "clientCapabilities": {"roots": {}}}
        return self.send(id=self.number, method=method, params={**params, "_meta": meta})

    def begin(self, revision: str = "2025-11-25") -> list[Json]:
        opened = self.ask("initialize", protocolVersion=revision, capabilities={"roots": {}})
        return [*opened, *self.send(method="notifications/initialized")]


def said(heard: Sequence[object]) -> list[Json]:
    return [cast("Json", json.loads(each.data)) for each in heard]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType]


def kinds(messages: Sequence[Json]) -> list[object]:
    return [each.get("method", "answer") for each in messages]


def result(message: Json) -> Json:
    return cast("Json", message["result"])


def test_an_ordinary_server_answers_everything() -> None:
    talk = Talk()
    assert kinds(talk.begin()) == ["answer"]
    for method in ("ping", "tools/list", "resources/list", "resources/templates/list", "prompts/list"):
        (answer,) = talk.ask(method)
        assert "result" in answer
    (called,) = talk.ask("tools/call", name="add")
    assert result(called)["structuredContent"] == {"sum": 0}
    (refused,) = talk.ask("tools/call", name="no-such-tool")
    assert cast("Json", refused["error"])["code"] == -32602


def test_what_needs_a_handshake_waits_for_its_end() -> None:
    talk = Talk(Tell(0, CHANGED, times=2), Question(0, "roots/list"), Question(0, "ping"))
    opened = talk.ask("initialize", protocolVersion="2025-11-25", capabilities={"roots": {}})
    assert kinds(opened) == ["ping"]
    assert kinds(talk.send(id=0, result={})) == ["answer"]
    assert kinds(talk.send(method="notifications/initialized")) == [CHANGED, CHANGED, "roots/list"]


def test_an_answer_waits_for_the_answer_to_a_question() -> None:
    talk = Talk(Question(1, "ping", id=1))
    talk.begin()
    assert kinds(talk.ask("tools/list")) == ["ping"]
    assert talk.actor.quiet() == []
    assert talk.send(id="1", result={}) == []
    assert kinds(talk.send(id=1, result={})) == ["answer"]


def test_a_question_that_is_given_up_is_not_waited_for() -> None:
    talk = Talk(Question(1, "ping", given_up=True))
    talk.begin()
    assert kinds(talk.ask("tools/list")) == ["ping", "notifications/cancelled", "answer"]


def test_ids_are_used_once() -> None:
    talk = Talk(
        Question(1, "ping", given_up=True), Question(1, "ping", given_up=True), Question(1, "ping", id="0", given_up=True)
    )
    talk.begin()
    assert [each["id"] for each in talk.ask("tools/list") if each.get("method") == "ping"] == [0, 1, "0"]


@pytest.mark.parametrize("method", ["sampling/createMessage", "elicitation/create"])
def test_what_a_client_did_not_declare_is_not_asked(method: str) -> None:
    talk = Talk(Question(1, method))
    talk.begin()
    assert kinds(talk.ask("tools/list")) == ["answer"]


def test_a_held_answer_comes_after_another_one_or_when_it_is_quiet() -> None:
    talk = Talk(Hold(1, 2), Hold(3))
    talk.begin()
    assert talk.ask("ping") == []
    assert [each["id"] for each in talk.ask("ping")] == [2, 1]
    assert talk.ask("ping") == []
    assert [each["id"] for each in said(talk.actor.quiet(for_another=False))] == [3]


def test_what_was_cancelled_is_answered_by_a_stubborn_server_alone() -> None:
    for stubborn in (False, True):
        talk = Talk(Hold(1), *([Stubborn()] if stubborn else []))
        talk.begin()
        talk.ask("ping")
        talk.send(method="notifications/cancelled", params={"requestId": 1})
        assert len(talk.actor.quiet()) == stubborn


def test_progress_has_the_token_of_its_request() -> None:
    talk = Talk(Report(1, (1, 2), {"total": 3}), Report(1, after=True))
    talk.begin()
    first, second, answer, late = talk.ask("tools/list")
    assert first["params"] == {"progressToken": "p1", "progress": 1, "total": 3}
    assert cast("Json", second["params"])["progress"] == 2
    assert kinds([answer, late]) == ["answer", "notifications/progress"]


def test_pages_end_and_have_every_entry_once() -> None:
    talk = Talk(Pages(1, " ü"), List(1, "tools", [{"name": "more", "inputSchema": {"type": "object"}}]))
    talk.begin()
    names: list[object] = []
    cursor: Json = {}
    for _ in range(3):
        page = result(talk.ask("tools/list", **cursor)[0])
        names += [each["name"] for each in cast("list[Json]", page["tools"])]
        cursor = {"cursor": page["nextCursor"]} if "nextCursor" in page else {}
    assert names == ["echo", "add", "more"]
    assert cursor == {}


def test_an_answer_is_given_to_the_request_that_is_meant() -> None:
    told = Answer(1, "tools/call", {"content": []}, name="echo")
    for name, content in (("echo", []), ("add", [{"type": "text", "text": "it is so"}])):
        talk = Talk(told)
        talk.begin()
        assert result(talk.ask("tools/call", name=name)[0])["content"] == content


def test_extra_members_replace_none_that_are_there() -> None:
    talk = Talk(Extra(1, {"tools": "no", "vendor": 2**70, "_meta": {"x": 1}}))
    talk.begin()
    answer = result(talk.ask("tools/list")[0])
    assert isinstance(answer["tools"], list)
    assert (answer["vendor"], answer["_meta"]) == (2**70, {"x": 1})


def test_capabilities_that_are_not_declared_are_not_there() -> None:
    talk = Talk(Declare({"tools": {}}), Tell(1, CHANGED), Tell(1, "notifications/message", {"level": "info", "data": 1}))
    talk.begin()
    assert kinds(talk.ask("tools/list")) == ["answer"]
    assert "error" in talk.ask("resources/list")[0]


def test_a_resource_is_said_to_change_where_it_was_subscribed_to() -> None:
    updated = "notifications/resources/updated"
    talk = Talk(*(Tell(number, updated, {"uri": "demo://one"}) for number in (1, 3)))
    talk.begin()
    assert kinds(talk.ask("ping")) == ["answer"]
    talk.ask("resources/subscribe", uri="demo://one")
    assert kinds(talk.ask("ping")) == [updated, "answer"]


@pytest.mark.parametrize(
    ("moves", "asked", "agreed"),
    [
        ((), "2025-03-26", "2025-03-26"),
        ((), "1999-01-01", "2025-11-25"),
        ((Version("2024-11-05"),), "2025-11-25", "2024-11-05"),
    ],
)
def test_a_revision_is_agreed_on(moves: tuple[Move, ...], asked: str, agreed: str) -> None:
    assert result(Talk(*moves).begin(asked)[0])["protocolVersion"] == agreed


def test_a_modern_server_asks_nothing_but_says_what_it_needs() -> None:
    need = Need(1, {"a": {"method": "roots/list"}}, "s")
    talk = Talk(Question(1, "ping"), need, era="modern")
    assert "resultType" in result(talk.ask("server/discover")[0])
    (needed,) = talk.ask("tools/call", name="echo")
    assert result(needed)["requestState"] == "s"
    (done,) = talk.ask("tools/call", name="echo", inputResponses={"a": {"roots": []}}, requestState="s")
    assert result(done)["resultType"] == "complete"


def test_a_modern_server_says_what_changed_to_those_who_listen() -> None:
    talk = Talk(Tell(1, CHANGED), Tell(2, CHANGED), era="modern")
    talk.ask("server/discover")
    assert kinds(talk.ask("subscriptions/listen", notifications={"toolsListChanged": True})) == [
        "notifications/subscriptions/acknowledged",
        CHANGED,
    ]
    changed, _ = talk.ask("tools/list")
    assert cast("Json", changed["params"])["_meta"] == {ENVELOPE + "subscriptionId": 1}


@pytest.mark.parametrize(("line", "code"), [(b"{", -32700), (b"[]", -32600), (b'{"id":1.5,"method":"x"}', -32600)])
def test_what_is_no_message_is_refused(line: bytes, code: int) -> None:
    (refused,) = said(Actor([], "handshake", PLAIN).heard(line))
    assert cast("Json", refused["error"])["code"] == code


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "object", "properties": {"a": {"type": "string", "minLength": 2}}, "required": ["a"]}, {"a": "xx"}),
        ({"type": "array", "items": {"type": "number", "minimum": 2}, "minItems": 2}, [2, 2]),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        ({"$defs": {"x": {"enum": ["one"]}}, "$ref": "#/$defs/x"}, "one"),
        ({"type": ["boolean", "null"]}, False),
        ({"const": 7}, 7),
    ],
)
def test_the_least_value_fits_its_schema(schema: Json, value: object) -> None:
    assert least(schema) == value


@pytest.mark.parametrize(
    "move",
    [
        Tell(1, "x", times=2),
        Pages(),
        Question(1, "ping", id="0"),
        Answer(2, "tools/call", {"a": 1}, name="b"),
        Version("x"),
        Hold(1, 2),
    ],
)
def test_the_text_of_a_move_makes_it_again(move: Move) -> None:
    import pytest_mcpsym.explore

    assert eval(repr(move), vars(pytest_mcpsym.explore) | {type(move).__name__: type(move)}) == move  # noqa: S307 - of this file
