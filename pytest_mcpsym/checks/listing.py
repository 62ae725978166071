"""Checks of what servers list: names are unique, headers can be sent, and lists change and are shared as announced.

Pinned by `tests/checks/test_listing.py`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, cast

from pytest_mcpsym.checks.finding import Finding, Registry, View, check
from pytest_mcpsym.checks.session import credentials
from pytest_mcpsym.checks.wording import shown
from pytest_mcpsym.wire.exchange import Exchange
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.marks import wrong_mark

__all__ = ["LISTING", "changed_silently", "header", "name_twice", "not_there", "public_but_different"]

_SPEC: Final = "https://modelcontextprotocol.io/specification/2025-11-25"
_LISTS: Final = {"tools/list": "name", "prompts/list": "name", "resources/list": "uri"}
"""What is listed by each method, by the member that names it."""
_HTTP: Final = ("http", "sockets")


@dataclass(frozen=True, slots=True)
class _Page:
    """One answer to a listing."""

    exchange: Exchange
    response: Frame
    items: tuple[dict[str, object], ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(str(each.get(_LISTS[self.exchange.method])) for each in self.items)

    @property
    def first(self) -> bool:
        return "cursor" not in self.exchange.request.message.params

    @property
    def whole(self) -> bool:
        return self.first and "nextCursor" not in self.response.message.result

    @property
    def family(self) -> str:
        return self.exchange.method.partition("/")[0]


def _pages(view: View) -> list[_Page]:
    """Return what servers answered to their clients' listings, in order of the requests."""
    pages: list[_Page] = []
    for exchange in view.correlation.exchanges:
        if exchange.method not in _LISTS or exchange.direction != "to-server" or exchange.response is None:
            continue
        listed = exchange.response.message.result.get(exchange.method.partition("/")[0])
        if isinstance(listed, list):
            items = [cast("dict[str, object]", each) for each in cast("list[object]", listed) if isinstance(each, dict)]
            pages.append(_Page(exchange, exchange.response, tuple(items)))
    return pages


@check(
    "listing:name-twice",
    severity="error",
    sentence="No two tools, prompts or resources of a server have one name.",
    source=f"{_SPEC}/server/tools#tool; https://github.com/docker/mcp-gateway/pull/11",
)
def name_twice(view: View) -> Iterator[Finding]:
    """Find names that one list has twice, also on two of its pages."""
    seen: dict[tuple[str, str, str], _Before] = {}
    for page in view.once(_pages):
        link, method = page.exchange.link, page.exchange.method
        cursor = str(page.exchange.request.message.params.get("cursor"))
        before = (None if page.first else seen.get((link, method, cursor))) or _Before()
        known, after = before.reading(page)
        for name, earlier in known.items():
            frames = tuple(dict.fromkeys((earlier, page.response)))
            yield name_twice.finding(f"{link}: {method} has {shown(name)} twice", frames, link)
        if "nextCursor" in page.response.message.result:
            seen[link, method, str(page.response.message.result["nextCursor"])] = after


@dataclass(slots=True)
class _Before:
    """The names on the pages before one, which shares them with the pages that follow it.

    Attributes:
        names: Each name with the number of its page and the frame that told it; those of later pages stand there too.
        pages: How many pages are before.
        read: The names of the page when it was read first, if it was.
    """

    names: dict[str, tuple[int, Frame]] = field(default_factory=dict[str, tuple[int, Frame]])
    pages: int = 0
    read: tuple[str, ...] | None = None

    def reading(self, page: _Page) -> tuple[dict[str, Frame], _Before]:
        """Return the names that a page has twice, or has and earlier ones had, with where they stood; and what is before the next page."""
        told = page.names
        if self.read is not None and self.read != told:
            earlier = {name: where for name, where in self.names.items() if where[0] < self.pages}
            return _Before(earlier, self.pages).reading(page)
        twice: dict[str, Frame] = {}
        on_page: set[str] = set()
        for name in told:
            number, frame = self.names.get(name, (self.pages, page.response))
            if number < self.pages or name in on_page:
                twice.setdefault(name, frame if number < self.pages else page.response)
            on_page.add(name)
        if self.read is None:
            self.names.update((name, (self.pages, page.response)) for name in on_page if name not in self.names)
            self.read = told
        return twice, _Before(self.names, self.pages + 1)


@check(
    "listing:changed-silently",
    severity="warning",
    sentence="A server that announces changes of a list announces each.",
    source=f"{_SPEC}/server/tools#list-changed-notification; https://github.com/jlowin/fastmcp/issues/4161",
    at_close=True,
)
def changed_silently(view: View) -> Iterator[Finding]:
    """Find lists that differ from the one before, with no `list_changed` since, from servers that declared `listChanged`.

    Of the handshake era: a modern client is told only where it listens.
    """
    declared = _declared(view)
    if not declared:
        return
    announced: dict[tuple[str, str], int] = {}
    for frame in view.log.frames:
        if frame.direction == "to-client" and (method := frame.message.method) is not None and method.endswith("/list_changed"):
            announced[frame.link, method.split("/")[1]] = frame.seq
    last: dict[tuple[str, str], _Page] = {}
    for page in view.once(_pages):
        key = page.exchange.link, page.family
        before = last.get(key)
        if page.whole:
            last[key] = page
        if before is None or not page.whole or key not in declared or set(before.names) == set(page.names):
            continue
        if announced.get(key, -1) < before.exchange.request.seq:
            changed = ", ".join(shown(name) for name in sorted(set(before.names) ^ set(page.names))[:5])
            text = f"{key[0]}: {page.exchange.method} changed ({changed}), and no notifications/{key[1]}/list_changed came"
            yield changed_silently.finding(text, (before.response, page.response), key[0])


