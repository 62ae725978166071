"""A port to listen on, or one line that says why not. Pinned by `tests/cli/test_serve.py`."""

from __future__ import annotations

import socket

from pytest_mcpsym.cli.error import CommandError

__all__ = ["listen"]


def listen(host: str, port: int, *, free: str) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: Name or address.
        port: The port; 0 takes a free one.
        free: The option that takes a free port, for the error.
    """
    if not 0 <= port <= 65_535:  # the resolver would silently take the number modulo 65536
        raise CommandError(f"cannot listen on port {port}: a port is a number from 0 to 65535; {free} takes a free port")
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, proto)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        raise CommandError(f"cannot listen on {host}, port {port}: {error.strerror}; {free} takes a free port") from None
    return listener
