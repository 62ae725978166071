"""The switchboard itself: opens the links of one board together, calls, routes, and closes them. It lives on one event loop.

`AsyncBoard` and `Board` are its two faces. Pinned by `tests/switchboard/test_board.py`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self, cast

import anyio
import anyio.abc
from mcp_types import CallToolResult, Tool
from pydantic import ValidationError

from pytest_mcpsym.checks.cancellation import GRACE, runs_on
from pytest_mcpsym.errors import AnswerTimeout, LinkError, LinkNameError, UsageError
from pytest_mcpsym.faults.blame import blamed
from pytest_mcpsym.switchboard.asked import Answer, OnProgress, OnSent
from pytest_mcpsym.switchboard.catalog import entries_of
from pytest_mcpsym.switchboard.failure import first_fault, root_cause
from pytest_mcpsym.switchboard.host import Host
from pytest_mcpsym.switchboard.invoke import invoke
from pytest_mcpsym.switchboard.link import Link
from pytest_mcpsym.switchboard.pending import dumps
from pytest_mcpsym.switchboard.routing import Router
from pytest_mcpsym.switchboard.settings import Settings
from pytest_mcpsym.switchboard.target import LinkSpec
from pytest_mcpsym.switchboard.trail import Trail
from pytest_mcpsym.symmetric.names import SEPARATOR
from pytest_mcpsym.transport.tap import Tap
from pytest_mcpsym.transport.upstream import Upstream
from pytest_mcpsym.wire.frame import Frame, parse_json
from pytest_mcpsym.wire.log import WireLog
from pytest_mcpsym.wire.redact import Redactor, Rules
from pytest_mcpsym.wire.route import HOST
from pytest_mcpsym.wire.waiting import waiting

__all__ = ["CallOptions", "Engine", "Progress", "check_names", "telling"]

_TICK = 0.05
"""Seconds between two looks at what is still to be cancelled."""
_LINK_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

Progress = Callable[[float, "float | None", "str | None"], "Awaitable[None] | None"]
"""Receives progress: (progress, total, message). May be a plain or an async function."""


@dataclass(frozen=True, slots=True)
class CallOptions:
    """How calls are made.

    Attributes:
        timeout: Seconds for one call, all its rounds included; `None` takes the board's default.
        meta: What goes into the request's `_meta`.
        progress: Receives progress; asking for it puts a progress token on the request.
    """

    timeout: float | None = None
    meta: Mapping[str, object] | None = None
    progress: Progress | None = None


def check_names(names: Mapping[str, object]) -> None:
    """Refuse link names that cannot be used in routed names.

    Raises:
        LinkNameError: A name is malformed or reserved.
    """
    for name in names:
        if not _LINK_NAME.fullmatch(name):
            suggestion = re.sub(r"_+", "_", re.sub(r"[^a-z0-9]+", "_", name.lower())).strip("_0123456789") or "server"
            raise LinkNameError(
                f"{name!r} is no link name: lower-case letters and digits, words joined by single underscores, as in {suggestion!r}"
            )
        if name == HOST:
            raise LinkNameError(f"{name!r} is the test's own end of every link; give the server another name")


class Engine:
    """All links of one board, while they are open. Entered and left by one task.

    Args:
        specs: What each link is made from, by link name.
        settings: How the board was opened.
        log: Where everything is logged.
        host: What the host answers to servers.
        rules: What is secret on the board, and so appears in no message.
    """

    def __init__(self, specs: Mapping[str, LinkSpec], settings: Settings, log: WireLog, host: Host, rules: Rules) -> None:
        self._settings = settings
        self._rules = rules
        self._log = log
        self._host = host
        self._specs = specs
        self.links: dict[str, Link] = {}
        self._router = Router(self.links, host, log, settings)
        self._upstreams = {name: spec.target for name, spec in specs.items() if isinstance(spec.target, Upstream)}
        self._played = AsyncExitStack()
        self._tasks: anyio.abc.TaskGroup | None = None

    async def __aenter__(self) -> Self:
        first: dict[object, str] = {}
        for name, spec in self._specs.items():
            if name in self._upstreams:
                continue
            self._make(name, spec, first.setdefault(spec.server, name))
        await self._play()
        self._tasks = await anyio.create_task_group().__aenter__()
        try:
            async with anyio.create_task_group() as starting:
                for link in self.links.values():
                    starting.start_soon(self._tasks.start, link.run)
        except BaseException as error:
            await self._end(cancel=True)
            if isinstance(error, Exception):
                cause = root_cause(error)
                raise cause from cause.__cause__
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        cancel = True
        try:
            with anyio.move_on_after(GRACE + _TICK):
                # What is still to be cancelled, because its cause was just then, is waited for: else nobody could say that it never was.
                while runs_on(self._log):  # noqa: ASYNC110 - the log tells nobody that it grows
                    await anyio.sleep(_TICK)
            cancel = exc_type is not None
        finally:
            for link in self.links.values():
                link.close()
            await self._end(cancel=cancel)

    def _make(self, name: str, spec: LinkSpec, server: str) -> Link:
        """Make a link, and log what it was given; `server` is the first link to the same server.

        Links to one server have the same ids, unless a call of an HTTP API has to say by one of them what it is for.
        """
        ids = name if self._upstreams else server
        tap = Tap(self._log, name)
        link = Link(name, spec, tap, self._host, self._router.serve, settings=self._settings, rules=self._rules, ids=ids)
        transport = "http" if spec.transport == "sockets" else spec.transport
        same = {} if server == name else {"server": server}
        tap.note("open", transport=transport, era=link.era, target=spec.label, **same)
        if spec.secrets:
            tap.note("credentials", values=[list(pair) for pair in spec.secrets])
        self.links[name] = link
        return link

    async def reconnect(self, name: str) -> str:
        """Drop a link, with what is in flight on it, open another one to the same server, and return its name.

        Its requests have the ids that those of the first had, as those of a client have that starts anew.

        Raises:
            LinkError: The server cannot be reached again.
        """
        assert self._tasks is not None
        spec = self.link(name).spec
        first = name.rpartition("_again_")[0] or name
        await self.link(name).drop()
        number = sum(each.startswith(f"{first}_again_") for each in self.links) + 1
        link = self._make(f"{first}_again_{number}", spec, first)
        with telling():
            await self._tasks.start(link.run)
        return link.name

    async def _end(self, *, cancel: bool) -> None:
        assert self._tasks is not None
        if cancel:
            self._tasks.cancel_scope.cancel()
        try:
            await self._tasks.__aexit__(None, None, None)
        finally:
            await self._played.aclose()

    async def _play(self) -> None:
        """Play the HTTP APIs, before any server can call them."""
        async with AsyncExitStack() as stack:
            for name, api in self._upstreams.items():
                callers = tuple(self.links) if api.callers is None else api.callers
                for caller in callers:
                    self.link(caller)
                tap = Tap(self._log, name)
                tap.note("open", transport="upstream", target=self._specs[name].label, callers=list(callers))
                stack.callback(tap.note, "close", by="host")
                await stack.enter_async_context(api.open(tap))
            self._played = stack.pop_all()

    def link(self, name: str) -> Link:
        """Return the link of that name.

        Raises:
            LinkNameError: There is none; the message names those that are there.
        """
        if name in self.links:
            return self.links[name]
        if name in self._upstreams:
            raise LinkNameError(
                f"{name!r} is an HTTP API, which servers call and the test answers; it has no tools and no client"
            )
        near = difflib.get_close_matches(name, self.links, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise LinkNameError(f"this board has no link {name!r}{hint} (links: {', '.join(self.links) or 'none'})")

    def only(self, name: str | None) -> str:
        """Return the name of a link, which may be left out where there is one link.

        Raises:
            UsageError: There are several, and none is named.
        """
        if name is not None:
            return self.link(name).name
        if len(self.links) != 1:
            raise UsageError(f"this board has {len(self.links)} links; say which: link={next(iter(self.links), 'name')!r}")
        return next(iter(self.links))

    async def call(self, name: str, arguments: Mapping[str, object] | None, options: CallOptions) -> CallToolResult:
        """Call one tool by its routed name.

        Raises:
            UsageError: The name or the arguments cannot be sent.
            MCPError: The server answered with a JSON-RPC error.
            AnswerTimeout: No answer in time.
            LinkError: The link is dead or died, or the answer is no tool result.
        """
        peer, separator, tool = name.partition(SEPARATOR)
        if not peer or not separator or not tool:
            raise UsageError(f"{name!r} is no routed name; they look like {self._example(peer, tool)!r}")
        link = self.link(peer)
        params = _json({"name": tool, "arguments": arguments or {}}, "arguments")
        if options.meta:
            _json(options.meta, "meta")
        with telling(), self._drawn():
            answer = await self._invoke(link, params, options)
        answer.require_result()
        try:
            return CallToolResult.model_validate(answer.value, by_name=False)
        except ValidationError as error:
            raise LinkError(
                peer, "failed", f"frame {answer.frame.seq} answers tools/call with no CallToolResult: {first_fault(error)}"
            ) from None

    def _example(self, peer: str, tool: str) -> str:
        """A routed name that may be what a wrong one meant: `echo` may be a tool, or the name of a link."""
        if peer in self.links:
            return SEPARATOR.join((peer, tool or "tool"))
        return SEPARATOR.join((next(iter(self.links), "link"), tool or peer or "tool"))

    async def _invoke(self, link: Link, params: bytes, options: CallOptions) -> Answer:
        limit = self._settings.call_timeout if options.timeout is None else options.timeout
        trail = Trail.begin(HOST, link.name, seconds=limit, limits=self._settings.limits)
        try:
            return await invoke(
                link,
                self._host,
                "tools/call",
                params,
                meta=options.meta,
                timeout=limit,
                trail=trail,
                on_progress=_reporting(options.progress),
            )
        finally:
            trail.end()

    @contextmanager
    def _drawn(self) -> Generator[None]:
        """Say of a failure what was done on purpose, and of an answer that did not come in time who waited for whom."""
        began = len(self._log)
        try:
            yield
        except LinkError as error:
            redactor = Redactor(self._rules)
            error.blame([redactor.text(each) for each in blamed(self._log, began, error.link)])
            if not isinstance(error, AnswerTimeout):
                raise
            lines = [] if error.frame is None else waiting(WireLog(self._log), error.frame)
            if lines:
                error.args = (redactor.text("\n".join((f"{error}; who waited for whom:", *lines))),)
            raise

    async def ask(
        self,
        name: str,
        method: str,
        params: Mapping[str, object],
        *,
        wants_progress: bool = False,
        seconds: float | None = None,
        on_sent: OnSent | None = None,
        ident: int | str | None = None,
    ) -> Answer:
        """Send any request on a link and return its answer, result or error; `ident` is its id, default a new one.

        Raises:
            UsageError: The params cannot be sent.
            MCPError: The host did not answer what the server asked for, or it asked too often.
            AnswerTimeout: No answer in time.
            LinkError: The link is dead or died, or what came is no answer.
        """
        link = self.link(name)
        limit = self._settings.call_timeout if seconds is None else seconds
        given = _json(params, "params")
        if ident is not None:
            link.want(json.dumps(ident, ensure_ascii=False))
        with telling(), self._drawn():
            return await invoke(
                link,
                self._host,
                method,
                given,
                timeout=limit,
                trail=Trail.begin(HOST, link.name, seconds=limit, limits=self._settings.limits),
                on_progress=_unheard if wants_progress else None,
                on_sent=on_sent,
            )

    async def tools(self) -> list[Tool]:
        """Return the tools of all links under their routed names, in the order of the links.

        Raises:
            LinkError: A link is dead, or lists one name twice.
        """
        with telling():
            listed = await entries_of(self.links.values(), "tools/list", self._settings.call_timeout)
        return [Tool.model_validate(parse_json(entry), by_name=False) for _, pairs in listed for _, entry in pairs]

    @property
    def failures(self) -> list[LinkError]:
        """What broke links in the background, in the order of the links."""
        known = (*self.links.values(), *self._upstreams.values())
        return [one.failure for one in known if one.failure is not None]


class telling:  # noqa: N801 - it is used as a function is; a generator would cost each call a microsecond
    """Remember that the test was told of a failure, so that closing does not tell it again."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if isinstance(error, LinkError):
            error.raised = True
        return False


def _json(value: Mapping[str, object], what: str) -> bytes:
    try:
        return dumps(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the {what} cannot be sent as JSON: {error}") from None


async def _unheard(progress: Frame) -> None:
    """Hear progress that nobody asked to be told of."""


def _reporting(progress: Progress | None) -> OnProgress | None:
    if progress is None:
        return None
    told = progress

    async def report(frame: Frame) -> None:
        params = frame.message.params
        total, message = params.get("total"), params.get("message")
        outcome = told(
            float(cast("float", params.get("progress", 0))),
            float(total) if isinstance(total, (int, float)) else None,
            message if isinstance(message, str) else None,
        )
        if outcome is not None:
            await outcome

    return report
