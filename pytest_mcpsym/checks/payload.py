"""Checks that data passes through a server as it came, and that what is large does not pass through a context. Pinned by `tests/checks/test_payload.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pytest_mcpsym.checks.finding import Finding, Registry, View, check
from pytest_mcpsym.checks.loss import Loss, loss, lost_in_answer
from pytest_mcpsym.checks.wording import called, shown
from pytest_mcpsym.wire.exchange import Exchange
from pytest_mcpsym.wire.frame import Frame
from pytest_mcpsym.wire.payload import largest_payload
from pytest_mcpsym.wire.placement import ROUTED

__all__ = ["PAYLOAD", "changed", "inlined", "number_rounded"]

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


@check(
    "payload:changed",
    severity="error",
    sentence="What a server hands on, or gives back, it does not change: no letter, no digit, no member.",
    source="https://www.rfc-editor.org/rfc/rfc8259#section-8.2; https://www.rfc-editor.org/rfc/rfc8259#section-6",
)
def changed(view: View) -> Iterator[Finding]:
    """Find objects that came back, or went on to another server, or came from it, all alike but for what software loses by accident.

    That is a lone surrogate, a letter's composition, digits of a fraction; on a route a `null`, an order (a warning) or a field of a
    content block. What differs otherwise is no copy.
    """
    for exchange in view.correlation.exchanges:
        if exchange.response is not None and "structuredContent" in exchange.response.message.result:
            came = exchange.request.message.params.get("arguments")
            lost = loss(came, exchange.response.message.result["structuredContent"], routed=False)
            yield from _changed(view, exchange, exchange.request, exchange.response, lost)
    for parent in view.routes.walk():
        for hop in parent.children:
            asked = hop.via or hop.exchange
            if hop.refused or hop.method not in ROUTED:
                continue
            sent = asked.request.message.params.get("arguments")
            came = parent.exchange.request.message.params.get("arguments")
            yield from _changed(view, asked, parent.exchange.request, asked.request, loss(came, sent, routed=True))
            told, answer = asked.response, view.concluded(parent.exchange).response
            if told is not None and answer is not None:
                yield from _changed(
                    view, parent.exchange, told, answer, lost_in_answer(told.message.result, answer.message.result)
                )


def _changed(view: View, exchange: Exchange, source: Frame, copy: Frame, lost: Loss | None) -> Iterator[Finding]:
    if lost is not None:
        text = f"{exchange.link}: {lost.what} in {called(exchange)}"
        severity = "warning" if lost.slight else "error"
        yield changed.finding(text, (source, copy), exchange.link, view.route(exchange), severity)


_IN_TEXT: Final = 64 * 1024
"""Bytes of base64 in a text, an argument or a structured result that are too many: nobody reads them there."""
_IN_BLOCK: Final = 1024 * 1024
"""Bytes of base64 in a content block made for them that are too many."""


@check(
    "payload:inlined",
    severity="warning",
    sentence="What is large is handed on by resource link, and not as base64: 64 KiB of it in a text, 1 MiB in an image, a sound or a blob.",
    source="https://modelcontextprotocol.io/specification/2025-11-25/server/tools#resource-links",
)
def inlined(view: View) -> Iterator[Finding]:
    """Find base64 in what servers answer to calls and ask for. What was read as a resource was asked for, and the test sends what it likes."""
    for frame in view.log.frames:
        if frame.direction == "to-server" or len(frame.data) < _IN_TEXT:
            continue
        owner = view.correlation.owner(frame)
        payload = None if owner is None or owner.method == "resources/read" else largest_payload(frame, _IN_TEXT)
        if owner is None or payload is None or payload.bytes < (_IN_BLOCK if payload.where.endswith(_BLOCKS) else _IN_TEXT):
            continue
        text = (
            f"{frame.link}: {payload.bytes:,} bytes of base64 stand in {called(owner)} as {shown(payload.where)}; a resource link takes "
            f"its URI alone"
        )
        yield inlined.finding(text, (frame,), frame.link, view.route(owner))


_BLOCKS: Final = (".data", ".blob")
"""Members of content blocks that are made for base64."""

PAYLOAD: Final = Registry((number_rounded, changed, inlined))
"""All checks of this family."""
