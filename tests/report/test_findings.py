"""Judging findings: who is spared, who is expected, what is shown and what never is."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from pytest_mcpsym.report.findings import PROOFS, SHOWN, FailOn, judge, one_line_each
from pytest_mcpsym.switchboard.host import Host
from pytest_mcpsym.switchboard.views import Views
from pytest_mcpsym.wire.frame import Direction
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.redact import Rules


class Talk:
    """A closed board whose log a test writes."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.log = WireLog(clock=lambda: 0.0)
        self.board = Views(self.log, Host(), rules or Rules())
        self.board.seal()

    def say(self, direction: Direction, link: str = "echo", **message: object) -> None:
        self.log.frame(link, direction, json.dumps({"jsonrpc": "2.0", **message}).encode())

    def unanswered(self, ident: int, link: str = "echo") -> None:
        self.say("to-server", link, id=ident, method="tools/call", params={"name": "say"})

    def twice(self, ident: int, link: str = "echo") -> None:
        self.unanswered(ident, link)
        self.say("to-client", link, id=ident, result={"content": []})
        self.say("to-client", link, id=ident, result={"content": []})

    def asked(self) -> None:
        """A request of the server that the host owes an answer: a warning."""
        self.say("to-client", id=1, method="roots/list")


def told(write: Callable[[Talk], None], **options: object) -> str:
    talk = Talk()
    write(talk)
    return judge([talk.board], **options).text  # pyright: ignore[reportArgumentType] - a test gives what judge takes


def test_a_log_without_findings_fails_nothing() -> None:
    verdict = judge([Talk().board])
    assert (verdict.failed, verdict.text) == (False, "")


@pytest.mark.parametrize(
    ("fail_on", "error", "warning"), [("error", True, False), ("warning", True, True), ("never", False, False)]
)
def test_the_least_severity_that_fails_is_chosen(fail_on: FailOn, error: bool, warning: bool) -> None:
    talk, other = Talk(), Talk()
    talk.unanswered(1)
    other.asked()
    assert judge([talk.board], fail_on=fail_on).failed is error
    assert judge([other.board], fail_on=fail_on).failed is warning


def test_what_fails_nothing_is_warned_of() -> None:
    talk = Talk()
    talk.asked()
    assert [finding.check for finding, _ in judge([talk.board]).warned] == ["jsonrpc:unanswered"]


@pytest.mark.parametrize("pattern", ["jsonrpc:unanswered", "jsonrpc:*", "echo:jsonrpc:unanswered", "e*:*:*", "*"])
def test_a_pattern_that_matches_spares(pattern: str) -> None:
    talk = Talk()
    talk.unanswered(1)
    assert not judge([talk.board], expected=[pattern]).failed
    assert judge([talk.board], ini=[pattern]).met == {pattern}


@pytest.mark.parametrize("pattern", ["jsonrpc:answered-twice", "other:jsonrpc:unanswered"])
def test_a_pattern_that_does_not_match_is_unmet(pattern: str) -> None:
    talk = Talk()
    talk.unanswered(1)
    verdict = judge([talk.board], expected=[pattern])
    assert (len(verdict.failing), verdict.unmet) == (1, (pattern,))


def test_an_unmet_pattern_is_left_for_later_where_the_last_word_is_not_spoken() -> None:
    assert judge([Talk().board], expected=["jsonrpc:*"], final=False).unmet == ()


def test_an_unmet_line_of_ini_fails_nothing() -> None:
    assert not judge([Talk().board], ini=["jsonrpc:*"]).failed


def test_a_finding_belongs_to_the_block_in_which_its_last_frame_was_logged() -> None:
    talk = Talk()
    talk.unanswered(1)
    with talk.board.expect("jsonrpc:answered-twice"):
        talk.twice(2)
    talk.twice(3)
    verdict = judge([talk.board])
    assert [(finding.check, finding.frames[0]) for finding, _ in verdict.failing] == [
        ("jsonrpc:unanswered", 0),
        ("jsonrpc:answered-twice", 4),
    ]


def test_what_was_judged_before_does_not_count_again_but_still_meets_expectations() -> None:
    talk = Talk()
    talk.unanswered(1)
    first = judge([talk.board])
    second = judge([talk.board], expected=["jsonrpc:unanswered"], known=first.judged)
    assert (second.failing, second.judged, second.unmet) == ((), (), ())


def test_equal_findings_of_two_boards_are_two() -> None:
    talks = [Talk(), Talk()]
    for talk in talks:
        talk.unanswered(1)
    first = judge([talks[0].board])
    assert len(judge([talk.board for talk in talks], known=first.judged).failing) == 1


def test_the_text_names_check_link_and_route_once() -> None:
    text = told(lambda talk: talk.unanswered(1))
    assert text.startswith("jsonrpc:unanswered on link 'echo': the server did not answer tools/call say (id 1)")
    assert "\n  route: host > echo\n" in text


def test_the_text_shows_the_proof_and_its_neighbours_on_the_link() -> None:
    def write(talk: Talk) -> None:
        for ident in range(5):
            talk.say("to-client", method="notifications/message", params={"data": ident})
            talk.say("to-server", "other", method="notifications/initialized")
        talk.twice(9)

    lines = told(write).split("\n\n")[0].splitlines()
    assert [line[:9] for line in lines[2:]] == ["    frame", "    frame", "  > frame", "  > frame", "  > frame"]
    assert not any("other" in line for line in lines)


def test_long_and_unprintable_frames_stay_on_one_short_line() -> None:
    def write(talk: Talk) -> None:
        talk.log.frame("echo", "to-client", b"\x1b[2J\n\xff" + b"x" * 100_000)

    lines = told(write).split("\n\n")[0].splitlines()
    assert "\x1b" not in "".join(lines)
    assert r"\x1b[2J\n\\xff" in lines[1]
    assert max(map(len, lines)) < 300


def test_many_findings_and_many_proofs_are_counted() -> None:
    def many(talk: Talk) -> None:
        for ident in range(SHOWN + 3):
            talk.unanswered(ident)

    def proofs(talk: Talk) -> None:
        talk.twice(1)
        for _ in range(PROOFS):
            talk.say("to-client", id=1, result={"content": []})

    assert "… 3 more findings" in told(many)
    assert "more findings" not in told(proofs)


def test_a_message_that_quotes_a_frame_quotes_it_redacted() -> None:
    def write(talk: Talk) -> None:
        talk.log.frame("echo", "to-client", b'{"authorization": "Bearer abcdefghijklmnop"')

    assert "abcdefghijklmnop" not in told(write)


def test_known_secrets_are_replaced_in_messages_and_frames() -> None:
    talk = Talk(Rules(secrets=(("password", "open-sesame-42"),)))
    talk.log.frame("echo", "to-client", b"logging in with open-sesame-42")
    verdict = judge([talk.board])
    assert "open-sesame-42" not in verdict.text
    assert "open-sesame-42" not in "".join(one_line_each(verdict.failing))


def test_the_text_ends_with_how_to_accept() -> None:
    text = told(lambda talk: talk.unanswered(1))
    assert text.endswith(
        "to accept: @pytest.mark.mcp(expect=['jsonrpc:unanswered']), or `with board.expect('jsonrpc:unanswered'):` around the call"
    )


def test_a_line_for_a_summary_has_no_frames() -> None:
    talk = Talk()
    talk.unanswered(1)
    (line,) = one_line_each(judge([talk.board]).failing)
    assert "\n" not in line
