"""What the peers of a board offer, under routed names: `link__name` for tools and prompts, `link+scheme://…` for resources.

Lists are spliced and never re-modelled; a name leads to the one granted peer that it means. Pinned by
`tests/switchboard/test_primitives.py`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final, cast

import anyio
from mcp import MCPError
from mcp_types import METHOD_NOT_FOUND

from pytest_mcpsym.errors import LinkError
from pytest_mcpsym.switchboard.asked import Asking, OnSent
from pytest_mcpsym.switchboard.invoke import pages
from pytest_mcpsym.switchboard.link import Link
from pytest_mcpsym.switchboard.pending import dumps
from pytest_mcpsym.switchboard.refusal import refusal
from pytest_mcpsym.symmetric.names import SEPARATOR
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.splice import find, splice

__all__ = ["LISTS", "Kind", "allows", "asks", "entries_of", "holders", "may_see", "resolve", "shown"]

URI_SEPARATOR: Final = "+"
"""Between the link's name and a resource's URI; link names do not contain it, so the first one splits."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing that is listed.

    Attributes:
        noun: What one is called in messages.
        members: Member of the result that holds the entries.
        key: Member of an entry that names it.
        capability: Member of the server's capabilities that says it has some.
        separator: Between the link's name and its own.
    """

    noun: str
    members: str
    key: str
    capability: str
    separator: str = SEPARATOR

    def routed(self, link: str, name: str) -> str:
        """Return the name under which other peers know it."""
        return f"{link}{self.separator}{name}"


LISTS: Final[Mapping[str, Kind]] = {
    "tools/list": Kind("tool", "tools", "name", "tools"),
    "prompts/list": Kind("prompt", "prompts", "name", "prompts"),
    "resources/list": Kind("resource", "resources", "uri", "resources", URI_SEPARATOR),
    "resources/templates/list": Kind("resource template", "resourceTemplates", "uriTemplate", "resources", URI_SEPARATOR),
}
"""By the method that lists them."""


async def _entries(link: Link, method: str, timeout: float, on_sent: OnSent | None = None) -> list[tuple[str, bytes]]:
    """Return what a peer lists, as pairs of routed name and bytes; all pages within `timeout` seconds.

    Raises:
        LinkError: The link is dead, or it lists one name twice.
        MCPError: The peer answered with an error.
    """
    kind = LISTS[method]
    if getattr(link.client.server_capabilities, kind.capability) is None:
        return []
    try:
        listed = await pages(link, method, kind.members, timeout=timeout, on_sent=on_sent)
    except MCPError as error:
        if method == "resources/templates/list" and error.code == METHOD_NOT_FOUND:
            return []  # The capability `resources` does not say whether there are templates.
        raise
    found: list[tuple[str, bytes]] = []
    seen: dict[str, Frame] = {}
    for frame, page in listed:
        for entry in page:
            renamed = _renamed(entry, kind, link.name)
            if renamed is None:
                raise LinkError(link.name, "failed", f"frame {frame.seq} lists a {kind.noun} without a {kind.key}")
            name, routed, text = renamed
            if name in seen:
                raise LinkError(
                    link.name,
                    "failed",
                    f"the {kind.noun} {name!r} is listed twice (frames {seen[name].seq} and {frame.seq}), so {routed} "
                    f"would name two {kind.noun}s; {kind.noun} {kind.key}s must be unique within a server",
                )
            seen[name] = frame
            if method == "tools/list" and not link.mirrored.learn(entry):
                continue
            found.append((routed, text))
    return found


@lru_cache(maxsize=4096)  # every route lists anew, and gets what the last one got
def _renamed(entry: bytes, kind: Kind, link: str) -> tuple[str, str, bytes] | None:
    """Return an entry's own name, its routed name, and the entry under it; `None` if it has no name."""
    name: object = json.loads(find(entry, (kind.key,)) or b"null")
    if not isinstance(name, str):
        return None
    routed = kind.routed(link, name)
    return name, routed, splice(entry, {(kind.key,): dumps(routed)})


async def entries_of(
    links: Iterable[Link], method: str, timeout: float, on_sent: OnSent | None = None
) -> list[tuple[Link, list[tuple[str, bytes]]]]:
    """Return what each of several peers lists, in their order; all are asked at once, and the first failure ends it.

    Raises:
        LinkError: A link is dead, or it lists one name twice.
        MCPError: A peer answered with an error.
    """
    found: dict[Link, list[tuple[str, bytes]]] = {link: [] for link in links}
    failures: dict[Link, Exception] = {}

    async def ask(link: Link) -> None:
        try:
            found[link] = await _entries(link, method, timeout, on_sent)
        except Exception as error:  # noqa: BLE001 - it is raised below, without a group around it
            failures[link] = error
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for link in found:
            tasks.start_soon(ask, link)
    for link in found:
        if link in failures:
            raise failures[link]
    return list(found.items())


def allows(caller: Asking, link: str, routed: str) -> bool:
    """Say whether a peer's grants cover something of another peer."""
    grants = caller.spec.grants
    return grants is None or _covers(grants, link, routed)


