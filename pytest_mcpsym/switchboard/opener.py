"""What `switchboard(...)` returns: one opener, two faces. `with` gives a `Board`, `async with` an `AsyncBoard`.

Pinned by `tests/switchboard/test_lifetime.py` and `tests/plugin/test_runners.py`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import TracebackType
from typing import cast

from anyio.from_thread import start_blocking_portal

from pytest_mcpsym.errors import FindingsError, UsageError
from pytest_mcpsym.replay.tapes import Recorded, Tape
from pytest_mcpsym.report.findings import judge
from pytest_mcpsym.switchboard import loops
from pytest_mcpsym.switchboard.board import AsyncBoard, Board, refuse_loop
from pytest_mcpsym.switchboard.engine import Engine, check_names
from pytest_mcpsym.switchboard.host import Host, Scripted
from pytest_mcpsym.switchboard.owner import Owner
from pytest_mcpsym.switchboard.settings import Settings
from pytest_mcpsym.switchboard.target import Era, LinkSpec, describe, with_canary
from pytest_mcpsym.switchboard.views import Views
from pytest_mcpsym.wire.log import WireLog

__all__ = ["Opener", "switchboard"]

_PATIENCE = 0.8
"""Part of the time for an answer after which a server that is verified is not waited for, so that the test still gets the recorded one."""


def switchboard(*, era: Era | Mapping[str, Era] | None = None, **links: object) -> Opener:
    """Describe a board outside pytest; in a test use the fixture of the same name.

    Args:
        era: Era of all links, or of those named in a mapping. Default `handshake`.
        links: What each link is made from, by link name.

    Raises:
        LinkNameError: A link name is malformed or reserved.
        TargetError: No link can be made from a value.
        UsageError: `era` is no era.
    """
    return Opener(links, era, Settings())


class Opener(Scripted):
    """Opens one board, once, in either of two ways. What it is told before serves servers that ask as soon as they are opened.

    Args:
        links: What each link is made from, by link name.
        era: As `switchboard` takes it.
        settings: Defaults of the board.
        opened: Told of the board as soon as it is made.
    """

    def __init__(
        self,
        links: Mapping[str, object],
        era: Era | Mapping[str, Era] | None,
        settings: Settings,
        opened: Callable[[Views], None] = lambda _: None,
    ) -> None:
        self._log = WireLog()
        super().__init__(Host(self._log))
        check_names(links)
        eras = _eras(links, era)
        self._specs: dict[str, LinkSpec] = {}
        self._recorded: dict[str, Recorded] = {}
        self._tapes: list[Tape] = []
        for name, target in links.items():
            if isinstance(target, Recorded):
                self._recorded[name] = target
            spec = target.target if isinstance(target, Recorded) else describe(target)
            self._specs[name] = with_canary(replace(spec, era=spec.era or eras.get(name)))
        for name in settings.faults:
            if name not in links:
                raise UsageError(
                    f"faults= names {name!r}, which is no link of this board (links: {', '.join(links) or 'none'})"
                )
        self._settings = settings if not isinstance(era, str) else replace(settings, era=era)
        self._opened = opened
        secrets = tuple(pair for spec in self._specs.values() for pair in spec.secrets)
        self._rules = replace(settings.rules, secrets=(*settings.rules.secrets, *secrets))
        self._used = False
        self._handled: BaseException | None = None
        self._leaving: tuple[BaseException | None] | None = None
        self._board: Board | AsyncBoard | None = None

    async def __aenter__(self) -> AsyncBoard:
        loops.agree()
        self._use()
        engine = self._engine()
        owner = Owner(engine)

        async def close() -> None:
            with self._settling(engine, board):
                await owner.stop()

        board = AsyncBoard(engine, self._log, self._host, self._rules, close, checks=self._settings.checks)
        self._made(board)
        self._board = board
        try:
            await owner.start()
        except BaseException:
            board.seal()
            raise
        return board

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        assert isinstance(self._board, AsyncBoard)
        self._leaving = (exc_val,)
        await self._board.aclose()

    def __enter__(self) -> Board:
        refuse_loop("open")
        self._use()
        engine = self._engine
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal())
            made = portal.call(engine)
            owner = portal.call(Owner, made)
            kept = ExitStack()

            def close() -> None:
                with self._settling(made, board), kept:
                    portal.call(owner.stop)

            loop = portal.call(asyncio.get_running_loop)
            board = Board(made, self._log, self._host, self._rules, close, checks=self._settings.checks, loop=loop)
            self._made(board)
            self._board = board
            stack.callback(board.seal)
            portal.call(owner.start)
            kept.push(stack.pop_all())
            return board

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        assert isinstance(self._board, Board)
        self._leaving = (exc_val,)
        self._board.close()

    def _use(self) -> None:
        if self._used:
            raise UsageError("this board was opened before; call switchboard(...) again for a new one")
        self._used = True
        self._bind()
        self._handled = sys.exc_info()[1]

    def _bind(self) -> None:
        """Say how the recorded links are opened in this run."""
        tapes = self._settings.tapes
        for name, recorded in self._recorded.items():
            if tapes is None:
                raise UsageError(
                    f"link {name!r}: recorded(...) needs the `switchboard` fixture of a test, whose file it is bound to"
                )
            spec = self._specs[name]
            era = spec.era or self._settings.era
            bound, tape = tapes.bind(name, recorded, era, self._rules, patience=self._settings.call_timeout * _PATIENCE)
            self._specs[name] = replace(bound, era=era)
            if tape is not None:
                self._tapes.append(tape)
                if tape.recorded is not None:
                    self._host.recalled.add(name, tape.recorded, tape.replayed)

    def _made(self, board: Views) -> None:
        """Tell of a board that was made."""
        for tape in self._tapes:
            tape.board = board
        self._opened(board)

    def _engine(self) -> Engine:
        return Engine(self._specs, self._settings, self._log, self._host, self._rules)

    def _in_flight(self) -> BaseException | None:
        """The exception that closing must not mask: what left the block or, at an explicit close, what is being handled just then."""
        if self._leaving is not None:
            return self._leaving[0]
        handled = sys.exc_info()[1]
        return handled if handled is not self._handled else None

    @contextmanager
    def _settling(self, engine: Engine, board: Views) -> Generator[None]:
        """Close inside this block: raise what broke in the background, then (outside pytest) what the checks found. Mask nothing."""
        in_flight = self._in_flight()
        try:
            yield
        except Exception as error:
            if in_flight is None:
                raise
            in_flight.add_note(f"closing the board failed too: {error}")
        failure = next((failure for failure in engine.failures if not failure.raised), None)
        missed = board.take_missed()
        if in_flight is not None:
            for told in filter(None, (failure, missed)):
                if str(told) not in str(in_flight):
                    in_flight.add_note(str(told))
        elif missed is not None:
            raise missed
        elif failure is not None:
            failure.raised = True
            raise failure
        elif self._settings.fail_on_findings:
            verdict = judge([board])
            if verdict.failed:
                raise FindingsError(verdict.text)


def _eras(links: Mapping[str, object], era: Era | Mapping[str, Era] | None) -> dict[str, Era]:
    if era is None:
        return {}
    if not isinstance(cast("object", era), (str, Mapping)):
        raise UsageError(f"era= takes 'handshake', 'modern' or a mapping of link names to these, not {type(era).__name__}")
    eras: dict[str, str] = dict.fromkeys(links, era) if isinstance(era, str) else dict(era)
    for name, value in eras.items():
        if name not in links:
            raise UsageError(f"era= names {name!r}, which is no link of this board (links: {', '.join(links) or 'none'})")
        if value == "both":
            raise UsageError(
                "era='both' parametrises the test, so it is for the marker, ini mcp_era or --mcp-era; here give one era"
            )
        if value not in ("handshake", "modern"):
            raise UsageError(f"era={value!r} is no era; use 'handshake' or 'modern'")
    return cast("dict[str, Era]", eras)
