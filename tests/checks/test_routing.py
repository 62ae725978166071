"""What changed between links, and who waits for himself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_mcpsym.checks import Finding, run
from pytest_mcpsym.wire.extension import CAUSE_KEY
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog
from tests.wire.strategies import Telling


def found(telling: Telling, check: str) -> list[Finding]:
    return [finding for finding in run(telling.log) if finding.check == check]


def forwarded(telling: Telling, arguments: bytes, arriving: bytes) -> tuple[Frame, Frame]:
    """The agent asks the clock for something, which the switchboard forwards."""
    telling.call("agent", 1, name="run")
    text = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"%s","arguments":%s,"_meta":{"x":%d}}}'
    asked = telling.frame("agent", "to-client", text % (7, b"clock__now", arguments, 1))
    sent = telling.frame("clock", "to-server", text % (8, b"now", arriving, 2))
    telling.caused(sent, asked)
    return asked, sent


def result(telling: Telling, request: Frame, members: bytes) -> Frame:
    text = b'{"jsonrpc":"2.0","id":%s,"result":{%s}}' % (str(request.message.id).encode(), members)
    return telling.frame(request.link, "to-client" if request.direction == "to-server" else "to-server", text)


@pytest.mark.parametrize(
    ("arguments", "arriving", "changed"),
    [
        (b'{"n":1}', b'{"n":1}', False),
        (b'{"n":1.0}', b'{"n":1}', True),
        (b'{"n":12345678901234567890}', b'{"n":12345678901234567000}', True),
        (b'{"a":1,"b":2}', b'{"b":2,"a":1}', True),
        (b'{"a":"\\u00e9"}', '{"a":"é"}'.encode(), True),
        (b'{"a":1,"x":2}', b'{"a":1}', True),
    ],
)
def test_arguments_arrive_as_they_were_sent(arguments: bytes, arriving: bytes, changed: bool) -> None:
    telling = Telling()
    asked, sent = forwarded(telling, arguments, arriving)
    assert [(each.frames, each.route) for each in found(telling, "routing:changed")] == (
        [((asked.seq, sent.seq), "host > agent > clock")] if changed else []
    )


@pytest.mark.parametrize(
    ("came", "told", "changed"),
    [
        (b'"content":[],"_meta":{"a":1}', b'"_meta":{"b":2},"content":[]', False),
        (b'"content":[{"text":"1"}]', b'"content":[{"text":"2"}]', True),
        (b'"structuredContent":{"n":1e2},"x":1', b'"structuredContent":{"n":100.0},"x":1', True),
        (b'"resultType":"input_required"', b'"content":[]', False),
        (b'"content":[{"uri":"a:b"}]', b'"content":[{"uri":"clock+a:b"}]', False),
    ],
)
def test_results_arrive_as_they_were_sent(came: bytes, told: bytes, changed: bool) -> None:
    telling = Telling()
    asked, sent = forwarded(telling, b"{}", b"{}")
    frames = (result(telling, sent, came).seq, result(telling, asked, told).seq)
    assert [each.frames for each in found(telling, "routing:changed")] == ([frames] if changed else [])


def waiting(clock: Callable[[], float] = lambda: 0.0) -> tuple[Telling, list[Frame]]:
    """The agent waits for the code server, which waits for the agent."""
    telling = Telling()
    telling.log = WireLog(clock=clock)
    first = telling.call("agent", 1, name="run")
    asks = telling.request("agent", "to-client", 1, params={"name": "code__run"})
    second = telling.call("code", 1, asks, name="run")
    back = telling.request("code", "to-client", 1, params={"name": "agent__help"})
    third = telling.call("agent", 2, back, name="help")
    return telling, [first, asks, second, back, third]


def test_a_peer_that_waits_for_itself_is_a_cycle_with_its_frames_and_route() -> None:
    telling, (first, _, second, _, third) = waiting()
    (finding,) = found(telling, "deadlock:cycle")
    assert (finding.severity, finding.route) == ("error", "host > agent > code > agent")
    assert finding.frames == (first.seq, second.seq, third.seq)
    assert finding.message == (
        "agent: agent did not answer tools/call help (id 2) while it waited for the answer itself: agent > code > agent; it owes the "
        "answer, or the server handles one request at a time"
    )


@pytest.mark.parametrize(("after", "severities"), [(1.5, ["warning"]), (0.5, [])])
def test_a_cycle_that_was_cancelled_is_a_warning_unless_there_was_no_time_to_answer(
    after: float, severities: list[str]
) -> None:
    now = 0.0
    telling, frames = waiting(lambda: now)
    now = after
    for frame in frames:
        telling.notify(frame.link, frame.direction, "cancelled", requestId=int(str(frame.message.id)))
    assert [finding.severity for finding in found(telling, "deadlock:cycle")] == severities


def test_a_peer_that_answers_its_own_question_is_no_cycle() -> None:
    telling, frames = waiting()
    for frame in reversed(frames):
        telling.answer(frame)
    assert found(telling, "deadlock:cycle") == []


def test_a_chain_that_ends_at_another_peer_is_no_cycle() -> None:
    telling = Telling()
    telling.call("agent", 1, name="run")
    telling.call("clock", 1, telling.request("agent", "to-client", 1, params={"name": "clock__now"}), name="now")
    assert found(telling, "deadlock:cycle") == []


def claimed(telling: Telling, request: Frame, continuation: str) -> Frame:
    """A server answers with calls that are to be made first."""
    return telling.answer(request, resultType="dev.mcpsym/calls", continuation=continuation)


def gone_on(telling: Telling, link: str, ident: int, continuation: str) -> Frame:
    return telling.request(link, "to-server", ident, "dev.mcpsym/continue", {"continuation": continuation})


def waiting_in_legs(clock: Callable[[], float] = lambda: 0.0) -> tuple[Telling, list[Frame]]:
    """The agent needs a call of the code server, which needs one of the agent."""
    telling = Telling()
    telling.log = WireLog(clock=clock)
    first = telling.call("agent", 1, name="run")
    second = telling.call("code", 1, claimed(telling, first, "a"), name="run")
    third = telling.call("agent", 2, claimed(telling, second, "c"), name="help")
    return telling, [first, second, third]


def test_a_peer_whose_claims_need_itself_is_a_cycle() -> None:
    telling, (first, second, third) = waiting_in_legs()
    (finding,) = found(telling, "deadlock:cycle")
    assert (finding.severity, finding.route) == ("error", "host > agent > code > agent")
    assert finding.frames == (first.seq, second.seq, third.seq)
    assert "agent did not answer tools/call help (id 2) while it waited for the answer itself" in finding.message


def test_a_later_leg_that_waits_for_itself_is_named_by_its_own_request() -> None:
    telling, (first, second, third) = waiting_in_legs()
    telling.answer(telling.call("clock", 1, claimed(telling, third, "b"), name="now"))
    leg = gone_on(telling, "agent", 3, "b")
    (finding,) = found(telling, "deadlock:cycle")
    assert finding.frames == (first.seq, second.seq, leg.seq)
    assert "agent did not answer dev.mcpsym/continue (id 3)" in finding.message


@pytest.mark.parametrize("answered", ["third", "all"])
def test_legs_that_go_on_are_no_cycle(answered: str) -> None:
    telling, (_, _, third) = waiting_in_legs()
    telling.answer(third)
    code = gone_on(telling, "code", 2, "c")
    if answered == "all":
        telling.answer(code)
        telling.answer(gone_on(telling, "agent", 3, "a"))
    assert found(telling, "deadlock:cycle") == []


def test_a_leg_that_went_on_without_what_it_had_claimed_waits_for_nobody() -> None:
    telling, _ = waiting_in_legs()
    telling.answer(gone_on(telling, "code", 2, "c"))
    assert found(telling, "deadlock:cycle") == []


def test_an_answer_that_leaves_its_own_questions_open_waits_for_nobody() -> None:
    telling, (first, *_) = waiting()
    telling.answer(first)
    assert found(telling, "deadlock:cycle") == []


@pytest.mark.parametrize(("after", "severities"), [(1.5, ["warning"]), (0.5, [])])
def test_a_cycle_of_legs_is_judged_by_when_its_last_request_was_cancelled(after: float, severities: list[str]) -> None:
    now = 0.0
    telling, (*_, third) = waiting_in_legs(lambda: now)
    now = after
    telling.notify("agent", "to-server", "cancelled", requestId=int(str(third.message.id)))
    assert [finding.severity for finding in found(telling, "deadlock:cycle")] == severities


def test_a_long_chain_of_legs_is_followed_to_its_end() -> None:
    telling = Telling()
    request = telling.call("agent", 0)
    for number in range(1, 3000):
        request = telling.call("agent" if number == 2999 else f"s{number}", number, claimed(telling, request, f"c{number}"))
    (finding,) = found(telling, "deadlock:cycle")
    assert len(finding.frames) == 3000


def relayed(telling: Telling, ident: int, *, reached: bool = True, works: bool = True) -> Frame:
    """A call of an agent's tool that asks another server."""
    call = telling.request("agent", "to-server", ident, params={"name": "relay", "arguments": {"to": "x"}})
    if reached:
        asked = telling.request("agent", "to-client", f"s{ident}", params={"name": "clock__now"})
        telling.answer(asked) if works else telling.answer(asked, "error")
    telling.answer(call, isError=not works)
    return call


