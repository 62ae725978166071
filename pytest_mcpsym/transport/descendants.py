"""What a command leaves behind: processes of the group that it leads, and those that left the group and still have its environment.

On other systems than Linux nothing tells. Pinned by `tests/transport/test_left.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio

from pytest_mcpsym.transport.process import POLL
from pytest_mcpsym.transport.tap import Tap

__all__ = ["MARK", "listening", "note_left"]

MARK: Final = "MCPSYM_PROCESS"
"""Variable that only one command's environment has with its value: who has it too was started by the command, in whatever group."""

_LISTENS: Final = "0A"
"""State of a listening socket in the tables of `/proc`."""


async def note_left(tap: Tap, group: int, mark: str, quiet: float, *, has_group: bool) -> None:
    """Log which processes a command left behind that has ended, once they had time to end by themselves.

    Args:
        tap: Where it is logged.
        group: Number of the command's process, and of the group that it leads.
        mark: What `MARK` is in the command's environment.
        quiet: Seconds for them to end.
        has_group: There is somebody in the group; the number of an empty group may be given to strangers.
    """
    left = processes_of(group, mark, has_group=has_group)
    with anyio.move_on_after(quiet):
        while left:
            await anyio.sleep(POLL)
            left = processes_of(group, mark, has_group=has_group)
    if left:
        tap.note("left", processes=left)


def processes_of(group: int, mark: str, *, has_group: bool = True) -> list[tuple[str, str]]:
    """Return names and circumstances of the processes that a command left behind, sorted; see `note_left`."""
    found: list[tuple[str, str]] = []
    variable = f"{MARK}={mark}".encode()
    for number, name, member_of in _processes(0 if has_group else group):
        away = member_of != group
        # Numbers are given out in rising order: who was started later has a higher one.
        if (not away and has_group) or (number > group and _has(number, variable)):
            found.append((name, ", ".join(filter(None, ["in a process group of its own" if away else "", listening(number)]))))
    return sorted(found)


def _processes(above: int) -> Iterator[tuple[int, str, int]]:
    """Yield number, name and group of each process with a number above some other that runs, on Linux."""
    with suppress(OSError):
        for entry in Path("/proc").iterdir():
            number = int(entry.name) if entry.name.isdecimal() else 0
            if number > above:
                with suppress(OSError, ValueError):
                    stat = Path(f"/proc/{number}/stat").read_text("utf-8", "replace")
                    name, _, rest = stat.partition(" (")[2].rpartition(") ")
                    state, _parent, member_of, *_ = rest.split()
                    if state != "Z":
                        yield number, name, int(member_of)


def _has(number: int, variable: bytes) -> bool:
    with suppress(OSError):
        return variable in Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
    return False


def listening(number: int) -> str:
    """Return the ports on which a process listens, on Linux; a text for a sentence."""
    owned: set[str] = set()
    with suppress(OSError):
        for link in Path(f"/proc/{number}/fd").iterdir():
            with suppress(OSError):
                owned.add(str(link.readlink()))
    ports: set[int] = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for row in Path(f"/proc/{number}/net/{table}").read_text().splitlines()[1:]:
                fields = row.split()
                if fields[3] == _LISTENS and f"socket:[{fields[9]}]" in owned:
                    ports.add(int(fields[1].rpartition(":")[2], 16))
    return f"listens on port {', '.join(map(str, sorted(ports)))}" if ports else ""
