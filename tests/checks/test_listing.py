"""Lists with a name twice, lists that change in silence, and lists that are public and differ."""

from __future__ import annotations

import pytest

from pytest_mcpsym.checks import run
from pytest_mcpsym.wire.frame import Envelope, Frame
from tests.wire.strategies import Telling, raw


def told(telling: Telling) -> list[tuple[str, tuple[int, ...]]]:
    return [(each.check, each.frames) for each in run(telling.log) if each.check.startswith("listing:")]


def listed(telling: Telling, *names: str, cursor: str | None = None, more: str | None = None) -> Frame:
    asked = telling.request(
        "weather", "to-server", len(telling.log), "tools/list", {} if cursor is None else {"cursor": cursor}
    )
    tools = [{"name": name} for name in names]
    return telling.answer(asked, tools=tools) if more is None else telling.answer(asked, tools=tools, nextCursor=more)


def test_two_tools_of_one_name_are_an_error() -> None:
    telling = Telling()
    answer = listed(telling, "now", "then", "now", "now")
    assert told(telling) == [("listing:name-twice", (answer.seq,))]


def test_a_name_on_two_pages_of_one_list_is_an_error() -> None:
    telling = Telling()
    first = listed(telling, "now", more="2")
    second = listed(telling, "then", "now", cursor="2")
    assert told(telling) == [("listing:name-twice", (first.seq, second.seq))]


def test_a_page_that_is_asked_for_again_is_compared_with_the_pages_before_it_alone() -> None:
    telling = Telling()
    listed(telling, "a", more="2")
    listed(telling, "b", cursor="2", more="3")
    listed(telling, "c", cursor="3")
    listed(telling, "c", cursor="2", more="3")
    listed(telling, "b", cursor="3")
    assert told(telling) == []


def test_a_name_that_a_page_has_only_when_it_is_asked_for_again_is_an_error() -> None:
    telling = Telling()
    first = listed(telling, "a", more="2")
    listed(telling, "b", cursor="2", more="3")
    again = listed(telling, "a", cursor="2", more="3")
    third = listed(telling, "a", cursor="3")
    assert told(telling) == [
        ("listing:name-twice", (first.seq, again.seq)),
        ("listing:name-twice", (first.seq, third.seq)),
    ]


def test_a_list_that_is_asked_for_again_has_its_names_again() -> None:
    telling = Telling()
    for _ in range(2):
        listed(telling, "now", more="2")
        listed(telling, "then", cursor="2")
    assert told(telling) == []


def begun(telling: Telling, **tools: object) -> None:
    first = telling.request("weather", "to-server", 0, "initialize")
    telling.answer(first, capabilities={"tools": tools})
    telling.notify("weather", "to-server", "initialized")


def test_a_list_that_changes_with_no_word_is_a_warning() -> None:
    telling = Telling()
    begun(telling, listChanged=True)
    before, after = listed(telling, "now"), listed(telling, "now", "then")
    assert told(telling) == [("listing:changed-silently", (before.seq, after.seq))]


def test_a_change_may_be_announced_after_it_was_seen() -> None:
    telling = Telling()
    begun(telling, listChanged=True)
    listed(telling, "now")
    listed(telling, "then")
    telling.notify("weather", "to-client", "tools/list_changed")
    assert told(telling) == []


def test_an_announcement_from_before_the_first_list_is_of_another_change() -> None:
    telling = Telling()
    begun(telling, listChanged=True)
    telling.notify("weather", "to-client", "tools/list_changed")
    listed(telling, "now")
    listed(telling, "then")
    assert [check for check, _ in told(telling)] == ["listing:changed-silently"]


def test_a_server_that_promised_no_announcements_owes_none() -> None:
    telling = Telling()
    begun(telling)
    listed(telling, "now")
    listed(telling, "then")
    assert told(telling) == []


def test_the_order_of_a_list_is_no_change() -> None:
    telling = Telling()
    begun(telling, listChanged=True)
    listed(telling, "now", "then")
    listed(telling, "then", "now")
    assert told(telling) == []


def shared(telling: Telling, link: str, credential: str, *names: str, scope: str = "public", ttl: int = 1000) -> Frame:
    """One caller's list of a server over HTTP."""
    telling.log.note(link, "open", transport="http", era="modern", target="https://weather.example/mcp", server="alice")
    envelope = Envelope(1, (("authorization", credential),))
    telling.log.frame(link, "to-server", raw(id=1, method="tools/list", params={}), envelope)
    result = {"tools": [{"name": name} for name in names], "cacheScope": scope, "ttlMs": ttl}
    return telling.log.frame(link, "to-client", raw(id=1, result=result), Envelope(1))


