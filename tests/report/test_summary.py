"""The end of a run, told from the reports of its tests."""

from __future__ import annotations

from pytest_mcpsym.report.summary import summary


def told(*links: str, warned: tuple[str, ...] = (), met: tuple[str, ...] = ()) -> dict[str, object]:
    return {"links": list(links), "warned": list(warned), "met_ini": list(met)}


def test_a_quiet_run_says_nothing() -> None:
    assert summary([told("echo")], []) == []


def test_warnings_are_told_once_in_order() -> None:
    assert summary([told(warned=("b", "a")), told(warned=("a",))], []) == ["warning: b", "warning: a"]


def test_a_line_of_ini_that_any_test_met_is_met() -> None:
    assert summary([told("echo"), told("echo", met=("jsonrpc:*",))], ["jsonrpc:*"]) == []


def test_a_line_of_ini_that_nothing_met_is_told() -> None:
    assert summary([told("echo")], ["jsonrpc:*"]) == [
        "warning: ini mcp_expect names 'jsonrpc:*', and no board of this run met it"
    ]


def test_a_line_of_ini_for_a_link_is_unmet_only_where_that_link_was() -> None:
    assert summary([told("echo")], ["weather:jsonrpc:*", "w*:jsonrpc:*"]) == []
    assert len(summary([told("weather")], ["weather:jsonrpc:*", "w*:jsonrpc:*"])) == 2


def test_a_run_without_boards_misses_nothing() -> None:
    assert summary([told()], ["jsonrpc:*"]) == []
