"""The mutants by row of the fault catalogue: what each is, where it can exist, and which checks have to name it.

Standard library and anyio alone, as a process imports it too. Pinned by `tests/fakes/test_mutants.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from . import clients, gateways, servers
from .clients import Caller
from .peer import Peer

__all__ = ["ERAS", "MUTANTS", "REASONS", "WAYS", "Mutant", "made"]

ERAS: Final = ("handshake", "modern")
WAYS: Final = ("memory", "stdio", "http")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A peer with one bug of the catalogue.

    Attributes:
        row: Row of the catalogue.
        make: Makes the peer: a server, a gateway or a client.
        checks: Ids of checks, one of which has to name the bug.
        absent: Eras and transports in which it cannot exist, each with the word for why, of `REASONS`.
    """

    row: str
    make: Callable[[], Peer | Caller]
    checks: tuple[str, ...]
    absent: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)

    @property
    def name(self) -> str:
        """Name of the mutant."""
        return self.make.__name__

    @property
    def client(self) -> bool:
        """Whether it is a client."""
        return isinstance(self.make, type) and issubclass(self.make, Caller)

    @property
    def about(self) -> str:
        """What it does wrong."""
        return (self.make.__doc__ or "").partition("\n")[0]

    @property
    def eras(self) -> tuple[str, ...]:
        """Eras in which it can exist."""
        return tuple(era for era in ERAS if era not in self.absent)

    @property
    def ways(self) -> tuple[str, ...]:
        """Transports on which it can exist."""
        return tuple(way for way in WAYS if way not in self.absent)

    def why_not(self, era: str, way: str) -> str | None:
        """The word for why it cannot exist in an era on a transport; `None` where it can."""
        return self.absent.get(era, self.absent.get(way))


REASONS: Final = {
    "one-client": "a process serves one client, so it confuses no two",
    "no-credential": "a link in memory holds no credential",
    "no-session": "sessions are of HTTP, and of the handshake",
    "no-asking": "a modern server sends no requests; what it asks is in the answer of a leg, which belongs to its call",
    "leg-ended": "a modern leg has ended when what it asked is under way, so nothing of it is left to pass a cancellation on",
    "no-stream": "on HTTP the stream on which it asks says which call it is for",
    "no-caching": "how long and for whom a list may be kept is said by modern servers, to callers that HTTP tells apart",
    "no-listening": "a modern client is told of changes only where it listens for them",
    "no-logging": "a modern server logs only where that is asked for",
    "no-buffer": "only a process has an output that is kept in a buffer until it ends",
    "no-stderr": "only a process has a standard error of its own",
    "no-handshake": "the modern era has no handshake, so nothing can come before its end",
}
"""Why a bug cannot exist in an era or on a transport, by the word that the table has for it."""

_PROCESS: Final = {"stdio": "one-client"}
_HELD: Final = {"memory": "no-credential"}
_HTTP: Final = {**_PROCESS, **_HELD}
_SESSIONS: Final = {"modern": "no-session", "memory": "no-session", "stdio": "no-session"}
_ASKS: Final = {"modern": "no-asking"}
_LEGS: Final = {"modern": "leg-ended"}
_UNANSWERED: Final = "jsonrpc:unanswered"

