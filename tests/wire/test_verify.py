"""What `wire/verify.py` promises: which frames of a live server belong to which recorded ones, and where they part."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

import pytest
from hypothesis import given

from pytest_mcpsym.wire.drift import DriftReport, Ignored
from pytest_mcpsym.wire.frame import parse
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.match import Difference, path_text
from pytest_mcpsym.wire.playback import Playback
from pytest_mcpsym.wire.redact import Redactor, Rules
from pytest_mcpsym.wire.script import scripts
from pytest_mcpsym.wire.verify import Drift, Verification
from tests.wire.strategies import conforming_logs, raw

Step = tuple[str, bytes]


def client(**message: object) -> Step:
    """Something the client says."""
    return "client", raw(**message)


def server(**message: object) -> Step:
    """Something the server says."""
    return "server", raw(**message)


def call(ident: object, **more: object) -> Step:
    """A call of the client."""
    return client(id=ident, method="tools/call", params={"name": "tool", **more})


def answer(ident: object, text: str = "fine") -> Step:
    """The server's answer to it."""
    return server(id=ident, result={"content": [{"type": "text", "text": text}]})


def log(text: str) -> Step:
    """A log message of the server."""
    return server(method="notifications/message", params={"level": "info", "data": text})


def progress(token: object, value: int) -> Step:
    """Progress of a call."""
    return server(method="notifications/progress", params={"progressToken": token, "progress": value})


TOKEN: dict[str, object] = {"_meta": {"progressToken": "t"}}


class Verified:
    """A client that does what was recorded, between a recording and a live server."""

    def __init__(self, recorded: Sequence[Step], rules: Rules | None = None) -> None:
        wire = WireLog()
        for side, data in recorded:
            wire.frame("a", "to-server" if side == "client" else "to-client", data)
        self._playback = Playback(scripts(wire)["a"], redact=Redactor(rules).data)
        self.verification = Verification(redact=Redactor(rules).data)
        self.told: list[bytes] = []
        for reply in self._playback.open():
            self.told += self.verification.recorded(reply)

    def run(self, *steps: Step) -> tuple[Drift, ...]:
        """Let the client and the live server say something, and return where that one drifted."""
        for side, data in steps:
            if side == "server":
                self.told += self.verification.live(data)
                continue
            outcome = self._playback.receive(data)
            if parse(data).kind != "request" or outcome.miss is None:
                self.told += self.verification.sent(data)
            for ident in outcome.failed:
                self.told += self.verification.refused(ident.decode())
            for reply in outcome.replies:
                self.told += self.verification.recorded(reply)
        return self.verification.finished()


def drifts(recorded: Sequence[Step], live: Sequence[Step]) -> list[str]:
    """Return the kind, label and paths of what drifted."""
    found = Verified(recorded).run(*live)
    return [" ".join([f"{one.kind}:", one.label, *(path_text(each.path) for each in one.differences)]) for one in found]


CALL = (call(1), answer(1))
LOGGED = (call(1), log("a"), log("b"), answer(1))
STEPS = (call(1, **TOKEN), progress("t", 1), progress("t", 2), answer(1))
ASKED = (
    call(1),
    server(id="s1", method="roots/list"),
    client(id="s1", result={"roots": []}),
    answer(1),
)


GARBAGE: tuple[Step, ...] = (call(1), ("server", b"garbage"), ("server", b"\xff"), answer(1))


@pytest.mark.parametrize(
    "recorded", [CALL, LOGGED, STEPS, ASKED, GARBAGE], ids=["call", "logged", "progress", "asked", "garbage"]
)
def test_a_server_that_says_the_same_again_does_not_drift(recorded: Sequence[Step]) -> None:
    assert drifts(recorded, recorded) == []


