"""Names of the files that belong to a test: snapshots now, recordings by the same rule. Standard library only.

A name is `Class.test[params]` without the parameters that only choose an event loop, so that a test has one file on asyncio and on
trio. A name that a file system would change, refuse or fold gets an 8-digit hash of the test's own id, so that two tests never share a
file. Pinned by `tests/test_naming.py`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from typing import Final

__all__ = ["LONGEST", "file_stem"]

LONGEST: Final = 120
"""Bytes of a name before it is cut and hashed."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_.,=+@()\[\] -]")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices."""


def file_stem(name: str, identity: str, *, others: Collection[str] = ()) -> str:
    """Return the file name, without extension, for a test.

    Args:
        name: `Class.test[params]`, without event-loop parameters.
        identity: The test's whole id, hashed where the name alone is not safe.
        others: Names of the other tests of the same module; one that differs only by case makes the name unsafe.
    """
    safe = _UNSAFE.sub("_", name).strip(" .")
    lossy = safe != name or bool(_RESERVED.fullmatch(safe)) or len(safe) > LONGEST
    collides = any(other != name and other.lower() == name.lower() for other in others)
    if not lossy and not collides:
        return safe
    digest = hashlib.sha256(identity.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{safe[: LONGEST - 9]}-{digest}"
