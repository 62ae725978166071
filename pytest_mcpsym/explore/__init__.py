"""Random conversations with a server or with a client, shrunk to the shortest one that breaks something.

`explore` searches for what a server does wrong, and `board.play(...)` holds one conversation again, as the test does that `explore` prints.
`explore_client` and `play_client` are the same for a client. Resolved lazily; searching needs the extra `explore`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

_HOMES = {
    "explore": "search",
    "explore_client": "clients.search",
    "play_client": "clients.play",
    "KINDS": "clients.surprises",
    **dict.fromkeys(("Ask", "Cancel", "Reconnect", "Step", "Wait"), "steps"),
    **dict.fromkeys(
        (
            "Answer",
            "Declare",
            "Extra",
            "Hold",
            "Http",
            "List",
            "Move",
            "Need",
            "Pages",
            "Question",
            "Report",
            "Stubborn",
            "Tell",
            "Version",
        ),
        "clients.moves",
    ),
}

__all__ = [
    "KINDS",
    "Answer",
    "Ask",
    "Cancel",
    "Declare",
    "Extra",
    "Hold",
    "Http",
    "List",
    "Move",
    "Need",
    "Pages",
    "Question",
    "Reconnect",
    "Report",
    "Step",
    "Stubborn",
    "Tell",
    "Version",
    "Wait",
    "explore",
    "explore_client",
    "play_client",
]

if TYPE_CHECKING:
    from pytest_mcpsym.explore.clients.moves import Answer as Answer
    from pytest_mcpsym.explore.clients.moves import Declare as Declare
    from pytest_mcpsym.explore.clients.moves import Extra as Extra
    from pytest_mcpsym.explore.clients.moves import Hold as Hold
    from pytest_mcpsym.explore.clients.moves import Http as Http
    from pytest_mcpsym.explore.clients.moves import List as List
    from pytest_mcpsym.explore.clients.moves import Move as Move
    from pytest_mcpsym.explore.clients.moves import Need as Need
    from pytest_mcpsym.explore.clients.moves import Pages as Pages
    from pytest_mcpsym.explore.clients.moves import Question as Question
    from pytest_mcpsym.explore.clients.moves import Report as Report
    from pytest_mcpsym.explore.clients.moves import Stubborn as Stubborn
    from pytest_mcpsym.explore.clients.moves import Tell as Tell
    from pytest_mcpsym.explore.clients.moves import Version as Version
    from pytest_mcpsym.explore.clients.play import play_client as play_client
    from pytest_mcpsym.explore.clients.search import explore_client as explore_client
    from pytest_mcpsym.explore.clients.surprises import KINDS as KINDS
    from pytest_mcpsym.explore.search import explore as explore
    from pytest_mcpsym.explore.steps import Ask as Ask
    from pytest_mcpsym.explore.steps import Cancel as Cancel
    from pytest_mcpsym.explore.steps import Reconnect as Reconnect
    from pytest_mcpsym.explore.steps import Step as Step
    from pytest_mcpsym.explore.steps import Wait as Wait
else:

    def __getattr__(name):
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
