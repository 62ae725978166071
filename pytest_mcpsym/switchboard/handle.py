"""What `board.link(name)` returns: one link of an open board, as far as a test reaches into it.

Pinned by `tests/faults/test_links.py`.
"""

from __future__ import annotations

from typing import cast

from pytest_mcpsym.faults.active import Applied, Faults
from pytest_mcpsym.faults.fault import Fault, fault, parse

__all__ = ["LinkHandle"]


class LinkHandle:
    """One link of an open board.

    Attributes:
        name: Its name.
    """

    def __init__(self, name: str, faults: Faults) -> None:
        self.name = name
        self._faults = faults

    def fault(self, kind: str | Fault, direction: str | None = None, method: str = "*", **options: object) -> Applied:
        """Do something to the messages of this link on purpose, from now on, or in a `with` block until its end.

        Args:
            kind: What is done, as in `"drop"`; or the whole fault as text, as in `"drop to-client tools/call nth=2"`.
            direction: `to-server` or `to-client`; default what is usual for the kind.
            method: Pattern over methods, with `*`; an answer has the method of its request.
            options: What the kind takes, and which of the messages it is done to: `nth`, `every`, `times`, `chance`, `what`, `id`, `seed`.

        Raises:
            UsageError: There is no such fault, it takes no such option, or it does not fit the link's transport.

        Example:
            ```python
            with board.link("weather").fault("delay", "to-client", "tools/call", seconds=0.2) as late:
                board.call("weather__forecast", city="Oslo")
            assert late.count == 1
            ```
        """
        if isinstance(kind, Fault):
            return self._faults.add(kind)
        if isinstance(cast("object", kind), str) and " " in kind and direction is None and method == "*" and not options:
            return self._faults.add(parse(kind))
        return self._faults.add(fault(kind, direction, method, **options))
