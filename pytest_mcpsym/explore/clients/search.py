"""Search for the shortest list of moves of a server by which a client dies, hangs or breaks a rule.

Pinned by `tests/explore/test_explore_client.py`.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, cast

from pytest_mcpsym.errors import FindingsError, UsageError
from pytest_mcpsym.explore.clients.moves import Move
from pytest_mcpsym.explore.clients.play import PATIENCE, checked_client, offer_like, performed
from pytest_mcpsym.explore.clients.run import Client, Way, stage
from pytest_mcpsym.explore.clients.surprises import KINDS, seen, surprises
from pytest_mcpsym.explore.hunt import checked_limits, hunt
from pytest_mcpsym.explore.offer import makes

__all__ = ["explore_client"]

_DEFAULTS: Final = {"era": "handshake", "transport": None, "like": None, "patience": PATIENCE, "backend": "asyncio"}
"""The options of `play_client`."""


def explore_client(
    client: Client | str,
    *,
    era: Literal["handshake", "modern"] = "handshake",
    transport: Way | None = None,
    like: object = None,
    examples: int = 100,
    steps: int = 12,
    patience: float = PATIENCE,
    seconds: float | None = None,
    without: Iterable[str] = (),
    backend: Literal["asyncio", "trio"] = "asyncio",
    seeded: int | None = None,
) -> None:
    """Run a client against random servers that follow the protocol until it dies, hangs or breaks a rule, and say the shortest way.

    First it is run against a server that does nothing of its own will, to see what it asks for. An exception by which a client tells its
    caller that the server refused, and an exit status above 0 after a refusal, are no failures.

    Args:
        client: As `play_client` takes it.
        era: Protocol era.
        transport: As `play_client` takes it.
        like: What the server offers, as `play_client` takes it.
        examples: Servers to try, unless one breaks the client before.
        steps: Moves of one server, at most.
        patience: Seconds that the client may be silent while the server owes it nothing.
        seconds: How long to search at most.
        without: What the servers do not do: names in `pytest_mcpsym.explore.KINDS`.
        backend: Event loop of a client that is an `async def`.
        seeded: Where to begin, to try the same servers again; default somewhere else each time.

    Raises:
        FindingsError: The client failed. The message has what is wrong, and a test to paste.
        UsageError: The client or an option cannot be used.
    """
    checked, way = checked_client(client, transport, era=era, backend=backend, patience=patience)
    checked_limits(examples=examples, steps=steps, seconds=seconds, seeded=seeded)
    kinds = _kinds(without)
    offer = offer_like(like, era)
    options = {"era": era, "transport": transport, "like": like, "patience": patience, "backend": backend}

    with stage(way) as where:

        def attempt(moves: Sequence[Move]) -> str:
            return performed(moves, where, checked, offer, era=era, backend=backend, patience=patience)[0]

        why, log = performed((), where, checked, offer, era=era, backend=backend, patience=patience)
        if why:
            raise FindingsError(f"{why}\n\n(the server did nothing of its own will)\n\n{_test(client, [], options)}")
        met = seen(log, era, offer)
        if not met.requests:
            raise UsageError("the client asked for nothing: it has to connect to the server that it is given, and to use it")
        found = hunt(surprises(met, steps, kinds), attempt, most=examples, seeded=seeded, seconds=seconds)
    if found is not None:
        raise found.told(_test(client, found.example, options))


def _kinds(without: Iterable[str]) -> list[str]:
    left_out = [without] if isinstance(without, str) else list(without)
    for name in left_out:
        if name not in KINDS:
            near = difflib.get_close_matches(str(name), KINDS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(KINDS)}"
            raise UsageError(f"without= has {name!r}, which servers do not do anyway; {hint}")
    return [name for name in KINDS if name not in left_out]


def _test(client: Client | str, moves: Sequence[Move], options: Mapping[str, object]) -> str:
    """Return the test that shows it again; options are those of `play_client`."""
    names = sorted({type(move).__name__ for move in moves} | {"play_client"})
    given = {name: value for name, value in options.items() if value != _DEFAULTS[name]}
    shown = {name: _shown_like(value) if name == "like" else repr(value) for name, value in given.items()}
    lines = [
        "a test that shows it:",
        "",
        f"    from pytest_mcpsym.explore import {', '.join(names)}",
        "",
        "    def test_client():",
        "        play_client(",
        f"            {_shown_client(client)},",
        *(f"            {move!r}," for move in moves),
        *(f"            {name}={value}," for name, value in shown.items()),
        "        )",
    ]
    return "\n".join(lines)


def _shown_client(client: Client | str) -> str:
    if callable(client):
        return str(getattr(client, "__name__", "client"))
    return repr(client if isinstance(client, str) else shlex.join(client))


def _shown_like(like: object) -> str:
    if isinstance(like, (str, dict)):
        return repr(cast("object", like))
    return f"{getattr(like, '__name__', 'server')}" if makes(like) else "server"
