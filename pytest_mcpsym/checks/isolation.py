"""Checks that what belongs to one link stays on it. Pinned by `tests/checks/test_isolation.py`.

The canaries of a link are read off the log: what it was given (the note `credentials`: headers, variables, arguments), the credentials in
its HTTP headers (authorization, cookies, API keys) and its session ids. A value that several links hold is nobody's own, and neither is one that the host itself sent elsewhere. What a server sends to an
HTTP API is that API's, unless the host sent it to that server over HTTP: then it has crossed. What a process was started with may be
meant for the API that it calls.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final, cast

from pytest_mcpsym.checks.finding import Finding, Registry, View, check
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import Note
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
    needles = {
        needle: canary for canary in _canaries(view) if canary.label != "session id" for needle in _needles(canary.value)
    }
    if not needles:
        return
    scan = _Scan(needles)
    for entry in view.log:
        where = _told(entry) if isinstance(entry, (Frame, Note)) else None
        if where is None or not isinstance(entry, (Frame, Note)):
            continue
        seen = {needles[needle] for text in _texts(entry) for needle in scan.search(text)}
        for canary in sorted(seen, key=lambda each: each.label):
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
    return "a log notification" if entry.message.method == "notifications/message" else None


def _how(entry: Frame | Note) -> str:
    if isinstance(entry, Note):
        return f"the side channel {entry.channel} showed"
    return "the server sent" if entry.direction == "to-client" else "the server was sent"


def _sightings(view: View) -> Iterator[tuple[_Canary, Frame | Note]]:
    """Yield where a canary is on a link that neither owns it nor was given it by the host."""
    canaries = _canaries(view)
    if not canaries:
        return
    needles = {needle: canary for canary in canaries for needle in _needles(canary.value)}
    scan, apis = _Scan(needles), callers_of(view.log)
    processes = {note.link for note in view.log.notes if note.channel == "open" and note.data.get("transport") == "stdio"}
    given: set[tuple[str, _Canary]] = set()
    for entry in view.log:
        if not isinstance(entry, (Frame, Note)):
            continue
        texts = chain(_texts(entry), _sent_upstream(entry, apis))
        seen = {needles[needle] for text in texts for needle in scan.search(text)}
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


class _Scan:
    """Finds needles in many texts of which most repeat the same words: a word is looked at once.

    A needle is in a text only if its anchor, the longest run of word characters in it, is in one of the text's words.
    """

    _WORDS: Final = re.compile(rb"[\w+/=%.-]{8,}")

    def __init__(self, needles: Iterable[bytes]) -> None:
        # The longest of several spellings that begin alike is tried first.
        ordered = sorted(needles, key=len, reverse=True)
        anchors = {max(self._WORDS.findall(needle), key=len, default=b"") for needle in ordered}
        self._all = re.compile(b"|".join(map(re.escape, ordered)))
        self._anchors = re.compile(b"|".join(map(re.escape, anchors)))
        self._anchored = b"" not in anchors
        self._clean: set[bytes] = set()

    def search(self, text: bytes) -> Iterator[bytes]:
        """Yield the needles in a text."""
        if self._may_be_in(text):
            yield from (match[0] for match in self._all.finditer(text))

    def _may_be_in(self, text: bytes) -> bool:
        if not self._anchored:
            return True
        words = set(self._WORDS.findall(text)) - self._clean
        suspects = {word for word in words if self._anchors.search(word)}
        self._clean |= words - suspects
        return bool(suspects)


def _canaries(view: View) -> list[_Canary]:
    apis = callers_of(view.log)
    holders: dict[str, dict[str, str]] = defaultdict(dict)
    for entry in view.log:
        if isinstance(entry, (Frame, Note)):
            for label, secret in _held(entry):
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


def _held(entry: Frame | Note) -> Iterator[tuple[str, str]]:
    """Yield label and value of what an entry shows to be the credentials of its link."""
    if isinstance(entry, Note) and entry.channel == "credentials":
        for name, value in cast("Iterable[tuple[str, str]]", entry.data.get("values", ())):
            yield (
                name if "_" in name else name.lower(),
                value[scheme_end(value) :],
            )  # Only a variable has a `_`, and its case matters.
    for name, value in _headers(entry):
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


def _texts(entry: Frame | Note) -> Iterator[bytes]:
    """Yield what may hold a canary: the bytes, what their escapes mean, and the joined text of several content blocks."""
    if isinstance(entry, Note):
        for value in (entry.data.get("text"), entry.data.get("url"), entry.data.get("reason")):
            if isinstance(value, str):
                yield value.encode("utf-8", "surrogatepass")
        return
    yield entry.data
    if b"\\u" in entry.data or b"\\/" in entry.data:
        yield _unescaped(entry.data)
    content = entry.message.result.get("content") if b'"content"' in entry.data else None
    if isinstance(content, list) and len(cast("list[object]", content)) > 1:
        blocks = [cast("dict[str, object]", block) for block in cast("list[object]", content) if isinstance(block, dict)]
        yield "".join(str(block.get("text", "")) for block in blocks).encode("utf-8", "surrogatepass")


def _sent_upstream(entry: Frame | Note, apis: Mapping[str, object]) -> Iterator[bytes]:
    """Yield headers and body of one side of a call of an HTTP API."""
    if isinstance(entry, Note) and entry.channel == "http" and entry.link in apis:
        yield from (value.encode("utf-8", "surrogatepass") for _, value in _headers(entry))
        yield body_of(entry)


_ESCAPE: Final = re.compile(rb"\\+u00([0-7][0-9a-fA-F])|\\+/")


def _unescaped(data: bytes) -> bytes:
    return _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()) if match[1] else b"/", data)


ISOLATION: Final = Registry((credential_crossed, credential_shown))
"""All checks of this family."""
