"""What a judgement is: a sentence of docs/symmetric.md, and an async function that raises `Broken` where a server does not keep it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from pytest_mcpsym.conformance.desk import Desk
from pytest_mcpsym.conformance.talk import Broken, Era

__all__ = ["ALL", "Judgement", "judgement", "require", "same", "text_of"]

Run = Callable[[Desk], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One thing that a server is held to.

    Attributes:
        era: Of the connection on which it is judged.
        name: Its function's name, with dashes.
        sentence: Word for word from docs/symmetric.md.
        level: `SHOULD` where the sentence says so; a server that does not is told, and not failed.
        run: Judges.
    """

    era: Era
    name: str
    sentence: str
    level: Literal["MUST", "SHOULD"]
    run: Run

    @property
    def id(self) -> str:
        """Era and name."""
        return f"{self.era}-{self.name}"


ALL: Final[list[Judgement]] = []
"""All that were made."""


def judgement(*eras: Era, sentence: str | Mapping[Era, str], level: Literal["MUST", "SHOULD"] = "MUST") -> Callable[[Run], Run]:
    """Add a judgement for each of some eras.

    Args:
        eras: Where it holds.
        sentence: Of docs/symmetric.md, word for word; one for each era where they differ.
        level: Whether the sentence is a SHOULD.
    """

    def add(run: Run) -> Run:
        for era in eras:
            words = sentence if isinstance(sentence, str) else sentence[era]
            ALL.append(Judgement(era, run.__name__.replace("_", "-"), words, level, run))
        return run

    return add


def same(what: str, got: object, wanted: object) -> None:
    """Judge that two values are the same in JSON, where 1 and 1.0 are one number and `true` is none.

    Raises:
        Broken: It is not.
    """
    if _normal(got) != _normal(wanted):
        raise Broken(f"{what} is {_shown(got)}, and must be {_shown(wanted)}")


def require(holds: object, otherwise: str) -> None:
    """Judge that something holds.

    Raises:
        Broken: It does not; the text says what is wrong.
    """
    if not holds:
        raise Broken(otherwise)


def text_of(result: Mapping[str, object]) -> str:
    """Return the text of a tool's result.

    Raises:
        Broken: It is no result with content blocks.
    """
    content = result.get("content")
    if not isinstance(content, list):
        raise Broken(f"a result of a tool has no list `content`: {_shown(result)}")
    blocks = cast("list[object]", content)
    members = [cast("dict[str, object]", block) for block in blocks if isinstance(block, dict)]
    return "".join(str(block.get("text", "")) for block in members if block.get("type") == "text")


def _normal(value: object) -> str:
    """JSON text in one spelling."""
    text = json.dumps(value, sort_keys=True)
    return json.dumps(json.loads(text, parse_float=lambda each: int(float(each)) if float(each).is_integer() else float(each)))


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else text[:300] + "…"
