"""What a client told servers that asked it: each question of a log with its answer, in the order of the answers.

| era | the question | the answer |
|---|---|---|
| handshake | a request of the server | its answer |
| modern | a member of `inputRequests` in an answer `input_required` | the member of that name in `inputResponses` of a later request |
| modern, symmetric | a call of a leg (`dev.mcpsym/calls`) | the member of that key in `responses` of the request that continues it |

A later request is the one with the same `requestState`, or, where there is none, the next one with the same method. Pinned by
`tests/wire/test_told.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from pytest_mcpsym.wire.exchange import correlate
from pytest_mcpsym.wire.extension import CALLS, CONTINUE
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.log import WireLog

__all__ = ["Told", "told"]


@dataclass(frozen=True, slots=True)
class Told:
    """A question of a server, and what it was told.

    Attributes:
        method: Method of the question.
        params: Its params; an empty dict where there are none.
        member: Whether the answer is a `result` or an `error`.
        body: That member.
    """

    method: str
    params: Mapping[str, object]
    member: str
    body: Mapping[str, object]


def told(log: WireLog) -> tuple[Told, ...]:
    """Return what clients told servers, over all links of a log."""
    correlation = correlate(log)
    found: list[tuple[int, Told]] = []
    open_: dict[tuple[str, str, object], Mapping[str, object]] = {}
    for exchange in correlation.exchanges:
        if exchange.direction == "to-client" and exchange.response is not None:
            member = "result" if exchange.response.message.kind == "result" else "error"
            body = exchange.response.message.result if member == "result" else exchange.response.message.error
            params = exchange.request.message.params
            found.append((exchange.response.seq, Told(exchange.method, params, member, body)))
    for frame in log.frames:
        owner = correlation.owner(frame)
        if owner is None or owner.direction != "to-server":
            continue
        if frame is owner.request:
            found += [(frame.seq, one) for one in _answers(frame, open_)]
        elif frame is owner.response:
            _questions(frame, owner.method, open_)
    return tuple(one for _, one in sorted(found, key=lambda pair: pair[0]))


def _questions(frame: Frame, method: str, open_: dict[tuple[str, str, object], Mapping[str, object]]) -> None:
    """Keep what an answer asks, by how the request that answers is known."""
    result = frame.message.result
    if result.get("resultType") == "input_required":
        open_[frame.link, method, result.get("requestState")] = _members(result.get("inputRequests"))
    elif result.get("resultType") == CALLS:
        open_[frame.link, CONTINUE, result.get("continuation")] = _members(result.get("calls"))


def _answers(frame: Frame, open_: dict[tuple[str, str, object], Mapping[str, object]]) -> Iterator[Told]:
    """Yield what a request answers."""
    message, params = frame.message, frame.message.params
    continues = message.method == CONTINUE
    given = _members(params.get("responses" if continues else "inputResponses"))
    key = (frame.link, str(message.method), params.get("continuation" if continues else "requestState"))
    asked = open_.pop(key, _members(None)) if given else _members(None)
    for name, question in asked.items():
        inner, answer = _members(question), _members(given.get(name))
        method = inner.get("method")
        if not isinstance(method, str) or not answer:
            continue
        member = "error" if continues and "error" in answer else "result"
        body = _members(answer.get(member)) if continues else answer
        yield Told(method, _members(inner.get("params")), member, body)


def _members(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
