"""A fault: one deliberate deviation, as a frozen value. Made by `fault`, or read from text by `parse`.

Standard library only. Pinned by `tests/faults/test_fault.py`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import cast

from pytest_mcpsym.errors import UsageError
from pytest_mcpsym.faults.kinds import DIRECTIONS, KINDS, SELECTORS, Kind, Option

__all__ = ["Fault", "described", "fault", "parse", "unfit"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One deviation from what was sent.

    Attributes:
        kind: What is done; see `pytest_mcpsym.faults.kinds.KINDS`.
        direction: To messages that go which way.
        method: Pattern over their methods, with `*`; an answer has the method of its request.
        options: What was given, by name; the rest is the default.
    """

    kind: str
    direction: str
    method: str = "*"
    options: Mapping[str, float | int | str] = field(default_factory=dict[str, "float | int | str"])

    @property
    def about(self) -> Kind:
        """What the table says of its kind."""
        return KINDS[self.kind]

    def number(self, name: str) -> float:
        """Return a numeric option, or its default."""
        return cast("float", self.options.get(name, _options(self.kind)[name].default))

    def text(self, name: str) -> str:
        """Return a textual option, or its default."""
        return str(self.options.get(name, _options(self.kind)[name].default))

    def meets(self, direction: str, method: str) -> bool:
        """Say whether a message is one that it is done to."""
        return direction == self.direction and fnmatchcase(method, self.method)

    def __str__(self) -> str:
        """The text that `parse` reads back."""
        method = [] if self.method == "*" else [self.method]
        return " ".join([self.kind, self.direction, *method, *(f"{name}={value}" for name, value in self.options.items())])


def _options(kind: str) -> Mapping[str, Option]:
    return {**KINDS[kind].options, **SELECTORS}


def fault(kind: str, direction: str | None = None, method: str = "*", **options: object) -> Fault:
    """Describe a fault.

    Args:
        kind: What is done.
        direction: `to-server` or `to-client`; default what is usual for the kind.
        method: Pattern over methods, with `*`.
        options: What the kind takes, and which of the matching messages it is done to.

    Raises:
        UsageError: There is no such kind, or it does not take this; it names the nearest and what it takes.
    """
    if kind not in KINDS:
        raise UsageError(f"there is no fault {kind!r}{_nearest(kind, KINDS)}; there are {', '.join(KINDS)}")
    about = KINDS[kind]
    way = about.directions[0] if direction is None else direction
    if way not in about.directions:
        why = "is no direction" if way not in DIRECTIONS else f"is no direction of {kind!r}"
        raise UsageError(f"{way!r} {why}; use {' or '.join(about.directions)}")
    known = _options(kind)
    for name, value in options.items():
        if name not in known:
            raise UsageError(f"the fault {kind!r} has no option {name!r}{_nearest(name, known)}; {_takes(kind)}")
        options[name] = _value(kind, name, value, known[name])
    return Fault(kind, way, method, cast("dict[str, float | int | str]", options))


def _value(kind: str, name: str, value: object, option: Option) -> float | int | str:
    wanted = type(option.default)
    if wanted is str:
        return str(value)
    try:
        number = int(str(value)) if wanted is int else float(str(value))
    except ValueError:
        word = "a whole number" if wanted is int else "a number"
        raise UsageError(f"{name}={value!r} of the fault {kind!r}: use {word} ({option.about})") from None
    if not number >= option.least or (name in ("chance", "keep") and number > 1):
        most = " to 1" if name in ("chance", "keep") else " or more"
        raise UsageError(f"{name}={value!r} of the fault {kind!r}: use {option.least:g}{most} ({option.about})")
    return number


def _takes(kind: str) -> str:
    return "it takes " + ", ".join(f"{name} ({option.about})" for name, option in _options(kind).items())


def _nearest(name: str, names: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, list(names), 1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def parse(text: str) -> Fault:
    """Read a fault from text: `KIND [DIRECTION] [METHOD] [NAME=VALUE ...]`, as in `drop to-client tools/call nth=2`.

    Raises:
        UsageError: The text is none.
    """
    kind, *words = text.split() or [""]
    direction = words.pop(0) if words and (words[0] in DIRECTIONS or words[0].startswith("to-")) else None
    method = words.pop(0) if words and "=" not in words[0] else "*"
    options: dict[str, object] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"{word!r} in the fault {text!r}: write KIND [DIRECTION] [METHOD] [NAME=VALUE ...]")
        options[name.replace("-", "_")] = value
    return fault(kind, direction, method, **options)


def described(given: Iterable[str | Fault]) -> tuple[Fault, ...]:
    """Return faults of which some are given as text.

    Raises:
        UsageError: One of them is none.
    """
    if isinstance(given, (str, Fault)):
        given = [given]
    return tuple(each if isinstance(each, Fault) else parse(each) for each in given)


def unfit(given: Fault, transport: str) -> str:
    """Return why a fault cannot be done on a transport, nothing if it can."""
    kind = given.about
    if kind.fits(transport):
        return ""
    fitting = ", ".join(name for name, each in KINDS.items() if each.fits(transport))
    return f"the fault {given.kind!r} is for {' and '.join(kind.transports)}, and this link is {transport}, on which there are {fitting}"
