"""What both faces of a board show: read-only views, all computed from the wire log."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from pytest_mcpsym.checks import DEFAULT, Finding, Registry, run, wrong_pattern
from pytest_mcpsym.errors import UnexpectedPrompt, UsageError
from pytest_mcpsym.switchboard.host import Host, Scripted
from pytest_mcpsym.wire.context import Context, context
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.normalise import normalise
from pytest_mcpsym.wire.redact import Redactor, Rules, redact
from pytest_mcpsym.wire.render import render
from pytest_mcpsym.wire.route import Routes, routes
from pytest_mcpsym.wire.usage import Usage, usage

__all__ = ["Expectation", "Views"]


@dataclass(slots=True)
class Expectation:
    """A block of `board.expect(...)`.

    Attributes:
        pattern: Which findings are expected: a check id with `*`, optionally after `link:`.
        start: Length of the log when the block was entered.
        end: Length of the log when it was left, `None` while it is open.
        met: Whether a finding met it.
    """

    pattern: str
    start: int
    end: int | None = None
    met: bool = False

    def covers(self, finding: Finding) -> bool:
        """Whether the finding's last frame was logged inside the block."""
        last = max(finding.frames, default=-1)
        return self.start <= last and (self.end is None or last < self.end)


class Views(Scripted):
    """The read-only side of a board. Every view redacts nothing but `transcript`, which people read."""

    def __init__(self, log: WireLog, host: Host, rules: Rules, checks: Registry = DEFAULT) -> None:
        super().__init__(host)
        self._log = log
        self._rules = rules
        self._checks = checks
        self._closed = False
        self._expectations: list[Expectation] = []
        self._judged: tuple[tuple[int, bool], tuple[Finding, ...]] | None = None

    @property
    def log(self) -> WireLog:
        """The wire log, as it is now."""
        return self._log

    @property
    def routes(self) -> Routes:
        """The routes so far; compare them with text: `board.routes == "host > agent > everything"`."""
        return routes(self._log)

    @property
    def context(self) -> Context:
        """The bytes that a model would have been shown so far, call by call, and about how many tokens they are.

        `board.context.of("host")` is what entered the context of whoever drives the board.
        """
        return context(WireLog(self._log))

    @property
    def usage(self) -> Usage:
        """What each peer and each route used so far: context and listed tools; calls, depth and fan-out. `str()` is a table."""
        return usage(WireLog(self._log))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the checks find in the log as it is now; what only closing can show (a request never answered) is not asked before."""
        size = len(self._log)
        if self._judged is None or self._judged[0] != (size, self._closed):
            self._judged = ((size, self._closed), run(WireLog(self._log), self._checks, closed=self._closed))
        return self._judged[1]

    @property
    def closed(self) -> bool:
        """Whether the board was closed."""
        return self._closed

    @property
    def rules(self) -> Rules:
        """What is secret on this board, for whoever shows its log to people."""
        return self._rules

    @property
    def checks(self) -> Registry:
        """What is looked for on this board."""
        return self._checks

    @property
    def expectations(self) -> tuple[Expectation, ...]:
        """The `expect` blocks entered so far."""
        return tuple(self._expectations)

    def transcript(self, *, normalised: bool = True) -> str:
        """Return the log as text that a person can read, secrets replaced.

        Args:
            normalised: In canonical order with stable ids, as snapshots are; else as it happened, side channels included.
        """
        log = redact(WireLog(self._log), self._rules)
        return render(normalise(log)) if normalised else render(log, side_channels=True)

    @contextmanager
    def expect(self, pattern: str) -> Generator[None]:
        """Expect a finding inside this block; without one the test fails.

        Args:
            pattern: A check id, in which `*` stands for anything, optionally after a link's name: `progress:after-result`,
                `progress:*`, `weather:progress:*`.

        Raises:
            UsageError: The pattern selects no findings.
        """
        wrong = wrong_pattern(pattern)
        if wrong:
            raise UsageError(wrong)
        expectation = Expectation(pattern, len(self._log))
        self._expectations.append(expectation)
        try:
            yield
        finally:
            expectation.end = len(self._log)

    def take_missed(self) -> UnexpectedPrompt | None:
        """Return, once, the prompts that the scripted model had no answer to."""
        text = self._host.model.take_missed()
        if not text:
            return None
        redactor = Redactor(self._rules)
        redactor.log(WireLog(self._log))  # It learns from the log what is secret.
        return UnexpectedPrompt(redactor.text(text))

    def seal(self) -> None:
        """Say that nothing more will be logged. Called by the opener, when opening failed."""
        self._closed = True

    def refuse_open(self) -> None:
        """Refuse to be compared while the log still grows.

        Raises:
            UsageError: The board is open.
        """
        if not self._closed:
            raise UsageError(
                f"this board is still open and its log still grows; close it first: {self._close_hint}, or leave its block"
            )

    def __eq__(self, other: object) -> bool:
        """Leave the comparison to the other side (a snapshot), once the log cannot grow any more."""
        if self is other:
            return True
        if type(other).__name__ == "SnapshotAssertion":
            self.refuse_open()
        return NotImplemented

    __hash__ = object.__hash__

    _close_hint = "board.close()"
