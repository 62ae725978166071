"""An HTTP API that servers call, played by the test: every call is in the wire log, on a link of its own.

The answers come from respx routes or from an ASGI app. They reach the servers in one of two ways: what a server of this process asks
of the API's address with httpx is taken before it leaves the process; or the API is served on a loopback port, for servers in other
processes and languages. A call that nothing answers is answered with status 501, and fails the board at its close. Pinned by
`tests/transport/test_upstream.py`.
"""

from __future__ import annotations

import socket
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from pytest_mcpsym.errors import LinkError, UsageError
from pytest_mcpsym.transport.tap import Tap
from pytest_mcpsym.wire.redact import Redactor
from pytest_mcpsym.wire.upstream import body_data

if TYPE_CHECKING:
    import httpx
    import respx

    from pytest_mcpsym.transport.asgi import ASGIApp, Receive, Scope, Send
    from pytest_mcpsym.transport.upstream_router import Router

__all__ = ["Upstream", "upstream"]

_NO_ROUTE: Final = 501
_HOP_BY_HOP: Final = frozenset({"content-length", "content-encoding", "transfer-encoding", "connection"})


class Upstream:
    """An HTTP API as a link of a board. Made by `upstream`.

    Attributes:
        base_url: The address under which the API is known, in the log too.
        url: The address to give to servers: `base_url`, or the one on the loopback where it is served there.
        router: Its respx routes, relative to `base_url`; also after the board was closed, with the calls that they got.
        callers: The links whose servers may call it; `None` for all of the board.
    """

    def __init__(self, base_url: str, app: ASGIApp | None, callers: tuple[str, ...] | None, *, serve: bool) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
            raise UsageError(f"upstream({base_url!r}): the address of an HTTP API looks like 'https://api.example/v1'")
        self.base_url = base_url.rstrip("/")
        self.callers = callers
        self.served = serve
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._app = app
        self._router = _router(self.base_url, self)
        self._tap: Tap | None = None
        self._lock = threading.Lock()
        self._calls = 0
        self.failure: LinkError | None = None
        self._listener: socket.socket | None = None
        if serve:
            # Bound now, so that servers can be told the address before anything is opened.
            self._listener = socket.socket(proto=socket.IPPROTO_TCP)
            self._listener.bind(("127.0.0.1", 0))
            weakref.finalize(self, self._listener.close)

    def __repr__(self) -> str:
        return f"<Upstream {Redactor().text(self.base_url)}>"

    @property
    def router(self) -> respx.MockRouter:
        """Its respx routes: `api.router.get("/issues/7").respond(json={...})`."""
        return self._router

    @property
    def url(self) -> str:
        """The address to give to servers."""
        if self._listener is None:
            return self.base_url
        port = cast("int", self._listener.getsockname()[1])
        return f"http://127.0.0.1:{port}{urlsplit(self.base_url).path}"

    @asynccontextmanager
    async def open(self, tap: Tap) -> AsyncGenerator[None]:
        """Answer calls for as long as the block lasts.

        Raises:
            UsageError: It is open already, or another one takes the calls to its address.
        """
        if self._tap is not None:
            raise UsageError(f"the upstream {self.base_url} was opened before; make one for each board")
        self._tap = tap
        if self._listener is not None:
            from pytest_mcpsym.transport.sockets import serve_on_loopback

            async with serve_on_loopback(self._serve, listener=self._listener):
                yield
            return
        with self._router.taking():
            yield

    def holds(self, url: str) -> bool:
        """Say whether a URL is one of this API's."""
        return url == self.base_url or url.startswith((f"{self.base_url}/", f"{self.base_url}?"))

    def answer(self, request: httpx.Request, route: Callable[[], httpx.Response]) -> httpx.Response:
        """Log and answer a call of a client that blocks."""
        number = self._begin(request, request.read())
        if self._app is not None:
            return self._end(number, _refused("an ASGI app plays this API, so only httpx.AsyncClient can call it"))
        try:
            response = self._unless_missing(request, route)
        except BaseException as error:
            self._break(number, error)
            raise
        response.read()
        return self._end(number, response)

    async def answer_async(self, request: httpx.Request, route: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """Log and answer a call."""
        number = self._begin(request, await request.aread())
        try:
            response = await self._from_app(request) if self._app else await self._unless_missing_async(request, route)
            await response.aread()
        except BaseException as error:
            self._break(number, error)
            raise
        return self._end(number, response)

    async def _from_app(self, request: httpx.Request) -> httpx.Response:
        import httpx

        async with httpx.ASGITransport(cast("ASGIApp", self._app)) as transport:
            response = await transport.handle_async_request(request)
            await response.aread()
            return response

    def _unless_missing(self, request: httpx.Request, route: Callable[[], httpx.Response]) -> httpx.Response:
        from respx.models import AllMockedAssertionError

        try:
            return route()
        except AllMockedAssertionError:
            return self._missing(request)

    async def _unless_missing_async(
        self, request: httpx.Request, route: Callable[[], Awaitable[httpx.Response]]
    ) -> httpx.Response:
        from respx.models import AllMockedAssertionError

        try:
            return await route()
        except AllMockedAssertionError:
            return self._missing(request)

    def _missing(self, request: httpx.Request) -> httpx.Response:
        """Say that nothing answers a call: to its caller at once, to the test when the board closes."""
        routes = ", ".join(f"{route.pattern!r}" for route in self._router.routes) or "none"
        what = Redactor().text(f"no route for {request.method} {request.url}")
        tap = cast("Tap", self._tap)
        message = (
            f"{what}; answer it with api.router.{request.method.lower()}({request.url.path!r}).respond(...) (routes: {routes})"
        )
        self.failure = self.failure or LinkError(tap.link, "failed", message)
        tap.note("failure", reason=what)
        return _refused(what)

    # What is logged.

    def _begin(self, request: httpx.Request, body: bytes) -> int:
        tap = cast("Tap", self._tap)
        with self._lock:
            self._calls += 1
            number = self._calls
            tap.note(
                "http",
                exchange=number,
                event="request",
                method=request.method,
                url=str(request.url),
                headers=_pairs(request.headers),
                **body_data(body),
            )
        return number

    def _end(self, number: int, response: httpx.Response) -> httpx.Response:
        headers = _pairs(response.headers)
        body = body_data(response.content)
        cast("Tap", self._tap).note(
            "http", exchange=number, event="response", status=response.status_code, headers=headers, **body
        )
        return response

    def _break(self, number: int, error: BaseException) -> None:
        by, reason = ("peer", {"reason": type(error).__name__}) if isinstance(error, Exception) else ("caller", {})
        cast("Tap", self._tap).note("http", exchange=number, event="closed", by=by, **reason)

    # On the loopback.

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        import httpx

        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += cast("bytes", message.get("body", b""))
            more = bool(message.get("more_body", False))
        query = cast("bytes", scope["query_string"]).decode("latin-1")
        path = cast("bytes", scope.get("raw_path") or b"/").decode("latin-1")
        request = httpx.Request(
            cast("str", scope["method"]),
            f"{self._origin}{path}{'?' if query else ''}{query}",
            headers=cast("list[tuple[bytes, bytes]]", scope["headers"]),
            content=body,
        )
        try:
            response = await self.answer_async(request, lambda: self._router.resolved(request))
        except httpx.TimeoutException as error:
            response = _refused(f"the route raised {type(error).__name__}", 504)
        except httpx.TransportError as error:
            response = _refused(f"the route raised {type(error).__name__}", 502)
        headers = [(name, value) for name, value in response.headers.raw if name.decode().lower() not in _HOP_BY_HOP]
        headers.append((b"content-length", str(len(response.content)).encode()))
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": response.content})


def upstream(
    base_url: str, app: ASGIApp | None = None, *, callers: str | Iterable[str] | None = None, serve: bool = False
) -> Upstream:
    """Describe an HTTP API that servers of a board call, as a link of that board.

    Args:
        base_url: Its address, as in `https://tracker.example/v1`. Nothing is ever sent there.
        app: An ASGI app that plays it; default the respx routes of `router`.
        callers: The links whose servers may call it, for boards on which several servers are busy at once; default all.
        serve: Serve it on a loopback port, for servers in other processes; they are told its `url`.

    Raises:
        UsageError: `base_url` is no address of an API, or the extra `fakes` is not installed.

    Example:
        >>> api = upstream("https://tracker.example")
        >>> _ = api.router.get("/issues/7").respond(json={"number": 7})
        >>> api.url
        'https://tracker.example'
    """
    named = (callers,) if isinstance(callers, str) else None if callers is None else tuple(callers)
    return Upstream(base_url, app, named, serve=serve)


def _refused(why: str, status: int = _NO_ROUTE) -> httpx.Response:
    import httpx

    return httpx.Response(status, text=why)


def _pairs(headers: httpx.Headers) -> list[list[str]]:
    return [[name.decode("latin-1").lower(), value.decode("latin-1")] for name, value in headers.raw]


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _router(base_url: str, api: Upstream) -> Router:
    try:
        from pytest_mcpsym.transport.upstream_router import Router
    except ModuleNotFoundError:
        raise UsageError("upstream() needs httpx and respx: pip install 'pytest-mcpsym[fakes]'") from None
    return Router(base_url, api)
