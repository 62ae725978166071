"""Wait for what a server does on its own, with a bound: look again and again, and say what did not happen.

A server may go on sending after it answered. A test that compares transcripts waits for the last such frame before it closes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

import anyio

from pytest_mcpsym import AsyncBoard, Board, Opener
from pytest_mcpsym.switchboard.views import Views
from pytest_mcpsym.wire.frame import Frame

LIMIT = 20.0
"""Seconds that anything may take, on a loaded machine too."""

_PAUSE = 0.005
"""Seconds between two looks."""


def until(holds: Callable[[], bool], what: str, *, limit: float = LIMIT) -> None:
    """Return as soon as `holds` does; for tests on the blocking face."""
    deadline, pause = time.monotonic() + limit, threading.Event()
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {limit:g} s for {what}")
        pause.wait(_PAUSE)


async def until_async(holds: Callable[[], bool], what: str, *, limit: float = LIMIT) -> None:
    """Return as soon as `holds` does; for tests on the async face."""
    with anyio.move_on_after(limit):
        while not holds():  # noqa: ASYNC110 - a log tells nobody that it grows
            await anyio.sleep(_PAUSE)
        return
    raise TimeoutError(f"waited {limit:g} s for {what}")


def sent_by_server(board: Views, link: str, method: str) -> list[Frame]:
    """Return the requests and notifications of one method that a server has sent so far."""
    return [frame for frame in board.log.on(link) if frame.direction == "to-client" and frame.message.method == method]


def sent_by_host(board: Views, link: str, method: str) -> list[Frame]:
    """Return the requests and notifications of one method that a server was sent so far."""
    return [frame for frame in board.log.on(link) if frame.direction == "to-server" and frame.message.method == method]


def logged(board: Views, link: str) -> list[str]:
    """Return the texts of the log messages that a server has sent so far."""
    return [str(frame.message.params.get("data")) for frame in sent_by_server(board, link, "notifications/message")]


def knows_roots(board: Views, link: str) -> bool:
    """Whether the npm everything server has asked for the roots by itself and said so, the last thing that it does unasked."""
    return any(text.startswith("Roots updated") for text in logged(board, link))


@contextmanager
def at_rest(opener: Opener, *links: str) -> Generator[Board]:
    """Open a board and close it only when these links, npm everything servers, have done all that they do unasked.

    The server asks for the roots 350 ms after the handshake. Over stdio one whose input is closed before that asks in vain and
    waits for the answer until it is ended by a signal.
    """
    with opener as board:
        yield board
        for link in links:
            until(lambda link=link: knows_roots(board, link), f"{link} to say that it knows the roots")


@asynccontextmanager
async def at_rest_async(opener: Opener, *links: str) -> AsyncGenerator[AsyncBoard]:
    """Do as `at_rest`, on the async face."""
    async with opener as board:
        yield board
        for link in links:
            await until_async(lambda link=link: knows_roots(board, link), f"{link} to say that it knows the roots")
