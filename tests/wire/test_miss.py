"""What `wire/miss.py` promises: a report that a person can act on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_mcpsym.wire.match import Difference
from pytest_mcpsym.wire.miss import Miss, MissReason, MissReport

FILE = "recordings/test_trip/test_plan_trip.weather.jsonl"
DAYS = Difference(("params", "arguments", "days"), "3", "5")
MISS = Miss("unknown", "tools/call forecast", '{"city": "Oslo", "days": 5}', 7, (DAYS,), 2, 4, "tools/call alerts")


def _report(miss: Miss, test: str = "test_plan_trip") -> str:
    return str(MissReport(miss, test, "weather", FILE))


def test_the_report_shows_request_nearest_recording_and_what_to_do() -> None:
    assert (
        _report(MISS)
        == """\
mcp replay miss in test_plan_trip · host → weather
  tools/call forecast   {"city": "Oslo", "days": 5}
  closest recording     recordings/test_trip/test_plan_trip.weather.jsonl:7   1 field differs
      params.arguments.days   recorded 3   sent 5
  2 of 4 exchanges played; next expected: tools/call alerts
to accept: pytest --mcp-rerecord -k test_plan_trip"""
    )


def test_a_method_that_nothing_recorded_has_is_said_so() -> None:
    report = _report(Miss("unknown", "prompts/get hello", "", None, (), 4, 4, None))
    assert report.splitlines()[1:4] == [
        "  prompts/get hello",
        "  closest recording   none: nothing recorded asks prompts/get",
        "  4 of 4 exchanges played; all were played",
    ]


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("played", ":7   the same, but it was played already"),
        ("early", ":7   the same, but recorded after tools/call alerts"),
        ("state", ":7   1 field differs"),
        ("secret", ":7   1 field differs: secrets that were different are the same, or the other way round"),
    ],
)
def test_each_reason_is_said(reason: MissReason, says: str) -> None:
    assert _report(replace(MISS, reason=reason)).splitlines()[2].endswith(says)


def test_an_answer_is_held_against_the_recorded_answer() -> None:
    text = Difference(("result", "content", "text"), '"yes"', '"no"')
    lines = _report(Miss("answer", "answer to sampling/createMessage", "", 8, (text,), 1, 1, None)).splitlines()
    assert lines[1:4] == [
        "  answer to sampling/createMessage",
        f"  recorded answer                    {FILE}:8   1 field differs",
        '      result.content.text   recorded "yes"   sent "no"',
    ]


def test_columns_of_differences_are_aligned_and_what_is_not_there_is_nothing() -> None:
    more = (DAYS, Difference(("params", "arguments", "unit"), None, '"c"'))
    assert _report(replace(MISS, differences=more)).splitlines()[2:5] == [
        f"  closest recording     {FILE}:7   2 fields differ",
        "      params.arguments.days   recorded 3         sent 5",
        '      params.arguments.unit   recorded nothing   sent "c"',
    ]


def test_long_values_are_shown_where_they_part() -> None:
    long = Difference(("a",), f'"{"x" * 500}1{"y" * 500}"', f'"{"x" * 500}2{"y" * 500}"')
    line = _report(replace(MISS, differences=(long,))).splitlines()[3]
    assert (f"recorded …{'x' * 20}1yyy" in line, f"sent …{'x' * 20}2yyy" in line, len(line) < 200) == (True, True, True)


def test_many_differences_are_counted() -> None:
    lines = _report(replace(MISS, differences=(DAYS,) * 13)).splitlines()
    assert (lines[2].endswith("   13 fields differ"), lines[13]) == (True, "      … 3 more")


def test_a_long_request_is_cut() -> None:
    assert len(_report(replace(MISS, shown="x" * 1000)).splitlines()[1]) < 250


def test_the_command_names_a_parametrised_test_without_its_parameters() -> None:
    assert _report(MISS, "test_plan[a-b]").endswith("-k test_plan")