def asks(caller: Asking, link: str, routed: str) -> bool:
    """Say whether the user is asked to approve that a peer uses something of another peer."""
    return _covers(caller.spec.approve, link, routed)


def _covers(patterns: Iterable[str], link: str, routed: str) -> bool:
    return any(fnmatchcase(link, pattern) or fnmatchcase(routed, pattern) for pattern in patterns)


def may_see(caller: Asking, link: Asking) -> bool:
    """Say whether a peer's grants can cover anything of another peer, which is never itself."""
    if link is caller or caller.spec.grants is None:
        return link is not caller
    return any(_reaches(pattern, link.name) for pattern in caller.spec.grants)


def _reaches(pattern: str, link: str) -> bool:
    head, separator, _ = _split(pattern)
    return fnmatchcase(link, head) or (not separator and any(sign in pattern for sign in "*?["))


def _split(name: str) -> tuple[str, str, str]:
    """Split a routed name or URI, or a pattern of these, at the separator that comes first."""
    found = re.search(r"__|\+", name)
    return (name, "", "") if found is None else (name[: found.start()], found[0], name[found.end() :])


def resolve(caller: Asking, links: Mapping[str, Link], log: WireLog, kind: Kind, name: str) -> tuple[Link, str]:
    """Return the peer that a routed name leads to, and the name there.

    Raises:
        MCPError: It leads nowhere that the caller may go; the message says why and what is there instead.
    """
    peer, found, own = name.partition(kind.separator)
    granted = {link.name: link for link in links.values() if may_see(caller, link)}
    if found and own and peer in granted and allows(caller, peer, name):
        return granted[peer], own
    if peer == caller.name:
        why, reason = f"{name!r} is the caller's own {kind.noun}: a peer is not granted itself", "not-granted"
    elif not (peer and found and own):
        near = _nearest(caller, granted, log, kind, name)
        why, reason = f"{name!r} is no routed name; they look like {kind.routed('peer', kind.noun)}{near}", "malformed"
    elif peer in links:
        why, reason = (
            f"{name!r} is not granted to {caller.name}{_nearest(caller, granted.keys() & {peer}, log, kind, name)}",
            "not-granted",
        )
    else:
        peers = difflib.get_close_matches(peer, granted, 1)
        near = f"; did you mean {kind.routed(peers[0], own)}?" if peers else _nearest(caller, granted, log, kind, name)
        why, reason = f"unknown {kind.noun} {name!r}: there is no peer {peer!r}{near}", "unknown-peer"
    raise refusal(f"{why} (granted peers: {', '.join(granted) or 'none'})", reason)


def _nearest(caller: Asking, peers: Collection[str], log: WireLog, kind: Kind, name: str) -> str:
    """Ask whether something granted of some peers was meant: what the grants spell out, and what they have listed on this board."""
    known = {
        grant
        for grant in caller.spec.grants or ()
        if kind.separator in grant and grant.partition(kind.separator)[0] in peers and not any(sign in grant for sign in "*?[")
    }
    for frame in log.frames:
        if frame.link in peers and frame.direction == "to-client" and frame.message.kind == "result":
            listed = (
                kind.routed(frame.link, str(entry.get(kind.key))) for entry in _objects(frame.message.result.get(kind.members))
            )
            known.update(routed for routed in listed if allows(caller, frame.link, routed))
    own = name.partition(kind.separator)[2]
    names = {routed: routed.partition(kind.separator)[2] if own else routed for routed in sorted(known)}
    meant = [routed for routed in names if routed.partition(kind.separator)[2] == (own or name)]
    if not meant:
        near = difflib.get_close_matches(own or name, names.values(), 1)
        meant = [routed for routed in names if names[routed] in near]
    return f"; did you mean {' or '.join(meant)}?" if meant else ""


def holders(log: WireLog, uri: str, links: Sequence[Link]) -> list[Link]:
    """Return the links whose peer listed or returned a resource of that URI on this board."""
    names = {link.name for link in links}
    spelled = dumps(uri)
    found = {
        frame.link
        for frame in log.frames
        if frame.direction == "to-client" and frame.link in names and spelled in frame.data and uri in shown(frame)
    }
    return [link for link in links if link.name in found]


def shown(frame: Frame) -> set[str]:
    """The URIs of the resources that a result lists, holds or links to."""
    result = frame.message.result
    messages = [message.get("content") for message in _objects(result.get("messages"))]
    blocks = [*_objects(result.get("content")), *(block for content in messages for block in _objects(content))]
    resources = [*_objects(result.get("resources")), *_objects(result.get("contents"))]
    for block in blocks:
        resources += [block] if block.get("type") == "resource_link" else _objects(block.get("resource"))
    return {str(resource["uri"]) for resource in resources if "uri" in resource}


def _objects(value: object) -> Iterator[Mapping[str, object]]:
    """The JSON objects in an array, or the one object that stands in its place."""
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, dict):
            yield cast("Mapping[str, object]", item)
