"""What a thought may be made of: the reference's leniency with numbers and booleans, and its refusals.

Numbers are taken as JavaScript's `Number(value)` takes them, so `"2"`, `"0x10"`, `true` and `[3]` are numbers; booleans may be the
words true and false in any case. `read` returns the thought, or one sentence for each argument that is wrong, in the schema's order.
Pinned by `tests/fakes/test_sequential_thinking.py` and, against the reference itself, by `tests/peers/test_parity_thinking.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

__all__ = ["INPUT_SCHEMA", "LARGEST", "Thought", "number", "read"]

LARGEST: Final = 2**53 - 1
"""The largest whole number that JavaScript counts exactly, the maximum of every number in the schema."""

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BASED = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_INFINITE = {"Infinity": math.inf, "+Infinity": math.inf, "-Infinity": -math.inf}


def _flag(description: str) -> dict[str, object]:
    return {"description": description, "type": ["boolean", "string"]}


def _count(description: str) -> dict[str, object]:
    return {"description": description, "type": "integer", "minimum": 1, "maximum": LARGEST}


INPUT_SCHEMA: Final[dict[str, object]] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "thought": {"description": "The text of this step", "type": "string"},
        "nextThoughtNeeded": _flag("Whether a further step follows"),
        "thoughtNumber": _count("Number of this step, from 1"),
        "totalThoughts": _count("How many steps it may take, as estimated now"),
        "isRevision": _flag("Whether this step takes an earlier one back"),
        "revisesThought": _count("Number of the step that is taken back"),
        "branchFromThought": _count("Number of the step at which a branch leaves"),
        "branchId": {"description": "Name of the branch", "type": "string"},
        "needsMoreThoughts": _flag("Whether more steps are needed than were estimated"),
    },
    "required": ["thought", "nextThoughtNeeded", "thoughtNumber", "totalThoughts"],
}


@dataclass(frozen=True, slots=True)
class Thought:
    """One step, with its arguments as the reference understands them."""

    text: str
    number: int
    total: int
    is_next_needed: bool
    is_revision: bool
    revises: int | None
    branch_from: int | None
    branch: str | None


class _Wrong(ValueError):
    """An argument that cannot be taken; the text says why."""


def read(arguments: Mapping[str, object]) -> Thought | list[str]:
    """Return the thought that the arguments are, or what is wrong with each of those that are wrong.

    An estimate below the step's own number is raised to it. Arguments that the schema does not name are ignored.
    """
    wrong: list[str] = []
    taken: dict[str, object] = {}
    for name, taker in _TAKERS.items():
        if name not in arguments and name not in _REQUIRED:
            continue
        try:
            taken[name] = taker(arguments.get(name, _ABSENT))
        except _Wrong as error:
            wrong.append(f"{error} at {name}")
    if wrong:
        return wrong
    step = cast("int", taken["thoughtNumber"])
    return Thought(
        text=cast("str", taken["thought"]),
        number=step,
        total=max(step, cast("int", taken["totalThoughts"])),
        is_next_needed=cast("bool", taken["nextThoughtNeeded"]),
        is_revision=cast("bool", taken.get("isRevision", False)),
        revises=cast("int | None", taken.get("revisesThought")),
        branch_from=cast("int | None", taken.get("branchFromThought")),
        branch=cast("str | None", taken.get("branchId")),
    )


def number(value: object) -> float:
    """Return what JavaScript's `Number(value)` is for a JSON value; NaN where that is none."""
    if value is None:
        return 0
    if isinstance(value, (bool, int, float)):
        return _float(value)
    if isinstance(value, str):
        return _spelled(value.strip())
    if isinstance(value, list):
        items = cast("list[object]", value)
        if len(items) == 1 and not isinstance(items[0], bool):
            return number(items[0])
        return 0 if not items else math.nan
    return math.nan


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _spelled(text: str) -> float:
    if not text:
        return 0
    if _DECIMAL.fullmatch(text):
        return float(text)
    if _BASED.fullmatch(text):
        return _float(int(text, 0))
    return _INFINITE.get(text, math.nan)


def _taken_text(value: object) -> str:
    if not isinstance(value, str):
        raise _Wrong(f"expected a string, received {_kind(value)}")
    return value


def _taken_flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else None
    if word not in ("true", "false"):
        raise _Wrong(f"expected a boolean, or the word true or false, received {_kind(value)}")
    return word == "true"


def _taken_count(value: object) -> int:
    found = float(number(value))
    if not math.isfinite(found):
        raise _Wrong(f"expected a number, received {_kind(value)}")
    if not found.is_integer():
        raise _Wrong("expected a whole number")
    if found > LARGEST:
        raise _Wrong(f"expected no more than {LARGEST}")
    if found < 1:
        raise _Wrong("expected 1 or more")
    return int(found)


_ABSENT = object()

_TAKERS: dict[str, Callable[[object], object]] = {
    "thought": _taken_text,
    "nextThoughtNeeded": _taken_flag,
    "thoughtNumber": _taken_count,
    "totalThoughts": _taken_count,
    "isRevision": _taken_flag,
    "revisesThought": _taken_count,
    "branchFromThought": _taken_count,
    "branchId": _taken_text,
    "needsMoreThoughts": _taken_flag,
}
_REQUIRED = frozenset(cast("list[str]", INPUT_SCHEMA["required"]))


def _kind(value: object) -> str:
    names: dict[type, str] = {
        type(None): "null",
        bool: "a boolean",
        str: "a text that is none",
        list: "an array",
        dict: "an object",
    }
    return "nothing" if value is _ABSENT else names.get(type(value), "a number")
