"""Search for the shortest example that breaks something, with Hypothesis: what both explorers share.

Pinned by `tests/explore/test_hunt.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import MISSING, Field, dataclass, fields, replace
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

from pytest_mcpsym.errors import FindingsError, UsageError

try:
    from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
    from hypothesis import strategies as st
except ModuleNotFoundError as missing:
    raise UsageError(f"exploring needs {missing.name}: pip install 'pytest-mcpsym[explore]'") from None

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["SHRINKING", "Broken", "checked_limits", "hunt"]

_T = TypeVar("_T")

SHRINKING: Final = 30.0
"""Seconds in which a shorter example is looked for in each of two ways, once one was found."""

_AGAIN: Final = 2
"""How often the shortest example is tried again."""


class _Breaks(Exception):
    """An example breaks something."""


class _Over(BaseException):
    """The time is over. Hypothesis takes an `Exception` for something that an example breaks."""


@dataclass(frozen=True)
class Broken(Generic[_T]):
    """What was found.

    Attributes:
        example: The shortest example that breaks something.
        why: What it breaks.
        always: Whether it did so each time that it was tried.
    """

    example: Sequence[_T]
    why: str
    always: bool

    def told(self, test: str) -> FindingsError:
        """Return the error that says what was found, with the test that shows it."""
        now_and_then = "" if self.always else "\n(it did not do so each time)"
        return FindingsError(f"{self.why}{now_and_then}\n\n{test}")


def hunt(
    examples: st.SearchStrategy[list[_T]],
    attempt: Callable[[Sequence[_T]], str],
    *,
    most: int,
    without: Callable[[Sequence[_T], int], list[_T]] = lambda example, place: [*example[:place], *example[place + 1 :]],
    seeded: int | None = None,
    seconds: float | None = None,
) -> Broken[_T] | None:
    """Try examples until one breaks something, and return the shortest that does.

    Args:
        examples: What may be tried: lists of dataclasses.
        attempt: Tries an example and returns what it breaks; nothing if all is well.
        most: How many to try, unless one breaks something before.
        without: Returns an example without the value at a place.
        seeded: Where to begin, to try the same ones again; default somewhere else each time, unless the Hypothesis profile or
            `--hypothesis-seed` says otherwise.
        seconds: How long to search at most.
    """
    trials = _Trials(attempt, without, seconds)

    @settings(
        max_examples=most,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=cast("list[HealthCheck]", list(HealthCheck)),
        phases=[Phase.generate, Phase.shrink],
        verbosity=Verbosity.quiet,
    )
    @given(examples)
    def search(example: list[_T]) -> None:
        if trials.over:
            raise _Over
        if trials.breaks(example):
            raise _Breaks

    with suppress(_Breaks, _Over):
        (seed(seeded)(search) if seeded is not None else search)()
    return trials.settled()


class _Trials(Generic[_T]):
    """What was tried. Each example has one result, because Hypothesis gives up where one has two."""

    def __init__(
        self,
        attempt: Callable[[Sequence[_T]], str],
        without: Callable[[Sequence[_T], int], list[_T]],
        seconds: float | None,
    ) -> None:
        self._attempt = attempt
        self._without = without
        self._end = None if seconds is None else time.monotonic() + seconds
        self._known: dict[str, str] = {}
        self._best: tuple[Sequence[_T], str] | None = None

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return self._end is not None and time.monotonic() > self._end

    def breaks(self, example: Sequence[_T]) -> bool:
        """Try an example, unless it was tried before or the time is over: what is tried no more counts as well."""
        key = repr(example)
        if key not in self._known:
            if self.over:
                return False
            self._known[key] = self._attempt(example)
        why = self._known[key]
        if why:
            if self._best is None:
                self._allow()
            self._best = (example, why)
        return bool(why)

    def settled(self) -> Broken[_T] | None:
        """Return the shortest example, if there is any, without what is not needed in it, and whether it breaks something again."""
        if self._best is None:
            return None
        self._allow()
        shorter = True
        while shorter:
            shorter = any(self._breaks_now(each) for each in self._simpler(self._best[0]) if _size(each) < _size(self._best[0]))
        example, why = self._best
        again = [self._attempt(example) for _ in range(_AGAIN)]
        return Broken(example, next(filter(None, again), why), all(again))

    def _breaks_now(self, example: Sequence[_T]) -> bool:
        """Try an example, also where it broke nothing before: what depends on timing does not do so each time."""
        if not self._known.get(repr(example)):
            self._known.pop(repr(example), None)
        return self.breaks(example)

    def _simpler(self, example: Sequence[_T]) -> Iterator[list[_T]]:
        """Yield an example without each of its values, and with each member of a value as it is by default, or without a part of it."""
        for place in range(len(example)):
            yield self._without(example, place)
        for place, value in enumerate(example):
            known = cast("DataclassInstance", value)
            for each in fields(known):
                for shorter in _shorter(each, getattr(value, each.name)):
                    yield [*example[:place], cast("_T", replace(known, **{each.name: shorter})), *example[place + 1 :]]

    def _allow(self) -> None:
        """Give the search for something shorter its time, whatever the search for anything was given."""
        self._end = time.monotonic() + SHRINKING


def _size(example: Sequence[object]) -> int:
    return len(repr(example))


def _shorter(member: Field[object], value: object) -> Iterator[object]:
    how = cast("object", member.metadata.get("shorten"))
    if how == "parts" and isinstance(value, dict):
        known = cast("dict[object, object]", value)
        yield from ({key: each for key, each in known.items() if key != left_out} for left_out in known)
    elif how == "parts":
        parts = list(cast("Sequence[object]", value))
        yield from (parts[:place] + parts[place + 1 :] for place in range(len(parts)))
    elif how is None and member.default is not MISSING:
        yield member.default


def checked_limits(**limits: object) -> None:
    """Refuse limits that are none.

    Raises:
        UsageError: One is not a number above zero; `seconds` and `seeded` may be `None`.
    """
    for name, value in limits.items():
        if name in ("seconds", "seeded") and value is None:
            continue
        kinds = (int, float) if name in ("seconds", "patience") else (int,)
        if not isinstance(value, kinds) or isinstance(value, bool) or (name != "seeded" and not value > 0):
            what = "seconds" if name in ("seconds", "patience") else "a whole number"
            raise UsageError(
                f"{name}={value!r} is no limit; give {what}{'' if name == 'seeded' else ' above 0'}, such as {name}=5"
            )