@pytest.mark.parametrize(
    ("recorded", "live", "found"),
    [
        (CALL, (call(7), answer(7, "bad")), ["differs: answer to tools/call tool result.content[0].text"]),
        (
            CALL,
            (call(7), server(id=7, error={"code": 1, "message": "no"})),
            ["differs: answer to tools/call tool result error"],
        ),
        (CALL, (call(7),), ["missing: answer to tools/call tool"]),
        (LOGGED, (call(1), log("b"), answer(1)), ["missing: notifications/message"]),
        (LOGGED, (call(1), log("a"), log("c"), answer(1)), ["differs: notifications/message params.data"]),
        (LOGGED, (call(1), log("a"), log("x"), log("b"), answer(1)), ["added: notifications/message"]),
        (LOGGED, (call(1), log("b"), log("a"), answer(1)), ["order: notifications/message"]),
        (STEPS, (call(1, **TOKEN), progress("t", 1), answer(1), progress("t", 2)), ["order: notifications/progress of tools/call tool"]),
        (STEPS, (call(1, **TOKEN), progress("t", 1), answer(1)), ["missing: notifications/progress of tools/call tool"]),
        (
            STEPS,
            (call(1, **TOKEN), progress("t", 1), progress("t", 9), answer(1)),
            ["differs: notifications/progress of tools/call tool params.progress"],
        ),
        (ASKED, (call(1), ASKED[2], answer(1)), ["missing: roots/list"]),
        (CALL, (call(1), server(id=3, method="roots/list"), answer(1)), ["added: roots/list"]),
        (CALL, (call(1), ("server", b"garbage"), answer(1)), ["added: something that is no JSON-RPC"]),
        (GARBAGE, (call(1), ("server", b"garbage"), answer(1)), ["missing: something that is no JSON-RPC"]),
    ],
    ids=[
        "answer", "error", "silent", "less", "other", "more", "swapped", "late",
        "less-progress", "other-progress", "asks-not", "asks-more", "garbage", "no-garbage",
    ],
)  # fmt: skip  # two lines read as the list that it is
def test_a_server_that_says_something_else_drifts(recorded: Sequence[Step], live: Sequence[Step], found: list[str]) -> None:
    assert drifts(recorded, live) == found


def test_a_request_of_the_server_gets_the_clients_answer_with_its_own_id() -> None:
    verified = Verified(ASKED)
    verified.run(call(1), client(id="s1", result={"roots": []}), server(id=99, method="roots/list"))
    assert json.loads(verified.told[-1]) == {"jsonrpc": "2.0", "id": 99, "result": {"roots": []}}


def test_the_answer_waits_for_the_client_where_the_server_is_quicker() -> None:
    verified = Verified(ASKED)
    verified.run(call(1), server(id=99, method="roots/list"))
    assert len(verified.told) == 1
    verified.run(client(id="s1", result={"roots": []}))
    assert json.loads(verified.told[-1])["id"] == 99


def test_a_request_that_was_not_recorded_is_refused_so_that_nobody_waits() -> None:
    verified = Verified(CALL)
    verified.run(call(1), server(id=99, method="sampling/createMessage", params={}))
    assert json.loads(verified.told[-1])["error"]["message"] == "mcp verify: the recorded server did not ask this"


def test_pings_of_the_server_are_answered_and_not_compared() -> None:
    verified = Verified(CALL)
    assert verified.run(call(1), server(id=99, method="ping"), answer(1)) == ()
    assert json.loads(verified.told[-1]) == {"jsonrpc": "2.0", "id": 99, "result": {}}


def test_a_cancelled_request_need_not_be_answered() -> None:
    cancel = client(method="notifications/cancelled", params={"requestId": 1})
    assert drifts((call(1), cancel), (call(1), cancel)) == []


def page(ident: object, cursor: str | None, following: str | None) -> tuple[Step, Step]:
    """A page of a list."""
    params = {} if cursor is None else {"params": {"cursor": cursor}}
    more = {} if following is None else {"nextCursor": following}
    return client(id=ident, method="tools/list", **params), server(id=ident, result={"tools": [], **more})


def test_the_server_gets_its_own_cursor_back() -> None:
    recorded = (*page(1, None, "b"), *page(2, "b", None))
    live = (*page(1, None, "x"), *page(2, "b", None))
    verified = Verified(recorded)
    assert verified.run(*live) == ()
    assert json.loads(verified.told[-1])["params"] == {"cursor": "x"}


