"""`mcpsym serve NAME`: a fake server, or a user's own as `module:attribute`, on stdio or over Streamable HTTP.

The server speaks both eras; its client's first request decides. It ends with status 0 when its input ends, and with 130 or 143 when
it is ended by SIGINT or SIGTERM. Pinned by `tests/cli/test_serve.py`.
"""

from __future__ import annotations

import difflib
import inspect
import json
import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Protocol, cast

from pytest_mcpsym.cli.error import CommandError
from pytest_mcpsym.cli.listening import listen

if TYPE_CHECKING:
    from pytest_mcpsym.transport.asgi import ASGIApp

__all__ = ["add_arguments", "run"]


class _Served(Protocol):
    """What a server object of the SDK has."""

    def streamable_http_app(self, *, host: str = "127.0.0.1") -> ASGIApp: ...


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `mcpsym serve`."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="a fake (see --list), or module:attribute of your own server")
    parser.add_argument("--http", metavar="PORT", type=int, help="serve on http://HOST:PORT/mcp; 0 takes a free port")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on with --http (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="seed of the fake's data")
    parser.add_argument("--list", action="store_true", help="name the fakes and end")
    parser.add_argument("--json", action="store_true", help="with --list: as JSON")


def run(given: Namespace) -> int:
    """Serve until the input ends or a signal comes, and return the exit status."""
    if given.list:
        _list(as_json=bool(given.json))
        return 0
    if given.name is None:
        raise CommandError("name a server; `mcpsym serve --list` says which there are")
    make = _maker(cast("str", given.name), cast("int | None", given.seed))
    if given.http is None:
        return _on_stdio(_made(make))
    return _over_http(make, cast("str", given.host), cast("int", given.http))


def _fakes() -> Mapping[str, Callable[..., object]]:
    from pytest_mcpsym import fakes

    return {name: cast("Callable[..., object]", getattr(fakes, name)) for name in fakes.__all__}


def _list(*, as_json: bool) -> None:
    about = {name: _first_line(inspect.getmodule(make)) for name, make in _fakes().items()}
    if as_json:
        text = json.dumps([{"name": name, "about": line} for name, line in about.items()], indent=2)
    else:
        width = max(map(len, about))
        text = "\n".join(f"{name:<{width}}  {line}" for name, line in about.items())
    sys.stdout.write(text + "\n")


def _first_line(found: object) -> str:
    return (inspect.getdoc(found) or "").partition("\n")[0]


def _maker(name: str, seed: int | None) -> Callable[[], object]:
    if ":" in name:
        if seed is not None:
            raise CommandError(f"--seed is for fakes; {name} is a server of your own")
        return lambda: _imported(name)
    fakes = _fakes()
    if name not in fakes:
        near = difflib.get_close_matches(name.replace("-", "_"), fakes, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(fakes)}"
        raise CommandError(f"there is no fake {name!r}; {hint}")
    make = fakes[name]
    if seed is None:
        return make
    if "seed" not in inspect.signature(make).parameters:
        raise CommandError(f"the fake {name!r} has no random data, so it takes no --seed")
    return lambda: make(seed=seed)


def _imported(name: str) -> object:
    from pytest_mcpsym.errors import TargetError
    from pytest_mcpsym.switchboard.target import describe

    try:
        return describe(name).target
    except TargetError as error:
        raise CommandError(str(error)) from None


def _made(make: Callable[[], object]) -> object:
    try:
        server = make()
    except ImportError as error:  # MissingExtra of the fakes, which says what to install
        raise CommandError(str(error)) from None
    if not hasattr(server, "streamable_http_app"):
        raise CommandError(f"{type(server).__name__} is no SDK MCPServer or Server, which is what can be served")
    return server


def _on_stdio(server: object) -> int:
    import anyio
    from mcp.server.lowlevel.server import Server
    from mcp.server.stdio import stdio_server

    from pytest_mcpsym.switchboard.target import lowlevel

    inner = cast("Server[object]", lowlevel(server))

    async def serve() -> None:
        async with stdio_server() as (reads, writes):
            await inner.run(reads, writes, inner.create_initialization_options())

    # A thread of the SDK waits for input and cannot be woken, so a signal ends the process and does not wait for it.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _leave)
    anyio.run(serve)
    return 0


def _leave(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)


def _over_http(make: Callable[[], object], host: str, port: int) -> int:
    import uvicorn

    listener = listen(host, port, free="--http 0")
    app = cast("_Served", _made(make)).streamable_http_app(host=host)
    shown = f"[{host}]" if ":" in host else host
    sys.stderr.write(f"serving on http://{shown}:{listener.getsockname()[1]}/mcp\n")
    sys.stderr.flush()
    caught: list[int] = []
    # uvicorn ends politely on a signal and then raises it again for the handler that was there before.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda number, _frame: caught.append(number))
    config = uvicorn.Config(
        cast("Callable[..., object]", app), log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )
    uvicorn.Server(config).run(sockets=[listener])
    return 128 + caught[0] if caught else 0
