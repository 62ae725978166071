"""Checks that what belongs to one link stays on it. Pinned by `tests/checks/test_isolation.py`.

The canaries of a link are read off the log: what it was given (the note `credentials`: headers, variables, arguments), the credentials in
its HTTP headers (authorization, cookies, API keys) and its session ids. A value that several links hold is nobody's own, and neither is one that the host itself sent elsewhere. What a server sends to an
HTTP API is that API's, unless the host sent it to that server over HTTP: then it has crossed. What a process was started with may be
meant for the API that it calls.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from pytest_mcpsym.checks.finding import Finding, Registry, View, check
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import Cause, Note
from pytest_mcpsym.wire.needles import Needles
from pytest_mcpsym.wire.redact import spellings
from pytest_mcpsym.wire.sensitive import PLACEHOLDER, is_secret_header, scheme_end
from pytest_mcpsym.wire.upstream import body_of, callers_of

__all__ = ["ISOLATION", "credential_crossed", "credential_shown"]

_SESSION: Final = "mcp-session-id"
_SHORTEST: Final = 12
"""Characters of a canary at least: what is shorter may occur by chance."""


@dataclass(frozen=True, slots=True)
class _Canary:
    link: str
    label: str
    value: str


@check(
    "isolation:credential-crossed",
    severity="error",
    sentence="The credentials and session ids of one link are never seen on another.",
    source="https://modelcontextprotocol.io/specification/2025-11-25/basic/security_best_practices#token-passthrough",
)
def credential_crossed(view: View) -> Iterator[Finding]:
    """Find credentials in frames, standard error and HTTP notes of other links, raw and in the encodings of `spellings`."""
    for canary, entry in _sightings(view):
        owner = view.correlation.owner(entry) if isinstance(entry, Frame) else None
        if entry.seq in view.placements.upstream:
            owner, _ = view.placements.upstream[entry.seq]
        message = f"{entry.link}: {_how(entry)} the {canary.label} of the link {canary.link!r}"
        frames = (entry,) if isinstance(entry, Frame) else ()
        yield credential_crossed.finding(message, frames, entry.link, owner and view.route(owner))


@check(
    "isolation:credential-shown",
    severity="error",
    sentence="A server shows its own credentials in no standard error, log notification or error.",
    source="https://modelcontextprotocol.io/specification/2025-11-25/server/utilities/logging#security",
)
def credential_shown(view: View) -> Iterator[Finding]:
    """Find a link's credentials in what its own server tells people. Session ids, which servers log on purpose, are none."""
    for entry, seen in _seen(view, lambda canary: canary.label != "session id"):
        where = _told(entry)
        for canary in sorted(seen, key=lambda each: each.label) if where else ():
            if canary.link == entry.link:
                owner = view.correlation.owner(entry) if isinstance(entry, Frame) else None
                frames = (entry,) if isinstance(entry, Frame) else ()
                message = f"{entry.link}: {where} shows the link's own {canary.label}"
                yield credential_shown.finding(message, frames, entry.link, owner and view.route(owner))


def _told(entry: Frame | Note) -> str | None:
    """Return what of the server's talk to people an entry is, if it is any."""
    if isinstance(entry, Note):
        return "standard error" if entry.channel == "stderr" else None
    if entry.direction == "to-server":
        return None
    if entry.message.kind == "error":
        return "an error"
    if entry.message.result.get("isError") is True:
        return "the error of a tool"
    return "a log notification" if entry.message.method == "notifications/message" else None


def _how(entry: Frame | Note) -> str:
    if isinstance(entry, Note):
        return f"the side channel {entry.channel} showed"
    return "the server sent" if entry.direction == "to-client" else "the server was sent"


