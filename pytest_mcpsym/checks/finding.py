"""What a check is, and what it finds.

A check is a pure function from a `View` of a wire log to findings. `check` makes one out of a function and registers it
nowhere; a `Registry` is a frozen collection that names its checks outright, so no import decides what runs. A check that raises
hides nothing: it becomes a finding `check:crashed` beside all others. Pinned by `tests/checks/test_registry.py`.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from types import MappingProxyType
from typing import Final, Literal, TypeVar, cast

from pytest_mcpsym.checks.harness import Blameless
from pytest_mcpsym.wire.exchange import Correlation, Exchange, correlate
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.placement import Placements, place
from pytest_mcpsym.wire.route import Hop, Routes, routes
from pytest_mcpsym.wire.waiting import last_legs

__all__ = ["CRASHED", "Check", "Finding", "Registry", "Severity", "View", "check", "judge", "matches", "wrong_pattern"]

Severity = Literal["error", "warning"]
_Derived = TypeVar("_Derived")

CRASHED: Final = "check:crashed"
"""Check id of the finding that a check raised an exception."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One violated rule with the frames that prove it.

    Attributes:
        check: Id of the check: family and rule with one colon between them.
        severity: `error` fails a test that does not expect it; `warning` is reported.
        message: One sentence with link, method and id.
        frames: `seq` of each frame that proves it, in order of the log.
        link: Name of the link; empty where it concerns none.
        route: Text of the route on which it happened, such as `host > agent > code`, where there is one.
    """

    check: str
    severity: Severity
    message: str
    frames: tuple[int, ...]
    link: str
    route: str | None = None


class View:
    """A wire log with what checks ask of it, each derived once and only when it is asked for.

    The log must not grow while a view of it is in use.
    """

    def __init__(self, log: WireLog) -> None:
        self.log = log
        self._derived: dict[object, object] = {}

    def once(self, derive: Callable[[View], _Derived]) -> _Derived:
        """Return what a function makes of this view, made once for all checks that ask for it; it must not be changed."""
        try:
            return cast("_Derived", self._derived[derive])
        except KeyError:
            derived = self._derived[derive] = derive(self)
            return derived

    @cached_property
    def correlation(self) -> Correlation:
        """Exchanges and anomalies."""
        return correlate(self.log)

    @cached_property
    def placements(self) -> Placements:
        """What each frame was sent for."""
        return place(self.log, self.correlation)

    @cached_property
    def routes(self) -> Routes:
        """Who called whom."""
        return routes(self.log, self.correlation, self.placements)

    @cached_property
    def hops(self) -> tuple[Hop, ...]:
        """All hops of all routes, depth first."""
        return tuple(self.routes.walk())

    @cached_property
    def times(self) -> Mapping[int, float]:
        """When each entry was logged, by `seq`."""
        return {entry.seq: entry.time for entry in self.log}

    @cached_property
    def last_legs(self) -> Mapping[int, Exchange]:
        """The last leg of each call that has several, by `seq` of its first request."""
        return last_legs(self.correlation, self.placements)

    def concluded(self, exchange: Exchange) -> Exchange:
        """Return the last leg of a call, which is the call itself where it has one only."""
        return self.last_legs.get(exchange.request.seq, exchange)

    @cached_property
    def closings(self) -> Mapping[str, str]:
        """Who closed each closed link first: `host` or `peer`."""
        found: dict[str, str] = {}
        for note in self.log.notes:
            if note.channel == "close":
                found.setdefault(note.link, str(note.data.get("by")))
        return found

    @cached_property
    def servers(self) -> Mapping[str, str]:
        """The first link to the server of each link that was opened; one that is not here may be of any server."""
        found: dict[str, str] = {}
        for note in self.log.notes:
            if note.channel == "open":
                first = str(note.data.get("server", note.link))
                found[note.link] = found.get(first, first)
        return found

    @cached_property
    def closing(self) -> Mapping[str, int]:
        """Where the host began to close each link: `seq` of the note."""
        return {note.link: note.seq for note in self.log.notes if note.channel == "closing"}

    @cached_property
    def _callers(self) -> Mapping[int, tuple[int | None, str, str]]:
        """For each exchange of a hop, by `seq` of its request: the parent's, the caller, the callee."""
        found: dict[int, tuple[int | None, str, str]] = {}
        for root in self.routes:
            found[root.exchange.request.seq] = (None, root.caller, root.callee or root.caller)
        for hop in self.hops:
            seq = hop.exchange.request.seq
            for child in hop.children:
                found[child.exchange.request.seq] = (seq, child.caller, child.callee or child.caller)
            if hop.via is not None:
                found.setdefault(hop.via.request.seq, found[seq])
        return found

    def route(self, exchange: Exchange) -> str | None:
        """Return the text of the route on which an exchange happened, or `None` if it belongs to the link alone."""
        seq: int | None = exchange.request.seq
        if seq not in self._callers:
            owner, _ = self.placements.handling.get(seq, (None, "ambiguous"))
            seq = None if owner is None else owner.request.seq
        names: list[str] = []
        while seq is not None and seq in self._callers:
            seq, caller, callee = self._callers[seq]
            names += [callee] if seq is not None else [callee, caller]
        return " > ".join(reversed(names)) or None


