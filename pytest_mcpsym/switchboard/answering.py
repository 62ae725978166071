"""Answer as the host what a server asks of it, on the account of the route that the question belongs to.

Inference costs: it is refused once the route's tokens or dollars are spent, and what the model used is counted for the hop that asked
and all above it. Pinned by `tests/switchboard/test_spending.py`.
"""

from __future__ import annotations

from mcp import MCPError
from mcp_types import CreateMessageRequest, CreateMessageResult, CreateMessageResultWithTools, ErrorData, InputRequest

from pytest_mcpsym.switchboard.asker import Asker
from pytest_mcpsym.switchboard.host import Host
from pytest_mcpsym.switchboard.trail import Trail
from pytest_mcpsym.symmetric.spending import Usage

__all__ = ["answer_as_host"]


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
    if trail is not None and isinstance(question, CreateMessageRequest):
        trail.require_funds()
    given = await host.answer(question, asker)
    if isinstance(given, ErrorData):
        raise MCPError.from_error_data(given)
    if trail is not None and isinstance(given, (CreateMessageResult, CreateMessageResultWithTools)):
        trail.spend(Usage.of(given.meta))
    return given.model_dump(by_alias=True, mode="json", exclude_none=True)
