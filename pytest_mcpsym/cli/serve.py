"""`mcpsym serve NAME`: a fake server, or a user's own as `module:attribute`, on stdio or over HTTP, in one era or both.

It ends with status 0 when its input ends, and with 130 or 143 when it is ended by SIGINT or SIGTERM. Pinned by `tests/cli/test_serve.py`
and `tests/cli/test_serve_options.py`.
"""

from __future__ import annotations

import difflib
import inspect
import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from pytest_mcpsym.cli import serve_faults
from pytest_mcpsym.cli.error import CommandError
from pytest_mcpsym.cli.fake_options import options, parsed, unknown
from pytest_mcpsym.cli.listening import listen

if TYPE_CHECKING:
    from pytest_mcpsym.faults.fault import Fault
    from pytest_mcpsym.serving.era import Offered
    from pytest_mcpsym.serving.served import Served, ServedObject
    from pytest_mcpsym.transport.asgi import ASGIApp

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `mcpsym serve`. Words that it does not know are left for the fake, in `given.rest`."""
    parser.usage = "%(prog)s NAME [--http PORT | --sse PORT] [option ...] [option of the fake ...]"
    parser.epilog = "A fake has options of its own, which follow its name: `mcpsym serve NAME --list` shows them."
    parser.allow_abbrev = False
    parser.add_argument("name", nargs="?", metavar="NAME", help="a fake (see --list), or module:attribute of your own server")
    parser.add_argument("--http", metavar="PORT", type=int, help="serve on http://HOST:PORT/mcp; 0 takes a free port")
    parser.add_argument("--sse", metavar="PORT", type=int, help="serve on http://HOST:PORT/sse, as revision 2024-11-05 has it")
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--era", choices=["handshake", "modern", "both"], default="both", help="offer one era only")
    parser.add_argument("--json-response", action="store_true", help="with --http: answer with JSON, not an event stream")
    parser.add_argument("--stateless", action="store_true", help="with --http: keep no sessions")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="set an environment variable (repeat)")
    serve_faults.add_arguments(parser)
    parser.add_argument("--list", action="store_true", help="name the fakes and end; after a NAME: its options")
    parser.add_argument("--json", action="store_true", help="with --list: as JSON")


def run(given: Namespace) -> int:
    """Serve until the input ends or a signal comes, and return the exit status."""
    name = cast("str | None", given.name)
    if "help" in given.fault:
        sys.stdout.write(serve_faults.fault_help())
        return 0
    if given.list:
        _list(name, as_json=bool(given.json))
        return 0
    if name is None:
        raise CommandError("name a server; `mcpsym serve --list` says which there are")
    _check(given)
    faults = serve_faults.faults_of(given)
    variables = _variables(given.env)
    os.environ.update(variables)
    return _run(_served(name, given, variables), given, faults)


def _check(given: Namespace) -> None:
    over_http = given.http is not None or given.sse is not None
    if given.http is not None and given.sse is not None:
        raise CommandError("--http and --sse are two ways to serve; give one of them")
    if given.host is not None and not over_http:
        raise CommandError("--host is for --http and --sse; on stdio nothing listens")
    for flag in ("json_response", "stateless"):
        if getattr(given, flag) and given.http is None:
            raise CommandError(f"--{flag.replace('_', '-')} is for --http")
    if given.sse is not None and given.era == "modern":
        raise CommandError("--sse is of the handshake era; the modern era has --http")


def _variables(given: list[str]) -> dict[str, str]:
    variables: dict[str, str] = {}
    for each in given:
        name, sign, value = each.partition("=")
        if not (sign and name):
            raise CommandError(f"--env takes NAME=VALUE; {name!r} has no {'value' if name else 'name'}")
        variables[name] = value
    return variables


def _fakes() -> Mapping[str, Callable[..., object]]:
    from pytest_mcpsym import fakes

    return {name: cast("Callable[..., object]", getattr(fakes, name)) for name in fakes.__all__}


def _fake(name: str) -> Callable[..., object]:
    fakes = _fakes()
    if name not in fakes:
        near = difflib.get_close_matches(name.replace("-", "_"), fakes, 1)
        hint = (
            f"did you mean {near[0]!r}?" if near else f"there are {', '.join(fakes)}; a server of your own is module:attribute"
        )
        raise CommandError(f"there is no fake {name!r}; {hint}")
    return fakes[name]


def _made(name: str, given: Namespace, variables: Mapping[str, str]) -> object:
    """Make a fake as it is as a process: its environment, what the command line says, and what it says of its own accord."""
    if given.rest and name not in _fakes():
        raise CommandError(f"there is no fake {name!r}; {given.rest[0]} is an option of a fake only after the fake's name")
    make = _fake(name)
    said = parsed(name, make, cast("list[str]", given.rest), _own_flags(given))
    about = cast("Callable[..., Mapping[str, object]] | None", getattr(inspect.getmodule(make), "from_environment", None))
    try:
        # Over HTTP everyone on this machine may ask; on stdio only the client, which has made the environment.
        told = os.environ if given.http is None and given.sse is None else variables
        return make(**{**(about(os.environ, told) if about else {}), **said})
    except (ImportError, ValueError) as error:  # MissingExtra, which says what to install; values that do not fit
        raise CommandError(str(error)) from None


def _own_flags(given: Namespace) -> list[str]:
    return ["--" + name.replace("_", "-") for name in vars(given) if name not in ("name", "rest", "command")]


def _served(name: str, given: Namespace, variables: Mapping[str, str]) -> Served:
    from pytest_mcpsym.errors import TargetError
    from pytest_mcpsym.serving.served import ServedApp, served

    target: object = name
    if ":" not in name:
        target = _made(name, given, variables)
    elif given.rest:
        raise unknown(given.rest, f"{name}, a server of your own,", [], _own_flags(given))
    try:
        found = served(target)
    except TargetError as error:
        raise CommandError(str(error)) from None
    if not isinstance(found, ServedApp):
        return _of_era(found, given.era)
    if given.http is None:
        raise CommandError(f"{name} is an ASGI app, which is served over HTTP only: add --http PORT")
    if given.era != "both" or given.json_response or given.stateless:
        raise CommandError(
            f"{name} is an ASGI app, which decides itself; --era, --json-response and --stateless are for servers"
        )
    return found


def _of_era(found: ServedObject, era: Offered) -> Served:
    from pytest_mcpsym.serving.era import HandshakeOnly, ModernOnly

    return found if era == "both" else HandshakeOnly(found) if era == "handshake" else ModernOnly(found)


def _run(served: Served, given: Namespace, faults: Sequence[Fault]) -> int:
    from pytest_mcpsym.errors import TargetError
    from pytest_mcpsym.serving.process import on_socket, on_stdio

    if given.http is None and given.sse is None:
        status = on_stdio(served, faults)
        sys.stderr.flush()
        # A thread may wait for input that never comes, and the interpreter would wait for the thread.
        os._exit(status)
    option, port = ("--http", cast("int", given.http)) if given.sse is None else ("--sse", cast("int", given.sse))
    host = cast("str", given.host or "127.0.0.1")
    listener = listen(host, port, free=f"{option} 0")
    try:
        app = _app(served, given, host)
        if faults:
            from pytest_mcpsym.serving.faulty_app import FaultyApp

            app = FaultyApp(app, faults)
    except TargetError as error:
        raise CommandError(str(error)) from None
    shown = f"[{host}]" if ":" in host else host
    path = served.path if given.sse is None else "/sse"
    sys.stderr.write(f"serving on http://{shown}:{listener.getsockname()[1]}{path}\n")
    sys.stderr.flush()
    return on_socket(app, listener, is_breakable=bool(faults))


def _app(served: Served, given: Namespace, host: str) -> ASGIApp:
    from pytest_mcpsym.serving.served import HttpOptions
    from pytest_mcpsym.serving.sse import over_sse

    if given.sse is not None:
        return over_sse(served, host)
    return served.app(HttpOptions(host, json_response=given.json_response, stateless=given.stateless))


def _list(name: str | None, *, as_json: bool) -> None:
    if name is not None:
        rows = [(each.written, each.about) for each in options(_fake(name))]
        named = [{"option": option, "about": about} for option, about in rows]
    else:
        rows = [(name, _first_line(inspect.getmodule(make))) for name, make in _fakes().items()]
        named = [{"name": name, "about": about} for name, about in rows]
    if as_json:
        text = json.dumps(named, indent=2)
    else:
        width = max((len(left) for left, _ in rows), default=0)
        text = "\n".join(f"{left:<{width}}  {about}" for left, about in rows)
    sys.stdout.write(text + "\n")


def _first_line(found: object) -> str:
    return (inspect.getdoc(found) or "").partition("\n")[0]
