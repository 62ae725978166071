"""Open the byte channel that a `LinkSpec` describes. The one place that knows which transport serves which target.

Pinned by `tests/switchboard/test_connect.py`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, cast

from mcp.client.stdio import StdioServerParameters

from pytest_mcpsym.replay.played import Played, open_played
from pytest_mcpsym.replay.verified import Verified, open_verified
from pytest_mcpsym.switchboard.target import LinkSpec, lowlevel
from pytest_mcpsym.transport.left import watching
from pytest_mcpsym.transport.memory import MemoryServer, open_memory
from pytest_mcpsym.transport.stdio import open_stdio
from pytest_mcpsym.transport.tap import Channel, Tap

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from pytest_mcpsym.faults.active import Faults

__all__ = ["connect"]

_IN_PROCESS = "http://127.0.0.1:8000"
"""Address that an ASGI app called in process sees; the SDK's guard against DNS rebinding accepts it."""


@asynccontextmanager
async def connect(spec: LinkSpec, tap: Tap, faults: Faults | None = None) -> AsyncGenerator[Channel]:
    """Open the channel of one link; `faults` are those that its transport does to the bytes.

    Raises:
        LinkError: The peer could not be started or reached.
    """
    if isinstance(spec.target, Played):
        async with open_played(spec.target, tap, faults) as channel:
            yield channel
    elif isinstance(spec.target, Verified):
        async with open_verified(spec.target, tap, connect, faults) as channel:
            yield channel
    elif spec.transport == "memory":
        server = cast("MemoryServer", lowlevel(spec.target))
        async with open_memory(server, tap, is_strict=_is_strict(spec.target)) as channel:
            yield channel
    elif isinstance(spec.target, StdioServerParameters):
        async with open_stdio(spec.target, tap, faults=faults) as channel:
            yield channel
    else:
        async with _connect_http(spec, tap, faults) as channel:
            yield channel


@asynccontextmanager
async def _connect_http(spec: LinkSpec, tap: Tap, faults: Faults | None) -> AsyncGenerator[Channel]:
    from pytest_mcpsym.transport.asgi import asgi_transport
    from pytest_mcpsym.transport.http import open_http
    from pytest_mcpsym.transport.sockets import serve_on_loopback

    if isinstance(spec.target, str):
        async with open_http(spec.target, tap, headers=spec.headers, faults=faults) as channel:
            yield channel
    elif spec.transport == "sockets":
        async with (
            watching(tap) as owned,
            serve_on_loopback(partial(_application, spec), factory=True, owned=owned) as address,
            open_http(address + spec.path, tap, headers=spec.headers, faults=faults) as channel,
        ):
            yield channel
    else:
        async with (
            watching(tap) as owned,
            asgi_transport(_application(spec), owned=owned) as transport,
            open_http(_IN_PROCESS + spec.path, tap, headers=spec.headers, transport=transport, faults=faults) as channel,
        ):
            yield channel


def _application(spec: LinkSpec) -> ASGIApp:
    """The ASGI app of a server object; an ASGI app is its own."""
    from pytest_mcpsym.serving.served import HttpOptions, served

    return served(spec.target).app(HttpOptions(json_response=spec.json_response, stateless=spec.stateless))


def _is_strict(target: object) -> bool:
    """Whether a server object asks its transports to answer what is no JSON-RPC message, as our fakes do."""
    return bool(getattr(target, "strict_json", False))
