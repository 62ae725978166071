"""The process that a client starts as its server: it passes its standard streams on to the random server, which listens on a port.

Run as a file, `python -I -S bridge.py PORT WORD`, so that it imports nothing but the standard library and starts fast. Pinned by
`tests/explore/test_play_client.py`.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

_CHUNK = 65_536


def main(port: int, word: str) -> int:
    """Pass bytes on until the input ends, or the other side does."""
    link = socket.create_connection(("127.0.0.1", port))
    link.sendall(word.encode() + b"\n")

    def ask() -> None:
        while chunk := os.read(0, _CHUNK):
            link.sendall(chunk)
        link.shutdown(socket.SHUT_WR)

    threading.Thread(target=ask, daemon=True).start()
    try:
        while chunk := link.recv(_CHUNK):
            while chunk:
                chunk = chunk[os.write(1, chunk) :]
    except OSError:
        return 0  # the client has gone
    return 0


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main(int(sys.argv[1]), sys.argv[2]))
