"""The mutants by row of the fault catalogue: what each is, where it can exist, and which checks have to name it.

Standard library and anyio alone, as a process imports it too. Pinned by `tests/fakes/test_mutants.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from . import gateways, servers
from .peer import Peer

__all__ = ["ERAS", "MUTANTS", "WAYS", "Mutant", "made"]

ERAS: Final = ("handshake", "modern")
WAYS: Final = ("memory", "stdio", "http")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A peer with one bug of the catalogue.

    Attributes:
        row: Row of the catalogue.
        make: Makes the peer.
        checks: Ids of checks, one of which has to name the bug.
        eras: Eras in which it can exist.
        ways: Transports on which it can exist.
        limits: Why it cannot exist elsewhere.
    """

    row: str
    make: Callable[[], Peer]
    checks: tuple[str, ...]
    eras: tuple[str, ...] = ERAS
    ways: tuple[str, ...] = WAYS
    limits: str = ""

    @property
    def name(self) -> str:
        """Name of the mutant."""
        return self.make.__name__

    @property
    def about(self) -> str:
        """What it does wrong."""
        return (self.make.__doc__ or "").partition("\n")[0]


_SHARED: Final = ("memory", "http")
_PROCESS: Final = "a process has one client"
_HELD: Final = ("stdio", "http")
_NOTHING_HELD: Final = "a link in memory holds no credential"
_SESSIONS: Final = "sessions are of HTTP"
_ASKS: Final = "a modern server does not ask, and a leg belongs to its answer"
_UNANSWERED: Final = "jsonrpc:unanswered"

MUTANTS: Final = (
    Mutant("F01", servers.SharedIds, (_UNANSWERED,), ways=_SHARED, limits=_PROCESS),
    Mutant("F02", servers.IdsAsText, ("jsonrpc:id-type-changed",)),
    Mutant("F03", servers.FoldsIds, (_UNANSWERED,)),
    Mutant(
        "F04", servers.ContextById, ("isolation:credential-crossed",), ways=("http",), limits=f"{_NOTHING_HELD}; {_PROCESS}"
    ),
    Mutant("F05", servers.OneTransport, ("jsonrpc:answer-to-nobody", _UNANSWERED), ways=_SHARED, limits=_PROCESS),
    Mutant(
        "F06", servers.ProgressByToken, ("progress:not-increasing", "progress:unknown-token"), ways=_SHARED, limits=_PROCESS
    ),
    Mutant("F07", servers.InventsTokens, ("progress:unknown-token",)),
    Mutant("F09", servers.ProgressLate, ("progress:after-result",)),
    Mutant("F09", servers.ProgressBackwards, ("progress:not-increasing",)),
    Mutant("F10", gateways.AsksTheLastClient, ("origin:unknown-cause",), ("handshake",), _SHARED, f"{_PROCESS}; {_ASKS}"),
    Mutant("F11", gateways.AsksWithStaleCause, ("origin:unknown-cause",), ("handshake",), limits=_ASKS),
    Mutant("F12", gateways.AsksForNobody, ("origin:nobody",), ("handshake",), limits=_ASKS),
    Mutant(
        "F13",
        gateways.AsksWithoutCause,
        ("origin:unclear",),
        ("handshake",),
        ("memory", "stdio"),
        f"{_ASKS}; the HTTP stream says it",
    ),
    Mutant(
        "F14", gateways.KeepsCancellations, ("cancellation:not-propagated",), ("handshake",), limits="a modern leg has ended"
    ),
    Mutant(
        "F14", gateways.CancelsAnotherId, ("cancellation:unknown-request",), ("handshake",), limits="a modern leg has ended"
    ),
    Mutant("F15", servers.CancelsAcrossClients, (_UNANSWERED,), ways=_SHARED, limits=_PROCESS),
    Mutant("F16", gateways.ForwardsCredentials, ("isolation:credential-crossed",), ways=_HELD, limits=_NOTHING_HELD),
    Mutant("F17", servers.OneSession, ("isolation:credential-crossed",), ways=("http",), limits=f"{_NOTHING_HELD}; {_PROCESS}"),
    Mutant("F18", servers.TakesAnySession, ("session:taken",), ("handshake",), ("http",), _SESSIONS),
    Mutant("F19", servers.BindsToTheBytes, ("session:lost",), ("handshake",), ("http",), _SESSIONS),
    Mutant("F20", servers.CachesListsForAll, ("listing:public-but-different",), ("modern",), ("http",), "caching is modern"),
    Mutant("F21", servers.NamesTwice, ("listing:name-twice",)),
    Mutant("F22", servers.GrowsSilently, ("listing:changed-silently",), ("handshake",), limits="a modern client has to listen"),
    Mutant("F23", gateways.GivesUpOnError, (_UNANSWERED,)),
    Mutant("F25", gateways.RelaysOneAtATime, ("deadlock:cycle",)),
    Mutant("F26", servers.OneAtATime, (_UNANSWERED, "deadlock:cycle")),
    Mutant("F28", servers.WritesAtExit, ("lifecycle:answered-at-exit",), ways=("stdio",), limits="it is a buffer of a process"),
    Mutant("F29", servers.AnswersNotifications, ("jsonrpc:not-json-rpc",)),
    Mutant("F30", servers.MalformedIsSilence, ("jsonrpc:silence",)),
    Mutant("F31", servers.RoundsIntegers, ("payload:number-rounded",)),
    Mutant("F31", servers.SpeaksNaN, ("jsonrpc:not-json-rpc",)),
    Mutant("F32", gateways.DropsTrace, ("trace:dropped",)),
    Mutant("F33", gateways.AsksUndeclared, ("extension:undeclared",)),
    Mutant("F34", gateways.AsksAfterCancellation, ("origin:unknown-cause",), ("handshake",), limits=_ASKS),
    Mutant(
        "F38",
        servers.LogsSecrets,
        ("isolation:credential-shown",),
        ("handshake",),
        _HELD,
        f"{_NOTHING_HELD}; a modern server logs only where that is asked for",
    ),
    Mutant("F38", servers.ShowsSecrets, ("isolation:credential-shown",), ways=_HELD, limits=_NOTHING_HELD),
    Mutant(
        "F38", servers.PrintsSecrets, ("isolation:credential-shown",), ways=("stdio",), limits="standard error is of a process"
    ),
)


def made(name: str) -> Peer:
    """Make the peer of a name, `Peer` being the healthy one.

    Raises:
        ValueError: There is no mutant of that name.
    """
    for make in (Peer, *(each.make for each in MUTANTS)):
        if make.__name__ == name:
            return make()
    raise ValueError(f"there is no mutant {name!r}; there are {', '.join(each.name for each in MUTANTS)}")
