"""Drive a claimed result to its end: make the calls of each leg, all at once, and bring the answers (modern era).

A leg of `tools/call` that ends with `resultType: dev.mcpsym/calls` names calls and a continuation. What is dropped on the way, by
cancellation, a time limit or a leg that is none, is cancelled at the server. A call that waits for updates of resources stays open over
legs, beside the others, until there are some. Pinned by `tests/switchboard/test_legs.py` and `tests/switchboard/test_subscriptions.py`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Container, Mapping
from typing import Final

import anyio
from mcp_types import INVALID_PARAMS, MISSING_REQUIRED_CLIENT_CAPABILITY

from pytest_mcpsym.errors import AnswerTimeout, LinkError
from pytest_mcpsym.switchboard.asked import Answer, Asked, OnProgress, Requesting, Serve, error_member
from pytest_mcpsym.switchboard.pending import dumps
from pytest_mcpsym.switchboard.trail import Trail
from pytest_mcpsym.symmetric.names import CALLS, CANCEL, CONTINUE, UPDATES
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.splice import find

__all__ = ["abandon", "drive", "is_leg"]

PATIENCE: Final = 5.0
"""Seconds without an update after which a leg is continued without news: the server may have calls to make that no update brings."""

_CANCEL_GRACE: Final = 1.0
"""Seconds that the server may take to confirm that a continuation is cancelled."""


def is_leg(answer: Answer) -> bool:
    """Tell an answer that asks for calls from one that is final."""
    return answer.member == "result" and answer.members.get("resultType") == CALLS


async def drive(
    link: Requesting,
    serve: Serve,
    answer: Answer,
    trail: Trail,
    *,
    left: Callable[[], float],
    on_progress: OnProgress | None = None,
) -> Answer:
    """Take a leg to the final answer of its call.

    Args:
        link: Where the leg came from.
        serve: Answers the calls.
        answer: The first leg.
        trail: The route that goes through the call.
        left: Seconds that are left for all legs together.
        on_progress: Called with each progress frame of the legs that follow.

    Raises:
        AnswerTimeout: The time was up.
        LinkError: The link is dead or died, or a leg is none by the extension's rules.
    """

    async def one(leg: Answer, key: str, method: str) -> bytes:
        params = find(leg.body, ("calls", key, "params")) or b"{}"
        try:
            return await serve(link, Asked(leg.frame, method, params, trail, in_leg=True))
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the answer to this call alone
            return error_member(error)

    began = left()
    waiting: dict[str, Answer] = {}
    while is_leg(answer):
        continuation, responses = find(answer.body, ("continuation",)) or b"null", None
        try:
            calls = _calls(link, answer, waiting)
            waiting |= {key: answer for key, method in calls.items() if method == UPDATES}
            now = {key: method for key, method in calls.items() if method != UPDATES}
            with anyio.move_on_after(left()):
                responses = await (_updates(waiting, one) if waiting and not now else _perform(answer, now, one))
            if responses is None:
                raise AnswerTimeout(link.name, "tools/call", began, answer.frame.seq)
        except BaseException:
            await abandon(link, continuation)
            raise
        params = b'{"continuation":' + continuation + b',"responses":' + responses + b"}"
        sent: list[Frame] = []
        try:
            answer = await link.request(
                CONTINUE,
                params,
                meta=trail.stamp(),
                timeout=left(),
                on_progress=on_progress,
                on_sent=sent.append,
                trail=trail,
            )
        except BaseException as error:
            # A request that was sent and then cancelled has cancelled its leg; of others the server may still have the continuation.
            if not sent or (isinstance(error, LinkError) and not isinstance(error, AnswerTimeout)):
                await abandon(link, continuation)
            raise
        if _uses_nothing_up(answer):
            await abandon(link, continuation)
    return answer


def _uses_nothing_up(answer: Answer) -> bool:
    """Tell a refusal of the request itself, after which the continuation is as good as before, from the error of a tool."""
    if answer.member != "error":
        return False
    error = answer.frame.message.error
    data = error.get("data")
    return error.get("code") == MISSING_REQUIRED_CLIENT_CAPABILITY or (
        error.get("code") == INVALID_PARAMS and isinstance(data, dict) and "keys" in data
    )


def _calls(link: Requesting, answer: Answer, waiting: Container[str]) -> dict[str, str]:
    """Return the method of each call of a leg by its key.

    Raises:
        LinkError: It is no leg.
    """

    def refused(why: str) -> LinkError:
        return LinkError(link.name, "failed", f"frame {answer.frame.seq} is no {CALLS}: {why}")

    pairs = json.loads(find(answer.body, ("calls",)) or b"null", object_pairs_hook=_Pairs)
    if not isinstance(pairs, _Pairs):
        raise refused("`calls` is no object")
    if not isinstance(answer.frame.message.result.get("continuation"), str):
        raise refused("`continuation` is no string")
    calls: dict[str, str] = {}
    for key, value in pairs:
        members = dict(value) if isinstance(value, _Pairs) else {}
        method = members.get("method")
        if not key or key in calls or key in waiting:
            raise refused("a key is empty" if not key else f"the key {key!r} is used twice")
        if not isinstance(method, str) or not isinstance(members.get("params", _Pairs()), _Pairs):
            raise refused(f"the call {key!r} lacks a `method`, or its `params` are no object")
        calls[key] = method
    return calls


class _Pairs(list[tuple[str, object]]):
    """A JSON object with its duplicate keys."""


async def _perform(leg: Answer, calls: Mapping[str, str], one: Callable[[Answer, str, str], Awaitable[bytes]]) -> bytes:
    """Make the calls of one leg, all at once, and return the JSON object of their answers, in the leg's order."""
    members = dict.fromkeys(calls, b"")

    async def make(key: str) -> None:
        members[key] = await one(leg, key, calls[key])

    async with anyio.create_task_group() as tasks:
        for key in calls:
            tasks.start_soon(make, key)
    return b"{" + b",".join(dumps(key) + b":{" + member + b"}" for key, member in members.items()) + b"}"


async def _updates(waiting: dict[str, Answer], one: Callable[[Answer, str, str], Awaitable[bytes]]) -> bytes:
    """Wait for updates, and return the JSON object that answers the call which waits longest; an empty one if none come in time."""
    key, leg = next(iter(waiting.items()))
    with anyio.move_on_after(PATIENCE):
        member = await one(leg, key, UPDATES)
        del waiting[key]
        return b"{" + dumps(key) + b":{" + member + b"}}"
    return b"{}"


async def abandon(link: Requesting, continuation: bytes) -> None:
    """Tell the server that nobody will continue; what becomes of that changes nothing."""
    with anyio.CancelScope(shield=True):
        try:
            await link.request(CANCEL, b'{"continuation":' + continuation + b"}", timeout=_CANCEL_GRACE)
        except LinkError:
            return
