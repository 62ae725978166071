"""`python -m fake_servers.code_mode`: see `fake_servers.serve`.

The environment variable `CODE_MODE_KEY`, at least 64 hexadecimal digits, is the key that several processes share. Pinned by
`tests/fakes/test_code_mode_sealed.py`.
"""

import os
import sys

from mcp.server.mcpserver import MCPServer

from ..serve import serve  # noqa: TID252 - the package is also loaded under an alias
from . import code_mode as make


def code_mode() -> MCPServer:
    """Return the server with the key from the environment."""
    try:
        return make(key=bytes.fromhex(os.environ.get("CODE_MODE_KEY", "")) or None)
    except ValueError:
        sys.exit(
            "CODE_MODE_KEY must be at least 64 hexadecimal digits: python -c 'import secrets; print(secrets.token_hex(32))'"
        )


serve(code_mode)
