"""What JavaScript makes of numbers and addresses, where it shows on the wire. Pinned by `tests/fakes/test_everything.py`."""

from __future__ import annotations

import re
from decimal import Decimal
from urllib.parse import quote

__all__ = ["address", "plain", "spelled"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_NEEDS_HOST = re.compile(r"(?:https?|ftp|wss?)", re.IGNORECASE)
_KEPT = "%/:?#[]@!$&'()*+,;=|~^`"
_LARGEST_SPELLED_OUT = 1e21


def plain(value: float) -> int | float:
    """Return a number as JSON has it: without a fraction where there is none."""
    return int(value) if value.is_integer() and abs(value) < _LARGEST_SPELLED_OUT else value


def spelled(value: float) -> str:
    """Return what `String(value)` is."""
    if value.is_integer() and abs(value) < _LARGEST_SPELLED_OUT:
        return str(int(value))
    digits, _, power = repr(value).partition("e")
    if not power:
        return "Infinity" if digits == "inf" else "-Infinity" if digits == "-inf" else digits
    exponent = int(power)
    if -7 < exponent < 0:
        return format(Decimal(repr(value)), "f")
    return f"{digits}e{'+' if exponent > 0 else '-'}{abs(exponent)}"


def address(text: str) -> str | None:
    """Return what `new URL(text)` is as a text; None where it throws."""
    found = _SCHEME.fullmatch(text.strip())
    if found is None:
        return None
    scheme, rest = found.groups()
    if _NEEDS_HOST.fullmatch(scheme) and not rest.lstrip("/\\"):
        return None
    return scheme.lower() + ":" + quote(rest, safe=_KEPT)
