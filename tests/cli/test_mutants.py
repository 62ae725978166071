"""`mcpsym mutants` as its user sees it."""

from __future__ import annotations

import json

import pytest

from pytest_mcpsym.cli import main


def test_the_table_says_which_check_names_a_mutant_where_and_after_how_many_frames(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "F07", "--era", "handshake", "--transport", "memory"]) == 0
    first, second, _, counts = capsys.readouterr().out.splitlines()
    assert first.startswith("F07  InventsTokens: Tells of the progress of calls that asked for none")
    assert second.startswith("     progress:unknown-token: handshake memory (")
    assert counts == "1 of 1 detected, 0 cannot exist, 0 false alarms on 2 healthy controls"


def test_json_has_one_object_for_each_session(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "IdsAsText", "--era", "modern", "--transport", "memory", "--json"]) == 0
    server, client, mutant = json.loads(capsys.readouterr().out)
    assert [(each["mutant"], each["peer"], each["findings"]) for each in (server, client)] == [
        (None, "Peer", []),
        (None, "Caller", []),
    ]
    assert (mutant["row"], mutant["mutant"], mutant["era"], mutant["transport"]) == ("F02", "IdsAsText", "modern", "memory")
    assert mutant["detected_by"] == "jsonrpc:id-type-changed"
    assert mutant["after_frames"] <= mutant["frames"]


def test_a_place_in_which_a_mutant_cannot_exist_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "F05", "--era", "modern", "--transport", "stdio"]) == 0
    out = capsys.readouterr().out
    assert "     cannot exist (one-client): modern stdio" in out
    assert "one-client: a process serves one client, so it confuses no two" in out
    assert main(["mutants", "F05", "--era", "modern", "--transport", "stdio", "--json"]) == 0
    *_, absent = json.loads(capsys.readouterr().out)
    assert (absent["row"], absent["not_applicable"], "findings" in absent) == ("F05", "one-client", False)


def test_random_runs_are_more_controls(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "F07", "--era", "handshake", "--transport", "memory", "--random", "2"]) == 0
    counts = capsys.readouterr().out.splitlines()[-1]
    assert counts == "1 of 1 detected, 0 cannot exist, 0 false alarms on 2 healthy controls and in 2 random runs"


@pytest.mark.parametrize(
    ("given", "says"),
    [("F99", "no row and no mutant 'F99'"), ("IdAsText", "did you mean IdsAsText?"), ("f07", "did you mean F07?")],
)
def test_a_row_that_does_not_exist_is_refused(given: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", given]) == 2
    assert says in capsys.readouterr().err
