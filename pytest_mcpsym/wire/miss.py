"""The miss report: what was asked, what was recorded nearest to it, where they part, and how to accept it.

    mcp replay miss in test_plan_trip · host → weather
      tools/call forecast   {"city": "Oslo", "days": 5}
      closest recording     recordings/test_trip/test_plan_trip.weather.jsonl:7   1 field differs
          params.arguments.days   recorded 3   sent 5
      2 of 4 exchanges played; next expected: tools/call alerts
    to accept: pytest --mcp-rerecord -k test_plan_trip

It shows what it is given, so what it is given must be redacted. Pinned by `tests/wire/test_miss.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pytest_mcpsym.wire.match import Difference, path_text

__all__ = ["Miss", "MissReason", "MissReport", "places"]

MissReason = Literal["unknown", "played", "early", "state", "secret", "answer"]
"""Why there is no answer:

* `unknown`: no recorded request means the same
* `played`: all that mean the same were played already
* `early`: it is recorded, but after a request that was not asked yet
* `state`: `requestState` or `continuation` is the one of another recorded request
* `secret`: two secrets that were different when recording are the same now, or the other way round
* `answer`: the client answered a request of the server with something else than was recorded
"""


@dataclass(frozen=True, slots=True)
class Miss:
    """A message that the recording does not answer.

    Attributes:
        reason: Why.
        label: What was sent, as in `tools/call forecast`.
        shown: Its arguments as JSON for people.
        line: Line of the nearest recorded message; `None` if none has the same method.
        differences: Where the two part.
        played: How many recorded exchanges were played so far.
        total: How many there are; what is optional counts in neither number.
        next: Label of the first one that was not played; `None` if all were.
    """

    reason: MissReason
    label: str
    shown: str
    line: int | None
    differences: tuple[Difference, ...]
    played: int
    total: int
    next: str | None


_LONGEST_REQUEST: Final = 200
_LONGEST_VALUE: Final = 60
_BEFORE_DIFFERENCE: Final = 20
_MOST_DIFFERENCES: Final = 10


@dataclass(frozen=True, slots=True)
class MissReport:
    """A miss with all that a person needs; `str()` is the report.

    Attributes:
        miss: What was missed.
        test: Name of the test.
        link: Name of the link.
        file: Path of the recording as it is to be shown.
        caller: Who asked.
        accept: The command that accepts the new request.
    """

    miss: Miss
    test: str
    link: str
    file: str
    caller: str = "host"
    accept: str | None = None

    def __str__(self) -> str:
        """Return the report, without a newline at its end."""
        miss = self.miss
        answer = miss.reason == "answer"
        rows = [
            (miss.label, [_cut(miss.shown, _LONGEST_REQUEST)] if miss.shown else []),
            ("recorded answer" if answer else "closest recording", self._nearest()),
        ]
        width = max(len(label) for label, _ in rows)
        lines = [f"mcp replay miss in {self.test} · {self.caller} → {self.link}"]
        lines += ["   ".join([f"  {label:<{width}}", *cells]).rstrip() for label, cells in rows]
        lines += places(miss.differences)
        rest = "all were played" if miss.next is None else f"next expected: {miss.next}"
        lines.append(f"  {miss.played} of {miss.total} exchanges played; {rest}")
        # An expression of -k knows no brackets of parameters.
        accept = self.accept or f"pytest --mcp-rerecord -k {self.test.partition('[')[0]}"
        return "\n".join([*lines, f"to accept: {accept}"])

    def _nearest(self) -> list[str]:
        miss = self.miss
        if miss.line is None:
            return [f"none: nothing recorded asks {miss.label.partition(' ')[0]}"]
        return [f"{self.file}:{miss.line}", _verdict(miss)]


def _verdict(miss: Miss) -> str:
    count = len(miss.differences)
    parted = f"{count} field differs" if count == 1 else f"{count} fields differ"
    match miss.reason:
        case "played":
            return "the same, but it was played already"
        case "early":
            return f"the same, but recorded after {miss.next}"
        case "secret":
            return f"{parted}: secrets that were different are the same, or the other way round"
        case _:
            return parted


def places(found: tuple[Difference, ...], other: str = "sent") -> list[str]:
    """Return a line for each difference; `other` says whose value it is that was not recorded."""
    rows: list[tuple[str, str, str]] = []
    for one in found[:_MOST_DIFFERENCES]:
        recorded, sent = _cut_alike(one.recorded, one.sent)
        rows.append((path_text(one.path), f"recorded {recorded}", f"{other} {sent}"))
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    lines = [f"      {path:<{widths[0]}}   {recorded:<{widths[1]}}   {sent}" for path, recorded, sent in rows]
    left = len(found) - len(rows)
    return [*lines, f"      … {left} more"] if left else lines


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _cut_alike(recorded: str | None, sent: str | None) -> tuple[str, str]:
    """Shorten two texts to where they part."""
    if recorded is None or sent is None:
        return _cut(recorded or "nothing", _LONGEST_VALUE), _cut(sent or "nothing", _LONGEST_VALUE)
    start = 0
    if max(len(recorded), len(sent)) > _LONGEST_VALUE:
        common = next(
            (i for i, (a, b) in enumerate(zip(recorded, sent, strict=False)) if a != b), min(len(recorded), len(sent))
        )
        start = max(common - _BEFORE_DIFFERENCE, 0)
    before = "…" if start else ""
    return before + _cut(recorded[start:], _LONGEST_VALUE), before + _cut(sent[start:], _LONGEST_VALUE)
