"""A fault: one deliberate deviation, as a frozen value. Made by `fault`, or read from text by `parse`.

Standard library only. Pinned by `tests/faults/test_fault.py`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final, cast

from pytest_mcpsym.errors import UsageError
from pytest_mcpsym.faults.kinds import DIRECTIONS, KINDS, SELECTORS, SERVED, Kind, Option

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

    def value(self, name: str) -> float | int | str:
        """Return an option, or its default."""
        return self.options.get(name, _options(self.kind)[name].default)

    def number(self, name: str) -> float:
        """Return a numeric option, or its default."""
        return cast("float", self.value(name))

    def text(self, name: str) -> str:
        """Return a textual option, or its default."""
        return str(self.value(name))

    def meets(self, direction: str, method: str, sort: str, ident: str | None) -> bool:
        """Say whether a message is one that it is done to.

        Args:
            direction: Where it goes.
            method: Its method, or that of the request it answers.
            sort: `request`, `answer` or `notification`.
            ident: Its id as JSON text.
        """
        if direction != self.direction or not fnmatchcase(method, self.method) or self.text("what") not in ("", sort):
            return False
        wanted = self.text("id")
        return not wanted or (ident is not None and wanted in (ident, ident.strip('"')))

    def __str__(self) -> str:
        """The text that `parse` reads back."""
        method = [] if self.method == "*" else [self.method]
        return " ".join([self.kind, self.direction, *method, *(f"{name}={value}" for name, value in self.options.items())])


_FORMS: Final = "write it as in 'drop to-client tools/call nth=2', or make it with pytest_mcpsym.faults.fault"


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
    if not isinstance(cast("object", kind), str) or not isinstance(cast("object", method), str):
        raise UsageError(
            f"kind={kind!r}, method={method!r}: kind and method of a fault are text, as in 'drop' and 'tools/call'"
        )
    if " " in kind:
        raise UsageError(f"{kind!r} is more than a kind; give direction and method beside it, or all in one text")
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
    if "nth" in options and "every" in options:
        raise UsageError(f"nth= and every= of the fault {kind!r} are two ways to say which message; give one of them")
    return Fault(kind, way, method, cast("dict[str, float | int | str]", options))


def _value(kind: str, name: str, value: object, option: Option) -> float | int | str:
    wanted = type(option.default)
    refused = f"{name}={value!r} of the fault {kind!r}: use"
    if wanted is str:
        if option.choices and value not in option.choices:
            raise UsageError(f"{refused} {option.bounds} ({option.about})")
        return str(value)
    try:
        number = int(str(value)) if wanted is int else float(str(value))
    except ValueError:
        word = "a whole number" if wanted is int else "a number"
        raise UsageError(f"{refused} {word} ({option.about})") from None
    if not option.least <= number <= option.most:
        raise UsageError(f"{refused} {option.bounds} ({option.about})")
    return number


def _takes(kind: str) -> str:
    return "it takes " + ", ".join(f"{name} ({option.about})" for name, option in _options(kind).items())


def _nearest(name: str, names: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, list(names), 1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def parse(text: str, where: str = "") -> Fault:
    """Read a fault from text: `KIND [DIRECTION] [METHOD] [NAME=VALUE ...]`, as in `drop to-client tools/call nth=2`.

    Args:
        text: The text.
        where: On which transport it will be, where that decides its usual direction.

    Raises:
        UsageError: The text is none.
    """
    if not isinstance(cast("object", text), str):
        raise UsageError(f"{text!r} is no fault; {_FORMS}")
    kind, *words = text.split() or [""]
    direction = words.pop(0) if words and (words[0] in DIRECTIONS or words[0].startswith("to-")) else None
    method = words.pop(0) if words and "=" not in words[0] else "*"
    options: dict[str, object] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"{word!r} in the fault {text!r}: write KIND [DIRECTION] [METHOD] [NAME=VALUE ...]")
        if name in options:
            raise UsageError(f"{name}= is given twice in the fault {text!r}; give it once")
        options[name] = value
    if direction is None and kind in KINDS and where:
        direction = next((way for way in KINDS[kind].directions if (way, where) not in KINDS[kind].never), None)
    return fault(kind, direction, method, **options)


def described(given: Iterable[str | Fault]) -> tuple[Fault, ...]:
    """Return faults of which some are given as text.

    Raises:
        UsageError: One of them is none.
    """
    if isinstance(given, (str, Fault)):
        given = [given]
    if not isinstance(cast("object", given), Iterable):
        raise UsageError(f"{given!r} is no fault; {_FORMS}")
    return tuple(each if isinstance(each, Fault) else parse(each) for each in given)


def unfit(given: Fault, transport: str) -> str:
    """Return why a fault cannot be done on a transport, nothing if it can."""
    kind = given.about
    why = kind.never.get((given.direction, transport), "")
    if why:
        return f"the fault {given.kind!r} {given.direction} cannot be on {transport}: {why}"
    if kind.fits(transport):
        return ""
    fitting = ", ".join(name for name, each in KINDS.items() if each.fits(transport))
    where = " and ".join(each for each in kind.transports if ("serve" in each) == ("serve" in transport)) or SERVED
    this = "this" if "serve" in transport else "this link"
    return f"the fault {given.kind!r} is for {where}, and {this} is {transport}, on which there are {fitting}"
