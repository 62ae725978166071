"""The report of a server that does not answer as its recording does.

    mcp verify: weather does not answer as recorded in test_plan_trip
      answer to tools/call forecast   recordings/test_trip/test_plan_trip.weather.jsonl:7   1 field differs
          result.content[0].text   recorded "sunny"   live "rain"
      notifications/message           not recorded: {"level": "info", "data": "…"}
    to accept: pytest --mcp-rerecord -k test_plan_trip
    if it differs each time, ini mcp_verify_ignore:
        weather: tools/call forecast result.content[0].text
        weather: notifications/message *

It shows what it is given, so what it is given must be redacted. Pinned by `tests/wire/test_verify.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pytest_mcpsym.wire.match import path_text
from pytest_mcpsym.wire.miss import places
from pytest_mcpsym.wire.verify import Drift

__all__ = ["DriftReport", "Ignored"]

_LONGEST: Final = 160
_MOST: Final = 20
_FEW: Final = 3


@dataclass(frozen=True, slots=True)
class Ignored:
    """What a project takes for no difference, as a line of its settings says it: `[LINK:] [WHAT] PATH`, with `*` in each of them.

    WHAT is a method with its target, as the report shows it, and PATH a JSON path; `*` alone is the whole message, so that one more or
    one less is no difference either.

    Example:
        >>> Ignored.of("weather: tools/call forecast result.content[*].text").what
        'tools/call forecast'
    """

    link: str
    what: str
    path: str

    @classmethod
    def of(cls, line: str) -> Ignored:
        """Read a line.

        Raises:
            ValueError: It is none; the message says why.
        """
        *words, path = line.split() or [""]
        link = words.pop(0).removesuffix(":") if words and words[0].endswith(":") and "/" not in words[0] else "*"
        if not re.match(r"\*|(result|error|params)\b", path):
            raise ValueError(
                f"{line!r} ends in no JSON path: write [LINK:] [WHAT] PATH, as in 'weather: tools/call forecast result.content[*].text', "
                "or * for the whole message"
            )
        return cls(link, " ".join(words) or "*", path)

    @staticmethod
    def lines(link: str, drift: Drift) -> Iterator[str]:
        """Yield the lines that take this drift for no difference: few, so the more places differ the less exact they are."""
        if drift.kind == "lost":
            return
        paths = [path_text(one.path) for one in drift.differences]
        if len(paths) > _FEW:
            paths = list(dict.fromkeys(re.sub(r"\[\d+\]", "[*]", path) for path in paths))
        if not 0 < len(paths) <= 2 * _FEW:
            paths = ["*"]
        what = re.sub(r"\s{2,}|[^\S ]", "*", drift.label.removeprefix("answer to "))
        for path in paths:
            spaceless = re.sub(r"\s+", "*", path)
            yield f"{link}: {what} {spaceless}"

    def left(self, link: str, drift: Drift) -> Drift | None:
        """Return what is left of a drift; `None` if nothing is."""
        label = drift.label.removeprefix("answer to ")
        if drift.kind == "lost" or not (_fits(self.link, link) and _fits(self.what, label)):
            return drift
        if self.path == "*":
            return None
        kept = tuple(one for one in drift.differences if not _fits(self.path, path_text(one.path)))
        return replace(drift, differences=kept) if kept or drift.kind != "differs" else None


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What a person needs to know of a server that drifted; `str()` is the report.

    Attributes:
        drifts: Where it parts from its recording.
        test: Name of the test.
        link: Name of the link.
        file: Path of the recording as it is to be shown.
        accept: The command that accepts what the server says now.
    """

    drifts: Sequence[Drift]
    test: str
    link: str
    file: str
    accept: str

    def __str__(self) -> str:
        """Return the report, without a newline at its end."""
        shown = self.drifts[:_MOST]
        width = max(len(drift.label) for drift in shown if drift.kind != "lost") if shown[-1].kind != "lost" else 0
        lines = [f"mcp verify: {self.link} does not answer as recorded in {self.test}"]
        for drift in shown:
            if drift.kind == "lost":
                lines += [f"  {drift.label}", "  what came after that was not compared"]
                continue
            place = "" if drift.line is None else f"{self.file}:{drift.line}   "
            lines.append(f"  {drift.label:<{width}}   {place}{_verdict(drift)}")
            lines += places(drift.differences, "live")
        left = len(self.drifts) - len(shown)
        lines += [f"  … {left} more"] if left else []
        lines.append(f"to accept: {self.accept}")
        silencing = [line for drift in shown for line in Ignored.lines(self.link, drift)]
        lines += ["if it differs each time, ini mcp_verify_ignore:"] if silencing else []
        return "\n".join([*lines, *(f"    {line}" for line in dict.fromkeys(silencing))])


def _verdict(drift: Drift) -> str:
    shown = drift.shown if len(drift.shown) <= _LONGEST else drift.shown[: _LONGEST - 1] + "…"
    said = f": {shown}" if shown else ""
    match drift.kind:
        case "missing":
            return f"recorded, and the server does not say it{said}"
        case "added":
            return f"not recorded{said}"
        case "order":
            return f"the same, but in another order{said}"
        case _:
            count = len(drift.differences)
            return f"{count} field differs" if count == 1 else f"{count} fields differ"
