"""What faults of HTTP make of an exchange that is played and so has no HTTP: it breaks off as it would there. Pinned by `tests/faults/test_recorded.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from pytest_mcpsym.faults.active import Applied

__all__ = ["Broken", "broken_off"]


@dataclass(frozen=True, slots=True)
class Broken:
    """An exchange that has no end.

    Attributes:
        reason: Why, for whoever waits for its answer; empty where the link is over anyway.
        answers: How many messages come all the same.
    """

    reason: str
    answers: int = 0


async def broken_off(orders: Sequence[Applied]) -> Broken | None:
    """Do what the faults of a message that was posted want, and return how its exchange breaks off, if it does."""
    broken: Broken | None = None
    for applied in orders:
        fault = applied.fault
        match fault.kind:
            case "status":
                broken = Broken(f"the server refused the request: HTTP {int(fault.number('code'))}")
            case "redirect" if fault.text("location"):
                broken = Broken(f"redirect to {fault.text('location')} not followed; use that URL if it is the server")
            case "reset":
                broken = Broken("no response: a fault of the link broke the connection")
            case "cut":
                broken = Broken(
                    "the response broke off before the answer: a fault of the link cut it", int(fault.number("events"))
                )
            case "exit":
                broken = Broken("")
            case "stall":
                await anyio.sleep(fault.number("seconds"))
            case _:
                pass
    return broken
