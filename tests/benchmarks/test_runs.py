"""The benchmarks run and print their table. Nothing here asserts a time: a test that did would test the machine."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("benchmarks", reason="benchmarks are no part of the wheel")

from benchmarks.command import BENCHMARKS, main
from benchmarks.paired import Pairs, paired, uncollected
from benchmarks.row import Effort, Row, Skipped
from benchmarks.samples import sample
from benchmarks.table import as_json, table
from pytest_mcpsym.wire.route import routes

TINY = Effort(rounds=2, calls=2, openings=1, starts=1, frames=20, large=1, installs=False)
GROWN = Row("growth", "a frame in 10", "a frame in 1", "none", "x", 1.25, 1.0, 2.0, 3, goal=1.5, cost=2.5e-6, other=2e-3)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_each_benchmark_prints_a_row_of_its_own(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name], effort=TINY) == 0
    assert f"| {name} " in capsys.readouterr().out


def test_several_names_give_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(["memory", "redaction"], effort=TINY)
    assert capsys.readouterr().out.count("| benchmark ") == 1


def test_rows_are_written_as_json_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.json"
    main(["redaction", "--json", str(path)], effort=TINY)
    assert {row["benchmark"] for row in json.loads(path.read_text())["rows"]} == {"redaction"}


def test_an_unknown_name_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["speed"], effort=TINY)
    assert "no benchmark 'speed'; there are call, face, startup" in capsys.readouterr().err


def test_the_two_sides_take_turns_after_one_warm_up_each() -> None:
    order: list[str] = []

    def side(name: str, cost: float) -> float:
        order.append(name)
        return cost

    pairs = paired(lambda: side("one", 3.0), lambda: side("other", 2.0), 3)
    assert ("".join(name[1] for name in order), pairs) == ("nt" + "nt" + "tn" + "nt", Pairs((3.0,) * 3, (2.0,) * 3))


def test_the_result_is_the_median_of_the_ratios_and_not_the_ratio_of_the_medians() -> None:
    row = Pairs((1.0, 4.0, 10.0), (1.0, 8.0, 2.0)).row("call", "one", "other", "async")
    assert (row.median, row.low, row.high) == (1.0, 0.5, 5.0)


def test_no_garbage_is_collected_while_a_side_is_measured() -> None:
    import gc

    with uncollected():
        measuring = gc.isenabled()
    assert (measuring, gc.isenabled()) == (False, True)


@pytest.mark.parametrize(("median", "met"), [(1.5, True), (1.51, False)])
def test_a_goal_is_met_up_to_and_with_its_number(median: float, met: bool) -> None:
    assert replace(GROWN, median=median).met is met


def test_the_table_shows_both_sides_the_goal_and_whether_it_is_met() -> None:
    cells = [cell.strip() for cell in table([GROWN]).splitlines()[2].strip("|").split("|")]
    assert cells == [
        "growth",
        "a frame in 10",
        "a frame in 1",
        "none",
        "1.25 x",
        "1.00 - 2.00",
        "3",
        "≤ 1.50",
        "yes",
        "2.5 µs",
        "2 ms",
    ]


def test_what_could_not_be_measured_is_in_the_json_with_its_reason() -> None:
    assert json.loads(as_json([], [Skipped("startup", "no pip")]))["skipped"] == [{"benchmark": "startup", "why": "no pip"}]


def test_a_sample_is_a_log_whose_routes_lead_through_the_agent() -> None:
    assert routes(sample(12)) == "host > (agent > everything) x2"
