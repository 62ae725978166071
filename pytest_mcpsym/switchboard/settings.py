"""What a board is opened with, resolved from ini, marker, command line and arguments before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_mcpsym.checks import DEFAULT, Registry
from pytest_mcpsym.faults.fault import Fault
from pytest_mcpsym.switchboard.target import Era
from pytest_mcpsym.switchboard.trail import Limits
from pytest_mcpsym.wire.redact import Rules

if TYPE_CHECKING:
    from pytest_mcpsym.replay.tapes import Tapes

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one board.

    Attributes:
        era: Era of links that name none.
        open_timeout: Seconds that a server may take to start and to answer the first request.
        call_timeout: Seconds that an answer may take, unless a call says otherwise.
        limits: What a route may spend.
        checks: What is looked for on the board.
        test: Name of the test that the board belongs to, `None` outside pytest.
        fail_on_findings: Whether closing raises on unexpected findings (outside pytest; inside, the plugin judges after the test).
        rules: What is secret beyond the defaults and the links' own credentials.
        tapes: The recordings of the test; `None` outside pytest, where nothing is recorded.
        faults: What is done to messages on purpose, by link, beside the links' own.
    """

    era: Era = "handshake"
    open_timeout: float = 20.0
    call_timeout: float = 60.0
    limits: Limits = field(default_factory=Limits)
    checks: Registry = field(default_factory=lambda: DEFAULT)
    test: str | None = None
    fail_on_findings: bool = True
    rules: Rules = field(default_factory=Rules)
    tapes: Tapes | None = None
    faults: Mapping[str, tuple[Fault, ...]] = field(default_factory=dict[str, "tuple[Fault, ...]"])