MUTANTS: Final = (
    Mutant("F01", servers.SharedIds, (_UNANSWERED,), _PROCESS),
    Mutant("F02", servers.IdsAsText, ("jsonrpc:id-type-changed",)),
    Mutant("F03", servers.FoldsIds, (_UNANSWERED,)),
    Mutant("F04", servers.ContextById, ("isolation:credential-crossed",), _HTTP),
    Mutant("F05", servers.OneTransport, ("jsonrpc:answer-to-nobody", _UNANSWERED), _PROCESS),
    Mutant("F06", servers.ProgressByToken, ("progress:not-increasing", "progress:unknown-token"), _PROCESS),
    Mutant("F07", servers.InventsTokens, ("progress:unknown-token",)),
    Mutant("F08", clients.DiesOfProgress, ("lifecycle:client-quit",)),
    Mutant("F09", servers.ProgressLate, ("progress:after-result",)),
    Mutant("F09", servers.ProgressBackwards, ("progress:not-increasing",)),
    Mutant("F10", gateways.AsksTheLastClient, ("origin:unknown-cause",), {**_ASKS, **_PROCESS}),
    Mutant("F11", gateways.AsksWithStaleCause, ("origin:unknown-cause",), _ASKS),
    Mutant("F12", gateways.AsksForNobody, ("origin:nobody",), _ASKS),
    Mutant("F13", gateways.AsksWithoutCause, ("origin:unclear",), {**_ASKS, "http": "no-stream"}),
    Mutant("F14", gateways.KeepsCancellations, ("cancellation:not-propagated",), _LEGS),
    Mutant("F14", gateways.CancelsAnotherId, ("cancellation:unknown-request",), _LEGS),
    Mutant("F15", servers.CancelsAcrossClients, (_UNANSWERED,), _PROCESS),
    Mutant("F15", servers.AnswersAsCancelled, ("cancellation:of-another",), _PROCESS),
    Mutant("F16", gateways.ForwardsCredentials, ("isolation:credential-crossed",), _HELD),
    Mutant("F17", servers.OneSession, ("isolation:credential-crossed",), _HTTP),
    Mutant("F17", servers.SharesSessions, ("session:shared",), _SESSIONS),
    Mutant("F18", servers.TakesAnySession, ("session:taken",), _SESSIONS),
    Mutant("F19", servers.BindsToTheBytes, ("session:lost",), _SESSIONS),
    Mutant(
        "F20",
        servers.CachesListsForAll,
        ("listing:public-but-different",),
        {"handshake": "no-caching", "memory": "no-caching", "stdio": "no-caching"},
    ),
    Mutant("F20", servers.CachesTheFirstList, ("listing:not-there",), _PROCESS),
    Mutant("F21", servers.NamesTwice, ("listing:name-twice",)),
    Mutant("F22", servers.GrowsSilently, ("listing:changed-silently",), {"modern": "no-listening"}),
    Mutant("F23", gateways.GivesUpOnError, (_UNANSWERED,)),
    Mutant("F23", gateways.StopsCalling, ("routing:gave-up",)),
    Mutant("F24", clients.ListsTooEarly, ("lifecycle:before-initialized",), {"modern": "no-handshake"}),
    Mutant("F25", gateways.RelaysOneAtATime, ("deadlock:cycle",)),
    Mutant("F26", servers.OneAtATime, (_UNANSWERED, "deadlock:cycle")),
    Mutant("F27", servers.WedgesOnStderr, (_UNANSWERED,)),
    Mutant("F28", servers.WritesAtExit, ("lifecycle:answered-at-exit",), {"memory": "no-buffer", "http": "no-buffer"}),
    Mutant("F29", servers.AnswersNotifications, ("jsonrpc:not-json-rpc",)),
    Mutant("F30", servers.MalformedIsSilence, ("jsonrpc:silence",)),
    Mutant("F31", servers.RoundsIntegers, ("payload:number-rounded",)),
    Mutant("F31", servers.SpeaksNaN, ("jsonrpc:not-json-rpc",)),
    Mutant("F31", gateways.SortsMembers, ("payload:changed",)),
    Mutant("F32", gateways.DropsTrace, ("trace:dropped",)),
    Mutant("F33", gateways.AsksUndeclared, ("extension:undeclared",)),
    Mutant("F34", gateways.AsksAfterCancellation, ("origin:unknown-cause",), _ASKS),
    Mutant("F35", gateways.EscapesItsSandbox, ("origin:not-granted",)),
    Mutant("F36", clients.DiesOfManyChanges, ("lifecycle:client-quit",), {"modern": "no-listening"}),
    Mutant("F36", clients.TakesAnyIdForItsOwn, (_UNANSWERED,), _ASKS),
    Mutant("F36", clients.AnswersNoPing, (_UNANSWERED,), _ASKS),
    Mutant("F37", servers.InlinesDocuments, ("payload:inlined",)),
    Mutant("F38", servers.LogsSecrets, ("isolation:credential-shown",), {**_HELD, "modern": "no-logging"}),
    Mutant("F38", servers.ShowsSecrets, ("isolation:credential-shown",), _HELD),
    Mutant("F38", servers.PrintsSecrets, ("isolation:credential-shown",), {"memory": "no-stderr", "http": "no-stderr"}),
)


def made(name: str) -> Peer | Caller:
    """Make the peer of a name, `Peer` being the healthy server and `Caller` the healthy client.

    Raises:
        ValueError: There is no mutant of that name.
    """
    for make in (Peer, Caller, *(each.make for each in MUTANTS)):
        if make.__name__ == name:
            return make()
    raise ValueError(f"there is no mutant {name!r}; there are {', '.join(each.name for each in MUTANTS)}")
