"""Names of a test: dotted, without what only chooses an event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from pytest_mcpsym.items import name_of, own_stem_of, stem_of

QUIET = [part for name in ("asyncio", "trio", "randomly", "syrupy") for part in ("-p", f"no:{name}")]
Collect = Callable[[str], dict[str, pytest.Item]]


def genitems(pytester: pytest.Pytester, *args: object) -> list[pytest.Item]:
    collected = cast("Callable[..., tuple[list[pytest.Item], object]]", getattr(pytester, "inline_genitems"))  # noqa: B009  # untyped
    return collected(*args)[0]


@pytest.fixture
def collect(pytester: pytest.Pytester) -> Collect:
    """Collect a module and return its tests by id."""

    def collect(text: str) -> dict[str, pytest.Item]:
        items = genitems(pytester, pytester.makepyfile(test_it=text), *QUIET)
        return {item.nodeid.partition("::")[2]: item for item in items}

    return collect


def test_classes_and_parameters_are_in_a_name(collect: Collect) -> None:
    items = collect("""
        import pytest
        class TestOuter:
            class TestInner:
                @pytest.mark.parametrize("x", [1])
                def test_it(self, x): pass
    """)
    assert name_of(items["TestOuter::TestInner::test_it[1]"]) == "TestOuter.TestInner.test_it[1]"


@pytest.mark.parametrize("fixture", ["anyio_backend", "event_loop_policy", "_asyncio_loop_factory"])
def test_parameters_that_choose_a_loop_are_not(collect: Collect, fixture: str) -> None:
    items = collect(f"""
        import pytest
        @pytest.fixture(params=["asyncio", "trio"])
        def {fixture}(request): pass
        @pytest.mark.parametrize("x", ["trio", "b"])
        def test_it({fixture}, x): pass
        def test_alone({fixture}): pass
    """)
    assert {name_of(item) for item in items.values()} == {"test_it[trio]", "test_it[b]", "test_alone"}


def test_an_id_that_the_user_gave_a_loop_is_not_either(collect: Collect) -> None:
    items = collect("""
        import pytest
        @pytest.mark.parametrize("anyio_backend", [pytest.param(("asyncio", {}), id="fast"), "trio"])
        def test_it(anyio_backend): pass
    """)
    assert {name_of(item) for item in items.values()} == {"test_it"}


def test_one_parametrize_of_several_names_keeps_its_id(collect: Collect) -> None:
    items = collect("""
        import pytest
        @pytest.mark.parametrize(("x", "y"), [(1, 2)])
        @pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
        def test_it(anyio_backend, x, y): pass
    """)
    assert {name_of(item) for item in items.values()} == {"test_it[1-2]"}


def test_a_file_of_one_loop_alone_names_the_loop(collect: Collect) -> None:
    items = collect("""
        import pytest
        @pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
        def test_it(anyio_backend): pass
    """)
    assert {own_stem_of(item) for item in items.values()} == {"test_it[asyncio]", "test_it[trio]"}
    assert {stem_of(item) for item in items.values()} == {"test_it"}


def test_a_name_is_told_apart_from_one_that_was_not_selected(collect: Collect, pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile(test_it="def test_it(): pass\ndef test_IT(): pass\n")
    items = genitems(pytester, f"{path}::test_it", *QUIET)
    assert stem_of(items[0]) != "test_it"


def test_methods_of_unittest_have_names_too(collect: Collect) -> None:
    items = collect("""
        import unittest
        class TestIt(unittest.TestCase):
            def test_it(self): pass
    """)
    assert [stem_of(item) for item in items.values()] == ["TestIt.test_it"]
