"""Where a fault cuts bytes. Pure; pinned by `tests/faults/test_pieces.py`."""

from __future__ import annotations

import re
from typing import Final

from pytest_mcpsym.faults.fault import Fault

__all__ = ["pieces"]

_FRAMING: Final = re.compile(rb"(?=\n)|^da(?=ta:)", re.MULTILINE)
"""Before a newline, so also between CR and LF, and inside the name of the field `data`."""


def pieces(fault: Fault, data: bytes) -> list[bytes]:
    """Cut bytes as a `split` wants it: evenly; or inside of characters, or of what frames them, as far as there are any."""
    most = int(fault.number("pieces")) - 1
    if fault.text("at") == "character":
        places = [place for place, byte in enumerate(data) if place and byte & 0xC0 == 0x80]
    elif fault.text("at") == "framing":
        places = [found.end() for found in _FRAMING.finditer(data) if 0 < found.end() < len(data)]
    else:
        places = []
    size = -(-len(data) // (most + 1)) or 1
    cuts = places[:most] or list(range(size, len(data), size))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
