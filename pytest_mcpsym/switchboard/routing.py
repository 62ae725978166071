"""Route what one server asks of another: look the name up in the caller's grants, splice, forward, splice the answer back.

What is forwarded is never re-modelled: only id, name or URI and `_meta` are replaced in the bytes (the extension's routing rules).
Each forwarded request gets a cause record in the wire log, and counts in the ledger of its route. Pinned by
`tests/switchboard/test_routing.py` and `tests/switchboard/test_primitives.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, cast

import anyio
from mcp import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, InputRequest
from pydantic import TypeAdapter, ValidationError

from pytest_mcpsym.errors import LinkError
from pytest_mcpsym.switchboard.answering import answer_as_host
from pytest_mcpsym.switchboard.approval import ApprovalRequest, Decision, refused
from pytest_mcpsym.switchboard.asked import Answer, Asked, Asking, OnProgress
from pytest_mcpsym.switchboard.asker import Asker
from pytest_mcpsym.switchboard.catalog import LISTS, URI_SEPARATOR, allows, asks, entries_of, holders, may_see, resolve
from pytest_mcpsym.switchboard.host import Host
from pytest_mcpsym.switchboard.invoke import invoke
from pytest_mcpsym.switchboard.link import Link
from pytest_mcpsym.switchboard.pending import dumps
from pytest_mcpsym.switchboard.refusal import refusal
from pytest_mcpsym.switchboard.settings import Settings
from pytest_mcpsym.switchboard.subscriptions import Subscriptions
from pytest_mcpsym.switchboard.trail import DEADLINE_GRACE, Trail, Unclear
from pytest_mcpsym.symmetric.names import FORWARDED_META, HOSTS_OWN, MIRRORED, SEPARATOR, SUBSCRIBING, UPDATED, UPDATES
from pytest_mcpsym.symmetric.spending import Usage
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.placement import ROUTED
from pytest_mcpsym.wire.splice import Path, find, splice

__all__ = ["Router"]

_REQUEST: Final = TypeAdapter[InputRequest](InputRequest)
_NAMED: Final = {"tools/call": LISTS["tools/list"], "prompts/get": LISTS["prompts/list"]}

_UNCLEAR: Final[Mapping[Unclear, str]] = {
    "ambiguous": "{0} handles several requests, and nothing tells which one this {1} is for; send it on that request's stream, "
    "with the request's id in _meta['dev.mcpsym/cause']",
    "over": "the request that {0} handled, and names as the cause of this {1}, is over",
}


class Router:
    """Answers what the servers of one board ask of their client, in both bindings."""

    def __init__(self, links: Mapping[str, Link], host: Host, log: WireLog, settings: Settings) -> None:
        self._links = links
        self._host = host
        self._log = log
        self._settings = settings
        self._listed: dict[str, set[str]] = {}
        self._subscriptions = Subscriptions()

    async def serve(self, caller: Asking, asked: Asked) -> bytes:
        """Answer what a server asks with the bytes of a `result` or `error` member; pass on what it announces.

        Raises:
            MCPError: The request is refused; the message says why and what is there instead.
        """
        if asked.frame.message.kind == "notification":
            if asked.method == UPDATED:
                self._subscriptions.updated(caller.name, asked.frame)
            else:
                await self._announce(caller, asked)
            return b""
        if asked.method in HOSTS_OWN:
            return await self._answer_as_host(caller, asked)
        if asked.method not in MIRRORED:
            raise MCPError(METHOD_NOT_FOUND, f"a server cannot ask its client for {asked.method}", asked.method)
        if asked.method in SUBSCRIBING:
            return b'"result":' + dumps(await self._subscribe(caller, asked))
        if asked.method in LISTS:
            return b'"result":' + await self._list(caller, asked)
        return await self._forward(caller, asked)

    async def _list(self, caller: Asking, asked: Asked) -> bytes:
        kind = LISTS[asked.method]
        if find(asked.params, ("cursor",)) is not None:
            raise MCPError(
                INVALID_PARAMS, f"the switchboard lists its {kind.noun}s on one page: there is no cursor to continue from"
            )
        self._listed.setdefault(caller.name, set()).add(_announced(kind.capability))
        limit = self._settings.call_timeout if isinstance(asked.trail, str) else asked.trail.left + DEADLINE_GRACE
        # A dead peer offers nothing; its failure reaches the test at its next call and at close.
        asks = [link for link in self._links.values() if may_see(caller, link) and link.failure is None]
        try:
            listed = await entries_of(asks, asked.method, limit, lambda sent: self._caused(sent, asked))
        except LinkError as error:
            raise _broken(error) from None
        found = [entry for link, pairs in listed for routed, entry in pairs if allows(caller, link.name, routed)]
        return b'{"' + kind.members.encode() + b'":[' + b",".join(found) + b"]}"

    async def _answer_as_host(self, caller: Asking, asked: Asked) -> bytes:
        # Roots belong to the link, and so to no request.
        owned = asked.method == "roots/list" and isinstance(asked.trail, str)
        trail = None if owned else _trail(caller, asked)
        request: dict[str, object] = {"method": asked.method, "params": json.loads(asked.params)}
        try:
            question = _REQUEST.validate_python(request, by_name=False)
        except ValidationError as error:
            raise MCPError(INVALID_PARAMS, f"malformed params of {asked.method}: {error.errors()[0]['msg']}") from None
        asker = Asker(caller.name, asked.frame, self._log)
        return b'"result":' + dumps(await answer_as_host(self._host, question, asker, trail))

    async def _forward(self, caller: Asking, asked: Asked) -> bytes:
        origin = _trail(caller, asked)
        callee, own, path = self._target(caller, asked)
        await self._approve(caller, callee, own, asked, origin)
        trail = origin.to(callee.name)
        try:
            answer = await invoke(
                callee,
                self._host,
                asked.method,
                splice(asked.params, {path: dumps(own), ("_meta",): None}),
                meta=_kept(_meta(asked), caller),
                timeout=trail.left + DEADLINE_GRACE,
                trail=trail,
                on_progress=self._relay(caller, asked),
                on_sent=lambda sent: self._caused(sent, asked),
            )
        except LinkError as error:
            raise _broken(error) from None
        finally:
            trail.end()
        return f'"{answer.member}":'.encode() + _answered(answer, trail, caller, bridged=callee.era != caller.era)

    async def _subscribe(self, caller: Asking, asked: Asked) -> dict[str, object]:
        """Begin a subscription, end one, or wait for an update, on the account of the request that the caller handles."""
        trail = _trail(caller, asked)
        if len(trail.path) == 1:
            raise refusal(f"{caller.name} handles no request that a subscription could belong to, and end with", "over")
        updated = None
        with anyio.move_on_after(trail.left + DEADLINE_GRACE) as scope:
            try:
                if asked.method == UPDATES:
                    updated = await self._subscriptions.updates(trail)
                else:
                    owner, uri, _ = self._target(caller, asked)
                    if asked.method == "resources/unsubscribe":
                        self._subscriptions.unsubscribe(trail, owner, uri)
                    else:
                        await self._subscriptions.subscribe(trail, owner, uri, str(_text(asked.params, ("uri",))))
            except LinkError as error:
                raise _broken(error) from None
        if scope.cancelled_caught:
            trail.require_time()
        return {} if updated is None else {"uris": updated}

    async def _approve(self, caller: Asking, callee: Link, own: str, asked: Asked, origin: Trail) -> None:
        """Ask the user, where the caller's link says so, within the time of the route.

        Raises:
            MCPError: The user refused, or nobody said what the user does.
        """
        name = f"{callee.name}{URI_SEPARATOR if asked.method == 'resources/read' else SEPARATOR}{own}"
        if asked.method not in ROUTED or not asks(caller, callee.name, name):
            return
        arguments: object = json.loads(find(asked.params, ("arguments",)) or b"null")
        request = ApprovalRequest(caller.name, asked.method, name, _object(arguments))
        decision: Decision = "undecided"  # Then the route's deadline is over, and refuses what follows.
        with anyio.move_on_after(origin.left + DEADLINE_GRACE):
            decision = await self._host.decide(request, Asker(caller.name, asked.frame, self._log))
        self._log.note(caller.name, "approval", method=asked.method, name=name, decision=decision)
        if decision in ("refused", "unscripted"):
            raise refused(request, decision)

    def _target(self, caller: Asking, asked: Asked) -> tuple[Link, str, Path]:
        """Return whom a request is for, the name there of what it wants, and where in its params the name stands."""
        kind, path = _NAMED.get(asked.method), ("name",)
        if asked.method == "resources/read" or asked.method in SUBSCRIBING:
            path = ("uri",)
        elif asked.method == "completion/complete":
            prompt = _text(asked.params, ("ref", "type")) == "ref/prompt"
            kind, path = (LISTS["prompts/list"], ("ref", "name")) if prompt else (None, ("ref", "uri"))
        name = _text(asked.params, path)
        if name is None:
            raise refusal(f"{asked.method} without a `{path[-1]}`", "malformed")
        if kind is not None:
            callee, own = resolve(caller, self._links, self._log, kind, name)
        else:
            callee, own = self._resource(caller, name)
        return callee, own, path

    def _resource(self, caller: Asking, uri: str) -> tuple[Link, str]:
        """Return whose resource a URI names, routed or bare, and its own URI.

        Raises:
            MCPError: It is not granted, nobody's, or one of several.
        """
        head, routed, _ = uri.partition(URI_SEPARATOR)
        if routed and head in self._links:
            return resolve(caller, self._links, self._log, LISTS["resources/list"], uri)
        visible = [link for link in self._links.values() if may_see(caller, link)]
        candidates = [
            link for link in holders(self._log, uri, visible) if allows(caller, link.name, f"{link.name}{URI_SEPARATOR}{uri}")
        ]
        if len(candidates) == 1:
            return candidates[0], uri
        if not candidates:
            why, reason = f"unknown resource {uri!r}: no granted peer has listed or returned it", "unknown-resource"
        else:
            several = ", ".join(f"{link.name}{URI_SEPARATOR}{uri}" for link in candidates)
            why, reason = f"{uri!r} may be any of {several}", "ambiguous"
        granted = ", ".join(link.name for link in visible) or "none"
        raise refusal(f"{why} (granted peers: {granted})", reason)

    async def _announce(self, changed: Asking, asked: Asked) -> None:
        """Tell the peers which have listed such things, and may see this peer, that its list changed."""
        data = b'{"jsonrpc":"2.0","method":' + dumps(asked.method) + b"}"
        for link in self._links.values():
            if link.era == "handshake" and may_see(link, changed) and asked.method in self._listed.get(link.name, ()):
                await link.notify(data)

    def _relay(self, caller: Asking, asked: Asked) -> OnProgress | None:
        """Pass progress on under the token that the caller asked for; nothing if it asked for none, or in a leg."""
        token = None if asked.in_leg else find(asked.params, ("_meta", "progressToken"))
        if token is None:
            return None

        async def relay(progress: Frame) -> None:
            await caller.notify(splice(progress.data, {("params", "progressToken"): token}))

        return relay

    def _caused(self, sent: Frame, asked: Asked) -> None:
        self._log.cause(sent, asked.frame, "continuation" if asked.in_leg else "routed")


def _trail(caller: Asking, asked: Asked) -> Trail:
    """Return the route that a request goes on with.

    Raises:
        MCPError: Nothing tells which one it is, or it is over.
    """
    if isinstance(asked.trail, str):
        raise refusal(_UNCLEAR[asked.trail].format(caller.name, asked.method), asked.trail)
    return asked.trail


def _announced(capability: str) -> str:
    return f"notifications/{capability}/list_changed"


def _text(params: bytes, path: Path) -> str | None:
    value: object = json.loads(find(params, path) or b"null")
    return value if isinstance(value, str) else None


def _meta(asked: Asked) -> Mapping[str, object]:
    if not asked.in_leg:
        return asked.frame.message.meta
    return _object(json.loads(find(asked.params, ("_meta",)) or b"null"))


def _object(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _broken(error: LinkError) -> MCPError:
    return MCPError(INTERNAL_ERROR, str(error), {"reason": error.reason, "link": error.link})


def _kept(meta: Mapping[str, object], caller: Asking) -> dict[str, object]:
    return {key: meta[key] for key in (*FORWARDED_META, *caller.spec.forward_meta) if key in meta}


def _answered(answer: Answer, trail: Trail, caller: Asking, *, bridged: bool) -> bytes:
    """The body as the caller gets it: `_meta` stays on the callee's link, and so does what only the callee's era has.

    What the call has spent is counted, and told anew; of an error it is counted alone, as errors pass as they are.
    """
    if answer.member == "error":
        trail.settle(Usage.of(_object(answer.members.get("data"))))
        return answer.body
    meta = _object(answer.members.get("_meta"))
    kept = {**_kept(meta, caller), **trail.settle(Usage.of(meta)).meta()}
    edits: dict[Path, bytes | None] = {}
    if kept or "_meta" in answer.members:
        edits["_meta",] = dumps(kept) if kept else None
    if bridged and "resultType" in answer.members:
        edits["resultType",] = None
    return splice(answer.body, edits) if edits else answer.body
