"""Test symmetric MCP: one ordered, byte-exact transcript across a client that is a switchboard, and all its servers.

The public door. Names are resolved on first use, so that importing this package imports neither `mcp` nor `anyio`. Pinned by
`tests/test_door.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mcpsym.checks import Finding as Finding
    from pytest_mcpsym.errors import AnswerTimeout as AnswerTimeout
    from pytest_mcpsym.errors import FindingsError as FindingsError
    from pytest_mcpsym.errors import LinkError as LinkError
    from pytest_mcpsym.errors import LinkNameError as LinkNameError
    from pytest_mcpsym.errors import LoopError as LoopError
    from pytest_mcpsym.errors import McpsymError as McpsymError
    from pytest_mcpsym.errors import ReplayError as ReplayError
    from pytest_mcpsym.errors import TargetError as TargetError
    from pytest_mcpsym.errors import UsageError as UsageError
    from pytest_mcpsym.errors import VerifyError as VerifyError
    from pytest_mcpsym.plugin import RecordedFixture as RecordedFixture
    from pytest_mcpsym.plugin import Switchboard as Switchboard
    from pytest_mcpsym.replay.tapes import Recorded as Recorded
    from pytest_mcpsym.switchboard.board import AsyncBoard as AsyncBoard
    from pytest_mcpsym.switchboard.board import Board as Board
    from pytest_mcpsym.switchboard.opener import Opener as Opener
    from pytest_mcpsym.switchboard.target import LinkSpec as LinkSpec
    from pytest_mcpsym.switchboard.target import link as link
    from pytest_mcpsym.transport.upstream import Upstream as Upstream
    from pytest_mcpsym.transport.upstream import upstream as upstream
    from pytest_mcpsym.wire.frame import Frame as Frame
    from pytest_mcpsym.wire.log import WireLog as WireLog
    from pytest_mcpsym.wire.redact import Rules as Rules
    from pytest_mcpsym.wire.route import Hop as Hop
    from pytest_mcpsym.wire.route import Routes as Routes

__all__ = [
    "AnswerTimeout",
    "AsyncBoard",
    "Board",
    "Finding",
    "FindingsError",
    "Frame",
    "Hop",
    "LinkError",
    "LinkNameError",
    "LinkSpec",
    "LoopError",
    "McpsymError",
    "Opener",
    "Recorded",
    "RecordedFixture",
    "ReplayError",
    "Routes",
    "Rules",
    "Switchboard",
    "TargetError",
    "Upstream",
    "UsageError",
    "VerifyError",
    "WireLog",
    "link",
    "upstream",
]

if not TYPE_CHECKING:
    _HOMES = {
        "checks": ("Finding",),
        "errors": (
            "AnswerTimeout",
            "FindingsError",
            "LinkError",
            "LinkNameError",
            "LoopError",
            "McpsymError",
            "ReplayError",
            "TargetError",
            "UsageError",
            "VerifyError",
        ),
        "plugin": ("RecordedFixture", "Switchboard"),
        "replay.tapes": ("Recorded",),
        "switchboard.board": ("AsyncBoard", "Board"),
        "switchboard.opener": ("Opener",),
        "switchboard.target": ("LinkSpec", "link"),
        "transport.upstream": ("Upstream", "upstream"),
        "wire.frame": ("Frame",),
        "wire.log": ("WireLog",),
        "wire.redact": ("Rules",),
        "wire.route": ("Hop", "Routes"),
    }
    _MODULES = {name: f"{__name__}.{module}" for module, names in _HOMES.items() for name in names}

    def __getattr__(name):
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        found = globals()[name] = getattr(importlib.import_module(_MODULES[name]), name)
        return found