def _sightings(view: View) -> Iterator[tuple[_Canary, Frame | Note]]:
    """Yield where a canary is on a link that neither owns it nor was given it by the host."""
    apis = view.once(_apis)
    processes = {note.link for note in view.log.notes if note.channel == "open" and note.data.get("transport") == "stdio"}
    given: set[tuple[str, _Canary]] = set()
    for entry, seen in _seen(view, lambda _: True):
        by_host = isinstance(entry, Frame) and entry.direction == "to-server" and entry.message.method is not None
        by_host = by_host and entry.seq not in view.placements.forwarded
        for canary in sorted(seen, key=lambda each: (each.link, each.label)):
            if canary.link == entry.link or (entry.link, canary) in given:
                continue
            if canary.link in processes and canary.link in apis.get(entry.link, ()):
                continue  # A process may show the API that it calls what it was started with.
            if by_host:
                given.add((entry.link, canary))
            else:
                yield canary, entry


def _seen(view: View, counts: Callable[[_Canary], bool]) -> Iterator[tuple[Frame | Note, set[_Canary]]]:
    """Yield the entries that show canaries which count, with these; of several spellings that begin alike the longest is meant."""
    spelled = view.once(_spelled)
    for entry, present in view.once(_suspicious):
        needles = sorted((each for each in present if counts(spelled[each])), key=len, reverse=True)
        if len(needles) > 1:
            pattern = re.compile(b"|".join(map(re.escape, needles)))
            needles = [match[0] for text in _texts(entry, view.once(_apis)) for match in pattern.finditer(text)]
        if needles:
            yield entry, {spelled[needle] for needle in needles}


def _suspicious(view: View) -> tuple[tuple[Frame | Note, frozenset[bytes]], ...]:
    """Return the entries that hold canaries, with the spellings that they hold."""
    spelled, apis = view.once(_spelled), view.once(_apis)
    if not spelled:
        return ()
    texts = [frame.data for frame in view.log.frames]
    owners: list[Frame | Note] = [*view.log.frames]
    for frame in view.log.frames:
        data = frame.data
        if b'"content"' in data or b"\\" in data:
            between = _between_the_lines(frame)
            texts += between
            owners += [frame] * len(between)
    for note in view.log.notes:
        if note.link in apis or not _TELLING.isdisjoint(note.data):
            told = _told_by(note, apis)
            texts += told
            owners += [note] * len(told)
    found: dict[int, set[bytes]] = {}
    for index, present in Needles(spelled).in_each(texts):
        found.setdefault(owners[index].seq, set()).update(present)
    entries = {entry.seq: entry for entry in owners if entry.seq in found}
    return tuple((entries[seq], frozenset(found[seq])) for seq in sorted(found))


def _spelled(view: View) -> dict[bytes, _Canary]:
    """Return the canaries by each spelling of theirs."""
    return {needle: canary for canary in _canaries(view) for needle in _needles(canary.value)}


def _apis(view: View) -> Mapping[str, tuple[str, ...]]:
    return callers_of(view.log.notes)


def _canaries(view: View) -> list[_Canary]:
    apis = view.once(_apis)
    holders: dict[str, dict[str, str]] = defaultdict(dict)
    known: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for entry in view.log:
        if isinstance(entry, Cause) or not _may_hold(entry, known[entry.link]):
            continue
        fresh = [pair for pair in _headers(entry) if pair not in known[entry.link]]
        known[entry.link].update(fresh)
        for label, secret in _held(entry, fresh):
            if len(secret) >= _SHORTEST and not PLACEHOLDER.search(secret):
                holders[secret].setdefault(entry.link, label)
    for links in holders.values():
        if not links.keys() <= apis.keys():
            for api in links.keys() & apis.keys():
                del links[api]
    return [_Canary(*next(iter(links.items())), value) for value, links in holders.items() if len(links) == 1]


def _secrets(name: str, value: str) -> Iterator[tuple[str, str]]:
    if name == _SESSION:
        yield "session id", value
    elif name in ("cookie", "set-cookie"):
        for pair in value.split(";")[: 1 if name == "set-cookie" else None]:
            yield name, pair.partition("=")[2].strip()
    elif is_secret_header(name):
        yield name, value[scheme_end(value) :]