def state(ident: object, given: str | None, found: dict[str, object]) -> tuple[Step, Step]:
    """A call that is begun, or gone on with."""
    more: dict[str, object] = {} if given is None else {"requestState": given, "inputResponses": {}}
    return call(ident, **more), server(id=ident, result=found)


def test_the_server_gets_its_own_request_state_back() -> None:
    asking: dict[str, object] = {"resultType": "input_required", "inputRequests": {}}
    done: dict[str, object] = {"content": []}
    recorded = (*state(1, None, {**asking, "requestState": "r"}), *state(2, "r", done))
    live = (*state(1, None, {**asking, "requestState": "l"}), *state(2, "r", done))
    verified = Verified(recorded)
    assert verified.run(*live) == ()
    assert json.loads(verified.told[-1])["params"]["requestState"] == "l"


def test_what_differs_and_is_sent_back_is_the_servers_own() -> None:
    recorded = (call(1), answer(1, "note-17"), call(2, arguments={"id": "note-17"}), answer(2, "note-17"))
    live = (call(1), answer(1, "note-18"), call(2, arguments={"id": "note-17"}), answer(2, "note-18"))
    verified = Verified(recorded)
    assert verified.run(*live) == ()
    assert json.loads(verified.told[-1])["params"]["arguments"] == {"id": "note-18"}


def test_a_secret_of_the_server_is_in_no_difference() -> None:
    rules = Rules(secrets=(("mine", "s3cr3t-value"),))
    verified = Verified((call(1), answer(1, "nothing")), rules)
    (found,) = verified.run(call(1), answer(1, "key s3cr3t-value"))
    assert [each.sent for each in found.differences] == ['"key <mine:1>"']


def test_concurrent_calls_may_speak_in_any_order() -> None:
    recorded = (call(1), call(2), log("a"), log("b"), answer(1), answer(2))
    live = (call(1), call(2), log("b"), answer(2), log("a"), answer(1))
    assert drifts(recorded, live) == []


def test_equal_calls_at_once_may_be_answered_in_any_order() -> None:
    recorded = (call(1), call(2), answer(1, "one"), answer(2, "two"))
    live = (call(1), call(2), answer(2, "one"), answer(1, "two"))
    assert drifts(recorded, live) == []
    assert drifts(recorded, (*live[:2], answer(1, "two"), answer(2, "three"))) == [
        "differs: answer to tools/call tool result.content[0].text"
    ]
    in_turn = (call(1), answer(1, "one"), call(2), answer(2, "two"))
    assert len(drifts(in_turn, (call(1), answer(1, "two"), call(2), answer(2, "one")))) == 2


def test_what_a_server_says_in_its_own_time_has_no_order() -> None:
    recorded = (call(1), answer(1), log("own"), call(2), log("a"), answer(2))
    live = (call(1), answer(1), call(2), log("a"), log("own"), answer(2))
    assert drifts(recorded, live) == []
    assert drifts(LOGGED, (call(1), log("a"), answer(1), log("b"))) == []


DIFFERS = Drift("differs", "answer to tools/call tool", 7, (Difference(("result", "content", 0, "text"), '"a"', '"b"'),))
ADDED = Drift("added", "notifications/message", None)


@pytest.mark.parametrize(
    ("line", "ignores"),
    [
        ("result.content[0].text", [DIFFERS]),
        ("result.content[*].text", [DIFFERS]),
        ("result.content*", [DIFFERS]),
        ("result.content[*]", []),
        ("result.content", []),
        ("tools/call tool result.*", [DIFFERS]),
        ("tools/call t* result.*", [DIFFERS]),
        ("tools/call other result.*", []),
        ("weather: result.*", [DIFFERS]),
        ("traffic: result.*", []),
        ("weather: tools/call tool *", [DIFFERS]),
        ("notifications/message *", [ADDED]),
        ("notifications/message params.data", []),
        ("*", [DIFFERS, ADDED]),
    ],
)
def test_a_line_says_what_is_no_difference(line: str, ignores: list[Drift]) -> None:
    assert [one for one in (DIFFERS, ADDED) if Ignored.of(line).left("weather", one) is None] == ignores


