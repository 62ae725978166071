"""Answer as the host what a server asks of it, on the account of the route that the question belongs to.

Inference costs: it is refused once the route's tokens or dollars are spent, and what the model used is counted for the hop that asked
and all above it. Pinned by `tests/switchboard/test_spending.py`.
"""

from __future__ import annotations

from mcp import MCPError
from mcp_types import CreateMessageRequest, CreateMessageRequestParams, ErrorData, InputRequest

from pytest_mcpsym.switchboard.asker import Asker
from pytest_mcpsym.switchboard.host import Host
from pytest_mcpsym.switchboard.rules import Message
from pytest_mcpsym.switchboard.trail import Trail
from pytest_mcpsym.symmetric.spending import Usage

__all__ = ["answer_as_host", "sample"]


async def sample(host: Host, params: CreateMessageRequestParams, asker: Asker, trail: Trail | None) -> Message | ErrorData:
    """Ask the model; what it costs is paid by a trail, if there is one."""
    if trail is not None:
        try:
            trail.require_funds()
        except MCPError as error:
            return error.error
    given = await host.sample(params, asker)
    if trail is not None and not isinstance(given, ErrorData):
        trail.spend(Usage.of(given.meta))
    return given


async def answer_as_host(host: Host, question: InputRequest, asker: Asker, trail: Trail | None) -> dict[str, object]:
    """Return the result, as JSON.

    Args:
        host: Has what the test scripted.
        question: What is asked.
        asker: Who asks.
        trail: The route that pays; `None` for roots, which cost nothing and may belong to none.

    Raises:
        MCPError: The host refused, or the route can pay no more.
    """
    inference = isinstance(question, CreateMessageRequest)
    given = await (sample(host, question.params, asker, trail) if inference else host.answer(question, asker))
    if isinstance(given, ErrorData):
        raise MCPError.from_error_data(given)
    return given.model_dump(by_alias=True, mode="json", exclude_none=True)
