"""Tests that judge a server by docs/symmetric.md: `pytest --pyargs pytest_mcpsym.conformance.symmetric --mcp-server "node server.mjs"`.

pytest collects this module only if it is named. The server may be in any language; it is started on stdio and must offer the tools that
docs/symmetric-conformance.md lists. Pinned by `tests/conformance/test_symmetric.py`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from pytest_mcpsym import options
from pytest_mcpsym.conformance import carried, continuations, legs, mirrored, shared
from pytest_mcpsym.conformance.desk import Desk, desk
from pytest_mcpsym.conformance.judgement import ALL, Judgement
from pytest_mcpsym.conformance.talk import Broken
from pytest_mcpsym.errors import LinkError

__all__ = ["JUDGEMENTS", "explained", "server", "test_symmetric", "words"]

_MODULES: Final = [module.__name__ for module in (shared, carried, mirrored, legs, continuations)]
"""Those that hold judgements, in the order to run; importing them has filled `ALL`."""

JUDGEMENTS: Final = tuple(sorted(ALL, key=lambda each: (each.era, _MODULES.index(each.run.__module__))))
"""Every judgement, in the order to run."""

LONGEST_WAIT = 10.0
"""Seconds that a frame may take at most: a server that says nothing shall not keep a run for minutes."""


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[tuple[BlockingPortal, Desk]]:
    """The server under judgement, and the event loop it is talked to from."""
    command = words(options.server(request.config))
    patience = min(options.seconds(request.config, "mcp_call_timeout"), LONGEST_WAIT)
    opening = options.seconds(request.config, "mcp_open_timeout")
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(desk(command, patience=patience, opening=opening)) as made,
    ):
        yield portal, made


def words(command: str | None) -> list[str]:
    """Split a command line, and end the run where there is none."""
    try:
        found = shlex.split(command or "")
    except ValueError as error:
        pytest.exit(f"--mcp-server {command!r} cannot be split into words: {error}", pytest.ExitCode.USAGE_ERROR)
    if not found:
        pytest.exit(
            'which server? add --mcp-server "COMMAND", the command line that starts it on stdio', pytest.ExitCode.USAGE_ERROR
        )
    return found


@pytest.mark.parametrize("judgement", [pytest.param(each, id=each.id) for each in JUDGEMENTS])
def test_symmetric(server: tuple[BlockingPortal, Desk], judgement: Judgement) -> None:
    """A server does what a sentence of docs/symmetric.md says."""
    portal, judged = server
    try:
        text = portal.call(explained, judgement, judged)
    except LinkError as error:
        pytest.exit(f"--mcp-server: {error}", pytest.ExitCode.USAGE_ERROR)
    if text and judgement.level == "SHOULD":
        pytest.xfail(text)
    if text:
        pytest.fail(text, pytrace=False)


async def explained(judgement: Judgement, judged: Desk) -> str:
    """Judge, and return why the server fails; nothing if it does not.

    Raises:
        LinkError: It cannot be started.
    """
    judged.era = judgement.era
    judged.forget()
    try:
        await judgement.run(judged)
    except Broken as error:
        transcript = judged.transcript()
        judged.close(used=True)
        return "\n".join([f"{error}", "", f"docs/symmetric.md {judgement.level}:", f"  {judgement.sentence}", "", transcript])
    return ""
