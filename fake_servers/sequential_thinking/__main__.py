"""`python -m fake_servers.sequential_thinking`: see `fake_servers.serve`."""

import os

from ..serve import serve  # noqa: TID252 - the package is also loaded under an alias
from . import SequentialThinking
from . import sequential_thinking as make


def sequential_thinking(*, quirks: bool = False) -> SequentialThinking:
    """Return the server with the environment of this process."""
    return make(env=os.environ, quirks=quirks)


serve(sequential_thinking)
