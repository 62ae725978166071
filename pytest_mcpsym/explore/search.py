"""Search for the shortest conversation with a server that breaks a check.

Each conversation has a board of its own, so what one finds does not depend on those before it, unless the server keeps state beyond its
connections. Pinned by `tests/explore/test_explore.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from pytest_mcpsym.errors import McpsymError, UsageError
from pytest_mcpsym.explore.hunt import checked_limits, hunt
from pytest_mcpsym.explore.offer import maker, makes, offered
from pytest_mcpsym.explore.plans import conversations
from pytest_mcpsym.explore.play import PATIENCE
from pytest_mcpsym.explore.steps import Step, without
from pytest_mcpsym.switchboard.opener import switchboard

__all__ = ["explore"]


def explore(
    target: object,
    *,
    era: Literal["handshake", "modern"] = "handshake",
    examples: int = 50,
    steps: int = 10,
    patience: float = PATIENCE,
    tools: Iterable[str] = ("*",),
    seeded: int | None = None,
    seconds: float | None = None,
) -> None:
    """Hold random conversations with a server until one breaks a check, and say the shortest that does.

    It calls the server's tools with random arguments: give it a server that may be called like that, or name the tools.

    Args:
        target: What `switchboard(name=...)` takes, or a function that makes it, for a fresh server in each conversation.
        era: Protocol era.
        examples: Conversations to hold, unless one breaks a check before.
        steps: Requests, cancellations and waits in one conversation, at most.
        patience: Seconds that an answer is waited for; a request that has none by then is cancelled.
        tools: Patterns with `*` of the tools to call.
        seeded: Where to begin, to hold the same conversations again; default somewhere else each time.
        seconds: How long to search at most.

    Raises:
        FindingsError: A conversation broke a check, or the server died of it. The message has the finding, and a test to paste.
        UsageError: The server cannot be opened as asked.
    """
    checked_limits(examples=examples, steps=steps, patience=patience, seconds=seconds, seeded=seeded)
    make = maker(target)
    offer = offered(make, era, tuple(tools))

    def attempt(conversation: Sequence[Step]) -> str:
        try:
            with switchboard(server=make(), era=era) as board:
                board.play(*conversation, patience=patience)
        except UsageError:
            raise
        except McpsymError as error:
            return str(error)
        return ""

    found = hunt(conversations(offer, steps), attempt, most=examples, without=without, seeded=seeded, seconds=seconds)
    if found is not None:
        raise found.told(_test(target, era, found.example, patience))


def _test(target: object, era: str, conversation: Sequence[Step], patience: float) -> str:
    """Return the test that holds a conversation again."""
    server = (
        repr(target) if isinstance(target, str) else f"{getattr(target, '__name__', 'server')}()" if makes(target) else "server"
    )
    names = sorted({type(step).__name__ for step in conversation})
    lines = [
        "a test that shows it:",
        "",
        f"    from pytest_mcpsym.explore import {', '.join(names)}",
        "",
        "    def test_conversation(switchboard):",
        f"        with switchboard(server={server}, era={era!r}) as board:",
        "            board.play(",
        *(f"                {step!r}," for step in conversation),
        *([f"                patience={patience:g},"] if patience != PATIENCE else []),
        "            )",
    ]
    return "\n".join(lines)
