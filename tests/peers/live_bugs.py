"""Bugs of the fault catalogue that the installed SDK has, and the page that lists them: `python -m tests.peers.live_bugs`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["BUGS", "PAGE", "LiveBug", "page"]

PAGE: Final = Path(__file__).parents[2] / "docs" / "live-bugs.md"


@dataclass(frozen=True, slots=True)
class LiveBug:
    """A bug that a released SDK has.

    Attributes:
        row: Row of the fault catalogue.
        software: What has it, with the version in which it was seen.
        sentence: What it does.
        check: The check that names it; empty where one log alone does not show it.
        remedy: What a server author can do until it is fixed.
    """

    row: str
    software: str
    sentence: str
    check: str
    remedy: str


BUGS: Final = {
    "silence": LiveBug(
        "F30",
        "mcp 2.3.0, stdio",
        "A server says nothing to what is no JSON-RPC message: broken JSON, an array, a missing `jsonrpc`, an id that is null, a fraction or "
        "a boolean.",
        "jsonrpc:silence",
        "serve it with `mcpsym serve module:server`, which answers",
    ),
    "folded-cancellation": LiveBug(
        "F03",
        "mcp 2.3.0, stdio",
        'A cancellation of `"07"` cancels the request `7`.',
        "jsonrpc:unanswered",
        "use ids that are no digits",
    ),
    "deadly-cancellation": LiveBug(
        "F14",
        "mcp 1.30.0, stdio",
        "A cancellation that comes on the heels of two requests kills the server: it ends with exit status 1.",
        "jsonrpc:unanswered",
        "update to version 2",
    ),
    "folded-ids": LiveBug(
        "F02",
        "mcp 2.3.0, HTTP with sessions",
        'Of two requests in flight with the ids `5` and `"5"` one gets no answer: its event stream ends without one.',
        "jsonrpc:unanswered",
        "use ids of one type",
    ),
    "infinity": LiveBug(
        "F31",
        "mcp 2.3.0, every transport",
        "An infinite or undefined number in a structured result becomes `null`, against the tool's own output schema.",
        "",
        "return finite numbers",
    ),
    "lone-surrogate": LiveBug(
        "F31",
        "mcp 2.3.0, stdio",
        "A lone surrogate in a result is never sent, and the server answers nothing any more; in memory it passes.",
        "jsonrpc:unanswered",
        "make texts valid Unicode: `text.encode('utf-8', 'replace').decode()`",
    ),
    "undeclared-result": LiveBug(
        "F33",
        "mcp 2.3.0, every transport; @modelcontextprotocol/server 2.4.0",
        "A server sends the result type of an extension to a client that declared no extension: nobody but the server's author checks it.",
        "extension:undeclared",
        "look at the capabilities of the request before such an answer",
    ),
    "limit-per-leg": LiveBug(
        "F34",
        "mcp 2.3.0 and fastmcp 4.2.3, clients",
        "The time limit of a call bounds each leg by itself: a call with `input_required` legs goes on for as many times as long.",
        "",
        "put `anyio.fail_after` around the call",
    ),
    "call-cycle": LiveBug(
        "F34",
        "mcp 2.3.0",
        "A tool that calls itself through a client is called without end: nothing counts the hops.",
        "",
        "connect servers by a switchboard, which bounds hops and calls",
    ),
}
"""By a short name, which is that of the test."""

TRIED: Final = (
    (
        "F01, F02",
        "mcp 2.3.0, stdio, both eras",
        'two requests in flight with one id are both answered, and the ids `5` and `"5"`, are kept apart',
    ),
    (
        "F33",
        "mcp 2.3.0",
        "of a client that did not declare it no elicitation and no sampling is asked: the call is answered with -32021",
    ),
    (
        "F34",
        "mcp 2.3.0",
        "no continuation runs on after its caller has gone, because none is kept: each leg runs its handler anew from `requestState`",
    ),
    (
        "F34",
        "mcp 2.3.0 and fastmcp 4.2.3, clients",
        "a server that answers `input_required` without end is given up after ten legs",
    ),
    (
        "F38",
        "mcp-cassette 0.4.0 and mcp-vcr 0.2.2, recording a stdio server",
        "the bug is there: a key that the server got as a variable and repeats in an error text is in both recordings as it is, and in base64",
    ),
)
"""Row, software and what was seen by hand: mostly not what the catalogue says of other releases."""


def page() -> str:
    """Return the page."""
    rows = "".join(
        f"| {bug.row} | {bug.software} | {bug.sentence} | {f'`{bug.check}`' if bug.check else ''} | {bug.remedy} |\n"
        for bug in BUGS.values()
    )
    tried = "".join(f"| {row} | {software} | {seen} |\n" for row, software, seen in TRIED)
    return (
        "# Bugs of current SDKs\n\n"
        "Each of these was seen in the release that is named, and is reproduced by a test of this project against the installed one. When a\n"
        "release has mended it, that test fails and says so, and the line goes. The last two columns say which [check](checks.md) names it in\n"
        "a log, and what to do until then. F30 and the like are rows of the [fault catalogue](mutants.md).\n\n"
        "| row | seen in | what happens | check | until it is mended |\n|---|---|---|---|---|\n"
        + rows
        + "\nTried by hand, without a test:\n\n| row | tried with | seen |\n|---|---|---|\n"
        + tried
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