def test_a_public_list_that_differs_between_two_callers_is_a_warning() -> None:
    telling = Telling()
    one = shared(telling, "alice", "Bearer a", "now", "own_1")
    other = shared(telling, "bob", "Bearer b", "now", "own_2")
    assert told(telling) == [("listing:public-but-different", (one.seq, other.seq))]


@pytest.mark.parametrize(
    ("scope", "ttl", "credential", "names"),
    [
        ("private", 1000, "Bearer b", ["then"]),
        ("public", 1000, "Bearer a", ["then"]),
        ("public", 1000, "Bearer b", ["now"]),
        ("public", -1, "Bearer b", ["then"]),
    ],
    ids=["private", "one caller", "the same", "outlived"],
)
def test_other_lists_may_differ(scope: str, ttl: int, credential: str, names: list[str]) -> None:
    telling = Telling()
    shared(telling, "alice", "Bearer a", "now", scope=scope, ttl=ttl)
    shared(telling, "bob", credential, *names, scope=scope, ttl=ttl)
    assert told(telling) == []


def marked(telling: Telling, transport: str, era: str, mark: str) -> Frame:
    telling.log.note("weather", "open", transport=transport, era=era, target="weather")
    asked = telling.request("weather", "to-server", 1, "tools/list")
    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": mark}}}
    return telling.answer(asked, tools=[{"name": "now", "inputSchema": schema}])


@pytest.mark.parametrize("transport", ["http", "sockets"])
def test_a_mark_that_cannot_be_a_header_is_an_error(transport: str) -> None:
    telling = Telling()
    answer = marked(telling, transport, "modern", "no token")
    assert told(telling) == [("listing:header", (answer.seq,))]


@pytest.mark.parametrize(
    ("transport", "era", "mark"),
    [("http", "modern", "Region"), ("http", "handshake", "no token"), ("stdio", "modern", "no token")],
)
def test_a_mark_that_is_right_or_means_nothing_there_is_none(transport: str, era: str, mark: str) -> None:
    telling = Telling()
    marked(telling, transport, era, mark)
    assert told(telling) == []


@pytest.mark.parametrize(
    ("says", "found"),
    [
        ("Unknown tool: now", True),
        ("Tool now not found", True),
        ("there is no tool now", True),
        ("the file that now needs was not found", False),
        ("Invalid arguments for tool now: the city was not given", False),
        ("Unknown tool: then", False),
    ],
)
@pytest.mark.parametrize("as_error", [True, False])
def test_a_tool_that_is_listed_and_not_there_is_a_warning(says: str, found: bool, as_error: bool) -> None:
    telling = Telling()
    page = listed(telling, "now")
    call = telling.call("weather", "c", name="now")
    if as_error:
        answer = telling.answer(call, "error", message=says)
    else:
        answer = telling.answer(call, isError=True, content=[{"type": "text", "text": says}])
    assert told(telling) == ([("listing:not-there", (page.seq, call.seq, answer.seq))] if found else [])


def test_a_tool_that_was_never_listed_or_has_gone_since_is_no_finding() -> None:
    telling = Telling()
    listed(telling, "now")
    telling.answer(telling.call("weather", "c", name="then"), "error", message="Unknown tool: then")
    telling.notify("weather", "to-client", "tools/list_changed")
    telling.answer(telling.call("weather", "d", name="now"), "error", message="Unknown tool: now")
    assert told(telling) == []


@pytest.mark.parametrize("header", ["authorization", "cookie", "mcpsym-canary"])
def test_public_lists_of_callers_with_any_credentials_are_compared(header: str) -> None:
    telling = Telling()
    for link in ("ann", "bob"):
        telling.log.note(link, "open", transport="http", era="modern", target="https://one", server="ann")
        envelope = Envelope(1, ((header, f"a=secret-of-{link}"),))
        asked = telling.log.frame(link, "to-server", raw(id=1, method="tools/list", params={}), envelope)
        telling.answer(asked, tools=[{"name": f"own_{link}"}], cacheScope="public", ttlMs=1000)
    assert [check for check, _ in told(telling)] == ["listing:public-but-different"]
