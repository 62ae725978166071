"""The peer that faults are done to: a healthy one, on each transport, in each era."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fake_servers.mutants import Peer, carriers
from fake_servers.mutants.carriers import Carried
from pytest_mcpsym import LinkSpec, link
from pytest_mcpsym.switchboard.target import Era

Reached = Callable[..., LinkSpec]
"""Describes a link: (a transport, with `modern-` before it for that era; faults)."""


@pytest.fixture
def reached() -> Reached:
    def at(way: str, *faults: str) -> LinkSpec:
        era: Era = "modern" if way.startswith("modern") else "handshake"
        if way == "stdio":
            script = Path(carriers.__file__).parent / "__main__.py"
            return link(shlex.join([sys.executable, str(script), "Peer"]), faults=faults, era=era)
        carried = Carried(Peer())
        return link(carried if way.endswith("memory") else carried.app, faults=faults, era=era)

    return at
