"""Take one raw call to its final result, whatever rounds the modern era puts in between.

A modern server may end a leg of `tools/call` with calls for its client to make; the link drives those. It may answer
`input_required` (2026-07-28, multi-round-trip requests): the host answers what it asks, and the call is sent again with the answers and
the server's `requestState`, byte for byte. A modern HTTP server may want arguments mirrored into headers: those of a tool that was
listed are, and where the server says -32020 its tools are listed again and the call is sent again. One time limit covers all rounds. Pinned by `tests/switchboard/test_invoke.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import TracebackType
from typing import Final, Literal

import anyio
from mcp import MCPError
from mcp_types import HEADER_MISMATCH, INVALID_REQUEST, InputRequiredResult
from pydantic import ValidationError

from pytest_mcpsym.errors import AnswerTimeout, LinkError
from pytest_mcpsym.switchboard.answering import answer_as_host
from pytest_mcpsym.switchboard.asked import Answer, OnProgress, OnSent
from pytest_mcpsym.switchboard.failure import first_fault
from pytest_mcpsym.switchboard.host import Host
from pytest_mcpsym.switchboard.legs import is_leg
from pytest_mcpsym.switchboard.link import Link
from pytest_mcpsym.switchboard.pending import dumps
from pytest_mcpsym.switchboard.trail import Trail
from pytest_mcpsym.wire.frame import Frame, parse_json
from pytest_mcpsym.wire.splice import elements, find, splice

__all__ = ["invoke", "pages"]

MAX_ROUNDS: Final = 10
"""Rounds of `input_required` before the call is given up, as in the SDKs."""

MAX_PAGES: Final = 1_000
"""Pages of one list before a server is taken to page for ever."""


async def invoke(
    link: Link,
    host: Host,
    method: str,
    params: bytes,
    *,
    meta: Mapping[str, object] | None = None,
    timeout: float,
    trail: Trail,
    on_progress: OnProgress | None = None,
    on_sent: OnSent | None = None,
) -> Answer:
    """Send a request and return its last answer, error or result.

    Args:
        link: Where to.
        host: Answers what the server asks for in between.
        method: JSON-RPC method.
        params: The JSON object of `params`, without `_meta`.
        meta: What goes into `_meta` in every round, beside what the route may still spend.
        timeout: Seconds for all rounds together.
        trail: The route that goes through the request.
        on_progress: Called with each progress frame.
        on_sent: Called with the request's frame of every round.

    Raises:
        MCPError: The host did not answer, or the server asked too often.
        AnswerTimeout: No final answer in time.
        LinkError: The link is dead or died, or what came is no answer.
    """
    limit = _Limit(link, method, timeout)
    headers = link.mirrored.headers(params) if method == "tools/call" else {}
    refreshed = False
    current = params
    for _ in range(MAX_ROUNDS + 1):
        with limit:
            answer = await link.request(
                method,
                current,
                meta={**(meta or {}), **trail.stamp()},
                timeout=limit.left,
                on_progress=on_progress,
                on_sent=on_sent,
                headers=headers,
                trail=trail,
            )
            if not refreshed and _wants_headers(link, answer):
                refreshed = True
                await _learn(link, limit.left)
                headers = link.mirrored.headers(params)
                continue
            if link.era == "modern" and is_leg(answer):
                return await link.drive(answer, trail, lambda: limit.left, on_progress)
        if not _wants_input(answer):
            return answer
        answers = None
        with anyio.move_on_after(limit.left):
            answers = await _ask(link, host, answer, trail)
        if answers is None:
            raise AnswerTimeout(link.name, method, timeout, answer.frame.seq)
        current = _with_answers(params, answer.body, answers)
    raise MCPError(INVALID_REQUEST, f"{link.name} asked for input more than {MAX_ROUNDS} times for one {method}")


class _Limit:
    """The time that is left for several requests which are one to whoever waits for them."""

    def __init__(self, link: Link, method: str, seconds: float) -> None:
        self._link = link
        self._method = method
        self._seconds = seconds
        self._deadline = anyio.current_time() + seconds

    @property
    def left(self) -> float:
        return max(self._deadline - anyio.current_time(), 0)

    def __enter__(self) -> None:
        """Say of the whole what a part of it says of itself: that it took too long."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if isinstance(error, AnswerTimeout):
            whole = AnswerTimeout(self._link.name, self._method, self._seconds, error.frame, error.broken)
            raise whole.blame(error.faults) from None
        return False


async def pages(
    link: Link, method: str, key: str, *, timeout: float, on_sent: OnSent | None = None
) -> list[tuple[Frame, tuple[bytes, ...]]]:
    """Return all pages of a list: for each its frame, and the bytes of its entries.

    Args:
        link: Where to.
        method: Such as `tools/list`.
        key: Member of the result that holds the entries.
        timeout: Seconds for all pages together.
        on_sent: Called with the request's frame of every page.

    Raises:
        MCPError: The peer answered with an error, or pages for ever.
        AnswerTimeout: A page did not come in time.
        LinkError: The link is dead or died.
    """
    found: list[tuple[Frame, tuple[bytes, ...]]] = []
    params = b"{}"
    limit = _Limit(link, method, timeout)
    for _ in range(MAX_PAGES):
        with limit:
            answer = await link.request(method, params, timeout=limit.left, on_sent=on_sent)
        body = answer.result()
        entries, cursor = _page(body, key)
        found.append((answer.frame, entries))
        if cursor is None or cursor == b"null":
            return found
        params = b'{"cursor":' + cursor + b"}"
    raise MCPError(INVALID_REQUEST, f"{link.name} answered {method} with more than {MAX_PAGES} pages")


@lru_cache(maxsize=256)  # every route lists anew, and gets what the last one got
def _page(body: bytes, key: str) -> tuple[tuple[bytes, ...], bytes | None]:
    """Return the entries of a page and the cursor of the next."""
    return tuple(elements(body, (key,))), find(body, ("nextCursor",))


async def _ask(link: Link, host: Host, answer: Answer, trail: Trail) -> dict[str, object]:
    try:
        asked = InputRequiredResult.model_validate(parse_json(answer.body), by_name=False)
    except ValidationError as error:
        raise LinkError(
            link.name, "failed", f"frame {answer.frame.seq} is no InputRequiredResult: {first_fault(error)}"
        ) from None
    answers: dict[str, object] = {}
    for key, request in (asked.input_requests or {}).items():
        answers[key] = await answer_as_host(host, request, link.asker(answer.frame), trail)
    return answers


def _with_answers(params: bytes, body: bytes, answers: Mapping[str, object]) -> bytes:
    edits: dict[tuple[str | int, ...], bytes | None] = {("inputResponses",): dumps(answers)} if answers else {}
    state = find(body, ("requestState",))
    if state is not None:
        edits["requestState",] = state
    return splice(params, edits)


def _wants_input(answer: Answer) -> bool:
    return answer.member == "result" and answer.members.get("resultType") == "input_required"


def _wants_headers(link: Link, answer: Answer) -> bool:
    mismatch = answer.member == "error" and answer.members["code"] == HEADER_MISMATCH
    return mismatch and link.spec.over_http


async def _learn(link: Link, timeout: float) -> None:
    for _, tools in await pages(link, "tools/list", "tools", timeout=timeout):
        for entry in tools:
            link.mirrored.learn(entry)
