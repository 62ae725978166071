"""`python -m fake_servers.issue_tracker`: see `fake_servers.serve`.

With ISSUE_TRACKER_API and ISSUE_TRACKER_TOKEN in the environment it takes the issues from that API.
"""

import os

from mcp.server.mcpserver import MCPServer

from ..serve import serve  # noqa: TID252 - the package is also loaded under an alias
from . import issue_tracker as make


def issue_tracker() -> MCPServer:
    """Return the server that the environment describes."""
    return make(api=os.environ.get("ISSUE_TRACKER_API"), token=os.environ.get("ISSUE_TRACKER_TOKEN"))


serve(issue_tracker)