def test_a_tool_that_calls_nobody_since_one_server_failed_is_a_warning() -> None:
    telling = Telling()
    frames = [relayed(telling, 1), relayed(telling, 2, works=False), relayed(telling, 3, reached=False, works=False)]
    relayed(telling, 4, reached=False, works=False)
    (finding,) = found(telling, "routing:gave-up")
    assert (finding.severity, finding.frames) == ("warning", tuple(frame.seq for frame in frames))


def test_a_tool_that_goes_on_to_call_others_is_no_finding() -> None:
    telling = Telling()
    for ident, works in enumerate((True, False, True, False, False)):
        relayed(telling, ident, works=works)
    assert found(telling, "routing:gave-up") == []


@pytest.mark.parametrize(
    ("refusal", "warned"),
    [
        ({"reason": "limit", "limit": "hops"}, True),
        ({"reason": "limit", "limit": "deadline"}, False),
        ({"reason": "unknown-peer"}, False),
    ],
)
def test_peers_that_call_each_other_until_the_host_refuses_are_a_warning(refusal: dict[str, object], warned: bool) -> None:
    telling = Telling()
    call = telling.call("agent", 0, name="think")
    for number in range(1, 5):
        name = ("agent", "code")[number % 2]
        asked = telling.request(
            call.link, "to-client", f"s{number}", params={"name": f"{name}__think"}, meta={CAUSE_KEY: number - 1}
        )
        call = telling.call(name, number, by=asked, name="think")
    last = telling.request(call.link, "to-client", "last", params={"name": "code__think"}, meta={CAUSE_KEY: 4})
    telling.answer(last, "error", data=refusal)
    assert len(found(telling, "routing:endless")) == (1 if warned else 0)
