"""Checks as values: making, collecting, running and selecting them."""

from __future__ import annotations

import gc
from collections.abc import Iterator, MutableMapping

import pytest

from pytest_mcpsym.checks import DEFAULT, Finding, Registry, View, check, matches, run
from pytest_mcpsym.wire.log import WireLog
from tests.wire.strategies import Telling


@check("house:rule", severity="warning", sentence="Frames are short.", source="this test")
def short(view: View) -> Iterator[Finding]:
    for frame in view.log.frames:
        yield short.finding("too long", (frame,), frame.link)


@check("house:broken", severity="error", sentence="Nothing is divided by zero.", source="this test")
def broken(view: View) -> Iterator[Finding]:
    yield broken.finding("before", (), "")
    raise ZeroDivisionError("oh")


def test_a_check_that_raises_is_a_finding_and_hides_no_other() -> None:
    telling = Telling()
    telling.call("a", 1)
    found = run(telling.log, Registry([broken, short]))
    assert [finding.check for finding in found] == ["house:broken", "check:crashed", "house:rule"]
    assert found[1].message == "check house:broken crashed: ZeroDivisionError: oh"


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_as_it_was_after_a_log_was_judged(enabled: bool) -> None:
    seen: list[bool] = []

    @check("house:gc", severity="error", sentence="Nothing.", source="this test")
    def look(_: View) -> Iterator[Finding]:
        seen.append(gc.isenabled())
        return iter(())

    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        run(WireLog(), Registry([look, broken]))
        assert (seen, gc.isenabled()) == ([False], enabled)
    finally:
        (gc.enable if before else gc.disable)()


@pytest.mark.parametrize("ident", ["", "rule", "a:b:c", ":b", "a:"])
def test_a_check_id_has_exactly_one_colon(ident: str) -> None:
    with pytest.raises(ValueError, match="one colon"):
        check(ident, severity="error", sentence="", source="")


def test_two_checks_of_one_id_are_refused() -> None:
    other = check("house:rule", severity="error", sentence="", source="")(short.find)
    with pytest.raises(ValueError, match="house:rule"):
        Registry([short, other])


def test_a_registry_cannot_be_changed() -> None:
    assert not isinstance(Registry([short]), MutableMapping)


def test_a_view_derives_what_it_is_asked_for_once() -> None:
    view = View(Telling().log)
    assert view.correlation is view.correlation
    assert view.routes is view.routes


@pytest.mark.parametrize("ident", list(DEFAULT))
def test_each_default_check_states_its_rule_and_source(ident: str) -> None:
    assert DEFAULT[ident].sentence.endswith(".")
    assert "https://" in DEFAULT[ident].source


@pytest.mark.parametrize("ident", list(DEFAULT))
def test_each_default_check_finds_nothing_in_an_empty_log(ident: str) -> None:
    assert run(WireLog(), Registry([DEFAULT[ident]])) == ()


@pytest.mark.parametrize(
    ("pattern", "selects"),
    [
        ("progress:late", True),
        ("progress:*", True),
        ("*:late", True),
        ("*", True),
        ("*:*", True),
        ("weather:progress:*", True),
        ("weather:*:*", True),
        ("*:progress:late", True),
        ("progress", False),
        ("progress:l", False),
        ("clock:progress:*", False),
        ("weather:jsonrpc:*", False),
        ("PROGRESS:*", False),
        ("weather:progress:late:x", False),
        ("", False),
    ],
)
def test_a_pattern_selects_by_check_and_optionally_by_link(pattern: str, selects: bool) -> None:
    assert matches(pattern, Finding("progress:late", "error", "", (), "weather")) is selects


def test_what_several_checks_derive_from_a_view_is_derived_once() -> None:
    telling = Telling()
    telling.call("echo", 1)
    times: list[View] = []

    def derived(view: View) -> tuple[str, ...]:
        times.append(view)
        return view.log.links

    view = View(telling.log)
    assert view.once(derived) is view.once(derived)
    assert times == [view]
