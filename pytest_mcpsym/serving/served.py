"""What can be served: a server object on a stream pair or as an ASGI app, an ASGI app as itself.

Pinned by `tests/serving/test_served.py` and `tests/cli/test_serve.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from pytest_mcpsym.errors import TargetError
from pytest_mcpsym.switchboard.target import describe, lowlevel
from pytest_mcpsym.transport.strict_app import MOST_BYTES, StrictApp

if TYPE_CHECKING:
    from mcp.server.lowlevel.server import Server
    from mcp.shared._stream_protocols import ReadStream, WriteStream
    from mcp.shared.message import SessionMessage

    from pytest_mcpsym.transport.asgi import ASGIApp

    Reads = ReadStream[SessionMessage | Exception]
    Writes = WriteStream[SessionMessage]

__all__ = ["HttpOptions", "Served", "ServedApp", "ServedObject", "served"]


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How a server object answers over HTTP.

    Attributes:
        host: Address that is listened on; on a loopback address the SDK refuses requests of foreign hosts and origins.
        json_response: Answer with JSON instead of an event stream.
        stateless: Keep no sessions.
    """

    host: str = "127.0.0.1"
    json_response: bool = False
    stateless: bool = False


class Served(Protocol):
    """A server between whose inside and whose channel something may be put."""

    @property
    def path(self) -> str:
        """Path of the endpoint over HTTP; empty where the app decides."""
        ...

    @property
    def is_strict(self) -> bool:
        """Whether what is no JSON-RPC message is answered on a pipe; see `pytest_mcpsym.wire.strict`."""
        ...

    async def run(self, reads: Reads, writes: Writes) -> None:
        """Serve one connection until its input ends."""
        ...

    def app(self, options: HttpOptions) -> ASGIApp:
        """Return the server over Streamable HTTP."""
        ...


class ServedObject:
    """A server object of the SDK or of FastMCP."""

    path = "/mcp"

    def __init__(self, target: object) -> None:
        self._target = target

    @property
    def inner(self) -> Server[object]:
        """The low-level server inside."""
        return cast("Server[object]", lowlevel(self._target))

    async def run(self, reads: Reads, writes: Writes) -> None:
        """Serve one connection in the era that its first request decides."""
        await self.inner.run(reads, writes, self.inner.create_initialization_options())

    @property
    def is_strict(self) -> bool:
        """Whether what is no JSON-RPC message is answered, as our fakes want it."""
        return bool(getattr(self._target, "strict_json", False))

    def app(self, options: HttpOptions) -> ASGIApp:
        """Return the server over Streamable HTTP, guarded against DNS rebinding where its kind can be."""
        for factory in ("streamable_http_app", "http_app"):
            make = getattr(self._target, factory, None)
            if make is not None:
                break
        else:
            raise TargetError(f"{type(self._target).__name__} cannot be served over HTTP: it has no streamable_http_app()")
        more: dict[str, object] = {"host": options.host} if "host" in inspect.signature(make).parameters else {}
        if self.is_strict:
            more["max_request_body_size"] = MOST_BYTES
        app = cast("Callable[..., ASGIApp]", make)(
            json_response=options.json_response, stateless_http=options.stateless, **more
        )
        return StrictApp(app, self.path) if self.is_strict else app


class ServedApp:
    """An ASGI app: it is its own endpoint and speaks whatever it speaks."""

    path = ""
    is_strict = False

    def __init__(self, target: ASGIApp) -> None:
        self._target = target

    async def run(self, reads: Reads, writes: Writes) -> None:
        """Refuse.

        Raises:
            TargetError: Always.
        """
        del reads, writes
        raise TargetError("an ASGI app has no stdio: serve it over HTTP")

    def app(self, options: HttpOptions) -> ASGIApp:
        """Return the app itself."""
        del options
        return self._target


def served(target: object) -> ServedObject | ServedApp:
    """Return how an object, or what a `module:attribute` text names, is served.

    Raises:
        TargetError: It is no server of this process.
    """
    spec = describe(target)
    if lowlevel(spec.target) is not None:
        return ServedObject(spec.target)
    if spec.transport in ("http", "sockets") and not isinstance(spec.target, str):
        return ServedApp(cast("ASGIApp", spec.target))
    raise TargetError(f"{spec.label} is reached over {spec.transport}: it serves itself, and nothing here can serve it")
