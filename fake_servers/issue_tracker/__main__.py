"""`python -m fake_servers.issue_tracker`: see `fake_servers.serve`.

With ISSUE_TRACKER_API and ISSUE_TRACKER_TOKEN in the environment it takes the issues from that API.
"""

import os
import sys

from mcp.server.mcpserver import MCPServer

from ..serve import serve  # noqa: TID252 - the package is also loaded under an alias
from . import issue_tracker as make


def issue_tracker() -> MCPServer:
    """Return the server that the environment describes.

    Raises:
        SystemExit: One of the two variables is set without the other.
    """
    api, token = os.environ.get("ISSUE_TRACKER_API"), os.environ.get("ISSUE_TRACKER_TOKEN")
    if (api is None) != (token is None):
        sys.exit("set both ISSUE_TRACKER_API and ISSUE_TRACKER_TOKEN, or neither: the API wants a bearer token")
    return make(api=api, token=token)


serve(issue_tracker)
