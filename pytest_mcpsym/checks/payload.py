"""Checks that data passes through a server as it came. Pinned by `tests/checks/test_payload.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pytest_mcpsym.checks.finding import Finding, Registry, View, check
from pytest_mcpsym.checks.wording import called
from pytest_mcpsym.wire.exchange import Exchange
from pytest_mcpsym.wire.frame import Frame

__all__ = ["PAYLOAD", "number_rounded"]

_LONG: Final = re.compile(rb"(?<![\w.])-?\d{16,40}(?![\w.])")
"""Integers that a double may not hold."""
_NUMBER: Final = re.compile(rb"(?<![\w.-])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])")
_NINES: Final = bytes(b"9"[0] if byte in b"0123456789" else byte for byte in range(256))
_SIXTEEN: Final = b"9" * 16


@check(
    "payload:number-rounded",
    severity="error",
    sentence="An integer is handed on with all its digits.",
    source="https://www.rfc-editor.org/rfc/rfc8259#section-6",
)
def number_rounded(view: View) -> Iterator[Finding]:
    """Find integers that came back, or went on to another server, as the nearest double."""
    numbers = _Numbers(view.log.frames)
    if not numbers.any:
        return
    for exchange in view.correlation.exchanges:
        if exchange.response is not None:
            yield from _rounded(view, numbers, exchange, exchange.request, exchange.response)
    for parent in view.hops:
        for hop in parent.children:
            if hop.via is None or hop.via is hop.exchange:
                continue
            yield from _rounded(view, numbers, hop.via, parent.exchange.request, hop.via.request)
            if hop.via.response is not None and parent.exchange.response is not None:
                yield from _rounded(view, numbers, parent.exchange, hop.via.response, parent.exchange.response)


def _rounded(view: View, numbers: _Numbers, exchange: Exchange, source: Frame, copy: Frame) -> Iterator[Finding]:
    """Compare what came with what was made of it."""
    lossy = numbers.lossy(source)
    came = {number for near in lossy.keys() & numbers.all(copy) for number in lossy[near]} if lossy else ()
    for number in sorted(came):
        if number not in numbers.long(copy):
            near = min(_spelled(number), key=len).decode()
            text = f"{exchange.link}: {number.decode()} became {near} in {called(exchange)}"
            yield number_rounded.finding(text, (source, copy), exchange.link, view.route(exchange))


def _spelled(number: bytes) -> tuple[bytes, bytes]:
    """Return how the nearest double is written, with and without an exponent."""
    near = float(number)
    return str(int(near)).encode(), repr(near).encode()


_TOGETHER: Final = 1000
"""Frames that are looked through at once."""


def _with_sixteen_digits(frames: Sequence[Frame]) -> Iterator[int]:
    """Yield the `seq` of each frame with sixteen digits in a row, which takes a small part of the time that a pattern would."""
    for start in range(0, len(frames), _TOGETHER):
        some = frames[start : start + _TOGETHER]
        if _SIXTEEN in b" ".join([frame.data for frame in some]).translate(_NINES):
            yield from (frame.seq for frame in some if _SIXTEEN in frame.data.translate(_NINES))


class _Numbers:
    """The numbers in frames, each frame read once: a large one may be compared with many.

    Args:
        frames: The frames, of which hardly any has a long number.
    """

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._suspects = frozenset(_with_sixteen_digits(frames))
        self._long: dict[int, frozenset[bytes]] = {}
        self._lossy: dict[int, Mapping[bytes, list[bytes]]] = {}
        self._all: dict[int, frozenset[bytes]] = {}

    @property
    def any(self) -> bool:
        """Whether there may be an integer in any frame that a double may not hold."""
        return bool(self._suspects)

    def long(self, frame: Frame) -> frozenset[bytes]:
        """Return the integers in a frame that a double may not hold."""
        if frame.seq not in self._suspects:
            return frozenset()
        found = self._long.get(frame.seq)
        if found is None:
            found = self._long[frame.seq] = frozenset(_LONG.findall(frame.data))
        return found

    def lossy(self, frame: Frame) -> Mapping[bytes, list[bytes]]:
        """Return the integers in a frame that no double holds, by the spellings of the nearest."""
        if frame.seq not in self._suspects:
            return {}
        found = self._lossy.get(frame.seq)
        if found is None:
            found = self._lossy[frame.seq] = {}
            for number in self.long(frame):
                if int(float(number)) != int(number):
                    for near in _spelled(number):
                        found.setdefault(near, []).append(number)
        return found

    def all(self, frame: Frame) -> frozenset[bytes]:
        """Return all numbers in a frame."""
        found = self._all.get(frame.seq)
        if found is None:
            found = self._all[frame.seq] = frozenset(_NUMBER.findall(frame.data))
        return found


PAYLOAD: Final = Registry((number_rounded,))
"""All checks of this family."""
