"""Names of the files that belong to a test: snapshots and traces now, recordings by the same rule. Standard library only.

A name is `Class.test[params]`. One that a file system would change, refuse or fold gets an 8-digit hash of itself as it was, so that two
tests never share a file. The dotted identifiers in front are kept whole wherever that is possible, because syrupy relates a file to its
test by them. Pinned by `tests/test_naming.py`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from typing import Final

__all__ = ["LONGEST", "LONGEST_IDENTIFIERS", "file_stem", "recording_name"]

LONGEST: Final = 120
"""UTF-8 bytes of a name before it is cut and hashed."""

LONGEST_IDENTIFIERS: Final = 200
"""UTF-8 bytes of the identifiers in front that a cut leaves alone: with hash and extension, file systems take 255."""

_UNSAFE: Final = re.compile(r"[^\w.,=+@()\[\] -]")
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices."""

_IDENTIFIERS: Final = re.compile(r"[\w.]*")


def file_stem(name: str, *, others: Collection[str] = (), identifiers: int = LONGEST_IDENTIFIERS) -> str:
    """Return the file name, without extension, for a test.

    Args:
        name: `Class.test[params]`.
        others: Names of the other tests of the same module; one that differs only by case makes the name unsafe.
        identifiers: UTF-8 bytes of the identifiers in front that a cut leaves alone; 0 keeps the whole below `LONGEST`.

    Example:
        >>> file_stem("test_plan[oslo-3]")
        'test_plan[oslo-3]'
        >>> file_stem("test_plan[a/b]")
        'test_plan[a_b]-bcd4eb08'
    """
    safe = _UNSAFE.sub("_", name).strip(" .") or "_"
    lossy = safe != name or bool(_RESERVED.fullmatch(safe)) or len(safe.encode()) > LONGEST
    collides = any(other != name and other.casefold() == name.casefold() for other in others)
    if not lossy and not collides:
        return safe
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{_cut(safe, identifiers)}-{digest}"


def recording_name(name: str, *, others: Collection[str] = ()) -> str:
    """Return the part that a test, or a link, has in the name of a recording, which holds both and has to fit a file system."""
    return file_stem(name, others=others, identifiers=0)


def _cut(safe: str, identifiers: int) -> str:
    found = _IDENTIFIERS.match(safe)
    front = len(found[0].encode()) if found else 0
    longest = max(LONGEST - 9, min(front, identifiers))
    return safe.encode()[:longest].decode("utf-8", "ignore")
