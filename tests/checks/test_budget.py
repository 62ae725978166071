"""Limits of what peers and routes use: each is a finding of its own check, and none without a limit."""

from __future__ import annotations

import pytest

from pytest_mcpsym.checks import DEFAULT, Budget, Finding, limited, run
from tests.wire.strategies import Telling
from tests.wire.test_upstream import busy
from tests.wire.test_usage import MIXED, deep_and_wide, listed

ALL = Budget(1, 1, 1, 1, 1)


def told(telling: Telling, limits: Budget, *, closed: bool = True) -> list[Finding]:
    found = run(telling.log, limited(DEFAULT, limits), closed=closed)
    return [each for each in found if each.check.startswith("budget:")]


def all_at_once() -> Telling:
    """Passes each limit of one."""
    telling = deep_and_wide()
    listed(telling, "a", "x", "y")
    telling.answer(telling.call("a", 9), content=[{"type": "text", "text": MIXED}])
    return telling


def test_each_limit_has_a_check() -> None:
    found = told(all_at_once(), ALL)
    assert {each.severity for each in found} == {"error"}
    assert {each.check.partition(":")[2] for each in found} == {
        "context",
        "tools-listed",
        "depth",
        "fan-out",
        "inlined",
    }


def test_without_limits_nothing_is_found() -> None:
    assert told(all_at_once(), Budget()) == []


def test_nothing_is_found_while_the_log_may_grow() -> None:
    assert told(all_at_once(), ALL, closed=False) == []


@pytest.mark.parametrize(
    ("limits", "passed"),
    [
        (Budget(context_tokens=30), Budget(context_tokens=29)),
        (Budget(listed_tools=2), Budget(listed_tools=1)),
        (Budget(depth=3), Budget(depth=2)),
        (Budget(fan_out=2), Budget(fan_out=1)),
        (Budget(inlined_bytes=120), Budget(inlined_bytes=119)),
    ],
)
def test_what_reaches_a_limit_is_within_it(limits: Budget, passed: Budget) -> None:
    assert told(all_at_once(), limits) == []
    (finding,) = told(all_at_once(), passed)
    assert finding.frames
    assert finding.link == ("c" if passed.depth else "b" if passed.fan_out else "a")


def test_other_checks_stay_as_they_are() -> None:
    before = limited(DEFAULT, ALL)
    assert list(before) == list(DEFAULT)
    assert all(before[each] is DEFAULT[each] for each in DEFAULT if not each.startswith("budget:"))


def test_a_resource_that_the_host_reads_is_not_inlined() -> None:
    telling = Telling()
    read = telling.request("a", "to-server", 1, "resources/read", {"uri": "x:y"})
    telling.answer(read, contents=[{"uri": "x:y", "blob": MIXED}])
    assert told(telling, Budget(inlined_bytes=1)) == []


def test_a_call_of_an_http_api_may_be_the_one_too_deep() -> None:
    found = [each for each in run(busy(), limited(DEFAULT, Budget(depth=1))) if each.check == "budget:depth"]
    assert [each.link for each in found] == ["api", "api"]
    assert all(each.message.isprintable() for each in found)


def test_what_a_peer_names_is_shown_in_printable_text() -> None:
    telling = Telling()
    telling.answer(telling.call("a", 1, name="x\x1b[2J"), content=[{"type": "text", "text": MIXED}])
    assert all(each.message.isprintable() for each in told(telling, ALL))
