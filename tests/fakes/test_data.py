"""Fake data is seeded per server, and a missing extra is one line."""

from __future__ import annotations

import subprocess
import sys

import pytest
from faker import Faker

from fake_servers import code_mode, everything
from fake_servers.data import MissingExtra, seeded


def test_the_same_seed_gives_the_same_data() -> None:
    assert seeded("x", 3).name() == seeded("x", 3).name()


def test_another_seed_gives_other_data() -> None:
    assert [seeded("x", seed).paragraph() for seed in (1, 2)] == [seeded("x", 1).paragraph(), seeded("x", 2).paragraph()]
    assert seeded("x", 1).paragraph() != seeded("x", 2).paragraph()


def test_two_servers_do_not_share_their_randomness() -> None:
    one, other = seeded("x", 3), seeded("x", 3)
    one.name()
    assert other.name() == seeded("x", 3).name()


def test_a_fake_leaves_the_shared_faker_alone() -> None:
    Faker.seed(11)
    expected = Faker().name()
    Faker.seed(11)
    everything(seed=5)
    assert Faker().name() == expected


def test_a_fake_whose_extra_is_missing_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faker", None)
    with pytest.raises(MissingExtra) as refusal:
        everything()
    assert str(refusal.value) == "the fake 'everything' needs Faker: pip install 'pytest-mcpsym[fakes]'"


def test_a_fake_whose_interpreter_is_missing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("runs", "sandbox"):
        monkeypatch.delitem(sys.modules, f"fake_servers.code_mode.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "pydantic_monty", None)
    with pytest.raises(MissingExtra) as refusal:
        code_mode()
    assert str(refusal.value) == "the fake 'code_mode' needs Monty: pip install 'pytest-mcpsym[fakes]'"


@pytest.mark.parametrize("package", ["faker", "pydantic_monty"])
def test_importing_the_fakes_imports_no_package_of_the_extra(package: str) -> None:
    code = f"import sys, fake_servers; print({package!r} in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "False\n"


def test_the_agent_needs_no_extra() -> None:
    code = (
        "import sys; sys.modules.update(faker=None, pydantic_monty=None); from fake_servers import agent; print(agent().name)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "agent\n"