def _declared(view: View) -> set[tuple[str, str]]:
    """Links and families whose server said in the handshake that it announces changes."""
    found: set[tuple[str, str]] = set()
    for exchange in view.correlation.exchanges:
        if exchange.method == "initialize" and exchange.response is not None:
            capabilities = exchange.response.message.result.get("capabilities")
            for family, value in _members(capabilities).items():
                if _members(value).get("listChanged") is True:
                    found.add((exchange.link, family))
    return found


def _members(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


@check(
    "listing:public-but-different",
    severity="warning",
    sentence="A list that may be kept for everybody is the same for everybody.",
    source="2026-07-28 schema, `CacheableResult.cacheScope`; https://github.com/aklivity/zilla/issues/2063",
)
def public_but_different(view: View) -> Iterator[Finding]:
    """Find lists with `cacheScope: public` that one HTTP server gave two callers with different credentials, and that differ.

    Only within the time to live of the first, because a list may change.
    """
    links = {note.link for note in view.log.notes if note.channel == "open" and note.data.get("transport") in _HTTP}
    kept: dict[tuple[str, str], list[_Page]] = defaultdict(list)
    for page in view.once(_pages):
        link = page.exchange.link
        if link not in links or not page.whole or page.response.message.result.get("cacheScope") != "public":
            continue
        others = kept[view.servers[link], page.exchange.method]
        for other in others:
            ttl = other.response.message.result.get("ttlMs")
            alive = isinstance(ttl, int) and (page.response.time - other.response.time) * 1000 <= ttl
            if (
                alive
                and credentials(other.exchange.request) != credentials(page.exchange.request)
                and set(other.names) != set(page.names)
            ):
                names = f"{other.exchange.link} and {link}"
                text = f"{link}: {page.exchange.method} is public, and what {names} were given differs"
                yield public_but_different.finding(text, (other.response, page.response), link)
                break
        if not any(credentials(other.exchange.request) == credentials(page.exchange.request) for other in others):
            others.append(page)


_DENIALS: Final = re.compile(
    r"\b(unknown|no such|there is no)\b.{0,20}\btool\b|\btool\b.{0,200}\b(unknown|not found|not exist|no longer|not available)\b",
    re.IGNORECASE | re.DOTALL,
)
"""How servers say that they have no such tool."""


@check(
    "listing:not-there",
    severity="warning",
    sentence="A tool that a server lists for its caller is there for that caller.",
    source=f"{_SPEC}/server/tools#error-handling; https://github.com/aklivity/zilla/issues/2063",
    at_close=True,
)
def not_there(view: View) -> Iterator[Finding]:
    """Find calls of a tool in the caller's last list, with no `list_changed` since, that were answered with there being no such tool."""
    lists: dict[str, dict[str, Frame]] = defaultdict(dict[str, Frame])
    pages = {page.response.seq: page for page in _pages(view) if page.family == "tools"}
    for frame in view.log.frames if pages else ():
        if frame.seq in pages:
            page = pages[frame.seq]
            if page.first:
                lists[frame.link].clear()
            lists[frame.link].update(dict.fromkeys(page.names, frame))
        elif frame.message.method == "notifications/tools/list_changed":
            lists[frame.link].clear()
        elif frame.direction == "to-client" and frame.link in lists and (denied := _denial(frame)) is not None:
            call = view.correlation.owner(frame)
            name = "" if call is None else str(call.request.message.params.get("name"))
            if call is None or call.method != "tools/call" or name not in lists[frame.link] or not _names(denied, name):
                continue
            if call.response is frame and _DENIALS.search(denied) is not None:
                text = f"{frame.link}: the server listed the tool {shown(name)}, and answered a call of it that there is none"
                yield not_there.finding(text, (lists[frame.link][name], call.request, frame), frame.link, view.route(call))


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


def _denial(frame: Frame) -> str | None:
    """Return what an error says, of JSON-RPC or of a tool."""
    if frame.message.kind == "error":
        return str(frame.message.error.get("message"))
    if frame.message.kind == "result" and frame.message.result.get("isError") is True:
        return str(frame.message.result.get("content"))
    return None


@check(
    "listing:header",
    severity="error",
    sentence="What a tool's schema marks with `x-mcp-header` can be sent as a header.",
    source="2026-07-28 transports, custom headers; https://modelcontextprotocol.io/seps/2243-http-standardization",
)
def header(view: View) -> Iterator[Finding]:
    """Find tools of modern HTTP servers that no client may list, because their schema marks a property wrongly."""
    links = {
        note.link
        for note in view.log.notes
        if note.channel == "open" and note.data.get("transport") in _HTTP and note.data.get("era") == "modern"
    }
    for page in view.once(_pages):
        link = page.exchange.link
        if link not in links or page.family != "tools":
            continue
        for tool in page.items:
            wrong = wrong_mark(tool.get("inputSchema"))
            if wrong is not None:
                text = f"{link}: a client leaves out the tool {shown(str(tool.get('name')))}, because {wrong}"
                yield header.finding(text, (page.response,), link)


LISTING: Final = Registry((name_twice, changed_silently, public_but_different, not_there, header))
"""All checks of this family."""
