"""All faults at once: what a test is parametrised with that says which of them a server or a client survives.

Pinned by `tests/faults/test_every.py`.
"""

from __future__ import annotations

import difflib

from pytest_mcpsym.errors import UsageError
from pytest_mcpsym.faults.fault import Fault, fault
from pytest_mcpsym.faults.kinds import DIRECTIONS, KINDS, SELECTORS, TRANSPORTS

__all__ = ["every_fault"]


def every_fault(
    transport: str = "memory", direction: str | None = None, method: str = "*", *, ends: bool = True, **options: object
) -> tuple[Fault, ...]:
    """Return each fault that can be done on a transport, in each direction.

    Args:
        transport: `memory`, `stdio`, `http`; or `mcpsym serve` and `mcpsym serve over HTTP`, for a client under test.
        direction: `to-server` or `to-client` alone.
        method: Pattern over methods, with `*`.
        ends: With those that end the connection, which no server survives.
        options: What each of them is given that takes it, such as `times=1` or `seconds=0.05`.

    Raises:
        UsageError: There is no such transport or direction, or an option that no fault takes.

    Example:
        ```python
        @pytest.mark.parametrize("fault", every_fault("stdio", "to-server", "tools/call", times=1), ids=str)
        ```
    """
    if transport not in TRANSPORTS:
        near = difflib.get_close_matches(transport, TRANSPORTS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"there is no transport {transport!r}{hint}; there are {', '.join(TRANSPORTS)}")
    if direction not in (None, *DIRECTIONS):
        raise UsageError(f"{direction!r} is no direction; use {' or '.join(DIRECTIONS)}")
    known = {*SELECTORS, *(name for kind in KINDS.values() for name in kind.options)}
    for name in options:
        if name not in known:
            raise UsageError(f"no fault has an option {name!r}; there are {', '.join(sorted(known))}")
    return tuple(
        fault(name, way, method, **{key: value for key, value in options.items() if key in (*kind.options, *SELECTORS)})
        for name, kind in KINDS.items()
        if kind.fits(transport) and (ends or not kind.ends)
        for way in kind.directions
        if direction in (None, way) and (way, transport) not in kind.never
    )
