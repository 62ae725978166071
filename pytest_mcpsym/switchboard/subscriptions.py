"""Subscriptions of servers to each other's resources: one with the owner for all who want it, and updates only to those.

A subscription belongs to the request that its server handles, and ends with it. With the owner it is `resources/subscribe` (handshake
era) or a `subscriptions/listen` that stays open (modern era), held by a task on the owner's link from the first subscriber to the
last. Pinned by `tests/switchboard/test_subscriptions.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, cast

import anyio
from mcp import MCPError
from mcp_types import METHOD_NOT_FOUND

from pytest_mcpsym.errors import LinkError
from pytest_mcpsym.switchboard.link import Link
from pytest_mcpsym.switchboard.pending import dumps
from pytest_mcpsym.switchboard.refusal import refusal
from pytest_mcpsym.switchboard.trail import Trail
from pytest_mcpsym.symmetric.names import UPDATED
from pytest_mcpsym.wire.frame import Frame

__all__ = ["Subscriptions"]

_ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"
_GRACE: Final = 1.0
"""Seconds that an owner may take to confirm that a subscription has ended."""


class _Subscriber:
    """What one request is subscribed to, and what it was not told yet."""

    def __init__(self) -> None:
        self.names: dict[_Upstream, str] = {}
        self._news: dict[str, None] = {}
        self._changed = anyio.Event()
        self._over = False
        self._lost: Exception | None = None

    def lose(self, why: Exception) -> None:
        self._lost = why
        self._changed.set()

    def tell(self, uri: str) -> None:
        self._news[uri] = None
        self._changed.set()

    def end(self) -> None:
        self._over = True
        self._changed.set()

    async def next(self) -> list[str]:
        """Return what was updated since the last time, each once, as soon as there is something; nothing once the request is over.

        Raises:
            LinkError: The owner ended a subscription.
        """
        while not self._news and not self._over and self._lost is None:
            await self._changed.wait()
            self._changed = anyio.Event()
        if self._lost is not None and not self._news:
            raise self._lost
        told, self._news = list(self._news), {}
        return told


class _Upstream:
    """One subscription with the owner of a resource."""

    def __init__(self, owner: Link, uri: str) -> None:
        self.owner = owner
        self.uri = uri
        self.subscribers: set[_Subscriber] = set()
        self._settled = anyio.Event()
        self._released = anyio.Event()
        self._failure: Exception | None = None
        self._params = b'{"uri":' + dumps(uri) + b"}"

    @property
    def failed(self) -> bool:
        return self._failure is not None

    async def ready(self) -> None:
        """Wait until the owner has taken the subscription.

        Raises:
            MCPError: It refused.
            LinkError: It failed.
        """
        await self._settled.wait()
        if self._failure is not None:
            raise self._failure

    def release(self) -> None:
        self._released.set()

    def updated(self, uri: str) -> None:
        """Tell all subscribers of the resource, or of one below it."""
        below = uri.startswith(f"{self.uri.rstrip('/')}/")
        for subscriber in self.subscribers if below or uri == self.uri else ():
            name = subscriber.names[self]
            subscriber.tell(f"{name.rstrip('/')}{uri[len(self.uri.rstrip('/')) :]}" if below else name)

    async def hold(self) -> None:
        """Subscribe, and stay subscribed until nobody wants it any more or the owner is gone."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._until_lost, tasks.cancel_scope)
                await self._released.wait()
                tasks.cancel_scope.cancel()
            if self._failure is None and self.owner.era == "handshake":
                with anyio.move_on_after(_GRACE):
                    await self.owner.request("resources/unsubscribe", self._params)
        except LinkError:
            return  # The owner is gone, and nobody wants to know.
        finally:
            self._settled.set()

    async def _until_lost(self, waiting: anyio.CancelScope) -> None:
        """Be subscribed; when that fails or ends by itself, tell whoever waits."""
        try:
            self._failure = await (self._listen() if self.owner.era == "modern" else self._subscribe())
        except (MCPError, LinkError) as error:
            self._failure = error
        self._settled.set()
        for subscriber in self.subscribers:
            subscriber.lose(self._failure)
        waiting.cancel()

    async def _subscribe(self) -> LinkError:
        (await self.owner.request("resources/subscribe", self._params)).result()
        self._settled.set()
        return await self.owner.silence()

    async def _listen(self) -> Exception:
        params = b'{"notifications":{"resourceSubscriptions":[' + dumps(self.uri) + b"]}}"

        async def heard(frame: Frame) -> None:
            said = frame.message.params
            if frame.message.method == _ACKNOWLEDGED:
                honoured = cast("Mapping[str, object]", said.get("notifications") or {}).get("resourceSubscriptions")
                if self.uri not in cast("list[object]", honoured or []):
                    raise refusal(f"{self.owner.name} takes no subscription to {self.uri!r}", "unknown-resource")
                self._settled.set()
            elif frame.message.method == UPDATED:
                self.updated(str(said.get("uri")))

        (await self.owner.request("subscriptions/listen", params, timeout=math.inf, on_related=heard)).result()
        return LinkError(self.owner.name, "closed", f"it ended the subscription to {self.uri!r}")