def test_only_what_is_named_is_left_out() -> None:
    other = Difference(("result", "isError"), "false", "true")
    both = replace(DIFFERS, differences=(*DIFFERS.differences, other))
    assert Ignored.of("result.content*").left("weather", both) == replace(DIFFERS, differences=(other,))


def test_a_server_that_is_lost_is_always_told() -> None:
    lost = Drift("lost", "gone", None)
    assert Ignored.of("*").left("weather", lost) is lost


@pytest.mark.parametrize("line", ["content[0].text", "tools/call", "weather:", "resultx"])
def test_a_line_that_ends_in_no_path_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="ends in no JSON path"):
        Ignored.of(line)


def test_what_was_lost_is_the_first_line_and_what_is_missing_is_not_told() -> None:
    verified = Verified(LOGGED)
    verified.verification.ended = "the server is gone"
    (found,) = verified.run(call(1))
    assert (found.kind, found.label) == ("lost", "the server is gone")


def test_the_report_says_where_and_what_to_do() -> None:
    verified = Verified(LOGGED)
    found = verified.run(call(1), log("a"), log("c"), answer(1, "bad"), server(method="notifications/tools/list_changed"))
    report = DriftReport(found, "test_it", "weather", "recordings/test_it.jsonl", "pytest --mcp-rerecord -k test_it")
    assert str(report).splitlines() == [
        "mcp verify: weather does not answer as recorded in test_it",
        "  notifications/message              recordings/test_it.jsonl:4   1 field differs",
        '      params.data   recorded "b"   live "c"',
        "  answer to tools/call tool          recordings/test_it.jsonl:5   1 field differs",
        '      result.content[0].text   recorded "fine"   live "bad"',
        "  notifications/tools/list_changed   not recorded",
        "to accept: pytest --mcp-rerecord -k test_it",
        "if it differs each time, ini mcp_verify_ignore:",
        "    weather: notifications/message params.data",
        "    weather: tools/call tool result.content[0].text",
        "    weather: notifications/tools/list_changed *",
    ]


SPACED = Drift("differs", "answer to tools/call my  tool", 7, (Difference(("result", "my key"), '"a"', '"b"'),))


MANY = Drift(
    "differs",
    "answer to tools/call tool",
    7,
    tuple(Difference(("result", "issues", n, "title"), '"a"', '"b"') for n in range(9)),
)
ALL = Drift("differs", "answer to tools/call tool", 7, tuple(Difference(("result", f"m{n}"), '"a"', '"b"') for n in range(9)))


@pytest.mark.parametrize("drift", [DIFFERS, ADDED, SPACED, MANY, ALL])
def test_the_line_that_the_report_shows_silences_what_it_is_shown_for(drift: Drift) -> None:
    lines = list(Ignored.lines("weather", drift))
    assert len(lines) == 1
    assert all(Ignored.of(line).left("weather", drift) is None for line in lines)
    assert all(Ignored.of(line).left("traffic", drift) is drift for line in lines)


@given(conforming_logs(dropped=True))
def test_whatever_a_server_said_it_does_not_drift_by_saying_it_again(log: WireLog) -> None:
    for link in log.links:
        steps = [("client" if frame.direction == "to-server" else "server", frame.data) for frame in log.on(link)]
        assert not steps or Verified(steps).run(*steps) == ()


@given(conforming_logs(dropped=True, garbage=True), conforming_logs(dropped=True, garbage=True))
def test_no_frame_of_a_server_breaks_a_verification(log: WireLog, other: WireLog) -> None:
    clients = [("client", frame.data) for frame in log.frames if frame.direction == "to-server"]
    servers = [("server", frame.data) for frame in other.frames if frame.direction == "to-client"]
    recorded = [("client" if frame.direction == "to-server" else "server", frame.data) for frame in log.on("a")]
    verified = Verified(recorded or CALL)
    for drift in verified.run(*[step for pair in zip_longest(clients, servers) for step in pair if step is not None]):
        assert str(DriftReport([drift], "t", "a", "f", "x"))
