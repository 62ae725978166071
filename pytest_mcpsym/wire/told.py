"""What a client told servers that asked it: each question of a log with its answer, in the order of the answers.

| era | the question | the answer |
|---|---|---|
| handshake | a request of the server | its answer |
| modern | a member of `inputRequests` in an answer `input_required` | the member of that name in `inputResponses` of a later request |
| modern, symmetric | a call of a leg (`dev.mcpsym/calls`) | the member of that key in `responses` of the request that continues it |

A later request is the one with the same `requestState`, or, where there is none, the next one with the same method; of several answers
that are the same in this, the first that has none yet. Pinned by
`tests/wire/test_told.py`.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

from pytest_mcpsym.wire.exchange import Correlation, correlate
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
        link: The link on which it was asked.
        asked: `seq` of the frame that holds the question.
        answered: `seq` of the frame that holds the answer.
    """

    method: str
    params: Mapping[str, object]
    member: str
    body: Mapping[str, object]
    link: str = field(default="", compare=False)
    asked: int = field(default=-1, compare=False)
    answered: int = field(default=-1, compare=False)


_Open = defaultdict[tuple[str, str, object], deque[tuple[int, Mapping[str, object]]]]
"""Questions without an answer yet, with the `seq` of their frame, by how the request that answers them is known."""


def told(log: WireLog, correlation: Correlation | None = None) -> tuple[Told, ...]:
    """Return what clients told servers, over all links of a log.

    Args:
        log: The log.
        correlation: What `correlate` gives for it, if it is at hand.
    """
    correlation = correlate(log) if correlation is None else correlation
    found: list[Told] = []
    open_: _Open = defaultdict(deque)
    for exchange in correlation.exchanges:
        if exchange.direction == "to-client" and exchange.response is not None:
            member = "result" if exchange.response.message.kind == "result" else "error"
            body = exchange.response.message.result if member == "result" else exchange.response.message.error
            asked, answered = exchange.request, exchange.response
            found.append(Told(exchange.method, asked.message.params, member, body, exchange.link, asked.seq, answered.seq))
    for frame in log.frames:
        owner = correlation.owner(frame)
        if owner is None or owner.direction != "to-server":
            continue
        if frame is owner.request:
            found += _answers(frame, open_)
        elif frame is owner.response:
            _questions(frame, owner.method, open_)
    return tuple(sorted(found, key=lambda one: one.answered))


def _questions(frame: Frame, method: str, open_: _Open) -> None:
    """Keep what an answer asks, by how the request that answers is known."""
    result = frame.message.result
    if result.get("resultType") == "input_required":
        open_[frame.link, method, _name(result.get("requestState"))].append((frame.seq, _members(result.get("inputRequests"))))
    elif result.get("resultType") == CALLS:
        open_[frame.link, CONTINUE, _name(result.get("continuation"))].append((frame.seq, _members(result.get("calls"))))


def _answers(frame: Frame, open_: _Open) -> Iterator[Told]:
    """Yield what a request answers."""
    message, params = frame.message, frame.message.params
    continues = message.method == CONTINUE
    given = _members(params.get("responses" if continues else "inputResponses"))
    waiting = open_[frame.link, str(message.method), _name(params.get("continuation" if continues else "requestState"))]
    seq, asked = waiting.popleft() if given and waiting else (-1, _members(None))
    for name, question in asked.items():
        inner, answer = _members(question), _members(given.get(name))
        method = inner.get("method")
        if not isinstance(method, str) or not answer:
            continue
        member = "error" if continues and "error" in answer else "result"
        body = _members(answer.get(member)) if continues else answer
        yield Told(method, _members(inner.get("params")), member, body, frame.link, seq, frame.seq)


def _name(state: object) -> object:
    """Return a state as what it can be looked up by; whoever sends something else than a text sends nothing that is known again."""
    return state if isinstance(state, str) else None


def _members(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