def _may_hold(entry: Frame | Note, known: set[tuple[str, str]]) -> bool:
    """Whether an entry may show a credential, beyond those in the headers that are known: nearly none does."""
    if isinstance(entry, Frame):
        return entry.envelope is not None and not known.issuperset(entry.envelope.headers)
    if entry.channel != "http":
        return entry.channel == "credentials"
    headers = entry.data.get("headers", ())
    try:
        return not known.issuperset(map(tuple, cast("Iterable[list[str]]", headers)))
    except TypeError:  # A recording that somebody wrote may have anything there.
        return True


def _held(entry: Frame | Note, headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield label and value of what an entry, by its data and these of its headers, shows to be the credentials of its link."""
    if isinstance(entry, Note) and entry.channel == "credentials":
        for name, value in cast("Iterable[tuple[str, str]]", entry.data.get("values", ())):
            yield (
                name if "_" in name else name.lower(),
                value[scheme_end(value) :],
            )  # Only a variable has a `_`, and its case matters.
    for name, value in headers:
        yield from _secrets(name.lower(), value)


def _headers(entry: Frame | Note) -> Iterable[tuple[str, str]]:
    if isinstance(entry, Frame):
        return () if entry.envelope is None else entry.envelope.headers
    pairs = entry.data.get("headers")
    if not isinstance(pairs, (list, tuple)):
        return ()
    return [(str(name), str(value)) for name, value in cast("Iterable[tuple[object, object]]", pairs)]


def _needles(value: str) -> set[bytes]:
    raw = value.encode("utf-8", "surrogatepass")
    return {
        *(form.encode("utf-8", "surrogatepass") for form in spellings(value)),
        raw.hex().encode(),
        raw.hex().upper().encode(),
    }


_TELLING: Final = frozenset({"text", "url", "reason"})
"""Members of notes that hold what somebody said."""


def _texts(entry: Frame | Note, apis: Mapping[str, object]) -> list[bytes]:
    """Return what may hold a canary."""
    return _told_by(entry, apis) if isinstance(entry, Note) else [entry.data, *_between_the_lines(entry)]


def _told_by(note: Note, apis: Mapping[str, object]) -> list[bytes]:
    """Return what a note tells; of a call of an HTTP API also the headers and the body of either side."""
    data = note.data
    told = [value for name in _TELLING if isinstance(value := data.get(name), str)]
    upstream = note.channel == "http" and note.link in apis
    if upstream:
        told += [value for _, value in _headers(note)]
    texts = [value.encode("utf-8", "surrogatepass") for value in told]
    if upstream:
        texts.append(body_of(note))
    return [*texts, *_meanings(texts)]


def _between_the_lines(frame: Frame) -> list[bytes]:
    """Return what the escapes of a frame mean, and the joined text of several content blocks."""
    data = frame.data
    texts = [data]
    content = frame.message.result.get("content") if b'"content"' in data else None
    if isinstance(content, list) and len(cast("list[object]", content)) > 1:
        blocks = [cast("dict[str, object]", block) for block in cast("list[object]", content) if isinstance(block, dict)]
        texts.append("".join(str(block.get("text", "")) for block in blocks).encode("utf-8", "surrogatepass"))
    return [*texts[1:], *_meanings(texts)]


def _meanings(texts: Iterable[bytes]) -> list[bytes]:
    """Return what texts with escapes of JSON mean."""
    return [_unescaped(text) for text in texts if b"\\" in text and (b"\\u" in text or b"\\/" in text)]


_ESCAPE: Final = re.compile(rb"\\+u00([0-7][0-9a-fA-F])|\\+/")


def _unescaped(data: bytes) -> bytes:
    return _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()) if match[1] else b"/", data)


ISOLATION: Final = Registry((credential_crossed, credential_shown))
"""All checks of this family."""
