"""Which checks patterns select, and how wrong ones read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_mcpsym.checks import Check, Finding, Registry, View, check, gathered, select, wrong_selection


def made(ident: str) -> Check:
    @check(ident, severity="error", sentence="Nothing.", source="this test")
    def nothing(_: View) -> Iterator[Finding]:
        return iter(())

    return nothing


CHECKS = Registry(map(made, ["jsonrpc:one", "jsonrpc:two", "progress:late"]))


@pytest.mark.parametrize(
    ("patterns", "selected"),
    [
        ([], ["jsonrpc:one", "jsonrpc:two", "progress:late"]),
        (["progress:*", "jsonrpc:two"], ["jsonrpc:two", "progress:late"]),
        (["-jsonrpc:*"], ["progress:late"]),
        (["-jsonrpc:*", "jsonrpc:two"], ["jsonrpc:two", "progress:late"]),
        (["jsonrpc:*", "-jsonrpc:two"], ["jsonrpc:one"]),
        (["-*"], []),
        (["*"], ["jsonrpc:one", "jsonrpc:two", "progress:late"]),
    ],
)
def test_patterns_count_in_turn(patterns: list[str], selected: list[str]) -> None:
    assert list(select(CHECKS, patterns)) == selected


@pytest.mark.parametrize(
    ("pattern", "wrong"),
    [
        ("progress:late", ""),
        ("-*", ""),
        ("progress:lat", "'progress:lat' selects no check; did you mean 'progress:late'?"),
        ("-jsonrp:*", "'-jsonrp:*' selects no check; did you mean 'jsonrpc:*'?"),
        ("zzz:*", "'zzz:*' selects no check"),
        ("weather:progress:late", "'weather:progress:late' selects no check; checks run over all links, so leave the link out"),
        *[
            (
                pattern,
                f"{pattern!r} is no pattern for checks; they look like 'jsonrpc:unanswered', 'progress:*' or '-progress:*'",
            )
            for pattern in ("", "-", "progress", "progress:", ":late", 3)
        ],
    ],
)
def test_a_wrong_pattern_is_told_the_nearest_id(pattern: object, wrong: str) -> None:
    assert wrong_selection(CHECKS, [pattern]) == wrong


def test_a_project_adds_checks_to_the_default_ones() -> None:
    assert list(gathered(CHECKS, [made("house:rule")], "conftest.py")) == [*CHECKS, "house:rule"]


@pytest.mark.parametrize(
    ("added", "wrong"),
    [
        (len, r"conftest.py: len is no check; decorate it with @check\(...\) of pytest_mcpsym.checks"),
        (made("progress:late"), "conftest.py: there is a check 'progress:late' already; give yours another id"),
        (made("check:mine"), "conftest.py: check id 'check:mine': the family 'check' is taken; use one of your own"),
    ],
)
def test_what_is_no_new_check_is_refused(added: object, wrong: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{wrong}$"):
        gathered(CHECKS, [added], "conftest.py")
