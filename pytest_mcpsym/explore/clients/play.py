"""Hold one conversation of a client with a server that makes the moves it is told, and judge the client.

Pinned by `tests/explore/test_play_client.py`.
"""

from __future__ import annotations

import inspect
import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from typing import Final, Literal, cast, get_args

from pytest_mcpsym.checks.client import CLIENT
from pytest_mcpsym.errors import FindingsError, UsageError
from pytest_mcpsym.explore.clients.moves import Move
from pytest_mcpsym.explore.clients.run import Client, Stage, Way, perform, stage
from pytest_mcpsym.explore.clients.scene import Scene
from pytest_mcpsym.explore.offer import PLAIN, Offer, maker, offered
from pytest_mcpsym.recorder.file import secrets_of
from pytest_mcpsym.report.findings import judge
from pytest_mcpsym.switchboard.host import Host
from pytest_mcpsym.switchboard.views import Views
from pytest_mcpsym.wire.log import WireLog

__all__ = ["PATIENCE", "checked_client", "offer_like", "performed", "play_client"]

PATIENCE: Final = 3.0
"""Seconds that a client may be silent while the server owes it nothing, unless a conversation says otherwise."""

_BACKENDS: Final = ("asyncio", "trio")
_ERAS: Final = ("handshake", "modern")
_WAYS: Final = get_args(Way)
_KINDS: Final = {"tools": "name", "resources": "uri", "prompts": "name"}
"""What is offered, with the member that each entry must have."""


def play_client(
    client: Client | str,
    *moves: Move,
    era: Literal["handshake", "modern"] = "handshake",
    transport: Way | None = None,
    like: object = None,
    patience: float = PATIENCE,
    backend: Literal["asyncio", "trio"] = "asyncio",
) -> None:
    """Run a client against a server that makes these moves, and judge the client.

    Args:
        client: A function of one argument, `def` or `async def`, which gets the server and returns when it is done; or a command, whose
            word `{server}` stands for the server, which else comes after its last word.
        moves: What the server does of its own will; without any it does the ordinary alone.
        era: Protocol era.
        transport: How the client gets the server: `memory`, a transport for `mcp.Client`; `stdio`, a command to start, as a list; `http`,
            a URL. Default `memory` for a function, `stdio` for a command.
        like: What the server offers: a server to take its lists from, or a mapping with `tools`, `resources` and `prompts`. Default two
            tools, a resource and a prompt.
        patience: Seconds that the client may be silent while the server owes it nothing.
        backend: Event loop of a client that is an `async def`.

    Raises:
        FindingsError: The client died, hung, or broke a rule.
        UsageError: The client or an option cannot be used.
    """
    for move in moves:
        if not isinstance(move, get_args(Move)):
            raise UsageError(f"{move!r} is no move of a server: use those of pytest_mcpsym.explore, such as Tell and Question")
    checked, way = checked_client(client, transport, era=era, backend=backend, patience=patience)
    with stage(way) as where:
        found, _ = performed(moves, where, checked, offer_like(like, era), era=era, backend=backend, patience=patience)
    if found:
        raise FindingsError(found)


def performed(
    moves: Sequence[Move],
    where: Stage,
    client: Client,
    offer: Offer,
    *,
    era: Literal["handshake", "modern"],
    backend: str,
    patience: float,
) -> tuple[str, WireLog]:
    """Run a client once and return what is wrong with it, as text for people (nothing if all is well), and the log."""
    scene = Scene(moves, era, offer)
    perform(scene, where, client, backend=backend, patience=patience)
    board = Views(scene.log, Host(scene.log), secrets_of(dict(os.environ), ()), CLIENT)
    board.seal()
    return judge([board]).found, scene.log


def offer_like(like: object, era: str) -> Offer:
    """Return what a server offers.

    Raises:
        UsageError: It is neither a server nor a mapping of lists.
    """
    if like is None:
        return PLAIN
    if isinstance(like, Offer):
        return like
    if not isinstance(like, Mapping):
        return offered(maker(like), era)
    given = cast("Mapping[str, object]", like)
    for kind, entries in given.items():
        if kind not in _KINDS or not isinstance(entries, Sequence) or isinstance(entries, str):
            raise UsageError(f"like= has {kind!r}: {type(entries).__name__}; give lists of tools, resources and prompts")
        for entry in cast("Sequence[object]", entries):
            if not isinstance(entry, Mapping) or not isinstance(cast("Mapping[str, object]", entry).get(_KINDS[kind]), str):
                raise UsageError(f"like= has {entry!r} in {kind!r}: each is a mapping with {_KINDS[kind]!r}, as in {kind}/list")
    lists = {kind: cast("Sequence[Mapping[str, object]]", given.get(kind, ())) for kind in _KINDS}
    return Offer(era, {key: value for key, value in PLAIN.capabilities.items() if lists.get(key) or key not in lists}, **lists)


def checked_client(client: object, transport: object, *, era: object, backend: object, patience: object) -> tuple[Client, Way]:
    """Return a client and how it gets the server.

    Raises:
        UsageError: It is no client, or an option has a wrong value.
    """
    for name, value, valid in (("era", era, _ERAS), ("backend", backend, _BACKENDS), ("transport", transport, (None, *_WAYS))):
        if value not in valid:
            raise UsageError(f"{name}={value!r} is none; use {' or '.join(repr(each) for each in valid if each is not None)}")
    if not isinstance(patience, (int, float)) or isinstance(patience, bool) or not patience > 0:
        raise UsageError(f"patience={patience!r} is no time; give seconds, such as patience=2")
    if callable(client):
        try:
            inspect.signature(client).bind(None)
        except TypeError:
            raise UsageError(f"{client!r} is called with the server alone: let it take one argument") from None
        except ValueError:
            pass  # a function without a signature
        return client, cast("Way", transport or "memory")
    words: object = shlex.split(client) if isinstance(client, str) else client
    if (
        not isinstance(words, Sequence)
        or not words
        or not all(isinstance(each, str) for each in cast("Sequence[object]", words))
    ):
        raise UsageError(
            f"{client!r} is no client: give a function of one argument, or a command as text or as a list of texts"
        )
    command = cast("Sequence[str]", words)
    if shutil.which(command[0]) is None:
        raise UsageError(f"cannot run {command[0]!r}: there is no such program; is it installed, and on the PATH?")
    if transport == "memory":
        raise UsageError("a command is another process, so transport='memory' cannot reach it; use 'stdio' or 'http'")
    return command, cast("Way", transport or "stdio")