@dataclass(frozen=True, slots=True)
class Check:
    """A rule and the function that finds its violations.

    Attributes:
        id: Family and rule with one colon between them.
        severity: Severity of its findings where they do not say otherwise.
        sentence: What the rule demands, in one sentence.
        source: Where the rule is written down.
        find: The function; pure.
        at_close: Whether only a log that grows no more can be judged by it.
    """

    id: str
    severity: Severity
    sentence: str
    source: str
    find: Callable[[View], Iterable[Finding]]
    at_close: bool = False

    def finding(
        self, message: str, frames: Iterable[Frame], link: str, route: str | None = None, severity: Severity | None = None
    ) -> Finding:
        """Return a finding of this check."""
        return Finding(self.id, severity or self.severity, message, tuple(frame.seq for frame in frames), link, route)


def check(
    ident: str, /, *, severity: Severity, sentence: str, source: str, at_close: bool = False
) -> Callable[[Callable[[View], Iterable[Finding]]], Check]:
    """Make a check out of a function.

    Raises:
        ValueError: The id does not have exactly one colon.

    Example:
        >>> @check("greeting:missing", severity="warning", sentence="Servers say hello.", source="house rule")
        ... def missing(view: View) -> Iterator[Finding]:
        ...     if not view.log.frames:
        ...         yield missing.finding("nobody said hello", (), "")
    """
    if ident.count(":") != 1 or not all(ident.split(":")):
        raise ValueError(f"check id {ident!r}: expected a family and a rule with one colon between them")
    return lambda find: Check(ident, severity, sentence, source, find, at_close)


class Registry(Mapping[str, Check]):
    """A frozen collection of checks by id, in the order given.

    Raises:
        ValueError: Two checks have one id.
    """

    __slots__ = ("_checks",)

    def __init__(self, checks: Iterable[Check] = ()) -> None:
        known: dict[str, Check] = {}
        for each in checks:
            if known.setdefault(each.id, each) is not each:
                raise ValueError(f"two checks have the id {each.id!r}")
        self._checks = MappingProxyType(known)

    def __getitem__(self, key: str) -> Check:
        return self._checks[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._checks)

    def __len__(self) -> int:
        return len(self._checks)

    def __repr__(self) -> str:
        return f"<Registry: {', '.join(self._checks)}>"


@contextmanager
def _nothing_collected() -> Generator[None]:
    """Pause the garbage collector: a view makes many objects and no garbage, and walking them again and again takes half the time."""
    paused = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if paused:
            if not gc.get_freeze_count():  # Makes them all old at once, so that they are not walked at the next allocation.
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def judge(log: WireLog, checks: Registry, *, closed: bool = True) -> tuple[Finding, ...]:
    """Run checks over a log; findings come in order of their last frames, and of the checks where those are the same.

    A log that is not `closed` may still grow, and is not judged by the checks that need its end.
    """
    view = View(log)
    found: list[Finding] = []
    with _nothing_collected():
        for each in checks.values():
            if each.at_close and not closed:
                continue
            try:
                found.extend(each.find(view))
            except Exception as error:  # noqa: BLE001  # whatever a check does wrong must not hide what the others found
                message = f"check {each.id} crashed: {type(error).__name__}: {error}"
                found.append(Finding(CRASHED, "error", message, (), ""))
    blameless = Blameless(log)
    found = [each for each in found if not blameless.excuses(each.check, each.frames, each.link)]
    return tuple(sorted(found, key=lambda finding: max(finding.frames, default=-1)))


def wrong_pattern(pattern: object) -> str:
    """Return what is wrong with a pattern for findings, nothing if it is one that `matches` takes."""
    if isinstance(pattern, str):
        parts = pattern.split(":")
        if all(parts) and len(parts) <= 3 and (len(parts) > 1 or "*" in pattern):
            return ""
    return f"{pattern!r} is no pattern for findings; they look like 'jsonrpc:unanswered', 'progress:*' or 'link:progress:*'"


def matches(pattern: str, finding: Finding) -> bool:
    """Say whether a pattern selects a finding.

    Args:
        pattern: A check id in which `*` stands for anything, with or without a link (or a pattern of links) and a colon before
            it: `progress:*` on all links, `weather:progress:*` on the link `weather`.
        finding: The finding.
    """
    link, _, rest = pattern.partition(":")
    if ":" in rest:
        return fnmatchcase(finding.link, link) and fnmatchcase(finding.check, rest)
    return fnmatchcase(finding.check, pattern)
