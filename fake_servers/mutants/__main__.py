"""One peer as a process: `python fake_servers/mutants/__main__.py NAME [ERA]`, where NAME is that of a mutant, `Peer` or `Caller`.

A server serves on standard input and output, a client (in that era) talks there to whoever started it. Started by path, so that the
other fakes, which need the SDK, are not imported.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).parent.parent))
from mutants.carriers import call_stdio, serve_stdio
from mutants.catalogue import made
from mutants.clients import Caller

del sys.path[0]

if __name__ == "__main__":
    peer = made(sys.argv[1])
    if isinstance(peer, Caller):
        anyio.run(call_stdio, peer, *sys.argv[2:3] or ["handshake"])
    else:
        anyio.run(serve_stdio, peer)
