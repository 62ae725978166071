"""The fake servers, also where a package of the user's own is called `fake_servers`.

`from pytest_mcpsym.fakes import everything` always reaches the servers that came with this package. Pinned by
`tests/fakes/test_shadowed.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fake_servers import (
        agent,
        attachments,
        clock,
        code_mode,
        conformance,
        everything,
        files,
        issue_tracker,
        sequential_thinking,
    )
    from fake_servers import mutants as mutants  # noqa: PLC0414 - re-exported, and no fake that can be served by its name

__all__ = [
    "agent",
    "attachments",
    "clock",
    "code_mode",
    "conformance",
    "everything",
    "files",
    "issue_tracker",
    "sequential_thinking",
]

if not TYPE_CHECKING:
    import importlib
    import importlib.util
    import sys
    from pathlib import Path

    _HOME = Path(__file__).parent.parent / "fake_servers" / "__init__.py"
    _ALIAS = "pytest_mcpsym_fake_servers"

    def _ours():
        """Our package: under its own name where that is ours, else under an alias."""
        spec = importlib.util.find_spec("fake_servers")
        if spec is not None and spec.origin is not None and Path(spec.origin).resolve() == _HOME.resolve():
            return importlib.import_module("fake_servers")
        if _ALIAS not in sys.modules:
            found = importlib.util.spec_from_file_location(_ALIAS, _HOME, submodule_search_locations=[str(_HOME.parent)])
            module = sys.modules[_ALIAS] = importlib.util.module_from_spec(found)
            found.loader.exec_module(module)
        return sys.modules[_ALIAS]

    def __getattr__(name):
        if name == "mutants":  # not one of the servers that can be served by name
            return importlib.import_module(f"{_ours().__name__}.mutants")
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(_ours(), name)