class Subscriptions:
    """All subscriptions of the servers of one board."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], _Upstream] = {}
        self._of: dict[int, tuple[Trail, _Subscriber]] = {}

    async def subscribe(self, trail: Trail, owner: Link, uri: str, name: str) -> None:
        """Subscribe the request at the end of a trail to a resource; a second time changes nothing.

        Args:
            trail: The route that goes through the request.
            owner: Whose resource it is.
            uri: Its URI there.
            name: What the subscriber calls it.

        Raises:
            MCPError: The owner takes no subscriptions, or refuses this one.
            LinkError: The owner failed.
        """
        offered = owner.client.server_capabilities.resources
        if offered is None or not offered.subscribe:
            raise MCPError(METHOD_NOT_FOUND, f"{owner.name} takes no subscriptions", "resources/subscribe")
        subscriber = self._subscriber(trail)
        upstream = self._held.get((owner.name, uri))
        if upstream is None or upstream.failed:
            upstream = self._held[owner.name, uri] = _Upstream(owner, uri)
            owner.start(upstream.hold)
        upstream.subscribers.add(subscriber)
        subscriber.names[upstream] = name
        try:
            await upstream.ready()
        except BaseException:
            self._drop(subscriber, upstream)
            raise

    def unsubscribe(self, trail: Trail, owner: Link, uri: str) -> None:
        """End a subscription; one that is none is ended already."""
        upstream, subscriber = self._held.get((owner.name, uri)), self._subscriber(trail)
        if upstream is not None and upstream in subscriber.names:
            self._drop(subscriber, upstream)

    async def updates(self, trail: Trail) -> list[str]:
        """Return what was updated since the last time, as soon as there is something.

        Raises:
            MCPError: The request is subscribed to nothing.
            LinkError: An owner ended a subscription.
        """
        subscriber = self._subscriber(trail)
        if not subscriber.names:
            raise refusal("nothing can be updated: this request is subscribed to no resource", "malformed")
        return await subscriber.next()

    def updated(self, link: str, frame: Frame) -> None:
        """Take an update that an owner tells outside of a `subscriptions/listen`."""
        for upstream in [held for (owner, _), held in self._held.items() if owner == link and held.owner.era == "handshake"]:
            upstream.updated(str(frame.message.params.get("uri")))

    def _subscriber(self, trail: Trail) -> _Subscriber:
        known = self._of.get(id(trail.tally))
        if known is None:
            known = self._of[id(trail.tally)] = (trail, _Subscriber())
            trail.at_end(lambda: self._end(trail))
        return known[1]

    def _end(self, trail: Trail) -> None:
        _, subscriber = self._of.pop(id(trail.tally))
        for upstream in list(subscriber.names):
            self._drop(subscriber, upstream)
        subscriber.end()

    def _drop(self, subscriber: _Subscriber, upstream: _Upstream) -> None:
        upstream.subscribers.discard(subscriber)
        subscriber.names.pop(upstream, None)
        if not upstream.subscribers:
            upstream.release()
            if self._held.get((upstream.owner.name, upstream.uri)) is upstream:
                del self._held[upstream.owner.name, upstream.uri]
