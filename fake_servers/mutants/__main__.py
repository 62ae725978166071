"""One peer as a process: `python fake_servers/mutants/__main__.py NAME`, where NAME is that of a mutant, or `Peer`.

Started by path, so that the other fakes, which need the SDK, are not imported.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).parent.parent))
from mutants.carriers import serve_stdio
from mutants.catalogue import made

del sys.path[0]

if __name__ == "__main__":
    anyio.run(serve_stdio, made(sys.argv[1]))
