"""The modern era's means of change: streams that a client opens with `subscriptions/listen`, and how long a result stays fresh.

Pinned by `tests/fakes/test_everything_modern.py`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourcesListChanged, ResourceUpdated

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext
    from mcp_types import SubscriptionsListenRequestParams, SubscriptionsListenResult

__all__ = ["FRESH", "HINTS", "Listening"]

FRESH: Final = 60_000
"""Milliseconds for which what does not change is said to stay as it is."""

HINTS: Final[dict[CacheableMethod, CacheHint]] = {
    "server/discover": CacheHint(FRESH, "public"),
    "tools/list": CacheHint(FRESH, "private"),  # it depends on what the client can do
    "prompts/list": CacheHint(FRESH, "public"),
    "resources/templates/list": CacheHint(FRESH, "public"),
    "resources/list": CacheHint(0, "private"),  # a call may add to it
    "resources/read": CacheHint(FRESH, "public"),
}
"""What each result says of itself; what a session has made is read as private, and stale at once."""


class Listening:
    """The open streams of one run."""

    def __init__(self) -> None:
        self._bus = InMemorySubscriptionBus()
        self._streams = ListenHandler(self._bus)
        self._uris: Counter[str] = Counter()

    async def listen(
        self, context: ServerRequestContext[Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """Serve one stream until its client leaves."""
        uris = params.notifications.resource_subscriptions or []
        self._uris.update(uris)
        try:
            return await self._streams(context, params)
        finally:
            self._uris.subtract(uris)

    async def update_all(self) -> None:
        """Say of each resource that is listened to that it has changed."""
        for uri in +self._uris:
            await self._bus.publish(ResourceUpdated(uri=uri))

    async def list_changed(self) -> None:
        """Say that the list of resources has changed."""
        await self._bus.publish(ResourcesListChanged())
