"""A server that follows the protocol and makes its moves: messages in, messages out, with no clock and no streams.

Whatever carries it calls `heard` with each message of the client, and `quiet` when the client has said nothing for a moment. A move that
the protocol would forbid where it stands is not made, so no list of moves can make the server break the rules, but for `Report` after the
answer. Pinned by `tests/explore/test_actor.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeVar, cast

from pytest_mcpsym.explore.clients.moves import (
    Answer,
    Declare,
    Extra,
    Hold,
    List,
    Move,
    Need,
    Pages,
    Question,
    Report,
    Stubborn,
    Tell,
    Version,
)
from pytest_mcpsym.explore.clients.plain import REVISIONS, Refusal, ordinary, revision_of
from pytest_mcpsym.explore.clients.turn import ENVELOPE, Said, Turn, members, text
from pytest_mcpsym.explore.offer import Offer

__all__ = ["Actor"]

Json = dict[str, object]
_T = TypeVar("_T")

_LISTEN: Final = "subscriptions/listen"
_EARLY: Final = frozenset({"ping", "notifications/message"})
"""What a server may say before the handshake is over."""
_NEEDING: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
"""Requests that may be answered with `input_required`."""
_LISTENED: Final = {
    "notifications/tools/list_changed": "toolsListChanged",
    "notifications/prompts/list_changed": "promptsListChanged",
    "notifications/resources/list_changed": "resourcesListChanged",
}
_ASKED_BY: Final = {"sampling/createMessage": "sampling", "elicitation/create": "elicitation", "roots/list": "roots"}
"""The capability that a client declares to be asked."""
_INFO: Final[Mapping[str, object]] = {"name": "random", "version": "1"}


class Actor:
    """One connection of the server.

    Args:
        moves: What it does of its own will.
        era: The era that it speaks.
        offer: What it offers.
    """

    def __init__(self, moves: Sequence[Move], era: str, offer: Offer) -> None:
        self.era = era
        self.revision = REVISIONS[era][-1]
        self._moves = moves
        declared = self._first(Declare)
        self._offer = (
            offer if declared is None else Offer(era, declared.capabilities, offer.tools, offer.resources, offer.prompts)
        )
        self._turns: list[Turn] = []
        self._client: Mapping[str, object] = {}
        self._begun = era == "modern"
        self._ids: set[str] = set()
        self._open: dict[str, Turn | None] = {}
        self._listening: list[Turn] = []
        self._subscribed: set[object] = set()
        self._paging: dict[str, tuple[str, int]] = {}

    @property
    def owes(self) -> bool:
        """Whether there is an answer that waits for nothing the client has to do."""
        return any(not turn.done and not turn.asked for turn in self._turns)

    def heard(self, data: bytes) -> list[Said]:
        """Take one message of the client, and return what is said to it."""
        try:
            message = members(json.loads(data))
        except (ValueError, RecursionError):
            return [Said(text({"id": None, "error": {"code": -32700, "message": "Parse error"}}))]
        method, ident = message.get("method"), message.get("id")
        if isinstance(method, str) and isinstance(ident, (str, int)) and not isinstance(ident, bool):
            return list(self._asked(Turn(len(self._turns), ident, method, members(message.get("params")))))
        if isinstance(method, str) and "id" not in message:
            return list(self._noticed(method, members(message.get("params"))))
        if "result" in message or "error" in message:
            return list(self._answered(json.dumps(ident)))
        return [Said(text({"id": None, "error": {"code": -32600, "message": "Invalid Request"}}))]

    def quiet(self, *, for_another: bool = True) -> list[Said]:
        """Return what is said to a client that has been quiet for a moment: the oldest answer that was held.

        Args:
            for_another: Whether it was quiet for so long that the request which an answer waits for will not come.
        """
        for turn in self._turns:
            if not turn.done and not turn.asked and (for_another or turn.until == -1):
                return list(self._end(turn))
        return []

    def left(self, key: str) -> None:
        """Take note that the client closed the stream of a request, which is how the modern era cancels over HTTP."""
        for turn in self._turns:
            if turn.key == key and not turn.done:
                turn.done = turn.cancelled = True
        self._listening = [turn for turn in self._listening if turn.key != key]

    # Messages in.

    def _asked(self, turn: Turn) -> Iterator[Said]:
        self._turns.append(turn)
        if turn.method == _LISTEN and self.era == "modern":
            yield from self._listened(turn)
        else:
            if turn.method == "initialize" and self.era == "handshake":
                self._client = members(turn.params.get("capabilities"))
                wanted = self._first(Version)
                self.revision = revision_of(turn.params.get("protocolVersion"), self.era, wanted and wanted.revision)
            yield from self._play(turn, after=False)
            held = self._at(Hold, turn.number)
            if held and turn.method not in ("initialize", "server/discover"):
                turn.until = -1 if held[0].until is None else held[0].until
            if turn.until is None and not turn.asked:
                yield from self._end(turn)
        for other in self._turns[:-1]:
            if not other.done and not other.asked and other.until == turn.number:
                yield from self._end(other)

    def _noticed(self, method: str, params: Mapping[str, object]) -> Iterator[Said]:
        if method == "notifications/initialized" and not self._begun:
            self._begun = True
            for turn in self._turns[:1]:
                yield from self._play(turn, after=True)
        elif method == "notifications/cancelled":
            key = json.dumps(params.get("requestId"))
            self._listening = [turn for turn in self._listening if turn.key != key]
            for turn in self._turns:
                if turn.key == key and not turn.done:
                    turn.cancelled = True
                    turn.done = self._first(Stubborn) is None

    def _answered(self, key: str) -> Iterator[Said]:
        turn = self._open.pop(key, None)
        if turn is not None and key in turn.asked:
            turn.asked.discard(key)
            if not turn.asked and not turn.done and turn.until is None:
                yield from self._end(turn)

    # Messages out.

    def _play(self, turn: Turn, *, after: bool) -> Iterator[Said]:
        """Make the moves before the answer to a request, or after it."""
        opening = turn.method == "initialize" and self.era == "handshake"
        for move in self._moves:
            if getattr(move, "at", None) != turn.number:
                continue
            # In a handshake there is no time after the answer but that when the client has said that it is over.
            late = getattr(move, "after", False) or (opening and getattr(move, "method", None) not in _EARLY)
            if isinstance(move, Tell) and late == after:
                for _ in range(move.times):
                    yield from self._tell(move, turn, after=after)
            elif isinstance(move, Report) and move.after == after and "progressToken" in turn.meta:
                for step in move.steps:
                    params = {"progressToken": turn.meta["progressToken"], "progress": step, **move.more}
                    yield Said(text({"method": "notifications/progress", "params": params}), None if after else turn.key)
            elif isinstance(move, Question) and late == after:
                yield from self._question(move, turn, after=after)

    def _tell(self, move: Tell, turn: Turn, *, after: bool) -> Iterator[Said]:
        if not self._may_tell(move):
            return
        message: Json = {"method": move.method, "params": dict(move.params)} if move.params else {"method": move.method}
        if self.era == "handshake":
            yield Said(text(message), None if after else turn.key)
        elif move.method in _LISTENED:
            for each in self._listening:
                if members(each.params.get("notifications")).get(_LISTENED[move.method]):
                    meta = {ENVELOPE + "subscriptionId": each.id}
                    yield Said(text({"method": move.method, "params": {**move.params, "_meta": meta}}), each.key)
        elif not after and (move.method != "notifications/message" or ENVELOPE + "logLevel" in turn.meta):
            yield Said(text(message), turn.key)

    def _may_tell(self, move: Tell) -> bool:
        """Whether the server declared what it needs to say this, and the client asked for what it has to ask for."""
        if move.method.endswith("/list_changed"):
            family = move.method.split("/")[1]
            return bool(members(self._offer.capabilities.get(family)).get("listChanged"))
        if move.method == "notifications/resources/updated":
            return move.params.get("uri") in self._subscribed
        return move.method != "notifications/message" or self.era == "modern" or "logging" in self._offer.capabilities

    def _question(self, move: Question, turn: Turn, *, after: bool) -> Iterator[Said]:
        wanted = _ASKED_BY.get(move.method)
        if self.era == "modern" or (wanted is not None and wanted not in self._client):
            return
        ident = self._unused(move.id)
        key = json.dumps(ident)
        on = None if after else turn.key
        params: Json = {"params": dict(move.params)} if move.params else {}
        yield Said(text({"id": ident, "method": move.method, **params}), on)
        if move.given_up:
            yield Said(text({"method": "notifications/cancelled", "params": {"requestId": ident, "reason": "never mind"}}), on)
        else:
            self._open[key] = turn
            if not after:
                turn.asked.add(key)

    def _unused(self, ident: int | str) -> int | str:
        while json.dumps(ident) in self._ids:
            ident = ident + 1 if isinstance(ident, int) else ident + "'"
        self._ids.add(json.dumps(ident))
        return ident

    def _listened(self, turn: Turn) -> Iterator[Said]:
        turn.done = True
        self._listening.append(turn)
        meta = {ENVELOPE + "subscriptionId": turn.id}
        params: Json = {"notifications": members(turn.params.get("notifications")), "_meta": meta}
        yield Said(text({"method": "notifications/subscriptions/acknowledged", "params": params}), turn.key)
        yield from self._play(turn, after=False)

    def _end(self, turn: Turn) -> Iterator[Said]:
        """Answer a request, and make the moves after it."""
        turn.done = True
        yield Said(text({"id": turn.id, **self._body(turn)}), turn.key, last=True)
        if turn.number or self.era == "modern":
            yield from self._play(turn, after=True)

    def _body(self, turn: Turn) -> Json:
        fitting = [each for each in self._at(Answer, turn.number) if _is_meant(each, turn)]
        needs = [each for each in self._at(Need, turn.number) if self._may_need(turn, each)]
        if needs:
            return {"result": _needed(needs[0])}
        if fitting and fitting[0].error is not None:
            return {"error": dict(fitting[0].error)}
        try:
            result = dict(fitting[0].result or {}) if fitting else self._result(turn)
        except Refusal as refusal:
            return {"error": {"code": refusal.code, "message": str(refusal)}}
        for each in self._at(Extra, turn.number):
            meta = {**members(each.members.get("_meta")), **members(result.get("_meta"))}
            result = {**each.members, **result, **({"_meta": meta} if meta else {})}
        if self.era == "modern":
            meta = {ENVELOPE + "serverInfo": dict(_INFO), **members(result.get("_meta"))}
            result = {"resultType": "complete", **result, "_meta": meta}
        return {"result": result}

    def _may_need(self, turn: Turn, need: Need) -> bool:
        wanted = {_ASKED_BY.get(str(each.get("method")), "") for each in need.requests.values()}
        return (
            self.era == "modern"
            and turn.method in _NEEDING
            and "inputResponses" not in turn.params
            and "requestState" not in turn.params
            and wanted <= set(turn.declared)
        )

    def _result(self, turn: Turn) -> Json:
        if turn.method == "initialize" and self.era == "handshake":
            capabilities = dict(self._offer.capabilities)
            return {"protocolVersion": self.revision, "capabilities": capabilities, "serverInfo": dict(_INFO)}
        if turn.method == "server/discover" and self.era == "modern":
            found: Json = {"supportedVersions": list(REVISIONS["modern"]), "capabilities": dict(self._offer.capabilities)}
            return {**found, "serverInfo": dict(_INFO), "ttlMs": 0, "cacheScope": "private"}
        if turn.method == "resources/subscribe":
            self._subscribed.add(turn.params.get("uri"))
        elif turn.method == "resources/unsubscribe":
            self._subscribed.discard(turn.params.get("uri"))
        more: dict[str, list[object]] = {}
        for each in self._moves:
            if isinstance(each, List) and each.at <= turn.number:
                more.setdefault(each.kind, []).extend(each.entries)
        return self._shaped(turn, ordinary(turn.method, turn.params, self._offer, more))

    def _shaped(self, turn: Turn, result: Json) -> Json:
        """Cut a list into pages, and say how long a modern one may be kept."""
        pages = self._first(Pages)
        if turn.method.endswith("/list") and pages is not None:
            kind, entries = next(iter(result.items()))
            entries = cast("list[object]", entries)
            cursor = turn.params.get("cursor")
            method, start = self._paging.get(str(cursor), ("", 0)) if cursor is not None else (turn.method, 0)
            if method != turn.method:
                raise Refusal(-32602, "Unknown cursor")
            result = {kind: entries[start : start + pages.size]}
            if start + pages.size < len(entries):
                following = f"{pages.cursor}{turn.method}#{start + pages.size}"
                self._paging[following] = (turn.method, start + pages.size)
                result["nextCursor"] = following
        if self.era == "modern" and (turn.method.endswith("/list") or turn.method == "resources/read"):
            result = {**result, "ttlMs": 0, "cacheScope": "private"}
        return result

    def _first(self, kind: type[_T]) -> _T | None:
        return next((move for move in self._moves if isinstance(move, kind)), None)

    def _at(self, kind: type[_T], number: int) -> list[_T]:
        return [move for move in self._moves if isinstance(move, kind) and getattr(move, "at", None) == number]


def _is_meant(move: Answer, turn: Turn) -> bool:
    if move.result is None and move.error is None:
        return False
    return move.method == turn.method and move.name in (None, turn.params.get("name", turn.params.get("uri")))


def _needed(need: Need) -> Json:
    result: Json = {"resultType": "input_required"}
    if need.requests:
        result["inputRequests"] = {key: dict(each) for key, each in need.requests.items()}
    if need.state is not None or not need.requests:
        result["requestState"] = need.state or ""
    return result
