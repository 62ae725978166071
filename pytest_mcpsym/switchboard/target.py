"""What a link is made from: any object that can be a server, described as a frozen `LinkSpec` before anything starts.

`describe` accepts an SDK `MCPServer` or low-level `Server`, a FastMCP server, `StdioServerParameters`, a URL, an ASGI app, a
`"module:attribute"` string, a shell command, or a `LinkSpec`. Pinned by `tests/switchboard/test_target.py`.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from secrets import token_hex
from types import MethodType
from typing import Literal, Protocol, cast, runtime_checkable

from mcp import Client
from mcp.client.stdio import StdioServerParameters

from pytest_mcpsym.errors import TargetError, UsageError
from pytest_mcpsym.faults.fault import Fault, described
from pytest_mcpsym.replay.played import Played
from pytest_mcpsym.replay.verified import Verified
from pytest_mcpsym.transport.upstream import Upstream
from pytest_mcpsym.wire.redact import Redactor, Rules
from pytest_mcpsym.wire.sensitive import is_secret_field, is_secret_header, spots

__all__ = ["Era", "LinkSpec", "Transport", "describe", "link", "with_canary"]

Era = Literal["handshake", "modern"]
Transport = Literal["memory", "stdio", "http", "sockets", "upstream"]
"""`memory` and `stdio` are pipes; `http` is a URL, or a server or ASGI app called in process; `sockets` serves a server or ASGI app
on a loopback port first; `upstream` is an HTTP API that servers call, with no MCP server behind it."""

Asgi = Callable[..., object]

_ACCEPTED = (
    "an SDK MCPServer or Server, a FastMCP server, StdioServerParameters, a URL, an ASGI app, "
    "a 'module:attribute' string, a shell command, or upstream(...) for an HTTP API that servers call"
)
_IMPORT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_PLAIN = re.compile(r".{0,7}|[A-Za-z]+|[0-9.]+|.*[/\\\s].*", re.DOTALL)
"""Values that are no credentials unless their name says so: short ones, one word of letters, numbers, paths and phrases."""

_URL = re.compile(r"https?://", re.IGNORECASE)
_ADDRESS = re.compile(r"[\w.-]+:\d{1,5}(?:/\S*)?$", re.ASCII)


@runtime_checkable
class Runnable(Protocol):
    """A low-level server: it runs over a pair of message streams."""

    def create_initialization_options(self) -> object: ...


@dataclass(frozen=True, slots=True, repr=False)
class LinkSpec:
    """How one link is opened. Made by `link` or `describe`. Tracebacks show its `repr`, which has no credentials.

    Attributes:
        transport: What carries the bytes.
        target: A server object, `StdioServerParameters`, an ASGI app or a URL.
        era: `handshake` or `modern`; `None` takes the board's.
        headers: HTTP headers sent with every request of this link. They never leave it.
        json_response: A server object answers with JSON instead of an event stream.
        stateless: A server object keeps no sessions.
        path: Path of the MCP endpoint of an ASGI app.
        grants: Patterns over link names and routed names: what this peer may see and call of others. `None` is everything.
        approve: Patterns of the same kind: what of this the user is asked to approve.
        forward_meta: Keys of `_meta` that go on with what this peer asks of others, and come back with the answers.
        forward_meta: Keys of `_meta` that go on with what this peer asks of others, and come back to it with the answers, as in
            `["com.example/tenant"]`; default only trace context does. Credentials have no place there.
        faults: What is done to its messages on purpose, from the first on.
    """

    transport: Transport
    target: object
    era: Era | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    json_response: bool = False
    stateless: bool = False
    path: str = "/mcp"
    grants: tuple[str, ...] | None = None
    approve: tuple[str, ...] = ()
    forward_meta: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()

    def __repr__(self) -> str:
        """Return what differs from a plain link to the target; of headers their names."""
        plain = LinkSpec(self.transport, self.target)
        told = {
            each.name: cast("object", getattr(self, each.name))
            for each in fields(self)
            if each.name not in ("transport", "target")
        }
        told |= {"headers": list(self.headers)} if self.headers else {}
        changed = [f", {name}={value!r}" for name, value in told.items() if value != getattr(plain, name)]
        return f"LinkSpec({self.transport!r}, {self.label}{''.join(changed)})"

    @property
    def label(self) -> str:
        """One line that names the target, without its credentials."""
        if isinstance(self.target, StdioServerParameters):
            return self._redacted(shlex.join([self.target.command, *self.target.args]))
        if isinstance(self.target, Upstream):
            return self._redacted(self.target.base_url)
        if isinstance(self.target, str):
            return self._redacted(self.target)
        if isinstance(self.target, Played):
            return self.target.label
        if isinstance(self.target, Verified):
            return self.target.played.label
        name = getattr(self.target, "name", None)
        return f"{type(self.target).__name__} {name!r}" if isinstance(name, str) else type(self.target).__name__

    @property
    def over_http(self) -> bool:
        """Whether some of what is sent goes over HTTP."""
        live = self.target.live.transport if isinstance(self.target, Verified) else self.transport
        return bool({self.transport, live} & {"http", "sockets"})

    def _redacted(self, text: str) -> str:
        return Redactor(Rules(secrets=self.secrets)).text(text)

    @property
    def server(self) -> object:
        """What tells servers apart: a command with its arguments, a URL, or which object it is."""
        if isinstance(self.target, StdioServerParameters):
            return (self.target.command, *self.target.args)
        if isinstance(self.target, MethodType):  # Each look at an object's method makes another one.
            return (id(self.target.__self__), self.target.__name__)
        return self.target if isinstance(self.target, str) else id(self.target)

    @property
    def secrets(self) -> tuple[tuple[str, str], ...]:
        """The credentials this link was given, as (label, value) pairs: they are replaced wherever people look, and are its canaries.

        Headers and variables that are named like a secret, and all whose value is not plainly something else; of a command's arguments
        and of a URL what stands there as a password, a key or a token.
        """
        command = self.target if isinstance(self.target, StdioServerParameters) else None
        environment = (command.env or {}) if command else {}
        told = shlex.join(command.args) if command else self.target if isinstance(self.target, str) else ""
        return (
            *((name, value) for name, value in self.headers.items() if is_secret_header(name) or not _PLAIN.fullmatch(value)),
            *((name, value) for name, value in environment.items() if is_secret_field(name) or not _PLAIN.fullmatch(value)),
            *((spot.label, value) for spot in spots(told, is_secret_field) for value in spot.watched or (spot.value,)),
        )


def link(
    target: object,
    *,
    transport: Transport | None = None,
    era: Era | None = None,
    headers: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    json_response: bool = False,
    stateless: bool = False,
    path: str | None = None,
    grants: Iterable[str] | None = None,
    approve: Iterable[str] = (),
    forward_meta: Iterable[str] = (),
    faults: Iterable[str | Fault] = (),
) -> LinkSpec:
    """Describe a link in more detail than its target alone does.

    Args:
        target: What `switchboard(name=...)` takes.
        transport: For a server object `memory` (default), `http` or `sockets`; for an ASGI app `http` (default) or `sockets`. A
            command is always `stdio` and a URL always `http`.
        era: Protocol era of this link; default the board's.
        headers: HTTP headers sent with every request of this link, credentials included.
        env: Environment variables for a command, added to the small set that the SDK passes on.
        cwd: Working directory for a command.
        json_response: Over HTTP, a server object answers with JSON instead of an event stream.
        stateless: Over HTTP, a server object keeps no sessions.
        path: Path of the MCP endpoint of an ASGI app; default `/mcp`.
        grants: What this peer may see and call of the others, as patterns with `*` over link names (`"code"`) and routed names
            (`"files__read_*"`, `"files+file://*"`); default everything. A peer is never granted itself.
        approve: What of this the user is asked to approve each time, as patterns of the same kind; default nothing. The test answers
            with `board.user.approve(...)`.
        faults: What is done to its messages on purpose, from the first on, as in `["drop to-client tools/call nth=2"]`.

    Raises:
        TargetError: No link can be made from the target.
        UsageError: An option that means nothing for this target.

    Example:
        >>> link("npx -y @example/server", env={"TOKEN": "t"}).transport
        'stdio'
    """
    base = describe(target)
    if base.transport == "upstream":
        raise UsageError(
            f"{base.label} is an HTTP API that servers call, which link() cannot change; give upstream(...) itself"
        )
    if era not in (None, "handshake", "modern"):
        raise UsageError(f"era={era!r} is no era; use 'handshake' or 'modern' (both at once: the marker, ini or command line)")
    spec = replace(base, transport=_choose(base, transport), era=era or base.era, headers={**base.headers, **(headers or {})})
    if isinstance(spec.target, StdioServerParameters):
        changes = {"env": {**(spec.target.env or {}), **(env or {})} or None, "cwd": cwd or spec.target.cwd}
        spec = replace(spec, target=spec.target.model_copy(update=changes))
    elif env or cwd:
        raise UsageError(f"env= and cwd= are for commands; {spec.label} is reached over {spec.transport}")
    if spec.headers and spec.transport not in ("http", "sockets"):
        raise UsageError(f"headers= are for HTTP; {spec.label} is reached over {spec.transport}")
    spec = replace(spec, json_response=json_response or base.json_response, stateless=stateless or base.stateless)
    is_served = lowlevel(spec.target) is not None and spec.transport != "memory"
    if (spec.json_response or spec.stateless) and not is_served:
        raise UsageError(
            f"json_response= and stateless= are for a server object over HTTP (transport='http' or 'sockets'); "
            f"{spec.label} is reached over {spec.transport}"
        )
    if grants is not None:
        spec = replace(spec, grants=_patterns("grants", grants))
    spec = replace(spec, approve=_patterns("approve", approve) or base.approve, faults=described(faults) or base.faults)
    spec = replace(spec, forward_meta=_meta_keys(forward_meta) or base.forward_meta)
    if path is not None and not _is_asgi(spec.target):
        raise UsageError(f"path= is for ASGI apps; {spec.label} is none")
    return spec if path is None else replace(spec, path=path)


def with_canary(spec: LinkSpec) -> LinkSpec:
    """Return a link with a canary of its own, a random value that must be seen nowhere else, if it was given no credentials.

    A command gets the variable `MCPSYM_CANARY`, a server over HTTP the header `mcpsym-canary`. In memory there is nothing to hold one.
    """
    if spec.secrets:
        return spec
    value = f"canary-{token_hex(12)}"
    if isinstance(spec.target, StdioServerParameters):
        return replace(spec, target=spec.target.model_copy(update={"env": {**(spec.target.env or {}), "MCPSYM_CANARY": value}}))
    return replace(spec, headers={**spec.headers, "mcpsym-canary": value}) if spec.transport in ("http", "sockets") else spec


def _meta_keys(given: Iterable[str]) -> tuple[str, ...]:
    """Check that each key may go from link to link: what the protocol and the extension put into `_meta` is of one link alone."""
    keys = _patterns("forward_meta", given)
    for key in keys:
        if key == "progressToken" or key.startswith(("io.modelcontextprotocol/", "dev.mcpsym/")):
            raise UsageError(f"forward_meta={key!r} belongs to one link; name keys of your own, such as 'com.example/tenant'")
    return keys


def _patterns(name: str, given: Iterable[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise UsageError(f"{name}={given!r} is one text; give a list of patterns, as in {name}=[{given!r}]")
    return tuple(given)


def _choose(base: LinkSpec, wanted: Transport | None) -> Transport:
    if wanted is None or wanted == base.transport:
        return base.transport
    possible: tuple[str, ...] = (base.transport,)
    if base.transport == "memory":
        possible = ("memory", "http", "sockets")
    elif not isinstance(base.target, (str, StdioServerParameters)):
        possible = ("http", "sockets")
    if wanted not in possible:
        raise UsageError(f"transport={wanted!r} does not fit {base.label}; possible: {', '.join(possible)}")
    return wanted


def describe(target: object) -> LinkSpec:
    """Return how a link to `target` is opened.

    Raises:
        TargetError: No link can be made from it; the message says what was given and what is accepted.
    """
    if isinstance(target, LinkSpec):
        return target
    if isinstance(target, str):
        return _from_text(target)
    if isinstance(target, StdioServerParameters):
        return LinkSpec("stdio", target)
    if isinstance(target, Upstream):
        return LinkSpec("upstream", target)
    if _is_server(target):
        return LinkSpec("memory", target)
    if _is_asgi(target):
        return LinkSpec("http", target)
    if inspect.isroutine(target) or inspect.isclass(target):
        name = getattr(target, "__name__", type(target).__name__)
        raise TargetError(f"{name} is a function or class, not a server: call it, as in switchboard(name={name}())")
    if isinstance(target, Client):
        raise TargetError("a Client is no server: give what it was made from; board.client(name) is the client of a link")
    raise TargetError(
        f"no link can be made from {type(target).__name__} {_without_secrets(repr(target)):.80}; give {_ACCEPTED}"
    )


def _from_text(text: str) -> LinkSpec:
    if _URL.match(text):
        return LinkSpec("http", text)
    if _IMPORT.fullmatch(text):
        return _imported(text)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise TargetError(f"the command {_without_secrets(text)!r} cannot be split into words: {error}") from None
    if not words:
        raise TargetError(f"an empty string is no server; give {_ACCEPTED}")
    if "://" in words[0]:
        raise TargetError(f"{_without_secrets(text)!r} is no http or https URL, and no command either")
    if _ADDRESS.match(text):
        raise TargetError(f"{text!r} is no command; as a URL it is 'http://{text}'")
    return LinkSpec("stdio", StdioServerParameters(command=words[0], args=words[1:]))


def _without_secrets(text: str) -> str:
    return Redactor().text(text)


def _imported(text: str) -> LinkSpec:
    module_name, _, path = text.partition(":")
    found = _import(module_name, text)
    for attribute in path.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            near = difflib.get_close_matches(attribute, dir(found), 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise TargetError(f"{text!r}: {module_name} has no attribute {attribute!r}{hint}") from None
        except Exception as error:
            raise TargetError(f"{text!r}: reading {attribute!r} failed with {type(error).__name__}: {error}") from error
    if inspect.iscoroutinefunction(found) and not _is_asgi(found):
        raise TargetError(f"{text!r} is an async function; name a server, or a plain function that returns one")
    if inspect.isfunction(found) and not _is_asgi(found):
        found = _made(found, text)
    if isinstance(found, str):
        raise TargetError(
            f"{text!r} is the text {_without_secrets(found)!r:.80}, not a server; give the text itself if it is a URL or a command"
        )
    try:
        return describe(found)
    except TargetError as error:
        raise TargetError(f"{text!r}: {error}") from None


def _made(factory: Callable[[], object], text: str) -> object:
    try:
        return factory()
    except Exception as error:
        raise TargetError(f"{text!r}: calling it failed with {type(error).__name__}: {error}") from error


def _import(module_name: str, text: str) -> object:
    """Import a module, also from the working directory, as `python -m` would find it."""
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise TargetError(
            f"{text!r}: there is no module {error.name!r}; 'module:attribute' is looked up as an import"
        ) from error
    except (Exception, SystemExit) as error:
        raise TargetError(f"{text!r}: importing {module_name} failed with {type(error).__name__}: {error}") from error
    finally:
        if added and here in sys.path:
            sys.path.remove(here)


def _is_server(target: object) -> bool:
    return lowlevel(target) is not None and not inspect.isclass(target)


def lowlevel(target: object) -> Runnable | None:
    """Return the low-level server inside a server object, or `None` if there is none.

    `MCPServer` and FastMCP keep it in a private attribute and have no public one (modelcontextprotocol/python-sdk, the comment in
    `mcp/client/_memory.py`); this is the only place that knows.
    """
    for attribute in ("_lowlevel_server", "_mcp_server"):
        inner = getattr(target, attribute, None)
        if isinstance(inner, Runnable):
            return inner
    return target if isinstance(target, Runnable) and hasattr(target, "run") else None


def _is_asgi(target: object) -> bool:
    """Tell an ASGI 3 application: an async function of (scope, receive, send), or an object that is called with these."""
    if inspect.isclass(target) or not callable(target):
        return False
    if inspect.isroutine(target) and not inspect.iscoroutinefunction(target):
        return False
    try:
        inspect.signature(cast("Asgi", target)).bind("scope", "receive", "send")
    except (TypeError, ValueError):
        return False
    return True
