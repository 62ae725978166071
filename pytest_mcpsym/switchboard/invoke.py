"""Take one raw call to its final result, whatever rounds the modern era puts in between.

A modern server may answer `input_required` (2026-07-28, multi-round-trip requests): the host answers what it asks, and the call is sent
again with the answers and the server's `requestState`, byte for byte. A modern HTTP server may want arguments mirrored into headers: it
then says so with -32020, and the call is sent again with them. One time limit covers all rounds. Pinned by
`tests/switchboard/test_invoke.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final, cast

import anyio
from mcp import MCPError
from mcp.shared.inbound import mcp_param_headers, x_mcp_header_map
from mcp_types import HEADER_MISMATCH, INVALID_REQUEST, ErrorData, InputRequiredResult

from pytest_mcpsym.errors import AnswerTimeout
from pytest_mcpsym.switchboard.host import Host
from pytest_mcpsym.switchboard.link import Answer, Link, OnProgress, dumps
from pytest_mcpsym.wire.frame import Frame
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
    on_progress: OnProgress | None = None,
    on_sent: Callable[[Frame], None] | None = None,
) -> Answer:
    """Send a request and return its last answer, error or result.

    Args:
        link: Where to.
        host: Answers what the server asks for in between.
        method: JSON-RPC method.
        params: The JSON object of `params`, without `_meta`.
        meta: What goes into `_meta` in every round.
        timeout: Seconds for all rounds together.
        on_progress: Called with each progress frame.
        on_sent: Called with the request's frame of every round.

    Raises:
        MCPError: The host did not answer, or the server asked too often.
        AnswerTimeout: No final answer in time.
        LinkError: The link is dead or died.
    """
    deadline = anyio.current_time() + timeout
    headers: Mapping[str, str] = {}
    current = params
    for _ in range(MAX_ROUNDS):
        left = max(deadline - anyio.current_time(), 0)
        try:
            answer = await link.request(
                method, current, meta=meta, timeout=left, on_progress=on_progress, on_sent=on_sent, headers=headers
            )
        except AnswerTimeout as error:
            raise AnswerTimeout(link.name, method, timeout, error.frame) from None
        if answer.member == "error" and answer.frame.message.error["code"] == HEADER_MISMATCH and not headers:
            headers = await _mirrored_headers(link, params)
            if headers:
                continue
        if answer.member == "error" or find(answer.body, ("resultType",)) != b'"input_required"':
            return answer
        current = _with_answers(params, answer.body, _ask(host, answer.body))
    raise MCPError(INVALID_REQUEST, f"{link.name} asked for input more than {MAX_ROUNDS} times for one {method}")


async def pages(link: Link, method: str, key: str, on_sent: Callable[[Frame], None] | None = None) -> list[tuple[Frame, list[bytes]]]:
    """Return all pages of a list: for each its frame, and the bytes of its entries.

    Raises:
        MCPError: The peer answered with an error, or pages for ever.
        LinkError: The link is dead or died.
    """
    found: list[tuple[Frame, list[bytes]]] = []
    params = b"{}"
    for _ in range(MAX_PAGES):
        answer = await link.request(method, params, on_sent=on_sent)
        body = answer.result()
        found.append((answer.frame, elements(body, (key,))))
        cursor = find(body, ("nextCursor",))
        if cursor is None or cursor == b"null":
            return found
        params = b'{"cursor":' + cursor + b"}"
    raise MCPError(INVALID_REQUEST, f"{link.name} answered {method} with more than {MAX_PAGES} pages")


def _ask(host: Host, body: bytes) -> dict[str, object]:
    asked = InputRequiredResult.model_validate(json.loads(body), by_name=False)
    answers: dict[str, object] = {}
    for key, request in (asked.input_requests or {}).items():
        given = host.answer(request)
        if isinstance(given, ErrorData):
            raise MCPError.from_error_data(given)
        answers[key] = given.model_dump(by_alias=True, mode="json", exclude_none=True)
    return answers


def _with_answers(params: bytes, body: bytes, answers: Mapping[str, object]) -> bytes:
    edits: dict[tuple[str | int, ...], bytes | None] = {("inputResponses",): dumps(answers)} if answers else {}
    state = find(body, ("requestState",))
    if state is not None:
        edits["requestState",] = state
    return splice(params, edits)


async def _mirrored_headers(link: Link, params: bytes) -> dict[str, str]:
    """The `Mcp-Param-*` headers of a call, from the tool's schema as the server lists it now."""
    call = cast("dict[str, object]", json.loads(params))
    for _, tools in await pages(link, "tools/list", "tools"):
        for entry in tools:
            tool = cast("dict[str, object]", json.loads(entry))
            if tool.get("name") == call.get("name"):
                schema = cast("dict[str, object]", tool.get("inputSchema") or {})
                return mcp_param_headers(x_mcp_header_map(schema), cast("dict[str, object]", call.get("arguments") or {}))
    return {}
