"""Fake MCP servers: fake in their data, never in their protocol.

Each name is a function that returns a server object for `switchboard(name=server())`. Import them from `pytest_mcpsym.fakes` where a
package of your own is called `fake_servers`. Pinned by `tests/fakes/`.
"""

from .agent import agent
from .attachments import attachments
from .clock import clock
from .code_mode import code_mode
from .conformance import conformance
from .everything import everything
from .files import files
from .issue_tracker import issue_tracker
from .sequential_thinking import sequential_thinking

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
