"""Search for the shortest conversation with a server that breaks a check.

Each conversation has a board of its own, so what one finds does not depend on those before it, unless the server keeps state beyond its
connections. Pinned by `tests/explore/test_explore.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Literal, cast

from pytest_mcpsym.errors import FindingsError, McpsymError, UsageError
from pytest_mcpsym.explore.play import PATIENCE
from pytest_mcpsym.explore.steps import Step
from pytest_mcpsym.switchboard.opener import switchboard

try:
    from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
    from hypothesis.errors import Flaky

    from pytest_mcpsym.explore.plans import Offer, conversations
except ModuleNotFoundError as missing:
    raise UsageError(f"explore() needs {missing.name}: pip install 'pytest-mcpsym[explore]'") from None

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

    Raises:
        FindingsError: A conversation broke a check, or the server died of it. The message has the finding, and a test to paste.
        UsageError: The server cannot be opened as asked.
    """
    make = _maker(target)
    offer = _offer(make, era, tuple(tools))
    broken: dict[str, tuple[Sequence[Step], McpsymError]] = {}

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
            HealthCheck.large_base_example,
        ],
        phases=[Phase.generate, Phase.shrink],
        verbosity=Verbosity.quiet,
    )
    @given(conversations(offer, steps))
    def hold(conversation: list[Step]) -> None:
        try:
            with switchboard(server=make(), era=era) as board:
                board.play(*conversation, patience=patience)
        except UsageError:
            raise
        except McpsymError as error:
            broken["last"] = (conversation, error)
            raise

    try:
        (seed(seeded)(hold) if seeded is not None else hold)()
    except (McpsymError, Flaky) as error:
        if "last" not in broken:
            raise
        conversation, why = broken["last"]
        now_and_then = "\n(it did not do so each time)" if isinstance(error, Flaky) else ""
        raise FindingsError(f"{why}{now_and_then}\n\n{_test(target, era, conversation, patience)}") from None


def _maker(target: object) -> Callable[[], object]:
    return cast("Callable[[], object]", target) if _makes(target) else lambda: target


def _makes(target: object) -> bool:
    """Whether it is a function that can be called with nothing; an ASGI app cannot."""
    empty = inspect.Parameter.empty
    return inspect.isfunction(target) and all(
        each.default is not empty for each in inspect.signature(target).parameters.values()
    )


def _offer(make: Callable[[], object], era: str, tools: Sequence[str]) -> Offer:
    with switchboard(server=make(), era=cast("Literal['handshake', 'modern']", era)) as board:
        client = board.client("server")
        capabilities = client.server_capabilities.model_dump(by_alias=True, exclude_none=True)
        listed = {
            "tools": client.list_tools().tools if "tools" in capabilities else [],
            "resources": client.list_resources().resources if "resources" in capabilities else [],
            "prompts": client.list_prompts().prompts if "prompts" in capabilities else [],
        }
    plain = {
        key: [each.model_dump(by_alias=True, mode="json", exclude_none=True) for each in found] for key, found in listed.items()
    }
    plain["tools"] = [tool for tool in plain["tools"] if any(fnmatchcase(str(tool["name"]), pattern) for pattern in tools)]
    return Offer(era, capabilities, **plain)


def _test(target: object, era: str, conversation: Sequence[Step], patience: float) -> str:
    """Return the test that holds a conversation again."""
    server = (
        repr(target)
        if isinstance(target, str)
        else f"{getattr(target, '__name__', 'server')}()"
        if _makes(target)
        else "server"
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
