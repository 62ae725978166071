"""Logs for tests: told step by step (`Telling`) or drawn at random (`conforming_logs`)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pytest_mcpsym.wire.exchange import opposite
from pytest_mcpsym.wire.frame import Direction, Envelope, Frame, Kind
from pytest_mcpsym.wire.log import Cause, Evidence, WireLog


def raw(**members: object) -> bytes:
    """Return one JSON-RPC message."""
    return json.dumps({"jsonrpc": "2.0", **members}, separators=(",", ":"), ensure_ascii=False).encode()


class Telling:
    """Writes a log step by step. Times are all zero."""

    def __init__(self) -> None:
        self.log = WireLog(clock=lambda: 0.0)

    def open(self, link: str, era: str = "handshake") -> None:
        self.log.note(link, "open", transport="memory", era=era, target="somewhere:4711")

    def frame(self, link: str, direction: Direction, data: bytes, stream: int | None = None) -> Frame:
        return self.log.frame(link, direction, data, None if stream is None else Envelope(stream))

    def request(
        self,
        link: str,
        direction: Direction,
        ident: object,
        method: str = "tools/call",
        params: Mapping[str, object] | None = None,
        *,
        meta: Mapping[str, object] | None = None,
        stream: int | None = None,
    ) -> Frame:
        members = dict(params or {})
        if meta is not None:
            members["_meta"] = dict(meta)
        return self.frame(link, direction, raw(id=ident, method=method, params=members), stream)

    def answer(self, request: Frame, kind: Kind = "result", *, ident: object = ..., **members: object) -> Frame:
        number = json.loads(request.message.id or "null") if ident is ... else ident
        body = {"code": -32603, "message": "no", **members} if kind == "error" else members
        stream = None if request.envelope is None else request.envelope.exchange
        return self.frame(request.link, opposite(request.direction), raw(id=number, **{kind: body}), stream)

    def notify(self, link: str, direction: Direction, method: str, *, stream: int | None = None, **params: object) -> Frame:
        return self.frame(link, direction, raw(method=f"notifications/{method}", params=params), stream)

    def caused(self, frame: Frame, by: Frame, evidence: Evidence = "routed") -> Cause:
        return self.log.cause(frame, by, evidence)

    def call(
        self, link: str, ident: object, by: Frame | None = None, *, name: str = "tool", stream: int | None = None
    ) -> Frame:
        """Write a tool call to a server, forwarded for another frame or the host's own."""
        frame = self.request(link, "to-server", ident, params={"name": name}, stream=stream)
        if by is not None:
            self.caused(frame, by)
        return frame
