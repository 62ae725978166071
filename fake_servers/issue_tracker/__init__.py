"""The issue tracker server: its own seeded issues, or those of an HTTP API that it calls with httpx and a bearer token.

See README.md beside this file. Pinned by `tests/fakes/test_issue_tracker.py` and `tests/fakes/test_issue_tracker_api.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Final, TypeVar

from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import INVALID_PARAMS, ToolAnnotations
from pydantic import Field

from pytest_mcpsym.symmetric import cause_headers

from ..data import seeded  # noqa: TID252 - the package is also loaded under an alias
from ..server import FakeServer  # noqa: TID252 - the package is also loaded under an alias
from .api import tracker_api
from .client import TIMEOUT, Client, require_httpx
from .model import Comment, Issue, Page, State, Tracker, TrackerError
from .store import LABELS, Store, grown

__all__ = [
    "ISSUES",
    "LABELS",
    "Comment",
    "Issue",
    "Page",
    "State",
    "TrackerError",
    "from_environment",
    "issue_tracker",
    "seeded_issues",
    "tracker_api",
]

ISSUES: Final = 25
"""How many issues there are where nothing else is said."""

_T = TypeVar("_T")
_Number = Annotated[int, Field(description="Number of the issue", ge=1)]


def seeded_issues(count: int = ISSUES, *, seed: int = 0) -> list[Issue]:
    """Return made-up issues; the same seed gives the same ones, with the same release of Faker.

    Raises:
        MissingExtra: The extra `fakes` is not installed.
    """
    return grown(seeded("issue_tracker", seed), count)


def issue_tracker(
    *,
    seed: int = 0,
    issues: int = ISSUES,
    api: str | None = None,
    token: str | None = None,
    timeout: float = TIMEOUT,
    retry_delay: float = 0.5,
) -> MCPServer:
    """Return an issue tracker server.

    Args:
        seed: Seed of its own issues.
        issues: How many it has.
        api: Address of an HTTP API to take the issues from instead.
        token: The API's bearer token.
        timeout: Seconds for one attempt to call the API.
        retry_delay: Seconds before a second attempt; 0 in tests that refuse the first.

    Raises:
        MissingExtra: The extra `fakes` is not installed.
        ValueError: One of `api` and `token` is given without the other.
    """
    if (api is None) != (token is None):
        raise ValueError(
            "the API wants a bearer token: give api and token (ISSUE_TRACKER_API and ISSUE_TRACKER_TOKEN), or neither"
        )
    server = FakeServer(
        "issue-tracker", version="1.0.0", log_level="WARNING", instructions="Issues with labels, comments and two states."
    )
    if api is not None and token is not None:
        require_httpx()
        address, secret = api, token

        def remote(context: Context) -> Tracker:
            return Client(address, secret, cause_headers(context), timeout=timeout, delay=retry_delay)

        _add(server, remote, is_remote=True)
    else:
        store = Store(seeded_issues(issues, seed=seed))
        _add(server, lambda _: store, is_remote=False)
    return server


def from_environment(environment: Mapping[str, str], _told: Mapping[str, str]) -> dict[str, object]:
    """Return the arguments with which the server is a process: the API whose issues it has, if the environment names one."""
    return {"api": environment.get("ISSUE_TRACKER_API"), "token": environment.get("ISSUE_TRACKER_TOKEN")}


def _add(server: MCPServer, tracker: Callable[[Context], Tracker], *, is_remote: bool) -> None:
    reads = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=is_remote)
    adds = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=is_remote)
    changes = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=is_remote)

    @server.tool(annotations=reads)
    async def list_issues(
        context: Context,
        state: State | None = None,
        label: str | None = None,
        cursor: Annotated[str | None, Field(description="`nextCursor` of the page before")] = None,
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
    ) -> Page:
        """List issues, newest first, a page at a time."""
        return await _told(tracker(context).find(state, label, cursor, limit))

    @server.tool(annotations=reads)
    async def get_issue(context: Context, number: _Number) -> Issue:
        """Read one issue with its comments."""
        return await _told(tracker(context).get(number))

    @server.tool(annotations=adds)
    async def create_issue(context: Context, title: str, body: str = "", labels: list[str] | None = None) -> Issue:
        """File an issue."""
        return await _told(tracker(context).create(title, body, labels or []))

    @server.tool(annotations=adds)
    async def add_comment(context: Context, number: _Number, body: str) -> Issue:
        """Say something of an issue."""
        return await _told(tracker(context).comment(number, body))

    @server.tool(annotations=changes)
    async def update_issue(
        context: Context, number: _Number, state: State | None = None, labels: list[str] | None = None
    ) -> Issue:
        """Open or close an issue, or replace its labels."""
        if state is None and labels is None:
            raise ToolError("give a state or labels; there is nothing to change")
        return await _told(tracker(context).update(number, state, labels))

    @server.resource("issue://{number}", name="issue", mime_type="application/json", description="One issue, by its number")
    async def issue(number: str, context: Context) -> str:
        uri = f"issue://{number}"
        if not (number.isascii() and number.isdigit()):
            raise MCPError(INVALID_PARAMS, f"{uri} names no issue; they look like issue://7", {"uri": uri})
        try:
            found = await tracker(context).get(int(number))
        except TrackerError as error:
            raise MCPError(INVALID_PARAMS, str(error), {"uri": uri}) from None
        return found.model_dump_json(by_alias=True)


async def _told(asked: Awaitable[_T]) -> _T:
    """Wait for the tracker; what it refuses is an error result."""
    try:
        return await asked
    except TrackerError as error:
        raise ToolError(str(error)) from None
