"""Route what one server asks of another: look the name up in the caller's grants, splice, forward, splice the answer back.

What is forwarded is never re-modelled: only id, name and `_meta` are replaced in the bytes (the extension's routing rules). Each
forwarded request gets a cause record in the wire log. Pinned by `tests/switchboard/test_routing.py`.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping

from mcp import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS

from pytest_mcpsym.errors import LinkError
from pytest_mcpsym.switchboard.host import Host
from pytest_mcpsym.switchboard.invoke import invoke, pages
from pytest_mcpsym.switchboard.link import Answer, Link, OnProgress
from pytest_mcpsym.switchboard.pending import dumps
from pytest_mcpsym.switchboard.settings import Settings
from pytest_mcpsym.symmetric.names import FORWARDED_META, SEPARATOR
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.splice import find, splice

__all__ = ["OnSent", "Router", "tool_entries"]

OnSent = Callable[[Frame], None]
"""Told of each frame that was sent on the way."""


class Router:
    """Answers the mirrored requests of all links of one board."""

    def __init__(self, links: Mapping[str, Link], host: Host, log: WireLog, settings: Settings) -> None:
        self._links = links
        self._host = host
        self._log = log
        self._settings = settings

    async def serve(self, caller: Link, frame: Frame, method: str) -> bytes:
        """Answer one mirrored request with the bytes of its `result` or `error` member.

        Raises:
            MCPError: The request is refused; the message says why and what is there instead.
        """
        if method == "tools/list":
            return b'"result":' + await self._list(caller, frame)
        return await self._call(caller, frame)

    def granted(self, caller: Link) -> list[Link]:
        """The links that a peer may see: all but its own."""
        return [link for link in self._links.values() if link is not caller]

    async def _list(self, caller: Link, frame: Frame) -> bytes:
        if find(frame.data, ("params", "cursor")) is not None:
            raise MCPError(INVALID_PARAMS, "the switchboard lists its tools on one page: there is no cursor to continue from")
        entries: list[bytes] = []
        for link in self.granted(caller):
            if link.failure is not None:
                continue  # A dead peer offers nothing; its failure reaches the test at its next call and at close.
            try:
                entries += await tool_entries(link, self._settings.call_timeout, lambda sent: self._caused(sent, frame))
            except LinkError as error:
                raise _refusal(error) from None
        return b'{"tools":[' + b",".join(entries) + b"]}"

    async def _call(self, caller: Link, frame: Frame) -> bytes:
        callee, tool = self._resolve(caller, frame)
        params = find(frame.data, ("params",)) or b"{}"
        forwarded = splice(params, {("name",): dumps(tool), ("_meta",): None})
        try:
            answer = await invoke(
                callee,
                self._host,
                "tools/call",
                forwarded,
                meta=_kept(frame.message.meta),
                timeout=self._settings.call_timeout,
                on_progress=self._relay(caller, frame),
                on_sent=lambda sent: self._caused(sent, frame),
            )
        except LinkError as error:
            raise _refusal(error) from None
        return f'"{answer.member}":'.encode() + _answered(answer, bridged=callee.era != caller.era)

    def _resolve(self, caller: Link, frame: Frame) -> tuple[Link, str]:
        name = frame.message.params.get("name")
        if not isinstance(name, str):
            raise MCPError(INVALID_PARAMS, "tools/call without a `name`", {"reason": "malformed"})
        peer, separator, tool = name.partition(SEPARATOR)
        granted = {link.name: link for link in self.granted(caller)}
        if separator and tool and peer in granted:
            return granted[peer], tool
        if peer == caller.name:
            why, reason = f"{name!r} is the caller's own tool: a peer is not granted itself", "not-granted"
        elif not (peer and separator and tool):
            why, reason = f"{name!r} is no routed name; they look like {SEPARATOR.join(('peer', 'tool'))}", "malformed"
        else:
            near = difflib.get_close_matches(peer, granted, 1)
            hint = f"; did you mean {near[0]}{SEPARATOR}{tool}?" if near else ""
            why, reason = f"unknown tool {name!r}: there is no peer {peer!r}{hint}", "unknown-peer"
        raise MCPError(INVALID_PARAMS, f"{why} (granted peers: {', '.join(granted) or 'none'})", {"reason": reason})

    def _relay(self, caller: Link, frame: Frame) -> OnProgress | None:
        """Pass progress on under the token that the caller asked for; nothing if it asked for none."""
        token = find(frame.data, ("params", "_meta", "progressToken"))
        if token is None:
            return None

        async def relay(progress: Frame) -> None:
            await caller.notify(splice(progress.data, {("params", "progressToken"): token}))

        return relay

    def _caused(self, sent: Frame, by: Frame) -> None:
        self._log.cause(sent, by, "routed")


async def tool_entries(link: Link, timeout: float, on_sent: OnSent | None = None) -> list[bytes]:
    """Return the bytes of each tool that a peer lists, under its routed name; all pages within `timeout` seconds.

    Raises:
        LinkError: The link is dead, or it lists one name twice.
        MCPError: The peer answered with an error.
    """
    if link.client.server_capabilities.tools is None:
        return []
    entries: list[bytes] = []
    seen: dict[object, Frame] = {}
    for frame, tools in await pages(link, "tools/list", "tools", timeout=timeout, on_sent=on_sent):
        for entry in tools:
            name: object = json.loads(find(entry, ("name",)) or b"null")
            if not isinstance(name, str):
                raise LinkError(link.name, "failed", f"frame {frame.seq} lists a tool without a name")
            if name in seen:
                raise LinkError(
                    link.name,
                    "failed",
                    f"the tool {name!r} is listed twice (frames {seen[name].seq} and {frame.seq}), so {link.name}{SEPARATOR}{name} "
                    "would name two tools; tool names must be unique within a server",
                )
            seen[name] = frame
            entries.append(splice(entry, {("name",): dumps(f"{link.name}{SEPARATOR}{name}")}))
    return entries


def _refusal(error: LinkError) -> MCPError:
    return MCPError(INTERNAL_ERROR, str(error), {"reason": error.reason, "link": error.link})


def _kept(meta: Mapping[str, object], keys: Iterable[str] = FORWARDED_META) -> dict[str, object]:
    return {key: meta[key] for key in keys if key in meta}


def _answered(answer: Answer, *, bridged: bool) -> bytes:
    """The body as the caller gets it: `_meta` stays on the callee's link, and so does what only the callee's era has."""
    if answer.member == "error":
        return answer.body
    kept = _kept(answer.frame.message.meta)
    edits: dict[tuple[str | int, ...], bytes | None] = {("_meta",): dumps(kept) if kept else None}
    if bridged:
        edits["resultType",] = None
    return splice(answer.body, edits)
