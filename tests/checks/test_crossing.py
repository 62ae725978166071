"""Words of one call in what is said for another: answers, progress, and what servers ask."""

from __future__ import annotations

import pytest

from pytest_mcpsym.checks import run
from pytest_mcpsym.wire.extension import CAUSE_KEY
from pytest_mcpsym.wire.frame import Frame
from tests.wire.strategies import Telling

Told = list[tuple[str, str, tuple[int, ...]]]
OURS = ("routing:wrong-answer", "origin:wrong-call")


def told(telling: Telling) -> Told:
    return [(each.check, each.severity, each.frames) for each in run(telling.log) if each.check in OURS]


def call(
    telling: Telling, link: str, ident: object, text: str, tool: str = "say", meta: dict[str, object] | None = None
) -> Frame:
    return telling.request(link, "to-server", ident, params={"name": tool, "arguments": {"text": text}}, meta=meta)


def say(telling: Telling, request: Frame, text: str) -> Frame:
    return telling.answer(request, content=[{"type": "text", "text": text}])


def ask(telling: Telling, link: str, text: str, cause: object = None) -> Frame:
    meta = None if cause is None else {CAUSE_KEY: cause}
    return telling.request(link, "to-client", f"s{len(telling.log)}", "sampling/createMessage", {"prompt": text}, meta=meta)


@pytest.mark.parametrize(("ident", "severity"), [(1, "error"), (2, "warning")])
def test_an_answer_with_the_words_of_another_clients_call_is_found(ident: object, severity: str) -> None:
    telling = Telling()
    hers = call(telling, "ann", 1, "the words of ann")
    his = call(telling, "bob", ident, "the words of bob")
    wrong = say(telling, his, "you said: the words of ann")
    say(telling, hers, "you said: the words of ann")
    assert told(telling) == [("routing:wrong-answer", severity, (hers.seq, his.seq, wrong.seq))]


def test_answers_of_one_link_that_are_swapped_are_a_warning() -> None:
    telling = Telling()
    one, two = call(telling, "ann", 1, "the first of them"), call(telling, "ann", 2, "the second of them")
    wrong = say(telling, one, "the second of them")
    say(telling, two, "the first of them")
    assert told(telling) == [("routing:wrong-answer", "warning", (one.seq, two.seq, wrong.seq))]


@pytest.mark.parametrize("words", ["the words of bob, and the words of ann", "nothing of both", "short"])
def test_an_answer_with_words_of_its_own_or_none_is_no_finding(words: str) -> None:
    telling = Telling()
    hers = call(telling, "ann", 1, "the words of ann" if words != "short" else "short")
    his = call(telling, "bob", 1, "the words of bob")
    say(telling, his, words)
    say(telling, hers, words)
    assert told(telling) == []


def test_what_somebody_said_before_and_what_another_tool_answers_is_no_finding() -> None:
    telling = Telling()
    say(telling, call(telling, "ann", 1, "the words of ann"), "kept")
    say(telling, call(telling, "bob", 1, "what is there?", "list"), "there is: the words of ann")
    hers = call(telling, "ann", 2, "more words of ann")
    say(telling, call(telling, "bob", 2, "what is there?", "list"), "there is: more words of ann")
    say(telling, hers, "kept")
    assert told(telling) == []


def test_words_that_the_link_had_been_sent_are_no_finding() -> None:
    telling = Telling()
    say(telling, call(telling, "bob", 0, "the words of both"), "kept")
    hers = call(telling, "ann", 1, "the words of both")
    say(telling, call(telling, "bob", 1, "something else"), "the words of both")
    say(telling, hers, "the words of both")
    assert told(telling) == []


def test_progress_with_the_words_of_another_clients_call_is_found() -> None:
    telling = Telling()
    hers = call(telling, "ann", 1, "the words of ann", meta={"progressToken": 1})
    his = call(telling, "bob", 1, "the words of bob", meta={"progressToken": 1})
    wrong = telling.notify("bob", "to-client", "progress", progressToken=1, progress=1, message="the words of ann")
    say(telling, his, "done")
    say(telling, hers, "done")
    assert told(telling) == [("routing:wrong-answer", "error", (hers.seq, his.seq, wrong.seq))]


@pytest.mark.parametrize("busy", [True, False])
def test_what_is_asked_of_another_client_than_the_one_whose_call_it_is_for_is_an_error(busy: bool) -> None:
    telling = Telling()
    his = call(telling, "bob", 1, "the words of bob") if busy else None
    hers = call(telling, "ann", 1, "the words of ann")
    wrong = ask(telling, "bob", "what of the words of ann?")
    telling.answer(wrong)
    say(telling, hers, "done")
    if his is not None:
        say(telling, his, "done")
    assert told(telling) == [("origin:wrong-call", "error", (hers.seq, wrong.seq))]


@pytest.mark.parametrize(("cause", "found"), [(1, True), (2, False)])
def test_what_is_asked_under_the_name_of_another_call_is_a_warning(cause: object, found: bool) -> None:
    telling = Telling()
    one, two = call(telling, "ann", 1, "the first of them"), call(telling, "ann", 2, "the second of them")
    asked = ask(telling, "ann", "what of the second of them?", cause)
    telling.answer(asked)
    say(telling, one, "done")
    say(telling, two, "done")
    assert told(telling) == ([("origin:wrong-call", "warning", (two.seq, asked.seq))] if found else [])


def test_what_the_host_hands_on_from_one_link_to_another_is_no_finding() -> None:
    telling = Telling()
    hers = call(telling, "ann", 1, "the words of ann")
    asked = telling.request("ann", "to-client", "s1", params={"name": "bob__say", "arguments": {"text": "the words of ann"}})
    his = call(telling, "bob", 1, "the words of ann")
    telling.caused(his, asked)
    answer = say(telling, his, "you said: the words of ann")
    say(telling, asked, str(answer))
    say(telling, hers, "you said: the words of ann")
    assert told(telling) == []
