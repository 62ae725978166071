"""What our fakes are made of: servers of the SDK, whose transports answer what is no JSON-RPC message.

The SDK's own meet it with silence on a pipe, and with other codes over HTTP. Pinned by `tests/transport/test_exactness.py`; that
streams can be resumed, by `tests/fakes/test_events.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.mcpserver import MCPServer

from .events import SessionEvents, Sessions

if TYPE_CHECKING:
    from mcp.server.models import InitializationOptions
    from mcp.server.streamable_http import EventStore
    from starlette.applications import Starlette

__all__ = ["FakeServer", "LowLevelFake", "ResumableFake"]

_Lifespan = TypeVar("_Lifespan")


class FakeServer(MCPServer):
    """An `MCPServer` whose links are strict; see `pytest_mcpsym.wire.strict`."""

    strict_json: ClassVar = True


class LowLevelFake(Server[_Lifespan]):
    """A low-level `Server` whose links are strict, and which says that some of its lists may change."""

    strict_json: bool = True
    may_change: ClassVar[NotificationOptions]

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, object]] | None = None,
        extensions: dict[str, dict[str, object]] | None = None,
    ) -> InitializationOptions:
        """Announce what may change, unless told otherwise."""
        return super().create_initialization_options(
            notification_options or self.may_change, experimental_capabilities, extensions
        )


class ResumableFake(LowLevelFake[_Lifespan]):
    """One whose streams over Streamable HTTP can be resumed when they broke; without sessions it is the SDK's own."""

    retry: ClassVar[int | None] = None

    def streamable_http_app(
        self,
        *,
        stateless_http: bool = False,
        event_store: EventStore | None = None,
        retry_interval: int | None = None,
        **options: Any,  # the SDK's own, of many types
    ) -> Starlette:
        """Return the ASGI app; `retry` are the milliseconds after which a client comes back, if not told otherwise."""
        if stateless_http:
            return super().streamable_http_app(
                stateless_http=True, event_store=event_store, retry_interval=retry_interval, **options
            )
        app = super().streamable_http_app(
            event_store=event_store or SessionEvents(), retry_interval=retry_interval or self.retry, **options
        )
        app.add_middleware(Sessions)
        return app
