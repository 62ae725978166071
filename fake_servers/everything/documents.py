"""The documents that the server offers, and its picture: ours, under the reference's names. Pinned by `tests/fakes/test_everything.py`."""

from __future__ import annotations

import base64
import struct
import zlib

__all__ = ["DOCUMENTS", "INSTRUCTIONS", "PICTURE"]

INSTRUCTIONS = """# How to use this server

It has one of each thing that MCP has, so that a client can be tried against all of them. Nothing that it does matters outside this session.

* Read a `demo://resource/dynamic/...` address directly: any whole number from 1 names one, and none of them is listed.
* What `gzip-file-as-resource` makes is listed under `demo://resource/session/` until the session ends.
* Subscribe first, then call `toggle-subscriber-updates`; set a level first, then call `toggle-simulated-logging`.
* Tools that ask the client for something are there only if the client said that it can answer.
"""
"""What `initialize` and `server/discover` say; also one of the documents."""

DOCUMENTS: dict[str, str] = {
    "architecture.md": (
        "# Architecture\n\nOne low-level server of the Python SDK. Tools, resources and prompts are tables of plain data; "
        "a handler for each method looks its answer up in them.\n"
    ),
    "extension.md": (
        "# Extending it\n\nAdd a row to the table of tools, resources or prompts. A test that compares the server with the "
        "reference fails then, which is its purpose: what is not in the reference belongs into a server of your own.\n"
    ),
    "features.md": (
        "# What it has\n\nTools with and without structured output, tools that ask the client, long and cancellable work, "
        "resources that are listed, made on demand or made by a call, prompts with completions, log messages, subscriptions.\n"
    ),
    "how-it-works.md": (
        "# How it works\n\nA tool is offered if the client announced what the tool needs. Made-up text comes from a seed, so that "
        "two runs say the same.\n"
    ),
    "instructions.md": INSTRUCTIONS,
    "startup.md": (
        "# Starting\n\nThe client says `initialize` and then `notifications/initialized`; the tools that depend on the client "
        "are there from then on.\n"
    ),
    "structure.md": (
        "# Where things are\n\n`tools.py` has the tools' listings, `plain.py` and `asking.py` what they do, `resources.py` and `prompts.py` the "
        "rest, `documents.py` this text.\n"
    ),
}
"""Each document by its name, in the order of the listing."""


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _picture(side: int = 20) -> str:
    """A ring in grey, drawn here so that it is nobody else's."""
    rows = bytearray()
    for y in range(side):
        rows.append(0)
        for x in range(side):
            distance = (2 * x + 1 - side) ** 2 + (2 * y + 1 - side) ** 2
            rows.append(40 if 11**2 < distance < 18**2 else 255)
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    made = (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(rows), 9)) + _chunk(b"IEND", b"")
    )
    return base64.b64encode(made).decode()


PICTURE = _picture()
"""A tiny PNG, in base64."""
