"""respx routes that say what came to them, and leave alone what is not theirs.

respx patches httpcore for the whole process for as long as one router is started. Several routers of this kind share it: each takes the
calls to its own address, and calls to any other address go where they went before. Imports httpx and respx, so it is imported where
the first API is described. Pinned by `tests/transport/test_upstream.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Protocol

import httpx
import respx
from respx.mocks import HTTPCoreMocker
from respx.models import AllMockedAssertionError, PassThrough

from pytest_mcpsym.errors import UsageError

__all__ = ["Api", "Router"]


class Api(Protocol):
    """Whoever logs and answers the calls."""

    def holds(self, url: str) -> bool:
        """Say whether a URL is one of this API's."""
        ...

    def answer(self, request: httpx.Request, route: Callable[[], httpx.Response]) -> httpx.Response:
        """Log and answer a call of a client that blocks; `route` raises `AllMockedAssertionError` where there is none."""
        ...

    async def answer_async(self, request: httpx.Request, route: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """Log and answer a call."""
        ...


class Router(respx.MockRouter):
    """The routes of one API.

    Args:
        base_url: Its address.
        api: Who logs and answers.
    """

    def __init__(self, base_url: str, api: Api) -> None:
        super().__init__(assert_all_called=False, base_url=base_url)
        self.base = base_url
        self._api = api

    def handler(self, request: httpx.Request) -> httpx.Response:
        """Answer a call of a client that blocks."""
        if not self._api.holds(str(request.url)):
            raise self._not_mine(request)
        return self._api.answer(request, lambda: super(Router, self).handler(request))

    async def async_handler(self, request: httpx.Request) -> httpx.Response:
        """Answer a call."""
        if not self._api.holds(str(request.url)):
            raise self._not_mine(request)
        return await self._api.answer_async(request, lambda: self.resolved(request))

    def resolved(self, request: httpx.Request) -> Awaitable[httpx.Response]:
        """Answer by the routes alone."""
        return super().async_handler(request)

    @contextmanager
    def taking(self) -> Generator[None]:
        """Take what this process asks of the address, for as long as the block lasts.

        Raises:
            UsageError: Another router of this kind takes it.
        """
        if any(isinstance(other, Router) and other.base == self.base for other in HTTPCoreMocker.routers):
            raise UsageError(
                f"two open boards take the calls to {self.base}, and nothing tells whose a call is; give one of them another "
                "address, or serve=True"
            )
        self.start()
        try:
            yield
        finally:
            self.stop(clear=False, reset=False, quiet=True)

    def _not_mine(self, request: httpx.Request) -> Exception:
        """Leave a request to the next router; the last one lets it pass, if no router of another kind is to refuse it."""
        routers = HTTPCoreMocker.routers
        if routers and routers[-1] is self and all(isinstance(other, Router) for other in routers):
            return PassThrough("not of this API", request=request, origin=respx.route())
        return AllMockedAssertionError(f"RESPX: {request!r} not mocked!")
